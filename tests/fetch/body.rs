//! Bodies of requests and responses: passed on, read, at the pace of the other side.

use super::{TENANT, handler, start};
use crate::host::{Chunk, Origin};

/// How much memory the isolate has in all: less than what passes it.
const PASSES_BYTES: usize = 192 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_streams_to_the_client_while_it_is_made() {
    let (host, mut origin) = (start().await, Origin::start().await);
    host.deploy(TENANT, &handler(&origin.url("/"), "return fetch(env.ORIGIN);")).await;
    let sending = host.request(TENANT, "GET", "/").sent().await;
    let mut arrived = origin.next().await;
    assert_eq!(arrived.first, "GET / HTTP/1.1");
    arrived.say("HTTP/1.1 201 Created\r\nx-a: 1\r\ntransfer-encoding: chunked\r\n\r\n").await;
    arrived.say("5\r\nfirst\r\n").await;
    let mut incoming = sending.head().await;
    assert_eq!((incoming.status, incoming.header("x-a")), (201, Some("1")));
    assert_eq!(incoming.text().await, "first");
    arrived.say("6\r\nsecond\r\n").await;
    assert_eq!(incoming.text().await, "second");
    arrived.say("0\r\n\r\n").await;
    assert_eq!(incoming.chunk().await, Chunk::End);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_streams_to_the_origin_while_the_client_sends() {
    let (host, mut origin) = (start().await, Origin::start().await);
    host.deploy(TENANT, &handler(&origin.url("/up"), "return fetch(env.ORIGIN, request);")).await;
    let mut sending = host.request(TENANT, "POST", "/").header("x-b", "2").start().await;
    sending.chunk("one").await;
    let mut arrived = origin.next().await;
    assert_eq!(arrived.first, "POST /up HTTP/1.1");
    assert_eq!(arrived.request.header("x-b"), Some("2"));
    assert_eq!(arrived.request.text().await, "one");
    sending.chunk("two").await;
    assert_eq!(arrived.request.text().await, "two");
    sending.finish().await;
    assert_eq!(arrived.request.chunk().await, Chunk::End);
    arrived.answer("done").await;
    assert_eq!(sending.head().await.whole().await.text(), "done");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_passed_on_does_not_enter_the_isolate() {
    let (host, mut origin) = (start().await, Origin::start().await);
    let body = "const path = new URL(request.url).pathname;
        const response = await fetch(env.ORIGIN);
        if (path === '/same') return response;
        if (path === '/new') return new Response(response.body, response);
        return fetch(env.ORIGIN, { method: 'POST', body: response.body });";
    // The isolate could not hold what passes it, nor read it within this time.
    let limits = serde_json::json!({ "memory_mb": 64, "cpu_ms": 50 });
    host.deploy(TENANT, &handler(&origin.url("/"), body).limits(limits)).await;
    for path in ["/same", "/new", "/other"] {
        let sending = host.request(TENANT, "GET", path).sent().await;
        let mut arrived = origin.next().await;
        let piece = vec![b'x'; 1 << 20];
        #[expect(clippy::disallowed_methods, reason = "the test awaits the task")]
        let sends = tokio::spawn(async move {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {PASSES_BYTES}\r\n\r\n");
            arrived.say(head).await;
            for _ in 0..PASSES_BYTES >> 20 {
                arrived.say(&piece).await;
            }
            arrived
        });
        let mut count = 0;
        if path == "/other" {
            let mut second = origin.next().await;
            assert_eq!(second.request.header("content-length"), Some("201326592"));
            while let Chunk::Bytes(bytes) = second.request.chunk().await {
                count += bytes.len();
            }
            second.answer("fine").await;
            assert_eq!(sending.head().await.whole().await.expect_status(200).text(), "fine");
        } else {
            let mut incoming = sending.head().await;
            assert_eq!(incoming.status, 200, "{path}");
            assert_eq!(incoming.header("content-length"), Some("201326592"));
            while let Chunk::Bytes(bytes) = incoming.chunk().await {
                count += bytes.len();
            }
        }
        assert_eq!(count, PASSES_BYTES, "{path}");
        drop(sends.await.expect("all is sent"));
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_is_read_no_faster_than_the_client_reads() {
    let (host, mut origin) = (start().await, Origin::start().await);
    let body = "const response = await fetch(env.ORIGIN);
        if (new URL(request.url).pathname === '/passed') return response;
        return new Response(response.body.pipeThrough(new TransformStream()), response);";
    host.deploy(TENANT, &handler(&origin.url("/"), body)).await;
    for path in ["/passed", "/read"] {
        let sending = host.request(TENANT, "GET", path).sent().await;
        let mut arrived = origin.next().await;
        let length = 1_u64 << 40;
        arrived.say(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n")).await;
        let incoming = sending.head().await;
        let piece = vec![b'x'; 64 << 10];
        let (mut sent, mut still) = (0, 0);
        // Buffers on the way fill up, and then nothing more is taken.
        while still < 100 {
            match arrived.try_say(&piece) {
                0 => {
                    still += 1;
                    crate::host::moment().await;
                }
                count => {
                    sent += count;
                    still = 0;
                }
            }
            assert!(sent < 64 << 20, "{path}: the client reads nothing, {sent} bytes were taken");
        }
        drop(incoming);
        arrived.closed().await;
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_encoded_body_passes_as_it_is_and_reads_as_what_it_says() {
    const GZIP: &[u8] =
        b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xcbH\xcd\xc9\xc9\x07\0\x86\xa6\x106\x05\0\0\0";
    let (host, mut origin) = (start().await, Origin::start().await);
    let body = "const path = new URL(request.url).pathname;
        const response = await fetch(env.ORIGIN);
        if (path === '/same') return response;
        if (path === '/new') return new Response(response.body, response);
        if (path === '/bare') return new Response(response.body);
        if (path === '/stream') return new Response(response.body.pipeThrough(new TransformStream()), response);
        return new Response(await response.text() + '!', response);";
    host.deploy(TENANT, &handler(&origin.url("/"), body)).await;
    for (path, encoding, expected) in [
        ("/same", Some("gzip"), GZIP),
        ("/new", Some("gzip"), GZIP),
        ("/bare", None, b"hello"),
        ("/stream", None, b"hello"),
        ("/text", None, b"hello!"),
    ] {
        let sending = host.request(TENANT, "GET", path).sent().await;
        let mut arrived = origin.next().await;
        let length = GZIP.len();
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {length}\r\n");
        arrived.say(head + "connection: close\r\n\r\n").await;
        arrived.say(GZIP).await;
        let answer = sending.head().await.whole().await.expect_status(200);
        assert_eq!(answer.header("content-encoding"), encoding, "{path}");
        assert_eq!(answer.body, expected, "{path}");
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_may_begin_before_the_request_has_ended() {
    let (host, mut origin) = (start().await, Origin::start().await);
    let body = "const { readable, writable } = new IdentityTransformStream();
        ctx.waitUntil(request.body.pipeTo(writable));
        return fetch(env.ORIGIN, { method: 'POST', body: readable });";
    host.deploy(TENANT, &handler(&origin.url("/"), body)).await;
    let mut sending = host.request(TENANT, "POST", "/").start().await;
    sending.chunk("one").await;
    let mut arrived = origin.next().await;
    assert_eq!(arrived.request.text().await, "one");
    arrived.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nONE\r\n").await;
    let (mut incoming, mut write) = sending.split().await;
    assert_eq!(incoming.text().await, "ONE");
    use tokio::io::AsyncWriteExt;
    write.write_all(b"3\r\ntwo\r\n0\r\n\r\n").await.expect("room");
    assert_eq!(arrived.request.text().await, "two");
    assert_eq!(arrived.request.chunk().await, Chunk::End);
    arrived.say("0\r\n\r\n").await;
    assert_eq!(incoming.chunk().await, Chunk::End);
    host.shutdown().await;
}
