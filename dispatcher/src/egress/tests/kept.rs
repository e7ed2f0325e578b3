//! Connections that are kept, and those that are not.

use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

/// Answers with the number of the connection.
async fn numbered() -> Origin {
    Origin::start(|Got { request, connection }| async move {
        let _ = request.into_body().collect().await;
        Response::new(full(connection.to_string()))
    })
    .await
}

#[tokio::test]
async fn a_tenant_uses_its_connection_again_and_never_another_tenants() {
    let origin = numbered().await;
    let asked = Asked::open();
    let url = origin.url("/");
    let of = |tenant| Outgoing { tenant, ..get(&url) };
    for (tenant, connection) in [(A, "1"), (A, "1"), (B, "2"), (A, "1"), (B, "2")] {
        let incoming = asked.send(of(tenant)).await.expect("a response");
        assert_eq!(text(incoming).await, connection);
    }
    assert_eq!(asked.egress.idle_count(), 2);
}

#[tokio::test]
async fn a_connection_serves_again_after_each_kind_of_body() {
    let origin = numbered().await;
    let asked = Asked::open();
    let url = origin.url("/");
    let stream = |length| Outgoing {
        method: Method::PUT,
        body: Some(OutgoingBody::Stream { body: full("body"), length }),
        ..get(&url)
    };
    for sent in [
        Outgoing { method: Method::HEAD, ..get(&url) },
        Outgoing { method: Method::POST, ..get(&url) },
        post(&url, "body"),
        stream(Some(4)),
        stream(None),
        get(&url),
    ] {
        text(asked.send(sent).await.expect("a response")).await;
    }
    assert_eq!(origin.connection_count(), 1);
}

#[tokio::test]
async fn a_connection_that_nobody_uses_is_closed_and_its_tenant_forgotten() {
    let (closed, mut was_closed) = mpsc::unbounded_channel();
    let origin = Origin::listen("127.0.0.1:0", move |mut stream, _| {
        let closed = closed.clone();
        async move {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
            let _ = closed.send(stream.read(&mut [0; 16]).await.ok());
        }
    })
    .await;
    let asked = Asked::open();
    text(asked.get(&origin.url("/")).await.expect("a response")).await;
    asked.clock.advance(Duration::from_secs(29));
    asked.egress.sweep();
    assert_eq!((asked.egress.idle_count(), asked.egress.0.pool.tenant_count()), (1, 1));
    asked.clock.advance(Duration::from_secs(1));
    asked.egress.sweep();
    assert_eq!((asked.egress.idle_count(), asked.egress.0.pool.tenant_count()), (0, 0));
    assert_eq!(within(was_closed.recv()).await, Some(Some(0)), "the server sees the end");
}

/// Answers the first request of a connection, and ends without a word at its second.
async fn forgetful() -> Origin {
    Origin::listen("127.0.0.1:0", |mut stream, _| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        let _ = stream.read(&mut [0; 4096]).await;
    })
    .await
}

#[tokio::test]
async fn a_kept_connection_that_the_server_closes_is_replaced_once() {
    let origin = forgetful().await;
    let asked = Asked::open();
    assert_eq!(asked.text(&origin.url("/")).await, "ok");
    assert_eq!(asked.text(&origin.url("/")).await, "ok");
    assert_eq!(origin.connection_count(), 2);
    let put = Outgoing { method: Method::PUT, ..post(&origin.url("/"), "body") };
    assert_eq!(text(asked.send(put).await.expect("a response")).await, "ok");
    assert_eq!(origin.connection_count(), 3);
}

#[tokio::test]
async fn what_a_server_may_have_acted_on_is_not_sent_twice() {
    let origin = forgetful().await;
    let asked = Asked::open();
    assert_eq!(asked.text(&origin.url("/")).await, "ok");
    let error = asked.send(post(&origin.url("/"), "order")).await.expect_err("no response");
    assert!(matches!(error, Error::Lost { .. }), "{error}");
    assert_eq!(origin.connection_count(), 1);
}

/// The server's end of a kept connection is noticed before the next request is sent on it.
#[tokio::test]
async fn a_closed_connection_is_not_used_for_what_can_not_be_repeated() {
    let (closed, mut was_closed) = mpsc::unbounded_channel();
    let origin = Origin::listen("127.0.0.1:0", move |mut stream, _| {
        let closed = closed.clone();
        async move {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
            drop(stream);
            let _ = closed.send(());
        }
    })
    .await;
    let asked = Asked::open();
    for count in 1..=3 {
        let sent = post(&origin.url("/"), "order");
        assert_eq!(text(asked.send(sent).await.expect("a response")).await, "ok");
        assert_eq!(origin.connection_count(), count);
        within(was_closed.recv()).await.expect("the server closes");
        // Who yields lets the runtime look at its sockets.
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_body_or_a_wait_that_is_dropped_closes_the_connection() {
    let (closed, mut was_closed) = mpsc::unbounded_channel();
    let origin = Origin::listen("127.0.0.1:0", move |mut stream, number| {
        let closed = closed.clone();
        async move {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = closed.send(0);
            if number == 1 {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npart").await;
            }
            let _ = stream.read(&mut [0; 16]).await;
            let _ = closed.send(number);
        }
    })
    .await;
    let asked = Asked::open();
    let mut incoming = asked.get(&origin.url("/")).await.expect("a response");
    assert!(within(incoming.body.frame()).await.is_some());
    assert_eq!(within(was_closed.recv()).await, Some(0));
    drop(incoming);
    assert_eq!(within(was_closed.recv()).await, Some(1));
    let url = origin.url("/");
    tokio::select! {
        _ = asked.get(&url) => panic!("there is no response"),
        _ = was_closed.recv() => {}
    }
    assert_eq!(within(was_closed.recv()).await, Some(2));
    assert_eq!(asked.egress.idle_count(), 0);
}

#[tokio::test]
async fn a_short_body_that_nobody_reads_does_not_cost_its_connection() {
    let origin = numbered().await;
    let asked = Asked::open();
    for _ in 0..3 {
        asked.get(&origin.url("/")).await.expect("a response");
    }
    assert_eq!(origin.connection_count(), 1);
}

/// What a server says beyond its response would be the next request's response.
#[tokio::test]
async fn a_response_that_nobody_asked_for_is_given_to_nobody() {
    let origin = Origin::listen("127.0.0.1:0", |mut stream, number| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let one = format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{number}");
        let two = format!("{one}HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nsmuggled");
        let _ = stream.write_all(two.as_bytes()).await;
        let _ = stream.read(&mut [0; 4096]).await;
    })
    .await;
    let asked = Asked::open();
    for number in ["1", "2", "3"] {
        assert_eq!(asked.text(&origin.url("/")).await, number);
    }
}

#[test]
fn most_descriptors_are_left_to_others() {
    let bounds = |descriptors| {
        let config = within_descriptors(EgressConfig::default(), descriptors);
        (config.connection_total_max.get(), config.idle_total_max)
    };
    assert_eq!(bounds(Some(1_024)), (256, 128));
    assert_eq!(bounds(Some(0)), (1, 0));
    assert_eq!(bounds(Some(1 << 20)), (10_000, 4_096));
    assert_eq!(bounds(None), (10_000, 4_096));
}

#[tokio::test]
async fn what_is_used_and_what_waits_is_bounded() {
    let origin = numbered().await;
    let count = |count| NonZeroU32::new(count).expect("not zero");
    let config = EgressConfig {
        connection_count_max: count(3),
        connection_total_max: count(4),
        idle_count_max: 2,
        idle_total_max: 2,
        ..EgressConfig::default()
    };
    let asked = Asked::with(config, true);
    let url = origin.url("/");
    let of = |tenant| asked.send(Outgoing { tenant, ..get(&url) });
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(of(A).await.expect("a response"));
    }
    let error = of(A).await.expect_err("one too many");
    assert!(matches!(error, Error::Busy { max: 3 }) && error.fault() == Fault::Limit);
    held.push(of(B).await.expect("another tenant has its own"));
    let error = of(B).await.expect_err("one too many for all");
    assert!(matches!(error, Error::Overloaded) && error.fault() == Fault::Host);
    for incoming in held {
        text(incoming).await;
    }
    assert_eq!(asked.egress.idle_count(), 2);
    text(of(A).await.expect("room again")).await;
}
