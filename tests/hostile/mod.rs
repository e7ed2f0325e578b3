//! What a tenant can do to itself, and that it can do it to nobody else.
//!
//! Each case says the exact failure that the client sees and the record in the offender's own
//! log. While the cases run, a neighbour in the same cordon and one in the other are asked
//! without a pause: not one of their requests may fail.

mod cpu;
mod death;
mod logs;
mod memory;
mod messages;
mod pollution;
mod realm;
mod startup;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::host::{Answer, Doors, Host, Worker};

const HELLO: &str = "export default { fetch() { return new Response('hello'); } };";
/// The tenant that misbehaves.
const EVIL: &str = "evil";

/// A server with an offender and two neighbours under load.
struct Scene {
    host: Host,
    stop: Arc<AtomicBool>,
    load: JoinSet<()>,
    served: Arc<[AtomicU64; 2]>,
    failed: Arc<AtomicU64>,
}

impl Scene {
    async fn start() -> Self {
        let host = Host::new().start().await;
        host.deploy(EVIL, &Worker::new(HELLO)).await;
        let (near, far) = neighbours(&host).await;
        let mut scene = Self {
            host,
            stop: Arc::default(),
            load: JoinSet::new(),
            served: Arc::default(),
            failed: Arc::default(),
        };
        scene.ask(0, near);
        scene.ask(1, far);
        scene
    }

    /// Asks a neighbour, one request after the other, until the end.
    fn ask(&mut self, which: usize, tenant: String) {
        let doors: Doors = (*self.host).clone();
        let (stop, served, failed) = (self.stop.clone(), self.served.clone(), self.failed.clone());
        self.load.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let answer = doors.get(&tenant, "/").await;
                if (answer.status, answer.body.as_slice()) == (200, b"hello") {
                    served[which].fetch_add(1, Ordering::Relaxed);
                } else {
                    failed.fetch_add(1, Ordering::Relaxed);
                    assert_eq!(answer.status, 200, "the neighbour {tenant} got {answer}");
                }
            }
        });
    }

    /// Has the offender run a handler under limits, and gives what the client saw.
    async fn commit(&self, body: &str, limits: Value) -> Answer {
        self.run(&Worker::new(handler(body)).limits(limits)).await
    }

    /// Has the offender run a worker, and gives what the client saw.
    async fn run(&self, worker: &Worker) -> Answer {
        self.host.deploy(EVIL, worker).await;
        self.host.get(EVIL, "/").await
    }

    /// Has the offender run a handler and checks what the client and the log are told.
    async fn convict(&self, crime: &Crime) {
        let answer = self.commit(crime.body, crime.limits.clone()).await;
        let seen = (answer.status, answer.code(), answer.outcome().map(str::to_owned));
        let expected = (crime.status, crime.code.to_owned(), Some(crime.outcome.to_owned()));
        assert_eq!(seen, expected, "{}: {answer}", crime.body);
        let records = records_of(&self.host, &answer).await;
        let outcome = records.last().expect("an outcome");
        assert_eq!(outcome["outcome"], crime.outcome, "{}: {records:#?}", crime.body);
        let told = |record: &&Value| {
            record["kind"] == "exception"
                && record["message"].as_str().is_some_and(|text| text.contains(crime.message))
        };
        assert!(records.iter().find(told).is_some(), "{}: {records:#?}", crime.body);
    }

    /// Stops the load: nobody may have failed, and both must have been served.
    async fn end(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.load.join_next().await {
            ended.expect("a neighbour was not served");
        }
        assert_eq!(self.failed.load(Ordering::Relaxed), 0);
        for served in self.served.iter() {
            assert!(served.load(Ordering::Relaxed) > 0, "a neighbour was never asked");
        }
        self.host.shutdown().await;
    }
}

/// What an offender does in its handler, and what follows for it.
struct Crime {
    body: &'static str,
    limits: Value,
    status: u16,
    code: &'static str,
    outcome: &'static str,
    /// A part of the exception's message in the log.
    message: &'static str,
}

impl Crime {
    fn cpu(body: &'static str) -> Self {
        Self {
            body,
            limits: json!({ "cpu_ms": 100 }),
            status: 503,
            code: "EXCEEDED_CPU",
            outcome: "exceededCpu",
            message: "Worker exceeded CPU time limit.",
        }
    }

    fn memory(body: &'static str) -> Self {
        Self {
            body,
            limits: json!({ "cpu_ms": 20_000, "memory_mb": 48 }),
            status: 503,
            code: "EXCEEDED_MEMORY",
            outcome: "exceededMemory",
            message: "Worker exceeded memory limit.",
        }
    }

    fn exception(body: &'static str, message: &'static str) -> Self {
        Self {
            body,
            limits: json!({ "cpu_ms": 10_000 }),
            status: 500,
            code: "EXCEPTION",
            outcome: "exception",
            message,
        }
    }
}

/// A worker whose handler has this body.
fn handler(body: &str) -> String {
    format!("export default {{ async fetch(request, env, ctx) {{ {body} }} }};")
}

/// The offender's records of one request, up to its outcome.
async fn records_of(host: &Doors, answer: &Answer) -> Vec<Value> {
    let id = answer.header("x-bindery-request").expect("a request's id").to_owned();
    let mut records =
        host.logs_until(EVIL, |r| r["kind"] == "outcome" && r["requestId"] == id.as_str()).await;
    records.retain(|record| record["requestId"] == id.as_str());
    records
}

/// Where a tenant's worker `main` runs.
async fn cordon_of(host: &Host, tenant: &str) -> Option<u32> {
    let id = host.server().registry().tenant_id(tenant).await.expect("a tenant");
    host.server().placement().cordon_of(id, "main")
}

/// Tenants in the offender's cordon and in another one, serving `HELLO`.
async fn neighbours(host: &Host) -> (String, String) {
    let of_evil = cordon_of(host, EVIL).await.expect("the offender is live");
    let (mut near, mut far) = (None, None);
    for number in 0..64 {
        let tenant = format!("neighbour-{number}");
        host.deploy(&tenant, &Worker::new(HELLO)).await;
        let cordon = cordon_of(host, &tenant).await.expect("a neighbour is live");
        let place = if cordon == of_evil { &mut near } else { &mut far };
        place.get_or_insert(tenant);
        if let (Some(near), Some(far)) = (&near, &far) {
            return (near.clone(), far.clone());
        }
    }
    panic!("64 tenants, and all are in one cordon");
}
