//! Many isolates on one machine: how a busy version spreads, what memory holds, and what is left
//! of isolates that have gone.

mod drop;
mod memory;
mod replace;
mod spread;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bindery_dispatcher::line::Line;
use tokio::task::JoinSet;

use crate::host::{Doors, Host, SOON, Worker, moment, within};

/// A worker whose handler has this body.
fn handler(body: &str) -> Worker {
    Worker::new(format!("export default {{ async fetch(request, env, ctx) {{ {body} }} }};"))
}

/// Waits until something that has no event of its own is so.
async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    within(SOON, what, async {
        while !is_so().await {
            moment().await;
        }
    })
    .await;
}

/// The lines of the isolates of a tenant's worker `main`.
async fn lines(host: &Host, tenant: &str) -> Vec<Arc<Line>> {
    let id = host.server().registry().tenant_id(tenant).await.expect("a tenant");
    host.server().placement().lines_of(id, "main")
}

/// Names of tenants, all different.
fn tenants(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("t{number}")).collect()
}

/// Deploys a worker for each tenant.
async fn deploy_all(host: &Host, tenants: &[String], worker: &Worker) {
    for tenant in tenants {
        host.deploy(tenant, worker).await;
    }
}

/// Asks each of these once, all at the same time; every answer must be good.
async fn ask_all(host: &Host, tenants: &[String]) -> Vec<String> {
    let mut asked = JoinSet::new();
    for tenant in tenants {
        let (doors, tenant): (Doors, _) = ((**host).clone(), tenant.clone());
        asked.spawn(async move { doors.get(&tenant, "/").await.expect_status(200).text() });
    }
    asked.join_all().await
}

/// Clients that ask without a pause until they are told to stop. Every answer must be good.
struct Asking {
    clients: JoinSet<u32>,
    stop: Arc<AtomicBool>,
}

impl Asking {
    fn start(host: &Host, tenant: &'static str, client_count: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        for _ in 0..client_count {
            let (doors, stop): (Doors, _) = ((**host).clone(), stop.clone());
            clients.spawn(async move {
                let mut count = 0;
                while !stop.load(Ordering::Relaxed) {
                    // No method is repeated by the server unless nothing of it has run.
                    doors.post(tenant, "/", "x").await.expect_status(200);
                    count += 1;
                }
                count
            });
        }
        Self { clients, stop }
    }

    async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        let counts = self.clients.join_all().await;
        assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
    }
}

/// The first of these numbers, and each time the next: the same in every run, in no order.
struct Dice(u64);

impl Dice {
    fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % count as u64).expect("below a count")
    }
}
