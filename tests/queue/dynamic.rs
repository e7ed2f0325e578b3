//! Queues that a worker names as it runs.

use serde_json::json;

use super::{ask, batches, batches_until, empty, held, producer, worker};
use crate::host::{Host, SOON, moment, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handle_with_options_makes_a_queue_and_its_consumer() {
    let host = Host::new().start().await;
    host.deploy("demo", &producer("other")).await;
    let options = json!({ "maxBatchSize": 2, "maxBatchTimeout": 60, "maxRetries": 0,
        "deadLetterQueue": "dead", "deliveryDelay": 0 });
    let messages = json!([{ "body": { "then": "retry" } }, { "body": 2 }]);
    let asked = json!({ "queue": "jobs-7", "options": options, "messages": messages });
    ask(&host, "demo", asked).await;
    let seen = batches_until(&host, "demo", 1).await;
    assert_eq!(held(&seen[0]), [(json!({ "then": "retry" }), 1), (json!(2), 1)]);
    assert_eq!(seen[0]["queue"], "jobs-7");
    empty(&host, "demo", "jobs-7").await;
    let dead = ask(&host, "demo", json!({ "queue": "dead", "metrics": true })).await;
    assert_eq!(dead["backlogCount"], 1);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_spoke_last_counts_and_what_a_version_declares_counts_more() {
    let host = Host::new().start().await;
    host.deploy("demo", &producer("other")).await;
    host.deploy("demo", &producer("other").name("second")).await;
    let with = |consumer: serde_json::Value, n: u32| {
        let options = json!({ "consumer": consumer, "maxBatchTimeout": 0 });
        json!({ "queue": "jobs", "options": options, "messages": [{ "body": n }] })
    };
    ask(&host, "demo", with(json!({ "entrypoint": "Other" }), 1)).await;
    let seen = batches_until(&host, "demo", 1).await;
    assert_eq!(seen[0]["export"], "Other");
    ask(&host, "demo", with(json!("second"), 2)).await;
    let seen = batches_until(&host, "demo", 2).await;
    assert_eq!(seen[1]["export"], json!(null));
    let by = |worker: &'static str| {
        move |record: &serde_json::Value| {
            record["kind"] == "outcome" && record["worker"] == worker && record["queue"] == "jobs"
        }
    };
    host.logs_until("demo", by("second")).await;
    ask(&host, "demo", with(json!({ "service": "second", "entrypoint": "Other" }), 3)).await;
    assert_eq!(batches_until(&host, "demo", 3).await[2]["export"], "Other");
    host.deploy("demo", &worker("jobs", json!({ "max_batch_timeout": 0 })).name("third")).await;
    let refused = ask(&host, "demo", with(json!("second"), 4)).await;
    let error = refused["error"].as_str().expect("an error");
    assert!(error.contains("the worker `third` declares"), "{error}");
    ask(&host, "demo", json!({ "queue": "jobs", "messages": [{ "body": 5 }] })).await;
    host.logs_until("demo", by("third")).await;
    assert_eq!(batches(&host, "demo").await.len(), 4);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn options_that_are_wrong_are_refused_by_name_and_change_nothing() {
    let host = Host::new().start().await;
    host.deploy("demo", &producer("other")).await;
    for (options, wanted) in [
        (json!({ "maxBatchSize": 101 }), "maxBatchSize must be a number from 1 to 100"),
        (json!({ "maxRetries": -1 }), "maxRetries must be a number from 0 to 100"),
        (json!({ "deadLetterQueue": "jobs" }), "can not take its own dead letters"),
        (json!({ "consumer": "No Name" }), "is not a name"),
    ] {
        let asked = json!({ "queue": "jobs", "options": options, "messages": [{ "body": 1 }] });
        let refused = ask(&host, "demo", asked).await;
        let error = refused["error"].as_str().expect("an error");
        assert!(error.contains(wanted), "{error}");
    }
    let left = ask(&host, "demo", json!({ "queue": "jobs", "metrics": true })).await;
    assert_eq!(left["backlogCount"], 0);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_wait_for_a_consumer_that_is_not_there_yet() {
    let host = Host::new().still_clock().start().await;
    host.deploy("demo", &producer("other")).await;
    let options = json!({ "consumer": "later", "maxBatchTimeout": 0, "maxRetries": 0 });
    ask(&host, "demo", json!({ "queue": "jobs", "options": options, "one": 1 })).await;
    for _ in 0..50 {
        host.clock().advance(std::time::Duration::from_secs(10));
        moment().await;
    }
    host.deploy("demo", &producer("other").name("later")).await;
    // Nobody looks all the time whether the consumer is there.
    let delivered = async {
        while batches(&host, "demo").await.is_empty() {
            host.clock().advance(std::time::Duration::from_secs(10));
            moment().await;
        }
    };
    within(SOON, "a batch", delivered).await;
    assert_eq!(held(&batches(&host, "demo").await[0]), [(json!(1), 1)], "it has not failed");
    host.shutdown().await;
}
