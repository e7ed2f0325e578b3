//! From a sender to a consumer: batches, times, attempts and dead letters.

use serde_json::json;

use super::{ask, batches, batches_until, comes_after, empty, held, producer, send, settled};
use super::{settled_until, worker};
use crate::host::{Host, Worker};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_reaches_its_consumer_and_is_gone() {
    let host = Host::new().start().await;
    host.deploy("demo", &worker("jobs", json!({ "max_batch_timeout": 0 }))).await;
    let sent = ask(&host, "demo", json!({ "one": { "n": 1 } })).await;
    let metrics = &sent["metadata"]["metrics"];
    assert_eq!(
        (&metrics["backlogCount"], &metrics["backlogBytes"]),
        (&json!(1), &json!(7)),
        "{sent}"
    );
    let seen = batches_until(&host, "demo", 1).await;
    assert_eq!(held(&seen[0]), [(json!({ "n": 1 }), 1)]);
    assert_eq!(seen[0]["queue"], "jobs");
    let id = seen[0]["messages"][0]["id"].as_str().expect("an id");
    assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
    empty(&host, "demo", "jobs").await;
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_of_every_kind_arrive_as_they_were_sent() {
    let host = Host::new().start().await;
    host.deploy("demo", &worker("jobs", json!({ "max_batch_size": 6 }))).await;
    let long = "x".repeat(120_000);
    let messages = json!([
        { "body": { "a": [1, null, "\u{e9}"] } },
        { "body": "text", "contentType": "text" },
        { "made": "bytes", "contentType": "bytes" },
        { "made": "map", "contentType": "v8" },
        { "body": null },
        { "body": long },
    ]);
    let sent = send(&host, "demo", messages).await;
    assert_eq!(sent["metadata"]["metrics"]["backlogCount"], 6, "{sent}");
    let seen = batches_until(&host, "demo", 1).await;
    let bodies: Vec<_> = held(&seen[0]).into_iter().map(|(body, _)| body).collect();
    let wanted = [
        json!({ "a": [1, null, "\u{e9}"] }),
        json!("text"),
        json!({ "bytes": [1, 2, 255] }),
        json!({ "map": [["a", 5]] }),
        json!(null),
        json!({ "length": 120_000 }),
    ];
    assert_eq!(bodies, wanted);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_goes_when_it_is_full_or_its_oldest_has_waited() {
    let host = Host::new().still_clock().start().await;
    let consumer = json!({ "max_batch_size": 3, "max_batch_timeout": 7 });
    host.deploy("demo", &worker("jobs", consumer)).await;
    let messages: Vec<_> = (1..=4).map(|n| json!({ "body": n })).collect();
    send(&host, "demo", json!(messages)).await;
    let seen = batches_until(&host, "demo", 1).await;
    assert_eq!(held(&seen[0]), [1, 2, 3].map(|n| (json!(n), 1)), "it is full");
    let seen = comes_after(&host, ("demo", 2), (7_000, 500)).await;
    assert_eq!(held(&seen[1]), [(json!(4), 1)]);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_delivered_before_its_delay_is_over() {
    let host = Host::new().still_clock().start().await;
    let consumer = json!({ "max_batch_timeout": 0, "retry_delay": 9 });
    host.deploy("demo", &worker("jobs", consumer)).await;
    let asked = json!({ "messages": [
        { "body": "own", "delaySeconds": 90 }, { "body": "batch" },
    ], "delaySeconds": 60 });
    ask(&host, "demo", asked).await;
    let seen = comes_after(&host, ("demo", 1), (60_000, 1_000)).await;
    assert_eq!(held(&seen[0]), [(json!("batch"), 1)]);
    let seen = comes_after(&host, ("demo", 2), (30_000, 1_000)).await;
    assert_eq!(held(&seen[1]), [(json!("own"), 1)]);
    settled_until(&host, 2.0).await;
    for (retry, wanted_ms) in [
        (json!({ "then": "retry", "delaySeconds": 4 }), 4_000),
        (json!({ "then": "retry" }), 9_000),
        (json!({ "all": "retry", "delaySeconds": 20 }), 20_000),
        (json!({ "then": "throw" }), 9_000),
    ] {
        let (before, settled) = (batches(&host, "demo").await.len(), settled(&host).await);
        ask(&host, "demo", json!({ "one": retry })).await;
        settled_until(&host, settled + 1.0).await;
        let seen = comes_after(&host, ("demo", before + 2), (wanted_ms, 1_000)).await;
        assert_eq!(held(&seen[before + 1]), [(retry.clone(), 2)]);
        let purge = "/v1/tenants/demo/queues/jobs/purge";
        settled_until(&host, settled + 2.0).await;
        host.admin("POST", purge).send().await.expect_status(200);
    }
    host.shutdown().await;
}

/// The trace that the reference observed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_too_often_is_a_dead_letter_with_its_id_and_its_time() {
    let host = Host::new().start().await;
    let consumers = json!([
        { "queue": "jobs", "max_batch_size": 2, "max_batch_timeout": 1, "max_retries": 1,
          "dead_letter_queue": "dead" },
        { "queue": "dead", "max_batch_timeout": 0 },
    ]);
    host.deploy("demo", &producer("jobs").metadata("queue_consumers", consumers)).await;
    let bad = json!({ "then": "retry" });
    send(&host, "demo", json!([{ "body": bad }, { "body": "good" }])).await;
    let seen = batches_until(&host, "demo", 3).await;
    let trace: Vec<_> = seen.iter().map(held).collect();
    assert_eq!(trace[0], [(bad.clone(), 1), (json!("good"), 1)]);
    assert_eq!(trace[1], [(bad.clone(), 2)]);
    assert_eq!((&seen[2]["queue"], &trace[2]), (&json!("dead"), &vec![(bad.clone(), 1)]));
    for field in ["id", "at"] {
        assert_eq!(seen[2]["messages"][0][field], seen[0]["messages"][0][field]);
    }
    empty(&host, "demo", "jobs").await;
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_handler_says_of_each_message_is_what_becomes_of_it() {
    let host = Host::new().start().await;
    let consumer = json!({ "max_batch_size": 5, "max_retries": 1, "dead_letter_queue": "dead" });
    host.deploy("demo", &worker("jobs", consumer)).await;
    let messages = json!([
        { "body": { "then": "ack" } },
        { "body": { "then": "throw" } },
        { "body": { "then": "retry" } },
        { "body": "unsaid" },
        { "body": { "then": "ack", "n": 2 } },
    ]);
    send(&host, "demo", messages).await;
    let seen = batches_until(&host, "demo", 2).await;
    let again: Vec<_> = held(&seen[1]).into_iter().map(|(body, _)| body).collect();
    let wanted = [json!({ "then": "throw" }), json!({ "then": "retry" }), json!("unsaid")];
    assert_eq!(again, wanted, "all that was not acknowledged");
    empty(&host, "demo", "jobs").await;
    let dead = ask(&host, "demo", json!({ "queue": "dead", "metrics": true })).await;
    assert_eq!(dead["backlogCount"], 3, "{dead}");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_without_the_handler_fails_and_a_deployment_replaces_the_consumers() {
    let host = Host::new().start().await;
    let consumers = json!([{ "queue": "jobs", "max_batch_timeout": 0, "max_retries": 0, "dead_letter_queue": "dead" }]);
    let mute = Worker::new("export default { fetch() {} };").name("mute");
    host.deploy("demo", &mute.clone().metadata("queue_consumers", consumers)).await;
    host.deploy("demo", &producer("jobs")).await;
    ask(&host, "demo", json!({ "one": 1 })).await;
    empty(&host, "demo", "jobs").await;
    let dead = ask(&host, "demo", json!({ "queue": "dead", "metrics": true })).await;
    assert_eq!(dead["backlogCount"], 1, "{dead}");
    let taken =
        host.upload("demo", &worker("jobs", json!({}))).await.expect_failure(409, "CONFLICT");
    let message = taken.json()["error"]["message"].to_string();
    assert!(message.contains("`jobs`") && message.contains("`mute`"), "{message}");
    host.deploy("demo", &mute).await;
    ask(&host, "demo", json!({ "one": 2 })).await;
    host.deploy("demo", &worker("jobs", json!({ "max_batch_timeout": 0 }))).await;
    let seen = batches_until(&host, "demo", 1).await;
    assert_eq!(held(&seen[0]), [(json!(2), 1)]);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_batches_run_at_once_as_may_and_slow_ones_hold_up_nobody_else() {
    let host = Host::new().start().await;
    let consumer = json!({ "max_batch_size": 1, "max_concurrency": 2 });
    host.deploy("slow", &worker("jobs", consumer)).await;
    host.deploy("quick", &worker("jobs", json!({ "max_batch_timeout": 0 }))).await;
    let messages: Vec<_> =
        (0..6).map(|n| json!({ "body": { "then": "wait", "ms": 300, "n": n } })).collect();
    send(&host, "slow", json!(messages)).await;
    batches_until(&host, "slow", 2).await;
    ask(&host, "quick", json!({ "one": 1 })).await;
    batches_until(&host, "quick", 1).await;
    assert!(batches(&host, "slow").await.len() < 6, "two at once");
    batches_until(&host, "slow", 6).await;
    empty(&host, "slow", "jobs").await;
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues_of_the_same_name_and_of_hostile_names_never_meet() {
    let host = Host::new().start().await;
    for tenant in ["a", "b"] {
        host.deploy(tenant, &producer("jobs")).await;
    }
    let names = [
        "jobs",
        "jobs/",
        "job",
        "jobs\0",
        "../jobs",
        "\0",
        "/",
        "jobs2",
        "\u{e9}",
        "e\u{301}",
        "J",
        "\u{1f600}",
        "__proto__",
    ];
    for (at, name) in names.iter().enumerate() {
        let messages: Vec<_> = (0..=at).map(|n| json!({ "body": n })).collect();
        let asked = json!({ "queue": name, "messages": messages });
        let sent = ask(&host, "a", asked).await;
        assert_eq!(sent["metadata"]["metrics"]["backlogCount"], at + 1, "{name:?}: {sent}");
    }
    for (at, name) in names.iter().enumerate() {
        let asked = json!({ "queue": name, "metrics": true });
        assert_eq!(ask(&host, "a", asked.clone()).await["backlogCount"], at + 1, "{name:?}");
        assert_eq!(ask(&host, "b", asked).await["backlogCount"], 0, "{name:?}");
    }
    for name in [String::new(), "x".repeat(257)] {
        let refused = ask(&host, "a", json!({ "queue": name, "metrics": true })).await;
        let error = refused["error"].as_str().expect("an error");
        assert!(error.contains("is not the name of a namespace or queue"), "{error}");
    }
    host.shutdown().await;
}
