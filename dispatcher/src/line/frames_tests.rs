//! Random frames of an isolate: nothing panics or waits for itself, and what another isolate holds
//! and does is as it was.

use bindery_wire::frame::{Body, Bound, Call, Operation, Outgoing, Up};
use bindery_wire::rpc::{How, Invoke, Loopback, Returned};
use bindery_wire::value::{Attached, DYNAMIC_SLOT, Rights};
use bindery_wire::{Outcome, codec, log::Spent};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::RequestBody;
use super::tests::started;

/// Numbers that mean something now and then.
fn number() -> impl Strategy<Value = u32> {
    prop_oneof![0..4_u32, Just(DYNAMIC_SLOT), Just(DYNAMIC_SLOT + 1), Just(1 << 30), any::<u32>()]
}

fn body() -> impl Strategy<Value = Body<'static>> {
    prop_oneof![
        Just(Body::None),
        Just(Body::Inline(b"bytes")),
        (number(), proptest::option::of(0..9_u64))
            .prop_map(|(body, length)| Body::Stream { body, length }),
        number().prop_map(|body| Body::Passed { body }),
    ]
}

fn attached() -> impl Strategy<Value = Vec<Attached<'static>>> {
    let rights = prop_oneof![Just(Rights::All), Just(Rights::Read), Just(Rights::Send)];
    let one = prop_oneof![
        (number(), rights).prop_map(|(slot, rights)| Attached::Slot { slot, rights }),
        number().prop_map(|export| Attached::Export { export }),
        body().prop_map(Attached::Body),
    ];
    proptest::collection::vec(one, 0..3)
}

fn operation() -> impl Strategy<Value = Operation<'static>> {
    prop_oneof![
        body().prop_map(|body| Operation::Bound(Bound { head: b"{}", body })),
        body().prop_map(|body| Operation::Fetch(Outgoing {
            method: "GET",
            url: "http://o/",
            headers: b"",
            follow: true,
            body,
        })),
        (proptest::option::of(number()), any::<bool>(), body()).prop_map(
            |(of, calls, arguments)| {
                Operation::Rpc(Invoke { of, path: vec!["a"], calls, arguments })
            }
        ),
    ]
}

fn frame() -> impl Strategy<Value = Up<'static>> {
    let how = prop_oneof![Just(How::Returned), Just(How::Threw), Just(How::Late)];
    let spent = Spent { outcome: Outcome::Ok, cpu_us: 1, wall_us: 1 };
    prop_oneof![
        8 => (number(), number(), number(), operation(), attached()).prop_map(
            |(call, event, slot, operation, attached)| {
                Up::Call(Call { call, event: event % 2, slot, operation, attached })
            }
        ),
        3 => (number(), number(), how, body(), attached()).prop_map(
            |(event, invocation, how, value, attached)| {
                let event = event % 3;
                Up::Returned(Returned { event, invocation, how, value, attached })
            }
        ),
        1 => (number(), proptest::option::of(number()), attached()).prop_map(
            |(slot, event, attached)| Up::Loopback(Loopback {
                slot,
                event,
                entrypoint: None,
                props: None,
                attached,
            })
        ),
        1 => number().prop_map(|slot| Up::Release { slot }),
        1 => (number(), number()).prop_map(|(event, slot)| Up::Watch { event, slot }),
        1 => (number(), number()).prop_map(|(event, call)| Up::Finish { event, call }),
        1 => number().prop_map(|call| Up::Abort { call }),
        1 => number().prop_map(|body| Up::Chunk { body, bytes: b"chunk" }),
        1 => (number(), any::<bool>()).prop_map(|(body, whole)| Up::End { body, whole }),
        1 => (number(), number()).prop_map(|(body, bytes)| Up::Credit { body, bytes }),
        1 => number().prop_map(|body| Up::Unwanted { body }),
        1 => number().prop_map(move |event| Up::Done { event, spent }),
        1 => number().prop_map(|event| Up::NotTaken { event }),
    ]
}

#[test]
fn random_frames_end_a_line_at_worst_and_touch_no_other() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let frames = proptest::collection::vec(frame(), 1..40);
    let mut runner = TestRunner::new(Config { cases: 128, ..Config::default() });
    let ran = runner.run(&frames, |frames| {
        let told = runtime.block_on(async {
            let (mut one, mut other, callee) = (started().await, started().await, started().await);
            assert!(one.services.set(one.line.clone()).is_ok());
            assert!(other.services.set(callee.line.clone()).is_ok());
            std::mem::forget(one.begin(RequestBody::None).await);
            std::mem::forget(other.begin(RequestBody::None).await);
            let mut bytes = Vec::new();
            for frame in &frames {
                codec::write(&mut bytes, frame, codec::UP_BYTES_MAX).expect("fits");
            }
            one.peer(move |peer| peer.say_bytes(&bytes)).await;
            one.line.sweep();
            let other_heard = other.peer(|peer| peer.hear()).await;
            tokio::time::timeout(std::time::Duration::from_secs(5), async {
                one.line.sever();
                let _ = one.io.await;
                one.line.lost(bindery_logic::blame::Blame::Itself);
            })
            .await
            .expect("no table is locked for good");
            (other_heard, other.line.event_count(), other.line.is_open())
        });
        prop_assert_eq!(told, ("event 0 POST http://t/ None".to_owned(), 1, true));
        Ok(())
    });
    ran.expect("no counterexample");
}
