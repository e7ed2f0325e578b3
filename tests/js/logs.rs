//! What a tenant sees of its events in the tail.

use serde_json::{Value, json};

use crate::host::{Host, Worker};
use crate::js::ask;

fn is_outcome(record: &Value) -> bool {
    record["kind"] == "outcome"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn console_output_arrives_with_its_level_and_its_values() {
    let host = Host::new().start().await;
    let source = "export default { fetch() { \
        console.log('a', 1, true, null, undefined, 10n, { b: [1], a: { c: 'd' } }); \
        console.debug(1); console.info(new Map([['k', 1]])); console.warn(new Date(0)); \
        console.error(new RangeError('m').message, 'x'); \
        console.log('%s is %d', 'n', 5, 'rest'); console.assert(false, 'said'); \
        const cycle = {}; cycle.self = cycle; console.log(cycle); \
        return new Response(''); } };";
    host.deploy("demo", &Worker::new(source)).await;
    host.get("demo", "/a/path?query").await.expect_status(200);
    let records = host.logs_until("demo", is_outcome).await;
    let logs: Vec<_> = records.iter().filter(|record| record["kind"] == "log").collect();
    let seen: Vec<_> = logs.iter().map(|record| (&record["level"], &record["message"])).collect();
    let wanted = [
        (
            json!("log"),
            json!(["a", 1, true, null, "undefined", "10n", { "b": [1], "a": { "c": "d" } }]),
        ),
        (json!("debug"), json!([1])),
        (json!("info"), json!([{ "[class]": "Map", "k": 1 }])),
        (json!("warn"), json!(["1970-01-01T00:00:00.000Z"])),
        (json!("error"), json!(["m", "x"])),
        (json!("log"), json!(["n is 5", "rest"])),
        (json!("error"), json!(["Assertion failed", "said"])),
        (json!("log"), json!([{ "self": "[Circular]" }])),
    ];
    assert_eq!(seen, wanted.iter().map(|(level, message)| (level, message)).collect::<Vec<_>>());
    let request = &records[0]["requestId"];
    assert!(records.iter().all(|record| record["requestId"] == *request && request.is_string()));
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outcome_says_what_was_asked_and_what_it_cost() {
    let host = Host::new().start().await;
    let source = "export default { async fetch() { \
        let sum = 0; for (let at = 0; at < 3e7; at++) sum += at % 7; \
        await scheduler.wait(30); return new Response(String(sum), { status: 201 }); } };";
    host.deploy("demo", &Worker::new(source).name("w")).await;
    host.post("w.demo", "/some/path?secret=1", "body").await.expect_status(201);
    let record = host.record("demo", "outcome").await;
    assert_eq!(record["outcome"], "ok");
    assert_eq!(record["method"], "POST");
    assert_eq!(record["path"], "/some/path");
    assert_eq!(record["status"], 201);
    assert_eq!(record["worker"], "w");
    let (cpu, wall) = (record["cpuUs"].as_u64(), record["wallUs"].as_u64());
    assert!(cpu > Some(1_000), "{record}");
    assert!(wall >= Some(30_000), "{record}");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exception_has_its_class_message_and_positions_in_the_workers_own_modules() {
    let host = Host::new().start().await;
    let source = "import { fail } from './lib/fail.js';\nexport default { fetch() { fail(); } };";
    let worker = Worker::new(source).js(
        "lib/fail.js",
        "class Own extends Error { name = 'Own'; }\nexport function fail() {\n  throw new Own('text');\n}",
    );
    host.deploy("demo", &worker).await;
    host.get("demo", "/").await.expect_failure(500, "EXCEPTION");
    let record = host.record("demo", "exception").await;
    assert_eq!((&record["name"], &record["message"]), (&json!("Own"), &json!("text")));
    let stack = record["stack"].as_str().expect("a text");
    assert!(stack.contains("lib/fail.js:3:9") && stack.contains("index.js:2:"), "{stack}");
    assert!(!stack.contains("ext:"), "{stack}");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn output_of_the_start_and_of_a_refused_version_is_seen() {
    let host = Host::new().start().await;
    let source =
        "console.log('at the start'); export default { fetch() { return new Response('x'); } };";
    assert_eq!(ask(&host, "demo", &Worker::new(source)).await, "x");
    let records = host.logs_until("demo", is_outcome).await;
    assert!(
        records.iter().any(|record| record["message"] == json!(["at the start"])),
        "{records:#?}"
    );
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn console_output_beyond_the_limit_is_dropped_once_and_said_so() {
    let host = Host::new().start().await;
    let source = "export default { fetch() { \
        for (let at = 0; at < 1000; at++) console.log(at, 'x'.repeat(1000)); return new Response('x'); } };";
    assert_eq!(ask(&host, "demo", &Worker::new(source)).await, "x");
    let records = host.logs_until("demo", is_outcome).await;
    let logs = records.iter().filter(|record| record["kind"] == "log");
    let bytes: usize = logs.clone().map(|record| record["message"].to_string().len()).sum();
    assert!(bytes <= 257 << 10, "{bytes}");
    assert!(bytes >= 200 << 10, "{bytes}");
    assert_eq!(records.last().expect("an outcome")["outcome"], "ok");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_sees_its_own_records_only() {
    let host = Host::new().cordons(1).start().await;
    let source = |text: &str| {
        Worker::new(format!(
            "export default {{ fetch() {{ console.log('{text}'); return new Response('x'); }} }};"
        ))
    };
    ask(&host, "a", &source("of a")).await;
    ask(&host, "b", &source("of b")).await;
    let records = host.logs_until("b", is_outcome).await;
    assert!(!json!(records).to_string().contains("of a"));
    assert!(json!(records).to_string().contains("of b"));
    host.shutdown().await;
}
