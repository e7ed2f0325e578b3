//! What a peer that speaks the wire by a script can do with what it was handed, and what it can not.

use bindery_wire::frame::{Body, Bound, Call, Operation, Up};
use bindery_wire::value::{Attached, DYNAMIC_SLOT, Rights};

use bindery_wire::limits::Lower;
use bindery_wire::rpc::Loopback;
use bindery_wire::value::INLINE_BYTES_MAX;

use super::slots::To;
use super::tests::{Setup, started};
use super::{End, RequestBody, State};
use crate::rpc::{Service, Target};

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

/// The first slot of the isolate's choice.
const OWN: u32 = 1 << 30;

fn loopback(slot: u32, event: Option<u32>, props: Option<&[u8]>) -> Up<'_> {
    Up::Loopback(Loopback { slot, event, entrypoint: None, props, attached: vec![] })
}

/// What a slot stands for to event 0, once the line has heard all that the peer has said.
async fn service(setup: &mut Setup, slot: u32) -> std::sync::Arc<Service> {
    setup
        .peer(|peer| {
            peer.say(&ask(9, DECLARED, &[]));
            while !peer.hear().starts_with("answer 9") {}
        })
        .await;
    match setup.line.table().to(setup.line.code(), (0, slot)) {
        Some(To::Service(service)) => service,
        _ => panic!("no service"),
    }
}

/// An isolate had ten thousand exports of its own at once, each with props of a mebibyte, which the
/// dispatcher keeps.
#[tokio::test]
async fn exports_with_large_props_are_refused_when_they_are_called() {
    let mut setup = handed().await;
    let count = 40;
    setup
        .peer(move |peer| {
            let props = vec![0; INLINE_BYTES_MAX];
            (0..count).for_each(|at| peer.say(&loopback(OWN + at, Some(0), Some(&props))));
        })
        .await;
    let last = service(&mut setup, OWN + count - 1).await;
    assert!(matches!(&last.target, Target::Provided(_)));
    let Target::Provided(target) = &last.target else { return };
    let refused = target.code().await.expect_err("refused");
    assert!(refused.message.contains("more than 32 MiB"), "{}", refused.message);
    let first = service(&mut setup, OWN).await;
    assert!(matches!(&first.target, Target::Code(_)));
    // Those that are let go make room.
    setup
        .peer(move |peer| {
            let props = vec![0; INLINE_BYTES_MAX];
            peer.say(&Up::Release { slot: OWN });
            peer.say(&loopback(OWN + count, Some(0), Some(&props)));
        })
        .await;
    let next = service(&mut setup, OWN + count).await;
    assert!(matches!(&next.target, Target::Code(_)));
}

/// Code that runs under the limits of an entrypoint got rid of them by calling its own exports.
#[tokio::test]
async fn an_export_of_its_own_is_called_under_the_limits_of_the_event() {
    let mut setup = handed().await;
    let lower = Lower { subrequests: Some(5), cpu_ms: Some(10), ..Lower::NONE };
    if let Some(exchange) = setup.line.table().events.get_mut(&0) {
        exchange.lower(&lower);
        exchange.calls_left = 8;
    }
    setup.peer(|peer| (0..2).for_each(|at| peer.say(&loopback(OWN + at, None, None)))).await;
    assert_eq!(service(&mut setup, OWN).await.limits, lower);
    let attached = [Attached::Slot { slot: OWN + 1, rights: Rights::All }];
    let held = setup.line.table().held_by(setup.line.code(), Some(0), &attached).expect("held");
    let crate::rpc::What::Service(on) = &held[0].what else { panic!("a service") };
    assert_eq!(on.limits, lower);
}

/// A number that is used twice overwrote the body that had it, which was dropped while the table
/// was locked that its drop locks.
#[tokio::test]
async fn a_line_whose_numbers_are_used_up_ends() {
    let mut setup = handed().await;
    setup.line.table().next_number = u32::MAX - 1;
    let heard = setup.peer(|peer| {
        [9, 10].map(|body| {
            let operation =
                Operation::Bound(Bound { head: b"", body: Body::Stream { body, length: Some(1) } });
            let call = Call { call: body, event: 0, slot: DECLARED, operation, attached: vec![] };
            peer.say(&Up::Call(call));
            peer.hear()
        })
    });
    let number = u32::MAX - 1;
    let expected = [
        format!("answer 9  Stream {{ body: {number}, length: Some(1) }}"),
        "answer 10  None".to_owned(),
    ];
    assert_eq!(heard.await, expected);
    setup.line.sweep();
    assert_eq!(setup.line.table().state, State::Condemned);
    assert!(matches!(setup.io.await, Ok(End::Closed)));
}
