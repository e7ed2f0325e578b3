//! The figures of a host: counted as traffic comes, and as many series whoever sends it.

use std::collections::BTreeMap;

use serde_json::json;

use crate::host::{Doors, Host, Worker};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traffic_of_many_tenants_is_counted_in_the_series_that_were_there_before() {
    let host = Host::new().start().await;
    let before = host.figures().await;
    let source = "export default { fetch(request) { \
        if (request.url.endsWith('/throw')) throw new Error('x'); \
        return new Response('made', { status: 201 }); } };";
    let tenants = ["t-ash", "t-birch", "t-cedar", "t-date", "t-elm", "t-fig"];
    for tenant in tenants {
        host.deploy(tenant, &Worker::new(source)).await;
        for _ in 0..2 {
            host.get(tenant, "/").await.expect_status(201);
        }
        host.get(tenant, "/throw").await.expect_failure(500, "EXCEPTION");
        host.get(&format!("absent.{tenant}"), "/").await.expect_failure(404, "NO_WORKER");
        // Its end is the event's end, which may come after the answer.
        let failed = |record: &serde_json::Value| record["outcome"] == "exception";
        host.logs_until(tenant, failed).await;
    }
    let after = host.figures().await;
    let names = |series: &BTreeMap<String, f64>| series.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&before), names(&after));
    assert!(before.len() < 200, "{} series", before.len());
    assert!(names(&after).iter().all(|name| !name.contains("t-")), "{after:#?}");

    let grown = |name: &str| after[name] - before[name];
    let count = tenants.len() as f64;
    for (name, each) in [
        ("bindery_http_requests_total{class=\"2xx\"}", 2.0),
        ("bindery_http_requests_total{class=\"4xx\"}", 1.0),
        ("bindery_http_requests_total{class=\"5xx\"}", 1.0),
        ("bindery_http_requests_total{class=\"gone\"}", 0.0),
        ("bindery_http_failures_total{code=\"EXCEPTION\"}", 1.0),
        ("bindery_http_failures_total{code=\"NO_WORKER\"}", 1.0),
        ("bindery_http_failures_total{code=\"OVERLOADED\"}", 0.0),
        ("bindery_http_answer_seconds_count", 4.0),
        ("bindery_http_answer_seconds_bucket{le=\"+Inf\"}", 4.0),
        ("bindery_http_wait_seconds_count", 3.0),
        ("bindery_events_total{outcome=\"ok\"}", 2.0),
        ("bindery_events_total{outcome=\"exception\"}", 1.0),
        ("bindery_starts_total{end=\"started\"}", 1.0),
        ("bindery_start_seconds_count", 1.0),
        ("bindery_isolates", 1.0),
    ] {
        assert_eq!(grown(name), each * count, "{name}");
    }
    assert_eq!(after["bindery_http_requests_running"], 0.0);
    assert_eq!(after["bindery_cordons"], 2.0);
    assert!(grown("bindery_storage_commits_total{end=\"done\"}") >= count);
    assert!(grown("bindery_events_cpu_seconds_total") > 0.0);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures_are_the_operators() {
    let host = Host::new().start().await;
    host.put("/v1/tenants/demo", &json!({})).await.expect_status(200);
    let made = host.admin("POST", "/v1/tenants/demo/tokens").send().await.expect_status(201);
    let token = made.json()["token"].as_str().expect("a token").to_owned();
    for (token, status) in [(Some(token), 403), (None, 401)] {
        let doors = Doors { token: token.unwrap_or_default(), ..Doors::clone(&host) };
        doors.admin("GET", "/metrics").send().await.expect_status(status);
    }
    host.shutdown().await;
}
