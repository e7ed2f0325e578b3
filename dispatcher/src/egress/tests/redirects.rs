//! Redirects.

use super::*;
use bindery_logic::egress::Range;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, LOCATION};

/// Answers `/STATUS/PLACE` with a redirect to the place, and everything else with what it got.
async fn origin() -> Origin {
    Origin::start(|Got { request, connection }| async move {
        let path = request.uri().path_and_query().map_or("", |path| path.as_str()).to_owned();
        let mut parts = path.splitn(3, '/').skip(1);
        let status = parts.next().and_then(|status| status.parse::<u16>().ok());
        if let (Some(status), Some(place)) = (status, parts.next()) {
            let response = Response::builder().status(status).header(LOCATION, place);
            return response.body(full("moved")).expect("a response");
        }
        let (head, body) = request.into_parts();
        let has = |name| if head.headers.contains_key(name) { "+" } else { "-" };
        let body = body.collect().await.expect("a body").to_bytes();
        let seen = format!(
            "{} {path} {}{}{} {} #{connection}",
            head.method,
            has(AUTHORIZATION),
            has(COOKIE),
            has(CONTENT_TYPE),
            String::from_utf8_lossy(&body)
        );
        Response::new(full(seen))
    })
    .await
}

fn secret(outgoing: Outgoing) -> Outgoing {
    let headers =
        with_headers(&[("authorization", "x"), ("cookie", "a=b"), ("content-type", "text/x")]);
    Outgoing { headers, ..outgoing }
}

#[tokio::test]
async fn methods_bodies_and_headers_follow_as_the_standard_says() {
    let origin = origin().await;
    let asked = Asked::open();
    for (status, method, seen) in [
        (301, Method::POST, "GET /end ++-  #1"),
        (302, Method::POST, "GET /end ++-  #1"),
        (303, Method::POST, "GET /end ++-  #1"),
        (303, Method::PUT, "GET /end ++-  #1"),
        (302, Method::PUT, "PUT /end +++ body #1"),
        (307, Method::POST, "POST /end +++ body #1"),
        (308, Method::POST, "POST /end +++ body #1"),
    ] {
        let url = origin.url(&format!("/{status}//end#there"));
        let sent = Outgoing { method, ..secret(post(&url, "body")) };
        let incoming = asked.send(sent).await.expect("a response");
        assert!(incoming.redirected && incoming.hops == 1);
        assert_eq!(incoming.url, origin.url("/end"));
        assert_eq!(text(incoming).await, seen, "{status}");
    }
}

#[tokio::test]
async fn another_origin_gets_no_credentials() {
    let (origin, other) = (origin().await, origin().await);
    let asked = Asked::open();
    let url = origin.url(&format!("/307/{}", other.url("/end")));
    let incoming = asked.send(secret(post(&url, "body"))).await.expect("a response");
    assert_eq!(text(incoming).await, "POST /end --+ body #1");
    // They do not come back on the way back either.
    let url = origin.url(&format!("/307/{}", other.url(&format!("/307/{}", origin.url("/end")))));
    let incoming = asked.send(secret(post(&url, "body"))).await.expect("a response");
    assert_eq!(incoming.hops, 2);
    assert_eq!(text(incoming).await, "POST /end --+ body #1");
}

#[tokio::test]
async fn each_hop_is_checked_like_the_first() {
    let origin = Origin::listen("127.0.0.2:0", |mut stream, _| async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut bytes = [0; 4096];
        let count = stream.read(&mut bytes).await.unwrap_or(0);
        let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
        let path = text.split(' ').nth(1).unwrap_or_default();
        let place = path.strip_prefix('/').unwrap_or_default();
        let answer = format!("HTTP/1.1 302 x\r\nlocation: {place}\r\ncontent-length: 0\r\n\r\n");
        let _ = stream.write_all(answer.as_bytes()).await;
    })
    .await;
    let asked = Asked::public(&["127.0.0.2/32"]);
    asked.names.set("inside.test", &[&["10.0.0.1"]]);
    for (place, expected) in [
        ("http://127.0.0.1/", Range::Loopback),
        ("http://0x7f.1/", Range::Loopback),
        ("//[::1]/", Range::Loopback),
        ("https://169.254.169.254/latest", Range::LinkLocal),
        ("http://inside.test/", Range::Private),
        ("http://localhost/", Range::Loopback),
    ] {
        match asked.error(&origin.url(&format!("/{place}"))).await {
            Error::Refused { range, .. } => assert_eq!(range, expected, "{place}"),
            other => panic!("{place}: {other}"),
        }
    }
    for place in ["file:///etc/passwd", "http://", "data:,x"] {
        let error = asked.error(&origin.url(&format!("/{place}"))).await;
        assert!(matches!(error, Error::Redirect { .. }), "{place}: {error}");
    }
}

#[tokio::test]
async fn redirects_are_counted() {
    let origin = Origin::start(|_| async {
        let response = Response::builder().status(302).header(LOCATION, "/again");
        response.body(full("moved")).expect("a response")
    })
    .await;
    let asked = Asked::open();
    let error = asked.error(&origin.url("/")).await;
    assert!(matches!(error, Error::TooManyRedirects { max: 20 }), "{error}");
    // The short bodies on the way were read, so that one connection was enough.
    assert_eq!(origin.connection_count(), 1);
    let few = Outgoing { hops_max: 2, ..get(&origin.url("/")) };
    let error = asked.send(few).await.expect_err("no subrequest left");
    assert!(matches!(error, Error::TooManySubrequests), "{error}");
    assert_eq!(error.fault(), Fault::Limit);
}

#[tokio::test]
async fn a_body_that_is_gone_is_not_sent_again() {
    let origin = origin().await;
    let asked = Asked::open();
    let stream = |url: &str| Outgoing {
        method: Method::POST,
        body: Some(OutgoingBody::Stream { body: full("body"), length: Some(4) }),
        ..get(url)
    };
    let error = asked.send(stream(&origin.url("/307//end"))).await.expect_err("it is gone");
    assert!(matches!(error, Error::OneTimeBody), "{error}");
    let incoming = asked.send(stream(&origin.url("/303//end"))).await.expect("without a body");
    assert!(text(incoming).await.starts_with("GET /end ---  "));
}

#[tokio::test]
async fn a_redirect_is_the_response_if_it_is_not_followed_or_leads_nowhere() {
    let origin = origin().await;
    let asked = Asked::open();
    let manual = Outgoing { redirect: Redirect::Manual, ..get(&origin.url("/302//end")) };
    let incoming = asked.send(manual).await.expect("a response");
    assert_eq!((incoming.status, incoming.redirected, incoming.hops), (302, false, 0));
    assert_eq!(incoming.headers.get(LOCATION).map(HeaderValue::as_bytes), Some(&b"/end"[..]));
    assert_eq!(text(incoming).await, "moved");
    for status in [300, 304, 305, 306] {
        let url = origin.url(&format!("/{status}//end"));
        assert_eq!(asked.get(&url).await.expect("a response").status, status);
    }
    let bare = Origin::start(|_| async {
        Response::builder().status(302).body(full("nowhere")).expect("a response")
    })
    .await;
    assert_eq!(asked.text(&bare.url("/")).await, "nowhere");
}
