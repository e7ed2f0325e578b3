//! What arrives: first bytes before the last are made, events, heads without bodies.

use super::{TENANT, exchange, handler};
use crate::host::{Chunk, Host};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_byte_passes_while_the_worker_still_produces() {
    let host = Host::new().start().await;
    // The second part is made only once another request has come.
    let body =
        "if (new URL(request.url).pathname === '/go') { globalThis.go(); return new Response(); }
        const went = new Promise((resolve) => { globalThis.go = resolve; });
        const keep = setInterval(() => {}, 1000);
        return new Response(new ReadableStream({ async start(c) {
          const text = new TextEncoder();
          c.enqueue(text.encode('first'));
          await went;
          clearInterval(keep);
          c.enqueue(text.encode('second'));
          c.close();
        } }));";
    host.deploy(TENANT, &handler(body)).await;
    let mut incoming = host.request(TENANT, "GET", "/").open().await;
    assert_eq!(incoming.status, 200);
    assert_eq!(incoming.text().await, "first");
    host.get(TENANT, "/go").await.expect_status(200);
    let (rest, end) = incoming.rest().await;
    assert_eq!((rest.as_slice(), end), (&b"second"[..], Chunk::End));
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_sent_events_arrive_one_by_one() {
    let host = Host::new().start().await;
    let body = "const text = new TextEncoder(); let count = 0;
        return new Response(new ReadableStream({ async pull(c) {
          if (count === 5) return c.close();
          if (count > 0) await scheduler.wait(20);
          c.enqueue(text.encode(`data: ${count++}\\n\\n`));
        } }, { highWaterMark: 0 }), { headers: { 'content-type': 'text/event-stream' } });";
    host.deploy(TENANT, &handler(body)).await;
    let mut incoming = host.request(TENANT, "GET", "/").open().await;
    assert_eq!(incoming.header("content-type"), Some("text/event-stream"));
    assert_eq!(incoming.header("content-length"), None);
    for count in 0..5 {
        assert_eq!(incoming.text().await, format!("data: {count}\n\n"));
    }
    assert_eq!(incoming.chunk().await, Chunk::End);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_worker_sees_the_first_chunk_of_a_request_before_the_last_is_sent() {
    let host = Host::new().start().await;
    let body = "const reader = request.body.getReader();
        return new Response(new ReadableStream({ async pull(c) {
          const { value, done } = await reader.read();
          if (done) return c.close();
          c.enqueue(new TextEncoder().encode(`got ${new TextDecoder().decode(value)};`));
        } }));";
    host.deploy(TENANT, &handler(body)).await;
    let mut sending = host.request(TENANT, "POST", "/").start().await;
    sending.chunk("one").await;
    let (mut incoming, mut write) = sending.split().await;
    assert_eq!(incoming.text().await, "got one;");
    use tokio::io::AsyncWriteExt;
    write.write_all(b"3\r\ntwo\r\n").await.expect("room");
    assert_eq!(incoming.text().await, "got two;");
    write.write_all(b"0\r\n\r\n").await.expect("room");
    assert_eq!(incoming.chunk().await, Chunk::End);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_goes_through_in_each_way_as_it_came() {
    let host = Host::new().start().await;
    let body = "const path = new URL(request.url).pathname;
        if (path === '/handle') return new Response(request.body);
        if (path === '/request') return new Response(request.clone().body);
        if (path === '/transform') return new Response(request.body.pipeThrough(new TransformStream()));
        if (path === '/identity') {
          const { readable, writable } = new IdentityTransformStream();
          ctx.waitUntil(request.body.pipeTo(writable));
          return new Response(readable);
        }
        if (path === '/bytes') return new Response(await request.arrayBuffer());
        if (path === '/blob') return new Response(await request.blob());
        if (path === '/tee') { const [a, b] = request.body.tee(); ctx.waitUntil(a.cancel());
          return new Response(b); }
        throw new Error(path);";
    host.deploy(TENANT, &handler(body)).await;
    for size in [0, 1, 65_535, 65_536, 65_537, 1 << 20, 5_000_003] {
        let sent: Vec<u8> = (0..size).map(|i: u32| (i.wrapping_mul(31) >> 3) as u8).collect();
        for path in ["/handle", "/request", "/transform", "/identity", "/bytes", "/blob", "/tee"] {
            if size == 0 && !matches!(path, "/bytes" | "/blob" | "/handle") {
                continue;
            }
            let answer = exchange(&host, path, &sent).await;
            assert_eq!(answer.status, 200, "{path} {size}");
            assert!(answer.body == sent, "{path} {size}: {} bytes", answer.body.len());
        }
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_has_the_length_of_its_get_and_no_body() {
    let host = Host::new().start().await;
    let body = "const path = new URL(request.url).pathname;
        if (path === '/stream') return new Response(new ReadableStream({ pull(c) {
          c.enqueue(new Uint8Array(1000)); } }));
        if (path === '/long') return new Response('x'.repeat(300000));
        return new Response('hello');";
    host.deploy(TENANT, &handler(body)).await;
    for (path, length) in [("/", Some("5")), ("/long", Some("300000")), ("/stream", None)] {
        // One connection for both: bytes of a body would be read as the second head.
        let mut sending = host.request(TENANT, "HEAD", path).sent().await;
        sending.raw(b"HEAD / HTTP/1.1\r\nhost: demo.localhost\r\nconnection: close\r\n\r\n").await;
        let (incoming, _write) = sending.split().await;
        assert_eq!((incoming.status, incoming.header("content-length")), (200, length), "{path}");
        let outcome = host.record(TENANT, "outcome").await;
        assert_ne!(outcome["outcome"], "exception");
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statuses_without_a_body_have_none() {
    let host = Host::new().start().await;
    let body = "const status = +new URL(request.url).pathname.slice(1);
        return new Response(null, { status, headers: { etag: 'x' } });";
    host.deploy(TENANT, &handler(body)).await;
    for status in [204, 205, 304] {
        let answer = host.request(TENANT, "GET", &format!("/{status}"));
        let answer = answer.header("connection", "close").send().await.expect_status(status);
        assert_eq!((answer.text().as_str(), answer.header("etag")), ("", Some("x")));
        assert_eq!(answer.header("transfer-encoding"), None, "{answer}");
    }
    host.shutdown().await;
}
