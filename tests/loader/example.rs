//! The example `platform`, as it stands in the repository.

use std::time::Duration;

use serde_json::{Value, json};

use super::TENANT;
use crate::host::{Answer, Host, SOON, Worker, moment, within};

const ADA: &str = include_str!("../../examples/platform/ada.js");

fn platform() -> Worker {
    let kv = |name: &str| json!({ "type": "kv_namespace", "name": name, "namespace_id": name });
    Worker::new(include_str!("../../examples/platform/src/index.js"))
        .name("platform")
        .js("customer.js", include_str!("../../examples/platform/src/customer.js"))
        .js("meter.js", include_str!("../../examples/platform/src/meter.js"))
        .text("TOKEN", "let me in")
        .binding(json!({ "type": "worker_loader", "name": "LOADER" }))
        .binding(kv("CODE"))
        .binding(kv("METERS"))
        .binding(kv("NEWS"))
        .binding(json!({ "type": "dynamic_kv", "name": "STORES" }))
        .binding(json!({ "type": "dynamic_queue", "name": "QUEUES" }))
        .binding(json!({ "type": "service", "name": "METER", "service": "platform",
            "entrypoint": "Meter" }))
}

async fn put(host: &Host, name: &str, source: &str) -> Answer {
    let path = format!("/customers/{name}");
    let request = host.request(&format!("platform.{TENANT}"), "PUT", &path);
    request.header("authorization", "Bearer let me in").body(source).send().await
}

async fn usage(host: &Host, name: &str) -> Value {
    let path = format!("/customers/{name}/usage");
    let request = host.request(&format!("platform.{TENANT}"), "GET", &path);
    request.header("authorization", "Bearer let me in").send().await.expect_status(200).json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_platform_runs_customers_apart_meters_them_and_runs_them_uncalled() {
    let mut host = Host::new().still_clock().start().await;
    host.deploy(TENANT, &platform()).await;
    let to = format!("platform.{TENANT}");
    host.request(&to, "PUT", "/customers/ada").body(ADA).send().await.expect_status(401);
    host.get(&to, "/ada/").await.expect_status(404);
    put(&host, "ada", ADA).await.expect_status(201);
    put(&host, "bob", ADA).await.expect_status(201);
    let refused = put(&host, "eve", "throw new Error('no');").await.expect_status(422);
    assert_eq!(refused.text(), "Failed to start Worker:\nUncaught Error: no\n");
    let text = async |path| host.get(&to, path).await.expect_status(200).text();
    assert_eq!(text("/ada/").await, "ada: visit 1, 0 ticks, 0 words, no news\n");
    assert_eq!(text("/ada/").await, "ada: visit 2, 0 ticks, 0 words, no news\n");
    assert_eq!(text("/bob/").await, "bob: visit 1, 0 ticks, 0 words, no news\n");
    let counted = async {
        while usage(&host, "ada").await["events"] != 2 || usage(&host, "bob").await["events"] != 1 {
            moment().await;
        }
    };
    within(SOON, "what was used", counted).await;

    // Each has a queue of its own, whose messages its own code takes.
    let queued = host.post(&to, "/ada/", "count these words").await.expect_status(202);
    assert_eq!(queued.text(), "queued\n");
    host.clock().advance(Duration::from_secs(1));
    until(&host, "/ada/", ", 3 words,").await;
    assert!(text("/bob/").await.contains(", 0 words,"));

    // Another version answers at once; one that fails is its own customer's trouble.
    put(&host, "bob", "export default { fetch() { throw new Error('boo'); } };")
        .await
        .expect_status(201);
    host.get(&to, "/bob/").await.expect_status(502);
    host.restart().await;
    host.clock().advance(Duration::from_secs(300));
    until(&host, "/ada/", ", 1 ticks,").await;
    host.shutdown().await;
}

/// Waits until the platform answers with such a text.
async fn until(host: &Host, path: &str, text: &str) {
    let answers = async {
        while !host.get(&format!("platform.{TENANT}"), path).await.text().contains(text) {
            moment().await;
        }
    };
    within(SOON, text, answers).await;
}
