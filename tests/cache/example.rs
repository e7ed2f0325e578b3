//! The example `cache-proxy`, as it stands in the repository.

use std::cell::Cell;
use std::time::Duration;

use super::TENANT;
use crate::host::{Answer, Host, Origin, Worker};

/// Waits until an event has ended, with what it does behind its answer.
async fn ended(host: &Host, count: &mut usize) {
    *count += 1;
    let seen = Cell::new(0);
    host.logs_until(TENANT, |record| {
        seen.set(seen.get() + usize::from(record["kind"] == "outcome"));
        seen.get() >= *count
    })
    .await;
}

fn status(answer: &Answer) -> &str {
    answer.header("cf-cache-status").unwrap_or_default()
}

const PAGE: &str = "HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\netag: \"one\"\r\n\
    connection: close\r\ncontent-type: text/plain\r\ncontent-length: 10\r\n\r\n0123456789";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cache_proxy_asks_its_origin_once_for_what_may_be_kept() {
    let host = Host::new().config(|config| config.allow_private_egress = true).still_clock();
    let host = host.start().await;
    let (mut origin, mut events) = (Origin::start().await, 0);
    let worker = Worker::new(include_str!("../../examples/cache-proxy/src/index.js"));
    host.deploy(TENANT, &worker.text("ORIGIN", &origin.url(""))).await;

    // A part of what is not kept: the origin is asked for all of it.
    let sending = host.request(TENANT, "GET", "/page?q=1").header("range", "bytes=0-3");
    let sending = sending.sent().await;
    let mut arrived = origin.next().await;
    assert_eq!(arrived.first, "GET /page?q=1 HTTP/1.1");
    arrived.say(PAGE).await;
    let answer = sending.head().await.whole().await.expect_status(200);
    assert_eq!((answer.text().as_str(), status(&answer)), ("0123456789", "MISS"));
    ended(&host, &mut events).await;

    // Then it is quiet.
    host.clock().advance(Duration::from_secs(10));
    let answer = host.get(TENANT, "/page?q=1").await.expect_status(200);
    assert_eq!((answer.text().as_str(), status(&answer)), ("0123456789", "HIT"));
    assert_eq!(answer.header("age"), Some("10"));
    let part = host.request(TENANT, "GET", "/page?q=1").header("range", "bytes=2-4").send().await;
    assert_eq!(part.expect_status(206).text(), "234");
    let known = host.request(TENANT, "GET", "/page?q=1").header("if-none-match", "\"one\"");
    known.send().await.expect_status(304);
    assert!(origin.is_quiet());
    for _ in 0..3 {
        ended(&host, &mut events).await;
    }

    // What changes something is passed on, and drops what is kept.
    let sending = host.request(TENANT, "POST", "/page?q=1").body("new").sent().await;
    let mut arrived = origin.next().await;
    assert_eq!(arrived.request.rest().await.0, b"new");
    arrived.say("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 7\r\n\r\nchanged").await;
    let answer = sending.head().await.whole().await.expect_status(200);
    assert_eq!((answer.text().as_str(), status(&answer)), ("changed", "BYPASS"));
    ended(&host, &mut events).await;
    for cookie in ["set-cookie: a=b\r\n", ""] {
        let sending = host.request(TENANT, "GET", "/page?q=1").sent().await;
        let mut arrived = origin.next().await;
        arrived.say(PAGE.replace("etag", &format!("{cookie}etag"))).await;
        let answer = sending.head().await.whole().await.expect_status(200);
        assert_eq!(status(&answer), "MISS", "{cookie}");
        ended(&host, &mut events).await;
    }
    let answer = host.get(TENANT, "/page?q=1").await;
    assert_eq!(status(&answer), "HIT");

    // And what is stale is asked for again.
    host.clock().advance(Duration::from_secs(60));
    let sending = host.request(TENANT, "GET", "/page?q=1").sent().await;
    drop(origin.next().await);
    drop(origin);
    sending.head().await.whole().await.expect_status(502);
    host.shutdown().await;
}
