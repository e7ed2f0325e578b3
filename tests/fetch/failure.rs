//! What goes wrong with a request, and what ends it early.

use serde_json::json;

use super::{TENANT, handler, start};
use crate::host::{Host, Origin, Worker, moment};

/// What a worker says that catches what `body` throws.
async fn thrown(host: &Host, worker: &Worker) -> String {
    host.deploy(TENANT, worker).await;
    host.get(TENANT, "/").await.expect_status(200).text()
}

fn catching(origin: &str, body: &str) -> Worker {
    let body = format!("try {{ {body} }} catch (error) {{ return new Response(String(error)); }}");
    handler(origin, &body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_fails_in_words_that_say_what_failed() {
    let (host, origin) = (start().await, Origin::answering("nonsense\r\n\r\n").await);
    let worker = catching(&origin.url("/"), "await fetch(env.ORIGIN); return new Response('no');");
    let text = thrown(&host, &worker).await;
    assert!(text.starts_with("Error: ") && text.contains("127.0.0.1"), "{text}");
    // Nobody listens on the port of an origin that is gone.
    let url = origin.url("/");
    drop(origin);
    let worker = catching(&url, "await fetch(env.ORIGIN); return new Response('no');");
    let text = thrown(&host, &worker).await;
    assert!(text.starts_with("Error: Network connection lost."), "{text}");
    let worker = catching("http://a b/", "await fetch(env.ORIGIN);");
    assert_eq!(thrown(&host, &worker).await, "TypeError: Invalid URL: http://a b/");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_flag_the_loopback_is_not_reached() {
    let (host, mut origin) = (Host::new().start().await, Origin::start().await);
    let worker = catching(&origin.url("/"), "await fetch(env.ORIGIN); return new Response('no');");
    let text = thrown(&host, &worker).await;
    assert!(text.contains("127.0.0.1") && text.contains("only public addresses"), "{text}");
    assert!(origin.is_quiet());
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_without_a_way_out_is_told_so() {
    let host = start().await;
    let worker = catching("http://example.com/", "await fetch(env.ORIGIN);");
    let text = thrown(&host, &worker.metadata("outbound", json!("none"))).await;
    assert!(
        text.starts_with("Error: This worker is not permitted to access the internet"),
        "{text}"
    );
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subrequests_are_counted_and_the_limit_is_named() {
    const MOVED: &str =
        "HTTP/1.1 302 Found\r\nlocation: /again\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let (host, origin) = (start().await, Origin::answering(MOVED).await);
    let body = "for (let at = 0; ; at++) { try { await fetch(env.ORIGIN, { redirect: 'manual' }); }
        catch (error) { return new Response(`${at} ${error}`); } }";
    let few = json!({ "subrequests": 3 });
    let text = thrown(&host, &handler(&origin.url("/"), body).limits(few.clone())).await;
    assert!(text.starts_with("3 Error: Too many subrequests. One event may make 3,"), "{text}");
    // Redirects are subrequests too.
    let text =
        thrown(&host, &catching(&origin.url("/"), "await fetch(env.ORIGIN);").limits(few)).await;
    assert!(text.starts_with("Error: Too many subrequests. One event may make 3,"), "{text}");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn six_requests_of_an_event_wait_at_once_and_the_others_follow_in_order() {
    let (host, mut origin) = (start().await, Origin::start().await);
    let body = "const all = [];
        for (let at = 0; at < 8; at++) all.push(fetch(env.ORIGIN + at).then((r) => r.text()));
        return new Response((await Promise.all(all)).join());";
    host.deploy(TENANT, &handler(&origin.url("/"), body)).await;
    let sending = host.request(TENANT, "GET", "/").sent().await;
    let mut arrived = Vec::new();
    for _ in 0..6 {
        arrived.push(origin.next().await);
    }
    for _ in 0..10 {
        moment().await;
    }
    assert!(origin.is_quiet());
    for at in 6..8 {
        let mut first = arrived.remove(0);
        first.answer("fine").await;
        let next = origin.next().await;
        assert_eq!(next.first, format!("GET /{at} HTTP/1.1"));
        arrived.push(next);
    }
    for mut one in arrived {
        one.answer("fine").await;
    }
    let text = sending.head().await.whole().await.text();
    assert_eq!(text, ["fine"; 8].join(","));
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_nobody_waits_for_is_closed() {
    let (host, mut origin) = (start().await, Origin::start().await);
    let body = "const path = new URL(request.url).pathname;
        if (path === '/signal') {
          const controller = new AbortController();
          const sent = fetch(env.ORIGIN, { signal: controller.signal });
          setTimeout(() => controller.abort(new Error('enough')), 20);
          try { await sent; } catch (error) { return new Response(error.message); }
        }
        if (path === '/left') { fetch(env.ORIGIN).catch(() => {}); return new Response('gone'); }
        return fetch(env.ORIGIN);";
    host.deploy(TENANT, &handler(&origin.url("/"), body)).await;
    for (path, text) in [("/signal", "enough"), ("/left", "gone")] {
        assert_eq!(host.get(TENANT, path).await.expect_status(200).text(), text);
        // A call that ends with its event may end before it was sent.
        if path == "/signal" {
            origin.next().await.closed().await;
        }
    }
    let sending = host.request(TENANT, "GET", "/waits").sent().await;
    let mut arrived = origin.next().await;
    if arrived.first.is_empty() {
        arrived = origin.next().await;
    }
    drop(sending);
    arrived.closed().await;
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_that_breaks_off_fails_where_it_is_read() {
    const CUT: &str = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc";
    let (host, origin) = (start().await, Origin::answering(CUT).await);
    let body =
        "const response = await fetch(env.ORIGIN); return new Response(await response.text());";
    let text = thrown(&host, &catching(&origin.url("/"), body)).await;
    assert_eq!(text, "Error: Network connection lost.");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_whose_body_fails_fails_with_it() {
    let (host, _origin) = (start().await, Origin::start().await);
    let body = "const broken = new ReadableStream({ pull() { throw new RangeError('mine'); } });
        await fetch(env.ORIGIN, { method: 'POST', body: broken });";
    let text = thrown(&host, &catching(&_origin.url("/"), body)).await;
    assert_eq!(text, "RangeError: mine");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_waits_for_a_response_is_not_hung_and_pays_for_what_follows() {
    let (host, mut origin) = (start().await, Origin::start().await);
    let body = "const text = await (await fetch(env.ORIGIN)).text();
        for (let at = 0; at < 1e12; at++) if (text === 'never') break;
        return new Response(text);";
    let limits = json!({ "cpu_ms": 50 });
    host.deploy(TENANT, &handler(&origin.url("/"), body).limits(limits)).await;
    let sending = host.request(TENANT, "GET", "/").sent().await;
    origin.next().await.answer("go").await;
    sending.head().await.whole().await.expect_failure(503, "EXCEEDED_CPU");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_can_not_be_made_while_modules_are_evaluated() {
    let host = start().await;
    let source = "let seen; try { await fetch('http://127.0.0.1:1/'); } catch (error) { seen = String(error); }
        export default { fetch() { return new Response(seen); } };";
    host.deploy(TENANT, &Worker::new(source)).await;
    let text = host.get(TENANT, "/").await.expect_status(200).text();
    assert!(text.starts_with("Error: Disallowed operation called within global scope."), "{text}");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_of_one_event_is_not_read_in_another() {
    let (host, mut origin) = (start().await, Origin::start().await);
    let body = "if (new URL(request.url).pathname === '/keep') {
          globalThis.kept = await fetch(env.ORIGIN);
          ctx.waitUntil(new Promise((done) => { globalThis.done = done; setTimeout(done, 60_000); }));
          return new Response('kept');
        }
        const { kept, done } = globalThis;
        const caught = await fetch(env.ORIGIN, { method: 'POST', body: kept.body }).catch(String);
        done();
        return new Response(caught);";
    host.deploy(TENANT, &handler(&origin.url("/"), body)).await;
    let sending = host.request(TENANT, "GET", "/keep").sent().await;
    let mut arrived = origin.next().await;
    arrived.answer("text").await;
    assert_eq!(sending.head().await.whole().await.text(), "kept");
    let text = host.get(TENANT, "/use").await.expect_status(200).text();
    assert!(
        text.starts_with("Error: Cannot perform I/O on behalf of a different request."),
        "{text}"
    );
    host.shutdown().await;
}
