//! Crons: run at their time by the server itself, with nobody calling.

mod example;
mod recipe;
mod run;

use std::time::Duration;

use serde_json::{Value, json};

use crate::host::{Host, SOON, Worker, moment, within};

const TENANT: &str = "demo";
/// The whole minute after the one in which a still clock begins.
const FIRST_MS: u64 = 1_800_000_060_000;
/// Every minute.
const MINUTELY: &str = "* * * * *";

/// A worker with a `scheduled` handler of this body, and these crons.
fn worker(body: &str, crons: &[&str]) -> Worker {
    let source = format!(
        "export default {{ async scheduled(controller, env, ctx) {{ \
            console.log('ran', controller.cron, controller.scheduledTime); {body} }} }};"
    );
    Worker::new(source).metadata("crons", json!(crons))
}

/// A server whose clock stands still.
async fn start() -> Host {
    Host::new().still_clock().start().await
}

fn advance(host: &Host, seconds: u64) {
    host.clock().advance(Duration::from_secs(seconds));
}

/// The crons of the worker `main`, as they are shown.
async fn crons(host: &Host) -> Value {
    let path = format!("/v1/tenants/{TENANT}/workers/main/crons");
    host.admin("GET", &path).send().await.expect_status(200).json()["crons"].clone()
}

/// Waits until what is shown of the first cron is so.
async fn shown(host: &Host, is_so: impl Fn(&Value) -> bool) -> Value {
    let wait = async {
        loop {
            let cron = crons(host).await[0].clone();
            if is_so(&cron) {
                return cron;
            }
            moment().await;
        }
    };
    within(SOON, "a settled cron", wait).await
}

/// The occurrences that were run since the server started, as the worker told them.
async fn ran(host: &Host) -> Vec<u64> {
    let records = host.logs(TENANT).await;
    let told = records.iter().filter(|record| record["message"][0] == "ran");
    told.filter_map(|record| record["message"][2].as_u64()).collect()
}
