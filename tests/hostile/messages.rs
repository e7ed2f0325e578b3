//! Requests and responses over their limits, or malformed.

use serde_json::json;

use super::{Crime, EVIL, Scene, handler};
use crate::host::{Chunk, Host, Worker};

const ECHO: &str = "export default { async fetch(request) {
    let size = 0; for await (const chunk of request.body ?? []) size += chunk.length;
    return new Response(`${size}`); } };";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_over_a_limit_is_refused_before_any_code_runs() {
    let host = Host::new().start().await;
    host.deploy(EVIL, &Worker::new(ECHO)).await;
    let get = |path: &str| host.request(EVIL, "GET", path);
    let mut many = get("/");
    for number in 0..130 {
        many = many.header(&format!("x-{number}"), "y");
    }
    many.send().await.expect_failure(431, "TOO_LARGE");
    get("/").header("x", &"y".repeat(70_000)).send().await.expect_failure(431, "TOO_LARGE");
    get(&format!("/{}", "y".repeat(20_000))).send().await.expect_failure(431, "TOO_LARGE");
    let long = get("/").header("content-length", "100000001").send().await;
    assert_eq!(long.expect_failure(413, "TOO_LARGE").outcome(), None);
    let twice = get("/").header("host", "other.localhost").send().await;
    twice.expect_failure(400, "BAD_REQUEST");
    host.request("nobody", "GET", "/").send().await.expect_failure(404, "NO_WORKER");
    let logs = host.logs(EVIL).await;
    assert!(logs.iter().all(|record| record["kind"] != "outcome"), "{logs:#?}");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_grows_over_its_limit_is_cut_off_on_the_way() {
    let host = Host::new().start().await;
    host.deploy(EVIL, &Worker::new(ECHO)).await;
    let mut sending = host.request(EVIL, "POST", "/").start().await;
    let chunk = vec![b'x'; 1 << 20];
    for _ in 0..95 {
        sending.chunk(&chunk).await;
    }
    // One byte over: nothing stays unread that would have the connection reset.
    sending.chunk(&chunk[..100_000_001 - (95 << 20)]).await;
    sending.head().await.whole().await.expect_failure(413, "TOO_LARGE");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_that_http_can_not_carry_is_the_workers_exception() {
    let scene = Scene::start().await;
    for (body, message) in [
        (
            "const h = new Headers(); for (let i = 0; i < 129; i++) h.set(`x-${i}`, 'y');
          return new Response('', { headers: h });",
            "response headers",
        ),
        ("return new Response('', { headers: { a: 'b'.repeat(70000) } });", "response headers"),
        ("return new Response('', { headers: { a: 'b\\r\\nset-cookie: c' } });", ""),
        ("return new Response('', { headers: { 'a b': 'c' } });", ""),
        ("return new Response('', { status: 99 });", "status"),
        ("return new Response('x', { status: 204 });", "null body status"),
        ("return 'text';", "did not resolve to 'Response'"),
        ("return;", "did not resolve to 'Response'"),
        ("return Object.create(Response.prototype);", ""),
        ("return new Proxy(new Response('x'), {});", ""),
        ("const r = new Response('x'); await r.text(); return r;", "already been used"),
    ] {
        scene.convict(&Crime::exception(body, message)).await;
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_of_another_length_than_declared_never_ends_cleanly() {
    let host = Host::new().start().await;
    // The end is made once the test has seen the head: before, there would be nothing to cut.
    let body = "const path = new URL(request.url).pathname;
        if (path === '/go') { globalThis.go(); return new Response(); }
        const went = new Promise((resolve) => { globalThis.go = resolve; });
        const keep = setInterval(() => {}, 1000);
        const { readable, writable } = new FixedLengthStream(10);
        const writer = writable.getWriter();
        ctx.waitUntil((async () => {
          await writer.write(new Uint8Array(4));
          await went;
          clearInterval(keep);
          if (path === '/short') await writer.close();
          else await writer.write(new Uint8Array(20));
        })().catch(() => {}));
        return new Response(readable);";
    host.deploy(EVIL, &Worker::new(handler(body))).await;
    for path in ["/short", "/long"] {
        let mut incoming = host.request(EVIL, "GET", path).open().await;
        assert_eq!((incoming.status, incoming.header("content-length")), (200, Some("10")));
        host.get(EVIL, "/go").await.expect_status(200);
        let (bytes, end) = incoming.rest().await;
        assert!(bytes.len() < 10 && end == Chunk::Cut, "{path}: {} {end:?}", bytes.len());
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_of_the_host_can_not_be_forged_by_either_side() {
    let host = Host::new().start().await;
    let body = "return new Response(JSON.stringify([...request.headers]), { headers: {
        'x-bindery-outcome': 'ok', 'x-bindery-request': 'mine', 'transfer-encoding': 'chunked',
        'content-length': '1', connection: 'close', 'set-cookie': 'a=b; Domain=localhost' } });";
    host.deploy(EVIL, &Worker::new(handler(body))).await;
    let request = host.request(EVIL, "GET", "/").header("x-bindery-auth", "1");
    let answer = request.header("cf-connecting-ip", "9.9.9.9").send().await.expect_status(200);
    let seen = answer.text();
    assert!(!seen.contains("x-bindery") && !seen.contains("9.9.9.9"), "{seen}");
    assert!(answer.header("x-bindery-request").is_some_and(|id| id.starts_with("req_")));
    assert_eq!((answer.outcome(), answer.header("set-cookie")), (None, None), "{answer}");
    assert_eq!(answer.header("connection"), None);
    let other = json!({ "a": 1 });
    host.put("/v1/tenants/x", &other).await.expect_failure(422, "INVALID");
    host.shutdown().await;
}
