//! Heads of requests and responses, and how long they may take.

use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A server that answers each connection's first request with these bytes, and ends.
pub(super) async fn says(answer: impl Into<String>) -> Origin {
    let answer = Arc::new(answer.into());
    Origin::listen("127.0.0.1:0", move |mut stream, _| {
        let answer = answer.clone();
        async move {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    })
    .await
}

async fn error(answer: impl Into<String>) -> Error {
    let origin = says(answer).await;
    Asked::open().error(&origin.url("/")).await
}

#[tokio::test]
async fn headers_of_the_connection_and_of_the_host_stay_here() {
    let origin = Origin::listen("127.0.0.1:0", |mut stream, _| async move {
        let mut head = vec![0; 4096];
        let count = stream.read(&mut head).await.unwrap_or(0);
        head.truncate(count);
        let answer = format!(
            "HTTP/1.1 200 OK\r\nconnection: x-hop\r\nkeep-alive: timeout=5\r\nx-hop: 1\r\n\
             upgrade: h2c\r\nset-cookie: a=1\r\nset-cookie: b=2\r\nx-kept: 1\r\n\
             content-length: {count}\r\n\r\n"
        );
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.write_all(&head).await;
    })
    .await;
    let asked = Asked::open();
    let url = origin.url("/a/../b%20c?q=%7B1%7D|\"#frag");
    let headers = with_headers(&[
        ("host", "elsewhere.test"),
        ("connection", "keep-alive, x-mine"),
        ("x-mine", "1"),
        ("transfer-encoding", "chunked"),
        ("content-length", "99"),
        ("upgrade", "websocket"),
        ("proxy-authorization", "x"),
        ("te", "trailers"),
        ("expect", "100-continue"),
        ("x-bindery-auth", "1"),
        ("x-sent", "1"),
        ("x-sent", "2"),
    ]);
    let incoming = asked.send(Outgoing { headers, ..get(&url) }).await.expect("a response");
    assert_eq!(incoming.url, origin.url("/b%20c?q=%7B1%7D|%22"));
    let mut names: Vec<&str> = incoming.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-length", "set-cookie", "x-kept"]);
    assert_eq!(incoming.headers.get_all("set-cookie").iter().count(), 2);
    let port = origin.address.port();
    let sent = text(incoming).await;
    let mut lines: Vec<&str> = sent.trim_end().split("\r\n").collect();
    lines.sort_unstable();
    let host = format!("host: 127.0.0.1:{port}");
    assert_eq!(lines, ["GET /b%20c?q=%7B1%7D|%22 HTTP/1.1", &host, "x-sent: 1", "x-sent: 2"]);
}

#[tokio::test]
async fn the_host_header_is_the_urls() {
    let origin = Origin::start(|got| async move {
        let host = got.request.headers().get("host").cloned();
        Response::new(full(format!("{:?}", host.expect("a host"))))
    })
    .await;
    let asked = Asked::open();
    let port = origin.address.port();
    asked.names.set("xn--bcher-kva.test", &[&["127.0.0.1"]]);
    let host = asked.text(&format!("http://user:word@B\u{fc}cher.test:{port}/")).await;
    assert_eq!(host, format!("\"xn--bcher-kva.test:{port}\""));
}

#[tokio::test]
async fn too_many_headers_are_refused_either_way() {
    let asked = Asked::open();
    let mut headers = HeaderMap::new();
    for n in 0..129 {
        headers.append("x-many", HeaderValue::from(n));
    }
    let error_of = |headers| {
        let sent = Outgoing { headers, ..get("http://127.0.0.1:9999/") };
        async { asked.send(sent).await.expect_err("refused") }
    };
    let found = error_of(headers).await;
    assert!(matches!(found, Error::RequestHeaders { got: 129, max: 128, .. }), "{found}");
    let found = error_of(with_headers(&[("x-long", &"x".repeat(70_000))])).await;
    assert!(matches!(found, Error::RequestHeaders { max: 65_536, .. }), "{found}");
    let many = "x-many: 1\r\n".repeat(129);
    let long = format!("x-long: {}\r\n", "x".repeat(70_000));
    for headers in [many, long] {
        let found = error(format!("HTTP/1.1 200 OK\r\n{headers}\r\n")).await;
        assert!(matches!(found, Error::ResponseHeaders { .. }), "{found}");
        assert_eq!(found.fault(), Fault::Remote);
    }
    let enough = "x-many: 1\r\n".repeat(127);
    let origin = says(format!("HTTP/1.1 200 OK\r\n{enough}content-length: 0\r\n\r\n")).await;
    assert_eq!(asked.get(&origin.url("/")).await.expect("a response").headers.len(), 128);
}

/// A server that never ends its head is cut off at the limit, not at the end of memory.
#[tokio::test]
async fn a_head_without_an_end_is_refused() {
    let origin = Origin::listen("127.0.0.1:0", |mut stream, _| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nx: ").await;
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    })
    .await;
    let found = Asked::open().error(&origin.url("/")).await;
    assert!(matches!(found, Error::ResponseHeaders { .. }), "{found}");
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    for answer in [
        "SSH-2.0-OpenSSH_9.9\r\n",
        "200 OK\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: a\r\n b\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
    ] {
        let found = error(answer).await;
        assert!(matches!(found, Error::Malformed { .. }), "{answer:?}: {found:?}");
    }
    for answer in ["", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nx: y\r\n"] {
        let found = error(answer).await;
        assert!(matches!(found, Error::Lost { .. }), "{answer:?}: {found:?}");
    }
}

#[tokio::test]
async fn informational_responses_are_passed_over() {
    let answer = "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\n\
                  content-length: 2\r\n\r\nok";
    let origin = says(answer).await;
    assert_eq!(Asked::open().text(&origin.url("/")).await, "ok");
}

#[tokio::test]
async fn who_does_not_respond_in_time_is_given_up() {
    let (arrived, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let origin = Origin::listen("127.0.0.1:0", move |mut stream, _| {
        let arrived = arrived.clone();
        async move {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = arrived.send(());
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nx: ").await;
            let _ = stream.read(&mut [0; 4096]).await;
        }
    })
    .await;
    let asked = Asked::open();
    let url = origin.url("/");
    let waits = asked.get(&url);
    let time_goes = async {
        within(seen.recv()).await.expect("a request");
        asked.clock.advance(Duration::from_secs(119));
        tokio::task::yield_now().await;
        asked.clock.advance(Duration::from_secs(1));
    };
    let (response, ()) = tokio::join!(waits, time_goes);
    let found = response.expect_err("nobody responds");
    assert!(matches!(found, Error::ResponseTimeout { max_ms: 120_000, .. }), "{found}");
}

#[tokio::test]
async fn who_is_not_reached_in_time_or_at_all_is_given_up() {
    let asked = Asked::open();
    let waits = asked.get("http://never.test/");
    let time_goes = async {
        while asked.names.lookup_count() == 0 {
            tokio::task::yield_now().await;
        }
        asked.clock.advance(Duration::from_secs(10));
    };
    let (response, ()) = tokio::join!(waits, time_goes);
    let found = response.expect_err("no address");
    assert!(matches!(found, Error::ConnectTimeout { max_ms: 10_000, .. }), "{found}");
    let found = asked.error("http://unknown.test/").await;
    assert!(matches!(found, Error::Resolve { .. }), "{found}");
    // A port that was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = free.local_addr().expect("an address");
    drop(free);
    let found = asked.error(&format!("http://{address}/")).await;
    assert!(matches!(found, Error::Connect { .. }), "{found}");
    assert_eq!(found.to_string(), "no connection to 127.0.0.1: connection refused");
}

/// The first address of a name is dead, the second one lives.
#[tokio::test]
async fn each_address_of_a_name_is_tried() {
    let origin = Origin::start(|_| async { Response::new(full("here")) }).await;
    let asked = Asked::open();
    asked.names.set("two.test", &[&["127.0.0.9", "127.0.0.1"]]);
    let url = format!("http://two.test:{}/", origin.address.port());
    assert_eq!(asked.text(&url).await, "here");
}
