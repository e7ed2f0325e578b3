//! Back-pressure: nobody is further ahead than the windows allow.

use bindery_wire::frame::WINDOW_BYTES;

use super::{TENANT, exchange, handler};
use crate::host::{Chunk, Host, moment};

/// What may lie between a producer and a reader that has stopped: the window, the buffers of
/// hyper and of the two ends of a loopback connection.
const AHEAD_BYTES_MAX: u64 = WINDOW_BYTES as u64 + (16 << 20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_slows_the_producer() {
    let host = Host::new().start().await;
    let body =
        "if (new URL(request.url).pathname === '/made') return new Response(`${globalThis.made}`);
        globalThis.made = 0;
        return new Response(new ReadableStream({ pull(c) {
          globalThis.made += 65536;
          c.enqueue(new Uint8Array(65536));
        } }));";
    host.deploy(TENANT, &handler(body)).await;
    let mut incoming = host.request(TENANT, "GET", "/").open().await;
    let mut read = 0_u64;
    for _ in 0..3 {
        // Reads some, and then looks until the producer has come to rest.
        while read % (8 << 20) < (4 << 20) {
            let Chunk::Bytes(bytes) = incoming.chunk().await else { panic!("it ended") };
            read += bytes.len() as u64;
        }
        let made = rests(&host).await;
        assert!(made >= read, "{made} made, {read} read");
        assert!(made - read <= AHEAD_BYTES_MAX, "{made} made, {read} read");
        read += 8 << 20;
        let mut left = 8_u64 << 20;
        while left > 0 {
            let Chunk::Bytes(bytes) = incoming.chunk().await else { panic!("it ended") };
            left = left.saturating_sub(bytes.len() as u64);
        }
    }
    drop(incoming);
    host.shutdown().await;
}

/// What `/made` says once it says the same ten times in a row.
async fn rests(host: &Host) -> u64 {
    let mut last = (u64::MAX, 0);
    while last.1 < 10 {
        let made = host.get(TENANT, "/made").await.text().parse().expect("a number");
        last = if made == last.0 { (made, last.1 + 1) } else { (made, 0) };
        moment().await;
    }
    last.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_does_not_read_stops_its_client() {
    let host = Host::new().start().await;
    let body = "const reader = request.body.getReader(); let size = 0;
        const first = await reader.read(); size += first.value.length;
        await scheduler.wait(300);
        for (;;) { const { value, done } = await reader.read(); if (done) break;
          size += value.length; }
        return new Response(`${size}`);";
    host.deploy(TENANT, &handler(body)).await;
    let mut sending = host.request(TENANT, "POST", "/").start().await;
    let total = 64_usize << 20;
    sending.raw(format!("{total:x}\r\n").as_bytes()).await;
    let chunk = vec![b'x'; 64 << 10];
    // As long as the worker waits, the client is stopped by what lies between them.
    let mut taken = 0;
    let mut still = 0;
    while still < 10 && taken < total {
        let took = sending.try_raw(&chunk[..chunk.len().min(total - taken)]);
        taken += took;
        still = if took == 0 { still + 1 } else { 0 };
        if took == 0 {
            moment().await;
        }
    }
    assert!((taken as u64) < AHEAD_BYTES_MAX, "{taken} bytes were taken from the client");
    while taken < total {
        let size = chunk.len().min(total - taken);
        sending.raw(&chunk[..size]).await;
        taken += size;
    }
    sending.raw(b"\r\n").await;
    sending.finish().await;
    let answer = sending.head().await.whole().await.expect_status(200);
    assert_eq!(answer.text(), total.to_string());
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_passed_on_unread_costs_its_isolate_no_time_per_byte() {
    let host = Host::new().start().await;
    let body = "if (new URL(request.url).pathname === '/handle') return new Response(request.body);
        return new Response(request.body.pipeThrough(new TransformStream()));";
    host.deploy(TENANT, &handler(body)).await;
    let sent = vec![7_u8; 32 << 20];
    let mut cpu_us = Vec::new();
    for path in ["/transform", "/handle", "/handle", "/transform"] {
        let answer = exchange(&host, path, &sent).await.expect_status(200);
        assert!(answer.body == sent, "{path}");
        let id = answer.header("x-bindery-request").expect("an id").to_owned();
        let found = |r: &serde_json::Value| r["kind"] == "outcome" && r["requestId"] == id.as_str();
        let records = host.logs_until(TENANT, found).await;
        let outcome = records.last().expect("an outcome");
        assert_eq!(outcome["outcome"], "ok", "{outcome}");
        cpu_us.push((path, outcome["cpuUs"].as_u64().expect("a time")));
    }
    // Bytes that enter the isolate cost it CPU time; a handle is a number.
    let most = |path: &str| cpu_us.iter().filter(|(p, _)| *p == path).map(|(_, us)| *us).max();
    assert!(most("/handle") < most("/transform"), "{cpu_us:?}");
    host.shutdown().await;
}
