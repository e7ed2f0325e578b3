//! The shapes of handlers, and the life of an event around its response.

use crate::host::{Host, Worker};
use crate::js::ask;

/// Asks a worker whose answer must be an exception. Gives its record.
async fn exception(host: &Host, tenant: &str, source: &str) -> String {
    host.deploy(tenant, &Worker::new(source)).await;
    let answer = host.get(tenant, "/").await.expect_failure(500, "EXCEPTION");
    assert_eq!(answer.outcome(), Some("exception"));
    let record = host.record(tenant, "exception").await;
    assert_eq!(answer.json()["error"]["message"], "the worker threw an exception");
    format!(
        "{}: {}",
        record["name"].as_str().expect("a text"),
        record["message"].as_str().expect("a text")
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_may_be_of_many_shapes() {
    let host = Host::new().start().await;
    let shapes = [
        ("object", "export default { fetch() { return new Response('x'); } };"),
        ("async", "export default { async fetch() { return new Response('x'); } };"),
        ("arrow", "export default { fetch: async () => new Response('x') };"),
        (
            "thenable",
            "export default { fetch() { return { then(f) { f(new Response('x')); } }; } };",
        ),
        ("this", "export default { x: 'x', fetch() { return new Response(this.x); } };"),
        (
            "frozen",
            "export default Object.freeze({ __proto__: { fetch: () => new Response('x') } });",
        ),
        ("instance", "class A { fetch() { return new Response('x'); } } export default new A();"),
        (
            "class",
            "import { WorkerEntrypoint } from 'cloudflare:workers'; export default class extends WorkerEntrypoint { \
                async fetch(request) { return new Response(this.env.X ?? 'x' + this.ctx.props ?? ''); } };",
        ),
        ("exported-as", "const h = { fetch: () => new Response('x') }; export { h as default };"),
    ];
    for (name, source) in shapes {
        let text = ask(&host, name, &Worker::new(source)).await;
        assert!(text.starts_with('x'), "{name}: {text}");
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_class_has_one_instance_for_each_event() {
    let host = Host::new().start().await;
    let source = "import { WorkerEntrypoint } from 'cloudflare:workers'; let made = 0; \
        export default class extends WorkerEntrypoint { \
            constructor(ctx, env) { super(ctx, env); made++; this.count = 0; } \
            fetch() { return new Response([made, ++this.count, this.env.NAME, typeof this.ctx.waitUntil].join()); } }";
    host.deploy("demo", &Worker::new(source).text("NAME", "n")).await;
    assert_eq!(host.get("demo", "/").await.text(), "1,1,n,function");
    assert_eq!(host.get("demo", "/").await.text(), "2,1,n,function");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_handler_and_no_response_is_an_exception() {
    let host = Host::new().start().await;
    let sources = [
        "export default {};",
        "export default class {};",
        "export const other = { fetch() {} };",
        "export default { fetch: 5 };",
        "export default { fetch() {} };",
        "export default { fetch() { return 'text'; } };",
        "export default { async fetch() {} };",
        "export default { async fetch() { return { status: 200 }; } };",
        "export default { async fetch() { return Object.create(Response.prototype); } };",
        "export default { fetch() { return Response.error(); } };",
        "export default { fetch() { throw new RangeError('m'); } };",
        "export default { async fetch() { throw null; } };",
        "export default { async fetch() { throw { message: 5 }; } };",
        "export default { async fetch() { throw new Proxy({}, { get() { throw 1; } }); } };",
        "class A { constructor() { throw new Error('made'); } fetch() {} } export default A;",
        "const r = new Response('x'); r.text(); export default { fetch() { return r; } };",
    ];
    let mut seen = String::new();
    for (at, source) in sources.iter().enumerate() {
        let text = exception(&host, &format!("t{at}"), source).await;
        seen.push_str(&format!("{source}\n    {text}\n"));
    }
    expect_test::expect_file!["exceptions.golden"].assert_eq(&seen);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_that_can_never_come_is_found_at_once() {
    let host = Host::new().still_clock().start().await;
    let sources = [
        "export default { fetch() { return new Promise(() => {}); } };",
        "export default { async fetch() { await new Promise(() => {}); } };",
        "export default { async fetch(r) { await new ReadableStream().getReader().read(); } };",
        "export default { async fetch(r) { setTimeout(() => {}, 1); await new Promise(() => {}); } };",
        "export default { fetch() { return { then() {} }; } };",
    ];
    for (at, source) in sources.iter().enumerate() {
        let tenant = format!("t{at}");
        host.deploy(&tenant, &Worker::new(*source)).await;
        let answer = host.get(&tenant, "/").await.expect_failure(500, "HUNG");
        assert_eq!(answer.outcome(), Some("hung"), "{source}");
        let records = host.logs_until(&tenant, |record| record["kind"] == "outcome").await;
        assert_eq!(records.last().expect("an outcome")["outcome"], "hung", "{source}");
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hung_event_harms_no_other_of_its_isolate() {
    let host = Host::new().start().await;
    let source = "let resolve; const later = new Promise((f) => resolve = f); export default { async fetch(request) { \
        const { pathname } = new URL(request.url); \
        if (pathname === '/hang') await new Promise(() => {}); \
        if (pathname === '/wait') await new Promise((f) => setTimeout(f, 50)); \
        return new Response(pathname); } };";
    host.deploy("demo", &Worker::new(source)).await;
    let (slow, hung) = tokio::join!(host.get("demo", "/wait"), host.get("demo", "/hang"));
    assert_eq!(slow.expect_status(200).text(), "/wait");
    hung.expect_failure(500, "HUNG");
    assert_eq!(host.get("demo", "/after").await.text(), "/after");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_under_wait_until_goes_on_after_the_response() {
    let host = Host::new().start().await;
    let source = "let done = 'nothing'; export default { fetch(request, env, ctx) { \
        if (request.url.endsWith('/done')) return new Response(done); \
        ctx.waitUntil((async () => { await scheduler.wait(20); done = 'all'; console.log('done'); })()); \
        return new Response('at once'); } };";
    host.deploy("demo", &Worker::new(source)).await;
    assert_eq!(host.get("demo", "/").await.text(), "at once");
    let records = host.logs_until("demo", |record| record["kind"] == "outcome").await;
    let kinds: Vec<_> =
        records.iter().map(|record| record["kind"].as_str().expect("a kind")).collect();
    assert_eq!(kinds, ["log", "outcome"]);
    assert_eq!(host.get("demo", "/done").await.text(), "all");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejection_under_wait_until_is_logged_and_the_response_stays() {
    let host = Host::new().start().await;
    let source = "export default { fetch(request, env, ctx) { \
        ctx.waitUntil(Promise.reject(new RangeError('late'))); return new Response('fine'); } };";
    assert_eq!(ask(&host, "demo", &Worker::new(source)).await, "fine");
    let records = host.logs_until("demo", |record| record["kind"] == "outcome").await;
    assert_eq!(records[0]["kind"], "exception");
    assert_eq!(records[0]["message"], "late");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejection_that_nobody_handles_is_logged_and_harms_nothing() {
    let host = Host::new().start().await;
    let source = "export default { async fetch(request) { \
        Promise.reject(new Error('stray')); \
        setTimeout(() => { throw new TypeError('in a timer'); }, 1); \
        queueMicrotask(() => { throw new RangeError('in a microtask'); }); \
        await scheduler.wait(10); return new Response('fine'); } };";
    assert_eq!(ask(&host, "demo", &Worker::new(source)).await, "fine");
    for message in ["stray", "in a timer", "in a microtask"] {
        host.logs_until("demo", |record| record["message"] == message).await;
    }
    let records = host.logs_until("demo", |record| record["kind"] == "outcome").await;
    // The client has its answer, and the tenant sees that something went wrong.
    assert_eq!(records.last().expect("an outcome")["outcome"], "exception");
    assert_eq!(host.get("demo", "/").await.text(), "fine");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn state_of_modules_is_shared_by_the_events_of_an_isolate() {
    let host = Host::new().start().await;
    let source =
        "let count = 0; export default { fetch() { return new Response(String(++count)); } };";
    host.deploy("demo", &Worker::new(source)).await;
    for wanted in ["1", "2", "3"] {
        assert_eq!(host.get("demo", "/").await.text(), wanted);
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timer_belongs_to_the_event_that_made_it() {
    let host = Host::new().start().await;
    let source = "let fired = 0; export default { async fetch(request) { \
        if (request.url.endsWith('/start')) { setInterval(() => fired++, 1); return new Response('s'); } \
        const before = fired; await scheduler.wait(30); return new Response(String(fired - before)); } };";
    host.deploy("demo", &Worker::new(source)).await;
    assert_eq!(host.get("demo", "/start").await.text(), "s");
    assert_eq!(host.get("demo", "/").await.text(), "0");
    host.shutdown().await;
}
