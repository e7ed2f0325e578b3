//! Queues by hand: over the admin API, and with `bindery queues`.

use std::time::Duration;

use serde_json::{Value, json};

use super::{ask, batches_until, empty, held, producer, worker};
use crate::host::{Doors, Host};

const QUEUE: &str = "/v1/tenants/demo/queues/jobs";

async fn post(doors: &Doors, path: &str, body: Value) -> Value {
    let request = doors.admin("POST", path).header("content-type", "application/json");
    request.body(body.to_string()).send().await.expect_status(200).json()
}

/// What a pull gave: each message's body as text, with its attempt.
fn pulled(answer: &Value) -> Vec<(String, u64)> {
    let messages = answer["messages"].as_array().expect("messages").iter();
    messages
        .map(|message| {
            let body = message["body"].as_str().expect("a text").to_owned();
            (body, message["attempts"].as_u64().expect("a number"))
        })
        .collect()
}

fn lease(answer: &Value, at: usize) -> Value {
    json!({ "lease_id": answer["messages"][at]["lease_id"] })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_pulled_for_a_while_and_settled_by_their_leases() {
    let host = Host::new().still_clock().start().await;
    host.deploy("demo", &producer("jobs")).await;
    let texts = ["a", "b", "c"].map(|body| json!({ "body": body, "contentType": "text" }));
    super::send(&host, "demo", json!(texts)).await;
    let first = post(&host, &format!("{QUEUE}/messages/pull"), json!({ "batch_size": 2 })).await;
    assert_eq!(pulled(&first), [("a".into(), 1), ("b".into(), 1)]);
    assert_eq!(first["message_backlog_count"], 3);
    assert_eq!(first["messages"][0]["metadata"]["CF-Content-Type"], "text");
    let second = post(&host, &format!("{QUEUE}/messages/pull"), json!({})).await;
    assert_eq!(pulled(&second), [("c".into(), 1)], "nobody else has what is leased");
    let ack = format!("{QUEUE}/messages/ack");
    let retry = json!({ "lease_id": lease(&second, 0)["lease_id"], "delay_seconds": 5 });
    let settled = json!({ "acks": [lease(&first, 0)], "retries": [retry] });
    let counts = post(&host, &ack, settled).await;
    assert_eq!(counts, json!({ "ack_count": 1, "retry_count": 1, "late_count": 0 }));
    // 5 seconds later `c` is there again, 30 seconds after the pull `b` is.
    host.clock().advance(Duration::from_secs(5));
    let third = post(&host, &format!("{QUEUE}/messages/pull"), json!({})).await;
    assert_eq!(pulled(&third), [("c".into(), 2)]);
    host.clock().advance(Duration::from_secs(26));
    let late = post(&host, &ack, json!({ "acks": [lease(&first, 1)] })).await;
    assert_eq!(late["late_count"], 1, "who is late settles nothing");
    let fourth = loop {
        let fourth = post(&host, &format!("{QUEUE}/messages/pull"), json!({})).await;
        if !pulled(&fourth).is_empty() {
            break fourth;
        }
        crate::host::moment().await;
    };
    assert_eq!(pulled(&fourth), [("b".into(), 2)]);
    for wrong in [
        json!({ "batch_size": 101 }),
        json!({ "visibility_timeout_ms": 43_200_001 }),
        json!({ "more": 1 }),
    ] {
        let request = host.admin("POST", &format!("{QUEUE}/messages/pull"));
        request.body(wrong.to_string()).send().await.expect_failure(422, "INVALID");
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_go_back_to_where_they_came_from_with_their_ids() {
    let host = Host::new().start().await;
    let consumer = json!({ "max_batch_timeout": 0, "max_retries": 0, "dead_letter_queue": "dead" });
    host.deploy("demo", &worker("jobs", consumer)).await;
    ask(&host, "demo", json!({ "one": { "then": "throw" } })).await;
    let first = batches_until(&host, "demo", 1).await;
    empty(&host, "demo", "jobs").await;
    let moved = post(&host, "/v1/tenants/demo/queues/dead/redrive", json!({ "to": "jobs" })).await;
    assert_eq!(moved, json!({ "moved": 1, "more": false }));
    let seen = batches_until(&host, "demo", 2).await;
    assert_eq!(held(&seen[1]), [(json!({ "then": "throw" }), 1)]);
    assert_eq!(seen[1]["messages"][0]["id"], first[0]["messages"][0]["id"]);
    host.admin("DELETE", QUEUE).send().await.expect_failure(409, "CONFLICT");
    host.admin("DELETE", "/v1/tenants/demo/queues/dead").send().await.expect_status(204);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_reaches_its_own_queues_only_and_they_go_with_it() {
    let host = Host::new().start().await;
    for tenant in ["demo", "other"] {
        host.deploy(tenant, &producer("jobs")).await;
        ask(&host, tenant, json!({ "one": 1 })).await;
    }
    let token = post_created(&host, "/v1/tenants/other/tokens").await;
    let request = |path: &str| {
        let doors = Doors { token: token.clone(), ..(*host).clone() };
        doors.admin("GET", path)
    };
    request(QUEUE).send().await.expect_failure(403, "FORBIDDEN");
    request("/v1/tenants/other/queues/jobs").send().await.expect_status(200);
    host.admin("DELETE", "/v1/tenants/demo").send().await.expect_status(204);
    host.deploy("demo", &producer("jobs")).await;
    host.admin("GET", QUEUE).send().await.expect_failure(404, "NOT_FOUND");
    let left = host.admin("GET", "/v1/tenants/other/queues/jobs").send().await.json();
    assert_eq!(left["backlog_count"], 1);
    host.shutdown().await;
}

async fn post_created(host: &Host, path: &str) -> String {
    let made = host.admin("POST", path).send().await.expect_status(201).json();
    made["token"].as_str().expect("a token").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_passes_the_quota_is_refused_and_what_is_there_can_still_be_made_less() {
    let host = Host::new().start().await;
    host.put("/v1/tenants/demo", &json!({ "quotas": { "stored_bytes": 100 } })).await;
    host.deploy("demo", &producer("jobs")).await;
    ask(&host, "demo", json!({ "one": "x".repeat(60) })).await;
    let refused = ask(&host, "demo", json!({ "one": "x".repeat(60) })).await;
    let error = refused["error"].as_str().expect("an error");
    assert!(error.contains("stored_bytes") && error.contains("100"), "{error}");
    let purged = post(&host, &format!("{QUEUE}/purge"), json!({})).await;
    assert_eq!(purged, json!({ "purged": 1, "more": false }));
    let sent = ask(&host, "demo", json!({ "one": "x".repeat(60) })).await;
    assert_eq!(sent["metadata"]["metrics"]["backlogCount"], 1, "{sent}");
    host.shutdown().await;
}

/// Runs `bindery queues` against a server. Gives what it printed.
async fn queues(host: &Host, arguments: &[&str]) -> String {
    let (code, printed) = host.run(&[&["queues"], arguments].concat()).await;
    assert_eq!(code, Some(0), "{arguments:?}: {printed}");
    printed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_does_what_the_api_does() {
    let host = Host::new().start().await;
    host.deploy("demo", &producer("jobs")).await;
    let name = "a/b \u{e9}";
    let sent = queues(&host, &["send", "demo", name, r#"{"n":1}"#, "--json"]).await;
    let sent: Value = serde_json::from_str(&sent).expect("JSON");
    assert_eq!(sent["ids"].as_array().map(Vec::len), Some(1));
    queues(&host, &["send", "demo", name, "text", "--content-type", "text"]).await;
    let listed = queues(&host, &["list", "demo"]).await;
    assert!(listed.contains(name) && listed.contains("BACKLOG_COUNT"), "{listed}");
    let shown = queues(&host, &["show", "demo", name]).await;
    assert!(shown.contains("backlog_count: 2"), "{shown}");
    let pulled = queues(&host, &["pull", "demo", name, "--count", "1", "--json"]).await;
    let pulled: Value = serde_json::from_str(&pulled).expect("JSON");
    assert_eq!(pulled["messages"][0]["id"], sent["ids"][0]);
    let lease = pulled["messages"][0]["lease_id"].as_str().expect("a lease");
    let acked = queues(&host, &["ack", "demo", name, "--lease", lease]).await;
    assert!(acked.contains("ack_count: 1"), "{acked}");
    let moved = queues(&host, &["redrive", "demo", name, "--to", "other"]).await;
    assert_eq!(moved, "moved: 1\n");
    assert_eq!(queues(&host, &["purge", "demo", "other", "--yes"]).await, "purged: 1\n");
    assert_eq!(queues(&host, &["delete", "demo", name, "--yes"]).await, "done\n");
    let left = queues(&host, &["list", "demo"]).await;
    assert!(!left.contains(name) && left.contains("other"), "{left}");
    host.shutdown().await;
}
