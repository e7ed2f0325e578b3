//! The rounds: load, `kill -9`, start again, look; and what must hold at the end.

use std::collections::BTreeSet;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::ledger::Ledger;
use crate::host::{Doors, Program, Worker, moment, within};

const TENANT: &str = "demo";
/// Clients that put.
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
    /// Times of the cron that ran.
    pub(crate) crons: usize,
}

impl Seen {
    /// The same by name.
    pub(crate) fn figures(&self) -> [(&'static str, f64); 2] {
        [("puts", self.puts), ("crons", self.crons)].map(|(name, count)| (name, count as f64))
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
    Worker::new(include_str!("worker.js"))
        .binding(json!({ "type": "kv_namespace", "name": "LEDGER", "namespace_id": "ledger" }))
        .metadata("crons", json!(["* * * * *"]))
}

/// Clients that put until their server is gone.
fn load(doors: &Doors, ledger: &Ledger, round: usize) -> JoinSet<()> {
    let mut clients = JoinSet::new();
    for client in 0..CLIENT_COUNT {
        let (doors, ledger) = (doors.clone(), ledger.clone());
        clients.spawn(async move {
            for number in 0.. {
                let id = format!("{round}-{client}-{number}");
                if !is_durable(&doors, &format!("/put/{id}")).await {
                    return;
                }
                ledger.entries().puts.insert(id);
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

/// The cron still runs, and each of its times that was run is a whole minute.
async fn end(mut program: Program, ledger: &Ledger) -> Seen {
    let begun_ms = now_ms();
    let crons = within(LONG, "the cron", async {
        loop {
            let times = keys(&program, "cron").await;
            let times: Vec<u64> = times.iter().filter_map(|time| time.parse().ok()).collect();
            if times.iter().any(|at_ms| *at_ms > begun_ms) {
                return times;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    })
    .await;
    assert!(crons.iter().all(|at_ms| at_ms % 60_000 == 0), "{crons:?}");
    assert_eq!(program.terminate().await, Some(0));
    Seen { puts: ledger.entries().puts.len(), crons: crons.len() }
}

#[expect(clippy::disallowed_methods, reason = "compared with what the program's own clock told")]
fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}
