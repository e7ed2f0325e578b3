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

/// The messages that a worker logs before it answers.
async fn messages(host: &Host, tenant: &str, body: &str) -> Vec<Value> {
    let source =
        format!("export default {{ async fetch() {{ {body} return new Response('x'); }} }};");
    host.deploy(tenant, &Worker::new(source)).await;
    host.get(tenant, "/").await.expect_status(200);
    let records = host.logs_until(tenant, is_outcome).await;
    assert_eq!(records.last().expect("an outcome")["outcome"], "ok", "{records:#?}");
    let logs = records.iter().filter(|record| record["kind"] == "log");
    logs.map(|record| record["message"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn to_show_a_value_runs_none_of_the_workers_code() {
    let host = Host::new().start().await;
    let body = "let ran = 0; const run = () => { ran++; return 'ran'; }; \
        const all = { get: run, set: run, has: run, ownKeys: run, getPrototypeOf: run, \
            getOwnPropertyDescriptor: run, apply: run }; \
        class Own { constructor() { this.x = 1; } get y() { return run(); } toJSON() { return run(); } \
            get [Symbol.toStringTag]() { return run(); } toString() { return run(); } } \
        const map = new Map([[new Own(), 1]]); map[Symbol.iterator] = run; map.entries = run; \
        const set = new Set([2]); set[Symbol.iterator] = run; set.values = run; \
        const date = new Date(0); date.toISOString = run; date.toJSON = run; \
        const pattern = /a/g; Object.defineProperty(pattern, 'source', { get: run }); \
        const error = new Error('m'); Object.defineProperty(error, 'stack', { get: run }); \
        const named = () => {}; Object.defineProperty(named, 'name', { get: run }); \
        console.log({ get a() { return run(); }, set b(v) {}, get c() { return run(); }, set c(v) {} }); \
        console.log(new Proxy({}, all), [new Proxy([], all)], new Proxy(run, all)); \
        console.log(new Own(), map, set, date, pattern, error, named); \
        console.log('%s %d %o', new Own(), { valueOf: run }, new Proxy({}, all)); \
        console.log(Object.create(new Proxy({}, all)), Object.create({ get constructor() { return run(); } })); \
        console.log(ran);";
    let seen = messages(&host, "demo", body).await;
    let wanted = [
        json!([{ "a": "[Getter]", "b": "[Setter]", "c": "[Getter/Setter]" }]),
        json!(["[Proxy]", ["[Proxy]"], "[Proxy]"]),
        json!([{ "[class]": "Own", "x": 1 }, { "[class]": "Map", "[Own]": 1 }, [2],
            "1970-01-01T00:00:00.000Z", "/a/g", "Error: m", "[Function: (anonymous)]"]),
        json!([r#"{"[class]":"Own","x":1} NaN [Proxy]"#]),
        json!([{}, {}]),
        json!([0]),
    ];
    assert_eq!(seen, wanted);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_of_the_platform_are_shown_by_what_they_are() {
    let host = Host::new().start().await;
    let body = "const cause = new TypeError('inner'); \
        const error = new Error('outer', { cause }); error.stack = 'Error: outer'; cause.stack = 'TypeError: inner'; \
        console.log(error); console.log(new URL('http://a/b?c'), new URLSearchParams('a=1')); \
        console.log(new Headers({ a: 'b' }), new Request('http://a/', { method: 'PUT' })); \
        console.log(new Response('x', { status: 201 }), new Blob(['abc'], { type: 't/p' })); \
        console.log(class A {}, function f() {}, Symbol('s'), -0, NaN, [1, , 3], new Uint8Array(3), Promise.resolve(1)); \
        console.log(new Map([[1, { a: 1 }]]), new WeakMap(), new Number(5), Object.create(null), new DOMException('m', 'AbortError').name);";
    let seen = messages(&host, "demo", body).await;
    let wanted = [
        json!(["Error: outer\n  [cause]: TypeError: inner"]),
        json!(["http://a/b?c", { "[class]": "URLSearchParams", "a": "1" }]),
        json!([{ "[class]": "Headers", "a": "b" },
            { "[class]": "Request", "method": "PUT", "url": "http://a/", "headers": { "[class]": "Headers" } }]),
        json!([{ "[class]": "Response", "status": 201, "statusText": "",
                "headers": { "[class]": "Headers", "content-type": "text/plain;charset=UTF-8" } },
            { "[class]": "Blob", "size": 3, "type": "t/p" }]),
        json!([
            "[class A]",
            "[Function: f]",
            "Symbol(s)",
            "-0",
            "NaN",
            [1, "[empty]", 3],
            "[Uint8Array: 3 bytes]",
            "[Promise]"
        ]),
        json!([{ "[class]": "Map", "1": { "a": 1 } }, "[WeakMap]", "[Number]", {}, "AbortError"]),
    ];
    assert_eq!(seen, wanted);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_method_of_the_console_leaves_its_own_record() {
    let host = Host::new().start().await;
    let body = "console.group('g', 1); console.log('in'); console.group(); console.log('%s', 'deep'); \
        console.groupEnd(); console.groupEnd(); console.groupEnd(); console.log('out'); \
        console.count(); console.count('c'); console.count(); console.countReset(); console.count(); console.countReset('none'); \
        console.time('t'); console.time('t'); console.timeLog('t', { a: 1 }); console.timeEnd('t'); console.timeEnd('t'); \
        console.assert(false, '%s!', 'said'); console.assert(false); console.assert(true, 'unsaid'); \
        console.table([{ a: 1, b: 2 }, 5], ['b']); console.table([{ a: 1 }]); \
        console.dir({ a: { b: { c: 1 } } }, { depth: 1 }); console.dirxml(1, 2);";
    let seen = messages(&host, "demo", body).await;
    let wanted = [
        json!(["g", 1]),
        json!(["  ", "in"]),
        json!(["    ", "deep"]),
        json!(["out"]),
        json!(["default: 1"]),
        json!(["c: 1"]),
        json!(["default: 2"]),
        json!(["default: 1"]),
        json!(["Count for 'none' does not exist"]),
        json!(["Timer 't' already exists"]),
        json!(["t: 0 ms", { "a": 1 }]),
        json!(["t: 0 ms"]),
        json!(["Timer 't' does not exist"]),
        json!(["Assertion failed", "said!"]),
        json!(["Assertion failed"]),
        json!([[{ "b": 2 }, 5]]),
        json!([[{ "a": 1 }]]),
        json!([{ "a": { "b": "[Object]" } }]),
        json!([1, 2]),
    ];
    assert_eq!(seen, wanted);
    let trace = messages(&host, "trace", "(function f() { console.trace('here', 1); })();").await;
    let stack = trace[0][2].as_str().expect("a stack");
    assert_eq!((&trace[0][0], &trace[0][1]), (&json!("here"), &json!(1)));
    assert!(stack.starts_with("    at f (index.js:1:"), "{stack}");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_message_has_a_bound_whatever_it_is_given() {
    let host = Host::new().start().await;
    let wide = "const long = 'x'.repeat(5e6); \
        const tree = (depth) => depth === 0 ? long : Array.from({ length: 20 }, () => tree(depth - 1)); \
        console.log(tree(3)); console.log(...new Array(5000).fill(long));";
    let others = "const long = 'x'.repeat(5e6); const deep = {}; let last = deep; \
        for (let at = 0; at < 1e4; at++) last = last.next = {}; \
        const whole = new Set(Array.from({ length: 1e5 }, (_, at) => at)); \
        console.log(deep); console.log(whole); \
        console.log('%s' + long, long); console.log(new Map([[long, long]])); \
        console.log(new Error(long)); console.count(long); console.log(10n ** 50000n);";
    let wide = messages(&host, "wide", wide).await;
    let others = messages(&host, "others", others).await;
    assert_eq!((wide.len(), others.len()), (2, 7));
    for message in wide.iter().chain(&others) {
        let bytes = message.to_string().len();
        assert!(bytes < 128 << 10, "{bytes} bytes: {:.200}", message.to_string());
    }
    assert_eq!(others[1][0][100], json!("... 99900 more"));
    host.shutdown().await;
}
