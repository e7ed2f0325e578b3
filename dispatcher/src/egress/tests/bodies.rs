//! Bodies, both ways.

use super::*;
use futures_util::StreamExt;
use http_body::{Body as _, Frame};
use http_body_util::StreamBody;
use std::io::{Read, Write};
use tokio::sync::mpsc;

/// More than all buffers of a connection take, and less than what a test would not end for.
const FLOOD_BYTES: usize = 256 << 20;
const HELD_BYTES_MAX: usize = 32 << 20;

/// A body of what is sent into a channel.
fn piped() -> (mpsc::UnboundedSender<&'static str>, Body) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let stream = futures_util::stream::unfold(receiver, async |mut receiver| {
        let text: &'static str = receiver.recv().await?;
        Some((Ok(Frame::data(Bytes::from_static(text.as_bytes()))), receiver))
    });
    (sender, StreamBody::new(stream).boxed_unsync())
}

fn stream(url: &str, body: Body, length: Option<u64>) -> Outgoing {
    let body = Some(OutgoingBody::Stream { body, length });
    Outgoing { method: Method::POST, body, ..get(url) }
}

async fn next(incoming: &mut Incoming) -> String {
    let frame = within(incoming.body.frame()).await.expect("more").expect("a frame");
    String::from_utf8(frame.into_data().expect("data").into()).expect("text")
}

/// Both directions are open at once, and each chunk arrives before the next is made.
#[tokio::test]
async fn chunks_pass_both_ways_as_they_are_made() {
    let origin = Origin::start(|got| async move {
        let echo = got.request.into_body().map_err(BoxError::from);
        Response::new(echo.boxed_unsync())
    })
    .await;
    let asked = Asked::open();
    let (send, body) = piped();
    send.send("one").expect("read");
    let mut incoming = asked.send(stream(&origin.url("/"), body, None)).await.expect("a response");
    assert_eq!(next(&mut incoming).await, "one");
    for chunk in ["two", "three"] {
        send.send(chunk).expect("read");
        assert_eq!(next(&mut incoming).await, chunk);
    }
    drop(send);
    assert!(within(incoming.body.frame()).await.is_none());
}

/// The head of the response is there before the request's body has ended, and nobody reads the
/// response meanwhile.
#[tokio::test]
async fn an_upload_goes_on_while_nobody_reads_the_response() {
    let (told, mut heard) = mpsc::unbounded_channel();
    let origin = Origin::start(move |got| {
        let told = told.clone();
        async move {
            let (done, wait) = tokio::sync::oneshot::channel::<()>();
            Tasks::new(Handle::current()).spawn("reads", async move {
                let body = got.request.into_body().collect().await.expect("a body").to_bytes();
                let _ = (told.send(body), done.send(()));
            });
            let late = futures_util::stream::once(async move {
                let _ = wait.await;
                Ok(Frame::data(Bytes::from_static(b"read")))
            });
            Response::new(StreamBody::new(late).boxed_unsync())
        }
    })
    .await;
    let asked = Asked::open();
    let (send, body) = piped();
    send.send("first ").expect("read");
    let incoming = asked.send(stream(&origin.url("/"), body, None)).await.expect("a response");
    send.send("last").expect("read");
    drop(send);
    let body = within(heard.recv()).await.expect("the body");
    assert_eq!(body, "first last");
    assert_eq!(text(incoming).await, "read");
}

#[tokio::test]
async fn a_response_is_read_no_faster_than_somebody_takes_it() {
    let (told, mut heard) = mpsc::unbounded_channel();
    let origin = Origin::listen("127.0.0.1:0", move |stream, _| {
        let told = told.clone();
        async move {
            let mut stream = stream.into_std().expect("a socket");
            let _ = stream.set_nonblocking(false);
            let _ = stream.set_write_timeout(Some(Duration::from_millis(500)));
            let _ = tokio::task::spawn_blocking(move || {
                let _ = stream.read(&mut [0; 4096]);
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {FLOOD_BYTES}\r\n\r\n");
                let _ = stream.write_all(head.as_bytes());
                let (chunk, mut written) = (vec![b'x'; 64 << 10], 0);
                while let Ok(count @ 1..) = stream.write(&chunk) {
                    written += count;
                    if written >= FLOOD_BYTES {
                        break;
                    }
                }
                told.send(written)
            })
            .await;
        }
    })
    .await;
    let asked = Asked::open();
    let mut incoming = asked.get(&origin.url("/")).await.expect("a response");
    assert_eq!(incoming.body.size_hint().exact(), Some(FLOOD_BYTES as u64));
    let frame = within(incoming.body.frame()).await.expect("more").expect("a frame");
    assert!(frame.into_data().expect("data").len() <= 1 << 20);
    let written = within(heard.recv()).await.expect("the server gave up");
    assert!(written < HELD_BYTES_MAX, "{written} bytes were taken that nobody asked for");
}

#[tokio::test]
async fn a_request_is_made_no_faster_than_the_server_takes_it() {
    let origin = Origin::listen("127.0.0.1:0", |stream, _| async move {
        pending::<()>().await;
        drop(stream);
    })
    .await;
    let asked = Asked::open();
    let made = Arc::<AtomicUsize>::default();
    let counted = made.clone();
    let chunk = Bytes::from(vec![b'x'; 64 << 10]);
    let endless = futures_util::stream::repeat_with(move || {
        counted.fetch_add(chunk.len(), Ordering::SeqCst);
        Ok(Frame::data(chunk.clone()))
    });
    let body = StreamBody::new(endless.take(FLOOD_BYTES >> 16)).boxed_unsync();
    let sent = asked.egress.fetch(stream(&origin.url("/"), body, None));
    let ended = tokio::time::timeout(Duration::from_millis(500), sent).await;
    assert!(ended.is_err(), "nobody answers");
    let made = made.load(Ordering::SeqCst);
    assert!(made < HELD_BYTES_MAX, "{made} bytes were made that nobody took");
}

#[tokio::test]
async fn a_body_is_as_long_as_was_said() {
    let origin = Origin::start(|got| async move {
        let length = got.request.headers().get("content-length").cloned();
        match got.request.into_body().collect().await {
            Ok(body) => Response::new(full(format!("{length:?} {}", body.to_bytes().len()))),
            Err(_) => Response::new(full("cut")),
        }
    })
    .await;
    let asked = Asked::open();
    let url = origin.url("/");
    let sent = asked.send(stream(&url, full("four"), Some(4))).await;
    assert_eq!(text(sent.expect("a response")).await, "Some(\"4\") 4");
    let sent = asked.send(stream(&url, full("four"), None)).await;
    assert_eq!(text(sent.expect("a response")).await, "None 4");
    let sent = asked.send(Outgoing { method: Method::POST, ..get(&url) }).await;
    assert_eq!(text(sent.expect("a response")).await, "Some(\"0\") 0");
    assert_eq!(asked.text(&url).await, "None 0");
    for length in [3, 5] {
        let error = asked.send(stream(&url, full("four"), Some(length))).await;
        let error = error.expect_err("not as long");
        assert!(matches!(error, Error::RequestBody), "{length}: {error}");
    }
    let broken = futures_util::stream::iter([
        Ok(Frame::data(Bytes::from_static(b"some"))),
        Err(BoxError::from("the client has gone")),
    ]);
    let body = StreamBody::new(broken).boxed_unsync();
    let error = asked.send(stream(&url, body, None)).await.expect_err("it broke");
    assert!(matches!(error, Error::RequestBody), "{error}");
}

#[tokio::test]
async fn a_response_that_is_cut_says_so() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npart",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\npart\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\npart\r\nx\r\n",
    ] {
        let origin = super::heads::says(answer).await;
        let asked = Asked::open();
        let incoming = asked.get(&origin.url("/")).await.expect("a response");
        let error = within(incoming.body.collect()).await.expect_err("cut");
        assert!(matches!(error, Error::BodyLost(_)), "{answer}: {error}");
        assert_eq!(asked.egress.idle_count(), 0);
    }
    // Without a length, the end of the connection is the end of the body.
    let origin = super::heads::says("HTTP/1.1 200 OK\r\n\r\nall of it").await;
    let asked = Asked::open();
    assert_eq!(asked.text(&origin.url("/")).await, "all of it");
    assert_eq!(asked.egress.idle_count(), 0);
}
