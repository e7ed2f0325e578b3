//! Handlers that no request runs: what they are given, what they decide, and how they end.

use serde_json::{Value, json};

use crate::host::{Answer, Host, Worker};

/// Begins an event of the worker `main`.
async fn begin(host: &Host, tenant: &str, event: Value) -> Answer {
    let path = format!("/v1/tenants/{tenant}/workers/main/events");
    host.admin("POST", &path).body(event.to_string()).send().await
}

/// Begins an event, which must begin. Gives what came of it.
async fn run(host: &Host, tenant: &str, event: Value) -> Value {
    begin(host, tenant, event).await.expect_status(200).json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scheduled_handler_is_given_the_time_and_the_expression() {
    let host = Host::new().still_clock().start().await;
    let source = "export default { async scheduled(controller, env, ctx) { \
        console.log(controller.cron, controller.scheduledTime, env.NAME, typeof ctx.waitUntil, \
            Object.keys(controller).join(), String(controller)); \
        ctx.waitUntil(scheduler.wait(5).then(() => console.log('late'))); } };";
    host.deploy("demo", &Worker::new(source).text("NAME", "n")).await;
    let event = json!({ "type": "scheduled", "cron": "*/5 * * * *", "scheduled_time": 86_400_000 });
    let ended = run(&host, "demo", event).await;
    assert_eq!((&ended["outcome"], &ended["noRetry"]), (&json!("ok"), &json!(false)), "{ended}");
    let records = host.logs_until("demo", |record| record["kind"] == "outcome").await;
    let wanted = json!([
        "*/5 * * * *",
        86_400_000,
        "n",
        "function",
        "cron,scheduledTime",
        "[object ScheduledController]"
    ]);
    assert_eq!(records[0]["message"], wanted);
    assert_eq!(records[1]["message"], json!(["late"]));
    let outcome = &records[2];
    assert_eq!(
        (&outcome["event"], &outcome["cron"], &outcome["requestId"]),
        (&json!("scheduled"), &json!("*/5 * * * *"), &ended["requestId"])
    );
    assert!(outcome["method"].is_null() && outcome["path"].is_null(), "{outcome}");
    let event = run(&host, "demo", json!({ "type": "scheduled" })).await;
    assert_eq!(event["outcome"], "ok");
    let records = host.logs_until("demo", |r| r["message"][1] == 1_800_000_000_000_u64).await;
    assert!(!records.is_empty());
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_without_a_client_ends_with_its_wall_time_and_the_isolate_goes_on() {
    let host = Host::new().start().await;
    let source = "export default {
        async scheduled() { console.log('begun'); await scheduler.wait(600_000) },
        fetch() { return new Response('served') } };";
    host.deploy("demo", &Worker::new(source).limits(json!({ "wall_ms": 300 }))).await;
    let ended = run(&host, "demo", json!({ "type": "scheduled" })).await;
    assert_eq!(ended["outcome"], "exceededWallTime", "{ended}");
    let records = host.logs_until("demo", |record| record["kind"] == "outcome").await;
    let outcome = records.iter().find(|record| record["kind"] == "outcome").expect("an outcome");
    assert_eq!(outcome["outcome"], "exceededWallTime", "{outcome}");
    assert_eq!(host.get("demo", "/").await.expect_status(200).text(), "served");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scheduled_handler_that_fails_says_whether_it_is_tried_again() {
    let host = Host::new().start().await;
    let source = "export default { scheduled(controller) { \
        if (controller.cron.includes('no')) controller.noRetry(); \
        if (controller.cron.includes('throw')) throw new RangeError('failed'); \
        if (controller.cron.includes('hang')) return new Promise(() => {}); \
        if (controller.cron.includes('spin')) for (;;); } };";
    host.deploy("demo", &Worker::new(source).limits(json!({ "cpu_ms": 50 }))).await;
    for (cron, outcome, no_retry, message) in [
        ("", "ok", false, None),
        ("no", "ok", true, None),
        ("throw", "exception", false, Some("failed")),
        ("no throw", "exception", true, Some("failed")),
        ("hang", "hung", false, Some("The Workers runtime canceled this request")),
        // What was said counts though the code was ended.
        ("no spin", "exceededCpu", true, Some("Worker exceeded CPU time limit.")),
    ] {
        let ended = run(&host, "demo", json!({ "type": "scheduled", "cron": cron })).await;
        assert_eq!(ended["outcome"], outcome, "{cron}: {ended}");
        assert_eq!(ended["noRetry"], no_retry, "{cron}: {ended}");
        let thrown = ended["exceptions"][0]["message"].as_str();
        match message {
            Some(message) => assert!(thrown.unwrap_or("").starts_with(message), "{cron}: {ended}"),
            None => assert_eq!(thrown, None, "{cron}: {ended}"),
        }
    }
    host.shutdown().await;
}

const QUEUE: &str = "export default { async queue(batch, env, ctx) { \
    const M = batch.messages; const cases = { \
        nothing() {}, throw() { throw new Error('q'); }, \
        ack() { M[0].ack(); }, ackthrow() { M[0].ack(); throw new Error('q'); }, \
        retry() { M[0].retry(); }, later() { M[0].retry({ delaySeconds: 5 }); }, \
        ackretry() { M[0].ack(); M[0].retry(); }, retryack() { M[0].retry(); M[0].ack(); }, \
        ackall() { batch.ackAll(); }, retryall() { batch.retryAll({ delaySeconds: 7 }); }, \
        ackallthrow() { batch.ackAll(); throw new Error('q'); }, \
        ackallretryall() { batch.ackAll(); batch.retryAll(); }, \
        retryallackall() { batch.retryAll(); batch.ackAll(); }, \
        mixed() { M[0].ack(); batch.retryAll({ delaySeconds: 3 }); }, \
        mixed2() { M[0].retry(); batch.ackAll(); }, \
        mixed3() { batch.ackAll(); M[0].retry(); }, mixed4() { batch.retryAll(); M[0].ack(); }, \
        waited() { ctx.waitUntil(scheduler.wait(5).then(() => M[1].retry())); }, \
        wrong() { try { M[0].retry({ delaySeconds: 1e9 }); } catch (e) { console.log(String(e)); } }, \
        spin() { M[0].ack(); for (;;); }, \
    }; await cases[batch.queue](); } };";

/// What becomes of the two messages of a batch, as `ack`, `retry` or `retry+5`.
fn fates(ended: &Value) -> Vec<String> {
    let fate = |message: &Value| match message["delaySeconds"].as_u64() {
        Some(seconds) => format!("{}+{seconds}", message["fate"].as_str().expect("a fate")),
        None => message["fate"].as_str().expect("a fate").to_owned(),
    };
    ended["messages"].as_array().expect("messages").iter().map(fate).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_queue_handler_says_of_its_messages_comes_back() {
    let host = Host::new().start().await;
    host.deploy("demo", &Worker::new(QUEUE).limits(json!({ "cpu_ms": 100 }))).await;
    for (queue, outcome, wanted) in [
        ("nothing", "ok", ["ack", "ack"]),
        ("throw", "exception", ["retry", "retry"]),
        ("ack", "ok", ["ack", "ack"]),
        ("ackthrow", "exception", ["ack", "retry"]),
        ("retry", "ok", ["retry", "ack"]),
        ("later", "ok", ["retry+5", "ack"]),
        ("ackretry", "ok", ["ack", "ack"]),
        ("retryack", "ok", ["retry", "ack"]),
        ("ackall", "ok", ["ack", "ack"]),
        ("retryall", "ok", ["retry+7", "retry+7"]),
        ("ackallthrow", "exception", ["ack", "ack"]),
        ("ackallretryall", "ok", ["ack", "ack"]),
        ("retryallackall", "ok", ["retry", "retry"]),
        ("mixed", "ok", ["ack", "retry+3"]),
        ("mixed2", "ok", ["retry", "ack"]),
        ("mixed3", "ok", ["ack", "ack"]),
        ("mixed4", "ok", ["retry", "retry"]),
        ("waited", "ok", ["ack", "retry"]),
        ("wrong", "ok", ["ack", "ack"]),
        ("spin", "exceededCpu", ["ack", "retry"]),
    ] {
        let messages = json!([{ "id": "a", "body": 1 }, { "id": "b", "body": 2 }]);
        let event = json!({ "type": "queue", "queue": queue, "messages": messages });
        let ended = run(&host, "demo", event).await;
        assert_eq!(ended["outcome"], outcome, "{queue}: {ended}");
        assert_eq!(fates(&ended), wanted, "{queue}: {ended}");
    }
    let records = host.logs("demo").await;
    let texts = json!(records).to_string();
    for said in [
        "Received a call to retry() on message a after ack() was already called. Calling retry() on \
         a message after calling ack() has no effect.",
        "Received a call to ackAll() after retryAll() was already called. Calling ackAll() after \
         calling retryAll() has no effect.",
        "TypeError: Value out of range. Must be between 0 and 86400 (inclusive)",
    ] {
        assert!(texts.contains(said), "{said}");
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_have_their_bodies_and_all_that_belongs_to_them() {
    let host = Host::new().start().await;
    let source = "export default { queue(batch) { for (const m of batch.messages) { \
        const body = m.body instanceof Uint8Array ? [...m.body] : m.body; \
        console.log(m.id, m.timestamp, m.attempts, typeof m.body, body, JSON.stringify(m).length > 20); } \
        console.log(batch.queue, batch.metadata.metrics.backlogCount, String(batch), String(batch.messages[0])); \
        try { batch.messages[0].body = 5; } catch (error) { console.log(error.name); } } };";
    host.deploy("demo", &Worker::new(source)).await;
    let messages = json!([
        { "id": "a", "body": { "x": [1, null] }, "timestamp": 0, "attempts": 3 },
        { "id": "b", "body": "text", "content_type": "text", "timestamp": 0 },
        { "id": "c", "body": "AQL/", "content_type": "bytes", "timestamp": 0 },
        { "body": null, "timestamp": 0 },
    ]);
    let event = json!({ "type": "queue", "queue": "jobs", "messages": messages });
    let ended = run(&host, "demo", event).await;
    assert_eq!(ended["outcome"], "ok", "{ended}");
    let records = host.logs_until("demo", |record| record["kind"] == "outcome").await;
    let at = "1970-01-01T00:00:00.000Z";
    assert_eq!(records[0]["message"], json!(["a", at, 3, "object", { "x": [1, null] }, true]));
    assert_eq!(records[1]["message"], json!(["b", at, 1, "string", "text", true]));
    assert_eq!(records[2]["message"], json!(["c", at, 1, "object", [1, 2, 255], true]));
    assert_eq!(
        records[3]["message"].as_array().expect("a list")[1..5],
        [json!(at), json!(1), json!("object"), json!(null)]
    );
    assert_eq!(records[3]["message"][0].as_str().expect("an id").len(), 32);
    let shown = json!(["jobs", 0, "[object QueueController]", "[object QueueMessage]"]);
    assert_eq!(records[4]["message"], shown);
    assert_eq!(records[5]["message"], json!(["TypeError"]));
    assert_eq!(records[6]["queue"], "jobs");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_handler_sees_items_without_secrets() {
    let host = Host::new().start().await;
    let source = "export default { tail(events) { const [item] = events; \
        console.log(events.length, item.outcome, item.event.request.headers, \
            item.event.request.getUnredacted().headers.cookie, String(item)); } };";
    host.deploy("demo", &Worker::new(source)).await;
    let headers = json!({ "accept": "*/*", "cookie": "c", "x-api-key": "k" });
    let request = json!({ "url": "http://a/", "method": "GET", "headers": headers });
    let item = json!({ "event": { "request": request }, "outcome": "ok", "logs": [] });
    let ended = run(&host, "demo", json!({ "type": "tail", "events": [item] })).await;
    assert_eq!(ended["outcome"], "ok", "{ended}");
    let record = host.record("demo", "log").await;
    let shown = json!({ "accept": "*/*", "cookie": "REDACTED", "x-api-key": "REDACTED" });
    assert_eq!(record["message"], json!([1, "ok", shown, "c", "[object TraceItem]"]));
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn named_entrypoints_run_every_kind_of_event() {
    let host = Host::new().start().await;
    let source = "import { WorkerEntrypoint } from 'cloudflare:workers'; \
        export default { fetch() { return new Response('x'); } }; \
        export const object = { scheduled(c, env, ctx) { console.log('object', c.cron, env.NAME, typeof ctx); } }; \
        export class Entry extends WorkerEntrypoint { \
            scheduled(c) { console.log('class', c.cron, this.env.NAME, JSON.stringify(this.ctx.props)); } } \
        export class Plain { constructor(ctx, env) { this.env = env; } \
            scheduled(c) { console.log('plain', c.cron, this.env.NAME); } } \
        export class Throws extends WorkerEntrypoint { \
            constructor(ctx, env) { super(ctx, env); throw new RangeError('made'); } scheduled() {} } \
        export class Later extends WorkerEntrypoint { \
            constructor(ctx, env) { super(ctx, env); return (async () => this)(); } scheduled() {} } \
        export class Empty extends WorkerEntrypoint {}";
    host.deploy("demo", &Worker::new(source).text("NAME", "n")).await;
    let versions = host.admin("GET", "/v1/tenants/demo/workers/main/versions").send().await;
    let entrypoints = json!({ "default": ["fetch"], "object": ["scheduled"], "Entry": ["scheduled"],
        "Plain": ["scheduled"], "Throws": ["scheduled"], "Later": ["scheduled"], "Empty": [] });
    assert_eq!(versions.json()["versions"][0]["entrypoints"], entrypoints);
    for (entrypoint, outcome, seen) in [
        ("object", "ok", "object"),
        ("Entry", "ok", "class"),
        ("Plain", "ok", "plain"),
        ("Throws", "exception", "made"),
        ("Later", "exception", "Handler does not export a scheduled() function."),
    ] {
        let event = json!({ "type": "scheduled", "cron": "c", "entrypoint": entrypoint });
        let ended = run(&host, "demo", event).await;
        assert_eq!(ended["outcome"], outcome, "{entrypoint}: {ended}");
        let records = host.logs("demo").await;
        let found = |r: &Value| r["message"] == seen || r["message"][0] == seen;
        assert!(records.iter().any(found), "{entrypoint}: {records:#?}");
    }
    for (entrypoint, kind) in [("Empty", "scheduled"), ("none", "scheduled"), ("object", "tail")] {
        let event = json!({ "type": kind, "entrypoint": entrypoint, "events": [] });
        let event =
            if kind == "tail" { event } else { json!({ "type": kind, "entrypoint": entrypoint }) };
        let answer = begin(&host, "demo", event).await.expect_failure(422, "INVALID");
        let message = format!("type: the worker's export `{entrypoint}` has no {kind}() handler");
        assert_eq!(answer.json()["error"]["message"], message.as_str());
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_problem_of_an_event_is_reported() {
    let host = Host::new().start().await;
    host.deploy("demo", &Worker::new(QUEUE)).await;
    let many: Vec<Value> = (0..101).map(|_| json!({ "body": 1 })).collect();
    for (event, paths) in [
        (json!({}), vec!["type"]),
        (json!({ "type": "fetch" }), vec!["type"]),
        (json!({ "type": "scheduled", "cron": 5, "x": 1 }), vec!["cron", "x"]),
        (json!({ "type": "queue" }), vec!["queue", "messages"]),
        (json!({ "type": "queue", "queue": "q", "messages": many }), vec!["messages"]),
        (
            json!({ "type": "queue", "queue": "q", "messages": [{}, { "body": 1, "content_type": "text" },
                { "body": "!", "content_type": "bytes" }, { "body": 1, "content_type": "v8" }] }),
            vec![
                "messages[0].body",
                "messages[1].body",
                "messages[2].body",
                "messages[3].content_type",
            ],
        ),
        (json!({ "type": "tail", "events": [5] }), vec!["events"]),
    ] {
        let answer = begin(&host, "demo", event.clone()).await.expect_failure(422, "INVALID");
        let problems = answer.json()["error"]["problems"].clone();
        let found: Vec<&str> = problems
            .as_array()
            .expect("problems")
            .iter()
            .filter_map(|p| p["path"].as_str())
            .collect();
        for path in paths {
            assert!(found.contains(&path), "{event}: {found:?}");
        }
    }
    let missing = host.admin("POST", "/v1/tenants/demo/workers/none/events");
    let missing = missing.body(r#"{"type":"scheduled"}"#).send().await;
    missing.expect_failure(404, "NO_WORKER");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_is_aborted_ends_with_the_reason_and_harms_no_other() {
    let host = Host::new().start().await;
    let source = "let seen = []; export default { async fetch(request, env, ctx) { \
        const { pathname } = new URL(request.url); \
        if (pathname === '/now') ctx.abort(new RangeError('my reason')); \
        if (pathname === '/bare') ctx.abort(); \
        if (pathname === '/caught') { try { ctx.abort('text'); } catch (error) { seen.push(error); } \
            return new Response('not sent'); } \
        if (pathname === '/later') { setTimeout(() => ctx.abort('from a timer'), 1); await scheduler.wait(1000); } \
        if (pathname === '/wait') await scheduler.wait(50); \
        return new Response(pathname + seen.join()); } };";
    host.deploy("demo", &Worker::new(source)).await;
    let wait = host.get("demo", "/wait");
    let aborts = async {
        for (path, message) in [
            ("/now", "my reason"),
            ("/bare", "Worker execution was aborted due to call to ctx.abort()."),
            ("/caught", "Uncaught text"),
            ("/later", "Uncaught from a timer"),
        ] {
            host.get("demo", path).await.expect_failure(500, "EXCEPTION");
            let of = |r: &Value| r["kind"] == "outcome" && r["path"] == path;
            let records = host.logs_until("demo", of).await;
            let request = &records.last().expect("the outcome")["requestId"];
            let own = records.iter().filter(|r| r["requestId"] == *request);
            let thrown: Vec<_> = own.filter(|r| r["kind"] == "exception").collect();
            assert_eq!(thrown.len(), 1, "{path}: {records:#?}");
            assert_eq!(thrown[0]["message"], message, "{path}");
        }
    };
    let (waited, ()) = tokio::join!(wait, aborts);
    assert!(waited.expect_status(200).text().starts_with("/wait"));
    // The isolate is the same.
    assert_eq!(host.get("demo", "/after").await.text(), "/aftertext");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_of_the_signal_that_throws_does_not_keep_an_event_alive() {
    let host = Host::new().start().await;
    let source = "export default { async fetch(request) { \
        request.signal.addEventListener('abort', () => { throw new Error('in the listener'); }); \
        console.log('listens'); await scheduler.wait(5000); return new Response('x'); } };";
    host.deploy("demo", &Worker::new(source)).await;
    let sending = host.request("demo", "GET", "/").sent().await;
    host.logs_until("demo", |record| record["kind"] == "log").await;
    drop(sending);
    let records = host.logs_until("demo", |record| record["kind"] == "outcome").await;
    assert!(records.iter().any(|r| r["message"] == "in the listener"), "{records:#?}");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prevented_rejection_leaves_no_record() {
    let host = Host::new().start().await;
    let source = "addEventListener('unhandledrejection', (event) => { \
            if (event.reason.message === 'prevented') event.preventDefault(); }); \
        export default { async fetch() { Promise.reject(new Error('prevented')); \
            Promise.reject(new Error('logged')); await scheduler.wait(1); return new Response('x'); } };";
    host.deploy("demo", &Worker::new(source)).await;
    host.get("demo", "/").await.expect_status(200);
    let records = host.logs_until("demo", |record| record["kind"] == "outcome").await;
    let thrown: Vec<_> = records.iter().filter(|record| record["kind"] == "exception").collect();
    assert_eq!(thrown.len(), 1, "{records:#?}");
    assert_eq!(thrown[0]["message"], "logged");
    host.shutdown().await;
}
