//! What happens to messages when isolates, cordons and the server die.

use std::time::Duration;

use serde_json::json;

use super::{ask, batches, batches_until, empty, held, producer, worker};
use crate::host::{Host, Program, SOON, moment, within};

/// The consumer runs though isolate, cordon and process that registered it are gone, and nobody
/// asks for anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_a_worker_named_runs_after_a_restart_with_no_request_from_anybody() {
    let mut host = Host::new().still_clock().start().await;
    host.deploy("demo", &producer("other")).await;
    let options = json!({ "consumer": { "entrypoint": "Other" }, "maxBatchTimeout": 0 });
    let asked = json!({ "queue": "jobs", "options": options, "one": "late", "delaySeconds": 3600 });
    ask(&host, "demo", asked).await;
    host.restart().await;
    let seen = super::comes_after(&host, ("demo", 1), (3_600_000, 60_000)).await;
    assert_eq!((&seen[0]["export"], held(&seen[0])), (&json!("Other"), vec![(json!("late"), 1)]));
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ran_when_the_program_was_killed_is_delivered_again_and_what_was_settled_is_not() {
    let mut program = Program::start_with(&[]).await;
    let consumer = json!({ "max_batch_size": 1, "max_concurrency": 8 });
    program.deploy("demo", &worker("jobs", consumer)).await;
    ask(&program, "demo", json!({ "one": "settled" })).await;
    empty(&program, "demo", "jobs").await;
    let forever = json!({ "then": "forever" });
    ask(&program, "demo", json!({ "one": forever })).await;
    batches_until(&program, "demo", 2).await;
    program.kill().await;
    program.again().await;
    // Nobody asks: the log is in memory, so it begins with the new process.
    let seen = batches_until(&program, "demo", 1).await;
    assert_eq!(held(&seen[0]), [(forever, 2)]);
    program.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_kills_its_cordon_ends_as_a_dead_letter_and_never_runs_hot() {
    let host = Host::new().start().await;
    let consumer = json!({ "max_batch_size": 1, "max_retries": 2, "dead_letter_queue": "dead" });
    host.deploy("demo", &worker("jobs", consumer)).await;
    host.deploy("calm", &worker("jobs", json!({ "max_batch_timeout": 0 }))).await;
    // Later, so that the isolate which sends it has answered.
    ask(&host, "demo", json!({ "one": { "then": "kill" }, "delaySeconds": 1 })).await;
    let dead = async {
        loop {
            // Not through a worker of the tenant's, which may be what is being killed.
            let dead = host.admin("GET", "/v1/tenants/demo/queues/dead").send().await;
            if dead.status == 200 && dead.json()["backlog_count"] == 1 {
                return;
            }
            moment().await;
        }
    };
    let since = std::time::Instant::now();
    within(SOON, "a dead letter", dead).await;
    assert!(since.elapsed() >= Duration::from_secs(3), "it waits longer each time");
    assert_eq!(host.cordon_death_count(), 3);
    ask(&host, "calm", json!({ "one": 1 })).await;
    batches_until(&host, "calm", 1).await;
    assert_eq!(batches(&host, "calm").await.len(), 1);
    host.shutdown().await;
}
