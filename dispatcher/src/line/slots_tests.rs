//! What a peer that speaks the wire by a script can do with what it was handed, and what it can not.

use bindery_wire::frame::{Body, Bound, Call, Operation, Up};
use bindery_wire::value::{Attached, DYNAMIC_SLOT, Rights};

use super::tests::{Setup, started};
use super::{End, RequestBody};

/// A call of a slot in event 0, to which something that the peer holds is attached: it is handed
/// back, as this binding does in these tests.
fn ask(call: u32, slot: u32, attached: &[(u32, Rights)]) -> Up<'static> {
    ask_in(0, call, slot, attached)
}

fn ask_in(event: u32, call: u32, slot: u32, attached: &[(u32, Rights)]) -> Up<'static> {
    let operation = Operation::Bound(Bound { head: b"", body: Body::None });
    let one = |(slot, rights): &(u32, Rights)| Attached::Slot { slot: *slot, rights: *rights };
    let attached = attached.iter().map(one).collect();
    Up::Call(Call { call, event, slot, operation, attached })
}

/// A binding that the version declares.
const DECLARED: u32 = 2;

async fn handed() -> Setup {
    let mut setup = started().await;
    let _begun = std::mem::ManuallyDrop::new(setup.begin(RequestBody::None).await);
    let heard = setup.peer(|peer| {
        peer.hear();
        peer.say(&ask(1, DECLARED, &[(DECLARED, Rights::Read)]));
        peer.hear()
    });
    assert_eq!(heard.await, format!("answer 1  None + kv {DYNAMIC_SLOT}"));
    setup
}

#[tokio::test]
async fn what_was_handed_over_is_used_and_handed_on_under_new_numbers() {
    let mut setup = handed().await;
    let heard = setup.peer(|peer| {
        peer.say(&ask(2, DYNAMIC_SLOT, &[(DYNAMIC_SLOT, Rights::All), (DECLARED, Rights::All)]));
        peer.hear()
    });
    let (one, other) = (DYNAMIC_SLOT + 1, DYNAMIC_SLOT + 2);
    assert_eq!(heard.await, format!("answer 2  None + kv {one} + kv {other}"));
}

#[tokio::test]
async fn what_is_not_held_ends_the_line_that_names_it() {
    let cases: [(&str, &[Up<'_>]); 6] = [
        ("a slot that was never given", &[ask(2, DYNAMIC_SLOT + 1, &[])]),
        ("attached, a slot that was never given", &[ask(2, 2, &[(DYNAMIC_SLOT + 1, Rights::All)])]),
        ("rights that were taken away", &[ask(2, 2, &[(DYNAMIC_SLOT, Rights::Send)])]),
        ("the global fetch", &[ask(2, 2, &[(0, Rights::All)])]),
        ("another event's", &[ask_in(1, 2, DYNAMIC_SLOT, &[])]),
        ("released", &[Up::Release { slot: DYNAMIC_SLOT }, ask(2, DYNAMIC_SLOT, &[])]),
    ];
    for (what, frames) in cases {
        let mut setup = handed().await;
        let _second = std::mem::ManuallyDrop::new(setup.begin(RequestBody::None).await);
        let mut bytes = Vec::new();
        for frame in frames {
            let max = bindery_wire::codec::UP_BYTES_MAX;
            bindery_wire::codec::write(&mut bytes, frame, max).expect("fits");
        }
        setup.peer(move |peer| peer.say_bytes(&bytes)).await;
        assert!(matches!(setup.io.await, Ok(End::Violated(_))), "{what}");
    }
}

#[tokio::test]
async fn what_an_event_was_handed_goes_with_it() {
    let mut setup = handed().await;
    let _second = std::mem::ManuallyDrop::new(setup.begin(RequestBody::None).await);
    setup
        .peer(|peer| {
            peer.done(0, bindery_wire::Outcome::Ok);
            peer.say(&ask_in(1, 2, DYNAMIC_SLOT, &[]));
        })
        .await;
    let line = setup.line.clone();
    assert!(matches!(setup.io.await, Ok(End::Violated(_))));
    assert!(line.table().slots.take_all().is_empty());
}
