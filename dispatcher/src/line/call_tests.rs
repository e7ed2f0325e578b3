//! Calls of a peer that speaks the wire by a script.

use std::sync::atomic::Ordering;

use bindery_logic::blame::Blame;
use bindery_wire::Outcome;
use bindery_wire::binding::HEAD_BYTES_MAX;
use bindery_wire::frame::{
    BODY_COUNT_MAX, Body, Bound, Call as WireCall, Head, Operation, Outgoing, UNREAD_BYTES, Up,
    WINDOW_BYTES,
};
use bindery_wire::rpc::Invoke;
use bindery_wire::value::Attached;
use bytes::Bytes;
use http_body_util::BodyExt;

use super::tests::{head, started};
use super::*;

fn call(call: u32, body: Body<'_>) -> Up<'_> {
    let url = "http://o/";
    let outgoing = Outgoing { method: "PUT", url, headers: b"", follow: true, body };
    let operation = Operation::Fetch(outgoing);
    Up::Call(WireCall { call, event: 0, slot: 0, operation, attached: vec![] })
}

/// A call of slot 2, which is a binding.
fn ask<'a>(call: u32, head: &'a str, body: Body<'a>) -> Up<'a> {
    let operation = Operation::Bound(Bound { head: head.as_bytes(), body });
    Up::Call(WireCall { call, event: 0, slot: 2, operation, attached: vec![] })
}

fn fetched(body: FetchedBody) -> Result<Fetched, Refused> {
    let (status, status_text, url) = (200, "OK".into(), None);
    Ok(Fetched { status, status_text, url, redirects: 0, headers: vec![], body })
}

/// A body of one chunk, encoded as `gzip` if that is told.
fn outside(text: &'static str, encoded: bool) -> FetchedBody {
    struct Packed(&'static str);
    impl Encoded for Packed {
        fn encoding(&self) -> &[u8] {
            b"gzip"
        }
        fn as_sent(self: Box<Self>) -> Upload {
            plain(self.0)
        }
        fn decoded(self: Box<Self>) -> Upload {
            plain("decoded")
        }
    }
    fn plain(text: &'static str) -> Upload {
        Upload::new(http_body_util::Full::new(Bytes::from(text)).map_err(|never| match never {}))
    }
    let from =
        if encoded { Unread::Encoded(Box::new(Packed(text))) } else { Unread::Plain(plain(text)) };
    FetchedBody::Stream { from, length: Some(text.len() as u64) }
}

async fn text(upload: Upload) -> Bytes {
    upload.collect().await.expect("whole").to_bytes()
}

#[tokio::test]
async fn a_call_is_carried_out_and_its_body_read_only_when_asked_for() {
    let mut setup = started().await;
    let _begun = setup.begin(RequestBody::None).await;
    setup.peer(|peer| peer.say(&call(5, Body::Inline(b"sent")))).await;
    let (made, answer) = setup.calls.recv().await.expect("a call");
    assert_eq!((&*made.method, &*made.url, made.redirects_max), ("PUT", "http://o/", 7));
    assert!(matches!(made.body, RequestBody::Inline(bytes) if bytes == "sent"));
    let _ = answer.send(fetched(outside("hello", false)));
    let heard = setup.peer(|peer| {
        peer.hear();
        let reply = peer.hear();
        peer.say(&Up::Credit { body: 1, bytes: 100 });
        [reply, peer.hear(), peer.hear()]
    });
    let expected = ["reply 5 200 Stream { body: 1, length: Some(5) }", "chunk 1 5", "end 1 true"];
    assert_eq!(heard.await, expected);
}

#[tokio::test]
async fn a_fetched_body_that_is_passed_on_does_not_cross_the_line() {
    for (encoded, headers, passed) in [
        (false, &b""[..], "hello"),
        // What the headers of the answer say is what its bytes must be.
        (true, b"content-encoding\ngzip\n", "hello"),
        (true, b"", "decoded"),
    ] {
        let mut setup = started().await;
        let begun = setup.begin(RequestBody::None).await;
        setup.peer(|peer| peer.say(&call(5, Body::None))).await;
        let (_, answer) = setup.calls.recv().await.expect("a call");
        let _ = answer.send(fetched(outside("hello", encoded)));
        let heard = setup.peer(move |peer| {
            peer.hear();
            peer.hear();
            let body = Body::Passed { body: 1 };
            peer.say(&Up::Head(Head { event: 0, status: 200, headers, body }));
            peer.done(0, Outcome::Ok);
            // Nothing but this comes any more: no chunk is among it.
            peer.say(&Up::Condemned { outcome: Outcome::Ok });
            peer.hear()
        });
        assert_eq!(heard.await, "stop");
        let ReplyBody::Passed { from, length } = head(begun).await.1 else { panic!("not passed") };
        assert_eq!(length, (passed == "hello").then_some(5));
        assert_eq!(text(from).await, passed);
    }
}

#[tokio::test]
async fn a_fetched_body_goes_into_another_request_as_what_it_says() {
    let mut setup = started().await;
    let _begun = setup.begin(RequestBody::None).await;
    setup.peer(|peer| peer.say(&call(5, Body::None))).await;
    let (_, answer) = setup.calls.recv().await.expect("a call");
    let _ = answer.send(fetched(outside("hello", true)));
    let peer = setup.peer(|peer| {
        peer.hear();
        peer.hear();
        peer.say(&call(6, Body::Passed { body: 1 }));
    });
    peer.await;
    let (made, _answer) = setup.calls.recv().await.expect("a call");
    let RequestBody::Stream { from, length } = made.body else { panic!("no stream") };
    assert_eq!((text(from).await.as_ref(), length), (&b"decoded"[..], None));
}

#[tokio::test]
async fn a_call_ends_with_its_event_and_when_nobody_waits_for_it() {
    let mut setup = started().await;
    let _begun = setup.begin(RequestBody::None).await;
    setup.peer(|peer| peer.say(&call(5, Body::None))).await;
    let (_, mut first) = setup.calls.recv().await.expect("a call");
    setup.peer(|peer| peer.say(&Up::Abort { call: 5 })).await;
    first.closed().await;
    setup.peer(|peer| peer.say(&call(6, Body::None))).await;
    let (_, mut second) = setup.calls.recv().await.expect("a call");
    setup.peer(|peer| peer.done(0, Outcome::Ok)).await;
    second.closed().await;
}

#[tokio::test]
async fn subrequests_are_counted_redirects_among_them() {
    let mut setup = started().await;
    let _begun = setup.begin(RequestBody::None).await;
    setup.peer(|peer| peer.say(&call(1, Body::None))).await;
    let (_, answer) = setup.calls.recv().await.expect("a call");
    let moved = fetched(FetchedBody::None).map(|fetched| Fetched { redirects: 6, ..fetched });
    let _ = answer.send(moved);
    let replied = setup.peer(|peer| {
        peer.hear();
        peer.hear();
        peer.say(&call(2, Body::None));
    });
    replied.await;
    let (last, _answer) = setup.calls.recv().await.expect("a call");
    assert_eq!(last.redirects_max, 0);
    let refusal = setup.peer(|peer| {
        peer.say(&call(3, Body::None));
        peer.hear()
    });
    let refusal = refusal.await;
    assert!(
        refusal.starts_with("refusal 3 Too many subrequests. One event may make 8,"),
        "{refusal}"
    );
}

#[tokio::test]
async fn more_calls_at_once_than_may_be_end_the_line() {
    let mut setup = started().await;
    let begun = setup.begin(RequestBody::None).await;
    setup.peer(|peer| (0..7).for_each(|number| peer.say(&call(number, Body::None)))).await;
    assert!(matches!(setup.io.await, Ok(End::Violated(_))));
    setup.line.lost(Blame::Itself);
    assert!(matches!(begun.reply().await, Reply::Lost(Blame::Itself)));
}

#[tokio::test]
async fn a_binding_answers_with_a_head_and_a_body_that_is_read_when_asked_for() {
    let mut setup = started().await;
    let _begun = setup.begin(RequestBody::None).await;
    let heard = setup.peer(|peer| {
        peer.hear();
        peer.say(&ask(5, "short", Body::Inline(b"sent")));
        let short = peer.hear();
        peer.say(&ask(6, "long", Body::Stream { body: 9, length: Some(4) }));
        let long = peer.hear();
        peer.say(&Up::Credit { body: 1, bytes: 100 });
        peer.say(&Up::Chunk { body: 9, bytes: b"more" });
        peer.say(&Up::End { body: 9, whole: true });
        // How much more may be sent is told if it was read before its end.
        let mut next = || match peer.hear() {
            credit if credit.starts_with("credit 9") => peer.hear(),
            other => other,
        };
        [short, long, next(), next()]
    });
    let expected = [
        "answer 5 short Inline([115, 101, 110, 116])",
        "answer 6 long Stream { body: 1, length: Some(4) }",
        "chunk 1 4",
        "end 1 true",
    ];
    assert_eq!(heard.await, expected);
}

#[tokio::test]
async fn calls_of_bindings_count_as_subrequests() {
    let mut setup = started().await;
    let _begun = setup.begin(RequestBody::None).await;
    let heard = setup.peer(|peer| {
        peer.hear();
        let answers: Vec<String> = (0..9)
            .map(|number| {
                peer.say(&ask(number, "", Body::None));
                peer.hear()
            })
            .collect();
        answers
    });
    let heard = heard.await;
    assert_eq!(heard[7], "answer 7  None");
    assert!(heard[8].starts_with("refusal 8 Too many subrequests."), "{}", heard[8]);
}

#[tokio::test]
async fn an_operation_that_its_slot_does_not_know_ends_the_line() {
    let long = "x".repeat(HEAD_BYTES_MAX + 1);
    let of = |slot, head| {
        let operation = Operation::Bound(Bound { head, body: Body::None });
        Up::Call(WireCall { call: 1, event: 0, slot, operation, attached: vec![] })
    };
    for (slot, head) in [(0, &b""[..]), (3, b""), (u32::MAX, b""), (2, long.as_bytes())] {
        let mut setup = started().await;
        let _begun = setup.begin(RequestBody::None).await;
        let mut bytes = Vec::new();
        codec::write(&mut bytes, &of(slot, head), codec::UP_BYTES_MAX).expect("fits");
        setup.peer(move |peer| peer.say_bytes(&bytes)).await;
        assert!(matches!(setup.io.await, Ok(End::Violated(_))), "slot {slot}");
    }
    let mut setup = started().await;
    let _begun = setup.begin(RequestBody::None).await;
    setup
        .peer(|peer| {
            let Up::Call(fetch) = call(1, Body::None) else { return };
            peer.say(&Up::Call(WireCall { slot: 2, ..fetch }));
        })
        .await;
    assert!(matches!(setup.io.await, Ok(End::Violated(_))), "a request to a binding");
}

/// A thousand streams could go with each of a thousand calls, each with the window of one that is
/// read: half a terabyte for one event.
#[tokio::test]
async fn a_body_of_a_call_is_let_ahead_of_its_reader_when_there_is_one() {
    let mut setup = started().await;
    let _begun = setup.begin(RequestBody::None).await;
    setup
        .peer(|peer| {
            peer.hear();
            peer.say(&call(5, Body::Stream { body: 9, length: None }));
            peer.say(&Up::Chunk { body: 9, bytes: &[1; UNREAD_BYTES as usize] });
        })
        .await;
    let (made, _answer) = setup.calls.recv().await.expect("a call");
    let RequestBody::Stream { mut from, .. } = made.body else { panic!("no stream") };
    assert!(from.frame().await.is_some());
    assert_eq!(setup.line.windows.load(Ordering::Relaxed), WINDOW_BYTES as usize);
    let heard = setup.peer(|peer| peer.hear()).await;
    assert_eq!(heard, format!("credit 9 {}", WINDOW_BYTES - UNREAD_BYTES));
    drop(from);
    assert_eq!(setup.line.windows.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn more_of_an_unread_body_than_may_be_ends_the_line() {
    let mut setup = started().await;
    let _begun = setup.begin(RequestBody::None).await;
    setup
        .peer(|peer| {
            peer.say(&call(5, Body::Stream { body: 9, length: None }));
            peer.say(&Up::Chunk { body: 9, bytes: &[1; UNREAD_BYTES as usize + 1] });
        })
        .await;
    assert!(matches!(setup.io.await, Ok(End::Violated(_))));
}

#[tokio::test]
async fn more_bodies_at_once_than_may_be_end_the_line() {
    for count in [BODY_COUNT_MAX as u32, BODY_COUNT_MAX as u32 + 1] {
        let (mut setup, callee) = (started().await, started().await);
        // The calls wait for room, and their bodies with them.
        let _full = [callee.begin(RequestBody::None).await, callee.begin(RequestBody::None).await];
        assert!(setup.services.set(callee.line.clone()).is_ok());
        let _begun = setup.begin(RequestBody::None).await;
        setup
            .peer(move |peer| {
                let one = |body| Attached::Body(Body::Stream { body, length: None });
                for call in 0..count.div_ceil(1_000) {
                    let bodies = 1_000 * call..count.min(1_000 * (call + 1));
                    let (attached, arguments) = (bodies.map(one).collect(), Body::None);
                    let of = (call > 0).then_some(0);
                    let invoke = Invoke { of, path: vec!["x"], calls: true, arguments };
                    let operation = Operation::Rpc(invoke);
                    peer.say(&Up::Call(WireCall { call, event: 0, slot: 3, operation, attached }));
                }
            })
            .await;
        if count > BODY_COUNT_MAX as u32 {
            assert!(matches!(setup.io.await, Ok(End::Violated(_))));
            continue;
        }
        let answered = setup.peer(|peer| {
            peer.say(&ask(7_000, "", Body::None));
            while peer.hear() != "answer 7000  None" {}
        });
        answered.await;
    }
}
