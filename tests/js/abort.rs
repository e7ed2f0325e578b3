//! What would end the whole process if the engine's own answers were left in place. Each is done
//! in a cordon that serves a neighbour too, which must not notice.

use crate::host::{Host, Worker};
use crate::js::ask;

const NEIGHBOUR: &str =
    "let count = 0; export default { fetch() { return new Response(String(++count)); } };";

/// A server with one cordon, in which a neighbour has answered once.
async fn with_neighbour() -> Host {
    let host = Host::new().cordons(1).start().await;
    assert_eq!(ask(&host, "neighbour", &Worker::new(NEIGHBOUR)).await, "1");
    host
}

/// The neighbour's isolate is the same as before, and no cordon has died.
async fn unharmed(host: Host) {
    assert_eq!(host.get("neighbour", "/").await.expect_status(200).text(), "2");
    assert_eq!(host.cordon_death_count(), 0);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_fails_with_an_error_without_a_text_message() {
    let host = with_neighbour().await;
    let source = "export default { async fetch() { const seen = []; \
        for (const name of ['./a.js', './b.js', './c.js', './d.js']) { \
            try { await import(name); seen.push('imported'); } catch (error) { seen.push(typeof error); } } \
        Error.stackTraceLimit = 0; \
        for (const name of ['./e.js', './none.js', './syntax.js']) { \
            try { await import(name); seen.push('imported'); } catch (error) { seen.push(typeof error); } } \
        return new Response(seen.join()); } };";
    let worker = Worker::new(source)
        .js("a.js", "throw Object.create(Error.prototype, { message: { value: 5 } });")
        .js("b.js", "Error.stackTraceLimit = 0; const e = new Error(); e.message = { toString() { throw 1; } }; throw e;")
        .js("c.js", "const e = new Error(); delete e.stack; Object.defineProperty(e, 'message', { get() { throw 1; } }); throw e;")
        .js("d.js", "throw new Proxy(new Error('x'), { get() { throw 1; } });")
        .js("e.js", "const e = new Error(); delete e.message; throw e;")
        .js("syntax.js", "let 5;");
    let text = ask(&host, "demo", &worker).await;
    assert_eq!(text, "object,object,object,object,object,object,object");
    unharmed(host).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_at_the_end_of_the_stack() {
    let host = with_neighbour().await;
    let source = "export default { async fetch() { \
        const deep = () => { try { deep(); } catch { import('./none.js').catch(() => {}); import(0).catch(() => {}); } }; \
        deep(); await 0; return new Response('fine'); } };";
    assert_eq!(ask(&host, "demo", &Worker::new(source)).await, "fine");
    unharmed(host).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webassembly_that_is_ready_while_the_code_is_ended() {
    let host = with_neighbour().await;
    // A module of no content, and one whose start never ends.
    let endless: &[u8] = &[
        0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 8, 1, 0, 10, 9, 1, 7, 0, 3, 64,
        12, 0, 11, 11,
    ];
    let source = "import empty from './empty.wasm'; import endless from './endless.wasm'; \
        export default { async fetch(request) { const { pathname } = new URL(request.url); \
        for (let at = 0; at < 50; at++) WebAssembly.instantiate(empty); \
        if (pathname === '/loop') for (;;); \
        if (pathname === '/wasm') await WebAssembly.instantiate(endless); \
        if (pathname === '/then') await WebAssembly.instantiate(empty).then(() => { for (;;); }); \
        return new Response('fine'); } };";
    let worker = Worker::new(source)
        .module("empty.wasm", "application/wasm", [0u8, 97, 115, 109, 1, 0, 0, 0])
        .module("endless.wasm", "application/wasm", endless)
        .limits(serde_json::json!({ "cpu_ms": 50 }));
    assert_eq!(ask(&host, "demo", &worker).await, "fine");
    for path in ["/loop", "/wasm", "/then", "/loop"] {
        host.get("demo", path).await.expect_failure(503, "EXCEEDED_CPU");
    }
    assert_eq!(host.get("demo", "/").await.expect_status(200).text(), "fine");
    unharmed(host).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_two_isolates_in_one_cordon() {
    let host = with_neighbour().await;
    let source = "export default { async fetch() { \
        const key = await crypto.subtle.importKey('raw', new Uint8Array(32), { name: 'HMAC', hash: 'SHA-256' }, true, ['sign']); \
        const made = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']); \
        const clone = structuredClone(key); \
        const same = crypto.subtle.timingSafeEqual(await crypto.subtle.sign('HMAC', key, new Uint8Array(1)), \
            await crypto.subtle.sign('HMAC', clone, new Uint8Array(1))); \
        return new Response([same, made.privateKey.type, crypto.randomUUID().length].join()); } };";
    for tenant in ["a", "b", "c"] {
        host.deploy(tenant, &Worker::new(source)).await;
    }
    for _ in 0..3 {
        let all = tokio::join!(host.get("a", "/"), host.get("b", "/"), host.get("c", "/"));
        for answer in [all.0, all.1, all.2] {
            assert_eq!(answer.expect_status(200).text(), "true,private,36");
        }
    }
    unharmed(host).await;
}
