//! The trace of a request: in the tail as the client named it, or made.

use serde_json::Value;

use crate::host::{Host, Worker};

const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

const SOURCE: &str = "export default { fetch(request, env, ctx) { \
    console.log('said'); \
    ctx.waitUntil(Promise.reject(new Error('late'))); \
    return Response.json([...request.headers]); } };";

/// What the worker saw of the headers, and the records of its event.
async fn asked(host: &Host, traceparent: Option<&str>) -> (Vec<Value>, Vec<Value>) {
    let mut request = host.request("demo", "GET", "/");
    if let Some(value) = traceparent {
        request = request.header("traceparent", value);
    }
    let answer = request.send().await.expect_status(200);
    let id = answer.header("x-bindery-request").expect("an id").to_owned();
    let is_end = |record: &Value| record["kind"] == "outcome" && record["requestId"] == id;
    let mut records = host.logs_until("demo", is_end).await;
    records.retain(|record| record["requestId"] == id);
    let headers = answer.json().as_array().expect("a list").clone();
    (headers.into_iter().filter(|header| header[0] == "traceparent").collect(), records)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_record_of_a_request_has_its_trace_and_the_worker_sees_what_the_client_sent() {
    let host = Host::new().start().await;
    host.deploy("demo", &Worker::new(SOURCE)).await;
    let sent = format!("00-{ID}-00f067aa0ba902b7-01");
    let (seen, records) = asked(&host, Some(&sent)).await;
    assert_eq!(seen, [serde_json::json!(["traceparent", sent])]);
    let mut kinds: Vec<&Value> = records.iter().map(|record| &record["kind"]).collect();
    kinds.sort_by_key(|kind| kind.to_string());
    assert_eq!(kinds, ["exception", "log", "outcome"], "{records:#?}");
    assert!(records.iter().all(|record| record["traceId"] == ID), "{records:#?}");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_without_a_valid_trace_gets_one_of_its_own_which_the_worker_does_not_see() {
    let host = Host::new().start().await;
    host.deploy("demo", &Worker::new(SOURCE)).await;
    let mut traces = Vec::new();
    let forged = format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32));
    for sent in [None, Some(forged.as_str()), None] {
        let (seen, records) = asked(&host, sent).await;
        assert_eq!(seen.len(), usize::from(sent.is_some()));
        let trace = records[0]["traceId"].as_str().expect("a trace").to_owned();
        assert!(records.iter().all(|record| record["traceId"] == *trace), "{records:#?}");
        assert!(trace.len() == 32 && trace.bytes().all(|digit| digit.is_ascii_hexdigit()));
        traces.push(trace);
    }
    traces.sort_unstable();
    traces.dedup();
    assert_eq!(traces.len(), 3);
    assert!(!traces.contains(&"0".repeat(32)));
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_a_worker_makes_is_the_next_step_of_the_same_trace() {
    let host = Host::new().start().await;
    let seen = "export default { fetch(request) { \
        return new Response(request.headers.get('traceparent')); } };";
    host.deploy("demo", &Worker::new(seen).name("seen")).await;
    let asks = "export default { async fetch(request) { \
        const own = request.headers.get('x-own'); \
        const headers = own === null ? {} : { TraceParent: own }; \
        return fetch('http://any.example/', { headers }); } };";
    let outbound = serde_json::json!({ "service": "seen" });
    host.deploy("demo", &Worker::new(asks).metadata("outbound", outbound)).await;
    let sent = format!("00-{ID}-00f067aa0ba902b7-00");
    let ask = || host.request("demo", "GET", "/").header("traceparent", &sent);
    let first = ask().send().await.expect_status(200).text();
    let second = ask().send().await.expect_status(200).text();
    for got in [&first, &second] {
        assert!(got.starts_with(&format!("00-{ID}-")) && got.ends_with("-00"), "{got}");
        assert_eq!(got.len(), sent.len());
    }
    assert!(first != sent && second != sent && first != second, "{first} {second}");
    let own = format!("00-{}-00f067aa0ba902b7-01", "ab".repeat(16));
    assert_eq!(ask().header("x-own", &own).send().await.text(), own);
    let is = |record: &Value| record["worker"] == "seen" && record["kind"] == "outcome";
    let records = host.logs_until("demo", is).await;
    assert_eq!(records.last().expect("an outcome")["traceId"], ID);
    host.shutdown().await;
}
