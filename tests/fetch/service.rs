//! Requests that go to another worker of the tenant instead of the internet.

use serde_json::json;

use super::{TENANT, handler};
use crate::host::{Chunk, Host, Worker};

fn through(worker: Worker, outbound: serde_json::Value) -> Worker {
    worker.metadata("outbound", outbound)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_worker_answers_what_its_caller_fetches() {
    let host = Host::new().start().await;
    let out = "export default { fetch: () => new Response('default') };
        export const Out = { async fetch(request) {
          const { headers, method, url } = request;
          return Response.json({ method, url, host: headers.get('host'), a: headers.get('x-a'),
            own: headers.get('x-bindery-a'), body: await request.text() }, { status: 202 }); } };";
    host.deploy(TENANT, &Worker::new(out).name("proxy")).await;
    let body = "return fetch('https://example.com/p?q', { method: 'POST', body: 'b',
        headers: { 'x-a': '1', 'x-bindery-a': '2', host: 'evil' } });";
    let named = json!({ "service": "proxy", "entrypoint": "Out" });
    host.deploy(TENANT, &through(handler("", body), named)).await;
    let seen = host.get(TENANT, "/").await.expect_status(202).json();
    let expected = json!({ "method": "POST", "url": "https://example.com/p?q",
        "host": "example.com", "a": "1", "own": null, "body": "b" });
    assert_eq!(seen, expected);
    host.deploy(TENANT, &through(handler("", body), json!({ "service": "proxy" }))).await;
    assert_eq!(host.get(TENANT, "/").await.expect_status(200).text(), "default");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_stream_both_ways_between_workers() {
    let host = Host::new().start().await;
    let echo = "export default { fetch: (request) => new Response(
        request.body.pipeThrough(new TransformStream())) };";
    host.deploy(TENANT, &Worker::new(echo).name("echo")).await;
    let body = "return fetch('http://any/', { method: 'POST', body: request.body });";
    host.deploy(TENANT, &through(handler("", body), json!({ "service": "echo" }))).await;
    let mut sending = host.request(TENANT, "POST", "/").start().await;
    sending.chunk("one").await;
    let (mut incoming, mut write) = sending.split().await;
    assert_eq!(incoming.text().await, "one");
    use tokio::io::AsyncWriteExt;
    write.write_all(b"3\r\ntwo\r\n0\r\n\r\n").await.expect("room");
    assert_eq!(incoming.text().await, "two");
    assert_eq!(incoming.chunk().await, Chunk::End);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_is_looked_up_when_it_is_called_and_only_among_the_tenants_own() {
    let host = Host::new().start().await;
    let body = "return new Response(await fetch('http://any/').then((r) => r.text(), String));";
    let caller = through(handler("", body), json!({ "service": "late" }));
    host.deploy(TENANT, &caller).await;
    let late = Worker::new("export default { fetch: () => new Response('there') };").name("late");
    host.deploy("other", &late).await;
    let text = host.get(TENANT, "/").await.expect_status(200).text();
    assert_eq!(text, "Error: The worker `late` does not exist.");
    host.deploy(TENANT, &late).await;
    assert_eq!(host.get(TENANT, "/").await.text(), "there");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_calls_itself_comes_to_an_end() {
    let host = Host::new().start().await;
    let body = "globalThis.depth = (globalThis.depth ?? 0) + 1;
        const text = await fetch(request.url).then((r) => r.text(), String);
        return new Response(text.startsWith('Error') ? `${globalThis.depth} ${text}` : text);";
    host.deploy(TENANT, &through(handler("", body), json!({ "service": "main" }))).await;
    let text = host.get(TENANT, "/").await.expect_status(200).text();
    assert!(
        text.starts_with("17 Error: Subrequest depth") && text.contains("16 is the limit"),
        "{text}"
    );
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_called_worker_that_fails_is_an_error_of_its_caller() {
    let host = Host::new().start().await;
    host.deploy(TENANT, &Worker::new("export default { fetch() { throw 1; } };").name("bad")).await;
    let body = "return new Response(await fetch('http://any/').then((r) => r.text(), String));";
    host.deploy(TENANT, &through(handler("", body), json!({ "service": "bad" }))).await;
    let text = host.get(TENANT, "/").await.expect_status(200).text();
    assert_eq!(text, "Error: The worker `bad` ended without a response: exception.");
    host.shutdown().await;
}
