//! The rounds: load, `kill -9`, start again, look; and what must hold at the end.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use bindery_storage::embedded::Embedded;
use bindery_storage::engine::Engine;
use bindery_storage::tables::{QueueTable, Tenants};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::ledger::{Entries, Ledger, is_poison};
use crate::host::{Doors, Program, Worker, moment, within};

const TENANT: &str = "demo";
/// Clients that put, and as many that send.
const CLIENT_COUNT: usize = 4;
/// What is acknowledged in the shortest round, and how much more in the longest.
const ACKNOWLEDGED: (usize, usize) = (20, 180);
/// How long a round, or the end, may take, in seconds: the cron comes once a minute.
const LONG: u64 = 180;

/// What there was to see at the end.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Puts that were acknowledged.
    pub(crate) puts: usize,
    /// Messages whose sending was acknowledged.
    pub(crate) sends: usize,
    /// Those of them that end as dead letters.
    pub(crate) poison: usize,
    /// Times of the cron that ran.
    pub(crate) crons: usize,
}

impl Seen {
    /// The same by name.
    pub(crate) fn figures(&self) -> [(&'static str, f64); 4] {
        [
            ("puts", self.puts),
            ("messages", self.sends),
            ("dead letters", self.poison),
            ("crons", self.crons),
        ]
        .map(|(name, count)| (name, count as f64))
    }
}

/// Kills the program so many times under load. Panics if what it acknowledged is not there.
pub(crate) async fn run(count: usize) -> Seen {
    let mut program = Program::start_with(&["--cordons", "2"]).await;
    program.deploy(TENANT, &worker()).await;
    let ledger = Ledger::default();
    for round in 0..count {
        // Kills come early and late in what a server does after its start.
        let wanted = ledger.count() + ACKNOWLEDGED.0 + ACKNOWLEDGED.1 * (round % 5) / 4;
        let mut clients = load(&program, &ledger, round);
        within(LONG, "acknowledgements", async {
            while ledger.count() < wanted {
                moment().await;
            }
        })
        .await;
        program.kill().await;
        while clients.join_next().await.is_some() {}
        program.again().await;
        look(&program, &ledger, round).await;
    }
    end(program, &ledger).await
}

fn worker() -> Worker {
    let consumer = |queue: &str| json!({ "queue": queue, "max_batch_size": 5, "max_batch_timeout": 0, "max_retries": 2 });
    let mut jobs = consumer("jobs");
    jobs["dead_letter_queue"] = "dead".into();
    Worker::new(include_str!("worker.js"))
        .binding(json!({ "type": "kv_namespace", "name": "LEDGER", "namespace_id": "ledger" }))
        .binding(json!({ "type": "queue", "name": "JOBS", "queue_name": "jobs" }))
        .metadata("queue_consumers", json!([jobs, consumer("dead")]))
        .metadata("crons", json!(["* * * * *"]))
}

/// Clients that put and send until their server is gone.
fn load(doors: &Doors, ledger: &Ledger, round: usize) -> JoinSet<()> {
    let mut clients = JoinSet::new();
    for client in 0..2 * CLIENT_COUNT {
        let (doors, ledger) = (doors.clone(), ledger.clone());
        clients.spawn(async move {
            for number in 0.. {
                let poison = if number % 7 == 0 { "-poison" } else { "" };
                let id = format!("{round}-{client}-{number}{poison}");
                let sends = client >= CLIENT_COUNT;
                if sends {
                    ledger.entries().begun.insert(id.clone());
                }
                let path = format!("/{}/{id}", if sends { "send" } else { "put" });
                if !is_durable(&doors, &path).await {
                    return;
                }
                let mut entries = ledger.entries();
                let which = if sends { &mut entries.sends } else { &mut entries.puts };
                which.insert(id);
            }
        });
    }
    clients
}

/// Asks the worker for something: whether it said that this is durable before it was killed.
async fn is_durable(doors: &Doors, path: &str) -> bool {
    let asked = async {
        let mut stream = TcpStream::connect(doors.listen).await?;
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {TENANT}.localhost\r\ncontent-length: 0\r\n\
             connection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = within(LONG, "an answer or the end", asked).await.unwrap_or_default();
    answer.starts_with(b"HTTP/1.1 200 ") && answer.ends_with(b"durable")
}

/// What the worker left behind under this word.
async fn keys(doors: &Doors, what: &str) -> BTreeSet<String> {
    let answer = doors.get(TENANT, &format!("/keys/{what}")).await.expect_status(200).json();
    let keys = answer.as_array().expect("a list").iter();
    keys.filter_map(|key| key.as_str().map(str::to_owned)).collect()
}

/// All that was acknowledged before is there at once.
async fn look(doors: &Doors, ledger: &Ledger, round: usize) {
    let kept = keys(doors, "kept").await;
    let entries = ledger.entries();
    let lost: Vec<&String> = entries.puts.difference(&kept).collect();
    assert!(lost.is_empty(), "round {round}: {} puts are lost: {lost:?}", lost.len());
}

/// Everything that was sent is delivered or a dead letter, and settled once; the cron still runs.
async fn end(mut program: Program, ledger: &Ledger) -> Seen {
    let begun_ms = now_ms();
    within(LONG, "all messages and the cron", async {
        loop {
            let (done, dead) = (keys(&program, "jobs").await, keys(&program, "dead").await);
            let cron = keys(&program, "cron").await;
            let ran = cron.iter().any(|at| at.parse::<u64>().is_ok_and(|at| at > begun_ms));
            let settled = |id: &String| if is_poison(id) { &dead } else { &done }.contains(id);
            let all = ledger.entries().sends.iter().all(settled);
            if ran && all && is_empty(&program).await {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    })
    .await;
    let (done, dead) = (keys(&program, "jobs").await, keys(&program, "dead").await);
    let crons = keys(&program, "cron").await.len();
    assert_eq!(program.terminate().await, Some(0));
    let seen = told_apart(&ledger.entries(), (&done, &dead), crons);
    let sent = (done.len() + dead.len()) as u64;
    settled_once(&program.data(), [("jobs", sent), ("dead", dead.len() as u64)]).await;
    seen
}

/// What was taken and what is dead is what was sent, each where it belongs.
fn told_apart(
    entries: &Entries,
    (done, dead): (&BTreeSet<String>, &BTreeSet<String>),
    crons: usize,
) -> Seen {
    let mut all = done.union(dead);
    assert!(all.all(|id| entries.begun.contains(id)), "some were sent by nobody");
    assert!(done.iter().all(|id| !is_poison(id)), "no poison is done with");
    assert!(dead.iter().all(|id| is_poison(id)), "only poison is dead");
    let poison = entries.sends.iter().filter(|id| is_poison(id)).count();
    Seen { puts: entries.puts.len(), sends: entries.sends.len(), poison, crons }
}

/// Whether nothing waits in either queue.
async fn is_empty(doors: &Doors) -> bool {
    let path = format!("/v1/tenants/{TENANT}/queues");
    let queues = doors.admin("GET", &path).send().await.expect_status(200).json();
    let queues = queues["queues"].as_array().cloned().unwrap_or_default();
    queues.iter().all(|queue: &Value| queue["backlog_count"] == 0)
}

/// What came to each queue is what there was to see, and went once each: a settlement that was
/// applied twice, or that no lease stood for, would count more.
async fn settled_once(data: &Path, queues: [(&str, u64); 2]) {
    let engine: Arc<dyn Engine> = Arc::new(Embedded::open(data).expect("a store"));
    let tenant = Tenants::new(engine.clone()).id(TENANT).await.expect("read").expect("a tenant");
    let table = QueueTable::new(engine);
    for (queue, count) in queues {
        let counted = table.counted((tenant, queue)).await.expect("read");
        assert_eq!(counted.came.rows, count, "{queue}: {counted:?}");
        assert_eq!(counted.went, counted.came, "{queue}: each settled once");
    }
}

#[expect(clippy::disallowed_methods, reason = "compared with what the program's own clock told")]
fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}
