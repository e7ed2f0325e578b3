//! Methods between two lines whose peers speak the wire by a script.

use bindery_wire::frame::{Body, CHUNK_BYTES_MAX, Call, Down, Operation, Up};
use bindery_wire::rpc::{How, Invoke, Returned};
use bindery_wire::value::{Attached, DYNAMIC_SLOT, Rights};
use bindery_wire::{Outcome, codec};

use super::methods::SOON_BYTES_MAX;
use super::tests::{Peer, Setup, started};
use super::{End, NotTaken, RequestBody};

/// The service that the version declares.
const SERVICE: u32 = 3;

fn invoke<'a>(call: u32, (slot, of): (u32, Option<u32>), name: &'a str) -> Up<'a> {
    let invoke = Invoke { of, path: vec![name], calls: true, arguments: Body::Inline(b"args") };
    let operation = Operation::Rpc(invoke);
    Up::Call(Call { call, event: 0, slot, operation, attached: vec![] })
}

fn returned<'a>(event: u32, invocation: u32, attached: Vec<Attached<'a>>) -> Up<'a> {
    let (how, value) = (How::Returned, Body::Inline(b"value"));
    Up::Returned(Returned { event, invocation, how, value, attached })
}

const EXPORT: Attached<'static> = Attached::Export { export: 5 };

/// A caller in whose event 0 calls are made, and a callee.
async fn both() -> (Setup, Setup) {
    let (mut caller, callee) = (started().await, started().await);
    assert!(caller.services.set(callee.line.clone()).is_ok());
    let begun = caller.begin(RequestBody::None).await;
    std::mem::forget(begun);
    caller.peer(|peer| peer.hear()).await;
    (caller, callee)
}

/// Has the callee hand over export 5 as the result of call 1, which the caller holds then.
async fn handed(caller: &mut Setup, callee: &mut Setup) {
    caller.peer(|peer| peer.say(&invoke(1, (SERVICE, None), "get"))).await;
    let heard = callee.peer(|peer| {
        let event = peer.hear();
        peer.say(&returned(0, 0, vec![EXPORT]));
        event
    });
    assert_eq!(heard.await, "event 0 Some(\"E\") 0 Entrypoint get()");
    let heard = caller.peer(|peer| peer.hear()).await;
    assert_eq!(
        heard,
        format!("result 1 Returned Inline([118, 97, 108, 117, 101]) + stub {DYNAMIC_SLOT}")
    );
}

#[tokio::test]
async fn what_an_event_has_handed_over_is_its_own_when_it_comes_home() {
    let (mut caller, mut callee) = both().await;
    caller
        .peer(|peer| {
            let Up::Call(call) = invoke(1, (SERVICE, None), "echo") else { return };
            peer.say(&Up::Call(Call { attached: vec![EXPORT], ..call }));
        })
        .await;
    let heard = callee.peer(|peer| {
        let event = peer.hear();
        let given = Attached::Slot { slot: DYNAMIC_SLOT, rights: Rights::All };
        peer.say(&returned(0, 0, vec![given]));
        event
    });
    let expected = format!("event 0 Some(\"E\") 0 Entrypoint echo() + stub {DYNAMIC_SLOT}");
    assert_eq!(heard.await, expected);
    let heard = caller.peer(|peer| peer.hear()).await;
    assert!(heard.ends_with(&format!(" + own 5 {DYNAMIC_SLOT}")), "{heard}");
}

#[tokio::test]
async fn a_call_begins_an_event_and_what_is_made_of_its_result_waits_for_nothing() {
    let (mut caller, mut callee) = both().await;
    caller
        .peer(|peer| {
            peer.say(&invoke(1, (SERVICE, None), "get"));
            peer.say(&invoke(2, (0, Some(1)), "more"));
            peer.say(&invoke(3, (0, Some(2)), "most"));
        })
        .await;
    let heard = callee.peer(|peer| [peer.hear(), peer.hear(), peer.hear()]).await;
    let expected = [
        "event 0 Some(\"E\") 0 Entrypoint get()",
        "invoke 0 1 Result(0) more()",
        "invoke 0 2 Result(1) most()",
    ];
    assert_eq!(heard, expected);
    callee
        .peer(|peer| {
            peer.say(&returned(0, 2, vec![]));
            peer.say(&returned(0, 0, vec![]));
        })
        .await;
    let heard = caller.peer(|peer| [peer.hear(), peer.hear()]).await;
    let value = "Inline([118, 97, 108, 117, 101])";
    assert_eq!(heard, [format!("result 3 Returned {value}"), format!("result 1 Returned {value}")]);
}

/// The isolate was over a limit when the call reached it: the call has not begun, and begins
/// elsewhere. What was made of its result there comes back, and is made where the result will be.
#[tokio::test]
async fn a_call_that_is_not_taken_is_made_anew_with_all_that_goes_with_it() {
    let (mut caller, mut callee) = both().await;
    let long = Body::Stream { body: 7, length: Some(9) };
    let invoke_long = Invoke { of: None, path: vec!["get"], calls: true, arguments: long };
    let operation = Operation::Rpc(invoke_long);
    let attached = vec![
        Attached::Export { export: 3 },
        Attached::Body(Body::Stream { body: 8, length: None }),
    ];
    let call = Call { call: 1, event: 0, slot: SERVICE, operation, attached };
    caller.peer(move |peer| peer.say(&Up::Call(call))).await;
    let heard = callee.peer(|peer| peer.hear()).await;
    assert!(heard.starts_with("event 0 Some(\"E\") 0 Entrypoint get()"), "{heard}");
    caller.peer(|peer| peer.say(&invoke(2, (0, Some(1)), "more"))).await;
    let heard = callee.peer(|peer| {
        let more = peer.hear();
        peer.say(&Up::NotTaken { event: 0 });
        [more, peer.hear()]
    });
    let [more, again] = heard.await;
    assert_eq!(more, "invoke 0 1 Result(0) more()");
    let first = heard_of(&again).unwrap_or_else(|| panic!("{again}"));
    assert!(again.contains("get()") && again.matches(" + ").count() == 2, "{again}");
    let heard = caller.peer(|peer| {
        let late = peer.hear();
        // As the isolate made it there, it is made of the result from now on.
        peer.say(&invoke(3, (0, Some(1)), "most"));
        [late, peer.hear()]
    });
    assert_eq!(heard.await, ["result 2 Late None", "result 3 Late None"]);
    callee.peer(move |peer| peer.say(&returned(first, 0, vec![]))).await;
    let heard = caller.peer(|peer| peer.hear()).await;
    assert_eq!(heard, "result 1 Returned Inline([118, 97, 108, 117, 101])");
}

/// The number of an event that was heard.
fn heard_of(heard: &str) -> Option<u32> {
    heard.strip_prefix("event ")?.split(' ').next()?.parse().ok()
}

/// Nobody takes it: that comes to an end.
#[tokio::test]
async fn a_call_that_nobody_takes_is_refused_after_a_while() {
    let (mut caller, mut callee) = both().await;
    caller.peer(|peer| peer.say(&invoke(1, (SERVICE, None), "get"))).await;
    callee
        .peer(|peer| {
            for _ in 0..9 {
                let heard = peer.hear();
                let event = heard_of(&heard).unwrap_or_else(|| panic!("{heard}"));
                peer.say(&Up::NotTaken { event });
            }
        })
        .await;
    let heard = caller.peer(|peer| peer.hear()).await;
    assert!(heard.contains("There is no capacity"), "{heard}");
}

#[tokio::test]
async fn what_was_handed_over_is_called_and_its_maker_told_when_nobody_holds_it() {
    let (mut caller, mut callee) = both().await;
    handed(&mut caller, &mut callee).await;
    caller
        .peer(|peer| {
            peer.say(&invoke(2, (0, Some(1)), "of the result"));
            peer.say(&Up::Finish { event: 0, call: 1 });
            peer.say(&invoke(3, (DYNAMIC_SLOT, None), "of the stub"));
            peer.say(&Up::Release { slot: DYNAMIC_SLOT });
        })
        .await;
    let heard = callee.peer(|peer| [peer.hear(), peer.hear(), peer.hear(), peer.hear()]).await;
    let expected = [
        "invoke 0 1 Result(0) of the result()",
        "finished 0 0",
        "invoke 0 2 Export(5) of the stub()",
        "released 0 5",
    ];
    assert_eq!(heard, expected);
    // The caller has that result: what is made of it now is made there.
    let heard = caller.peer(|peer| {
        peer.say(&invoke(4, (0, Some(1)), "late"));
        peer.hear()
    });
    assert_eq!(heard.await, "result 4 Late None");
}

#[tokio::test]
async fn a_callee_that_ends_breaks_what_it_handed_over_and_nobody_waits_on() {
    let (mut caller, mut callee) = both().await;
    handed(&mut caller, &mut callee).await;
    caller
        .peer(|peer| {
            // Who asks twice is told once.
            peer.say(&Up::Watch { event: 0, slot: DYNAMIC_SLOT });
            peer.say(&Up::Watch { event: 0, slot: DYNAMIC_SLOT });
            peer.say(&invoke(2, (DYNAMIC_SLOT, None), "spin"));
        })
        .await;
    callee
        .peer(|peer| {
            peer.hear();
            peer.done(0, Outcome::ExceededCpu);
        })
        .await;
    let heard = caller.peer(|peer| {
        let first = [peer.hear(), peer.hear()];
        peer.say(&invoke(3, (DYNAMIC_SLOT, None), "again"));
        (first, peer.hear())
    });
    let (first, again) = heard.await;
    let why = "Worker exceeded CPU time limit.";
    assert_eq!(first, [format!("broken {DYNAMIC_SLOT} {why}"), format!("refusal 2 {why}")]);
    assert_eq!(again, format!("refusal 3 {why}"));
}

/// It was made once more of the stub in the result, and so twice of what that stub stands for.
#[tokio::test]
async fn a_call_of_a_result_that_its_callee_may_have_made_is_not_made_again() {
    let (mut caller, mut callee) = both().await;
    handed(&mut caller, &mut callee).await;
    caller.peer(|peer| peer.say(&invoke(2, (0, Some(1)), "of the result"))).await;
    callee
        .peer(|peer| {
            peer.hear();
            peer.done(0, Outcome::ExceededCpu);
        })
        .await;
    let heard = caller.peer(|peer| peer.hear()).await;
    assert_eq!(heard, "refusal 2 Worker exceeded CPU time limit.");
}

/// Nothing is in such a result of which its callee could have made the call.
#[tokio::test]
async fn a_call_of_a_result_without_stubs_is_made_by_its_caller_whatever_ends_the_callee() {
    let (mut caller, mut callee) = both().await;
    caller
        .peer(|peer| {
            peer.say(&invoke(1, (SERVICE, None), "get"));
            peer.say(&invoke(2, (0, Some(1)), "more"));
        })
        .await;
    callee
        .peer(|peer| {
            let _ = (peer.hear(), peer.hear());
            peer.say(&returned(0, 0, vec![]));
            peer.done(0, Outcome::ExceededCpu);
        })
        .await;
    let heard = caller.peer(|peer| [peer.hear(), peer.hear()]).await;
    let value = "Inline([118, 97, 108, 117, 101])";
    assert_eq!(heard, [format!("result 1 Returned {value}"), "result 2 Late None".into()]);
}

#[tokio::test]
async fn a_caller_that_ends_lets_go_of_all_and_what_it_waited_for_is_canceled() {
    let (mut caller, mut callee) = both().await;
    handed(&mut caller, &mut callee).await;
    caller.peer(|peer| peer.say(&invoke(2, (SERVICE, None), "slow"))).await;
    assert!(callee.peer(|peer| peer.hear()).await.starts_with("event 2 "));
    caller.peer(|peer| peer.done(0, Outcome::Ok)).await;
    let mut heard = callee.peer(|peer| [peer.hear(), peer.hear(), peer.hear()]).await;
    heard.sort();
    assert_eq!(heard, ["cancel 2 canceled", "finished 0 0", "released 0 5"]);
}

#[tokio::test]
async fn a_line_that_is_lost_breaks_what_it_handed_over() {
    let (mut caller, mut callee) = both().await;
    handed(&mut caller, &mut callee).await;
    caller.peer(|peer| peer.say(&invoke(2, (DYNAMIC_SLOT, None), "wait"))).await;
    callee.peer(|peer| peer.hear()).await;
    callee.line.lost(bindery_logic::blame::Blame::Itself);
    let heard = caller.peer(|peer| peer.hear()).await;
    assert_eq!(heard, "refusal 2 The isolate of the worker `main` was lost.");
}

#[tokio::test]
async fn something_can_be_handed_back_to_where_it_comes_from() {
    let (mut caller, mut callee) = both().await;
    handed(&mut caller, &mut callee).await;
    caller
        .peer(|peer| {
            let Up::Call(call) = invoke(2, (SERVICE, None), "take") else { return };
            let attached = vec![Attached::Slot { slot: DYNAMIC_SLOT, rights: Rights::All }];
            peer.say(&Up::Call(Call { attached, ..call }));
        })
        .await;
    let heard = callee.peer(|peer| {
        let event = peer.hear();
        // The same event calls what another one of the same isolate has handed over.
        let Up::Call(call) = invoke(7, (DYNAMIC_SLOT, None), "home") else {
            return [event, "".into()];
        };
        peer.say(&Up::Call(Call { event: 2, ..call }));
        [event, peer.hear()]
    });
    let expected = [
        format!("event 2 Some(\"E\") 0 Entrypoint take() + stub {DYNAMIC_SLOT}"),
        "invoke 0 1 Export(5) home()".into(),
    ];
    assert_eq!(heard.await, expected);
}

#[tokio::test]
async fn what_no_honest_isolate_says_of_methods_ends_its_own_line_only() {
    let unsaid = Body::Stream { body: 7, length: None };
    let value = Invoke { of: None, path: vec!["x"], calls: true, arguments: unsaid };
    let operation = Operation::Rpc(value);
    let unsaid = Up::Call(Call { call: 2, event: 0, slot: SERVICE, operation, attached: vec![] });
    let cases: [(&str, Up<'_>); 8] = [
        ("arguments that do not say how long they are", unsaid),
        ("a return of no invocation", returned(0, 9, vec![])),
        ("a return of no event", returned(9, 0, vec![])),
        ("a call of a slot that it does not have", invoke(2, (DYNAMIC_SLOT + 9, None), "x")),
        ("a call of a binding that has no methods", invoke(2, (2, None), "x")),
        ("a call twice", invoke(1, (SERVICE, None), "x")),
        ("an export that is none", Up::Loopback(loopback(5, Some(0)))),
        ("an export for no event", Up::Loopback(loopback(1 << 30, Some(9)))),
    ];
    for (what, frame) in cases {
        let (mut caller, mut callee) = both().await;
        caller.peer(|peer| peer.say(&invoke(1, (SERVICE, None), "wait"))).await;
        callee.peer(|peer| peer.hear()).await;
        let mut bytes = Vec::new();
        codec::write(&mut bytes, &frame, codec::UP_BYTES_MAX).expect("fits");
        caller.peer(move |peer: &mut Peer| peer.say_bytes(&bytes)).await;
        assert!(matches!(caller.io.await, Ok(End::Violated(_))), "{what}");
        assert!(callee.line.is_open() && callee.line.runs(0), "{what}");
    }
}

#[tokio::test]
async fn a_value_that_is_longer_than_it_may_be_does_not_travel_whoever_sends_it() {
    let long = |bytes: u64| Body::Stream { body: 7, length: Some(bytes) };
    let told = "the limit rpc_value_bytes_max is 33554432 bytes: send what is long as a stream";
    let (mut caller, mut callee) = both().await;
    let Up::Call(mut call) = invoke(1, (SERVICE, None), "get") else { panic!("a call") };
    if let Operation::Rpc(invoke) = &mut call.operation {
        invoke.arguments = long((32 << 20) + 1);
    }
    let heard = caller.peer(move |peer| {
        peer.say(&Up::Call(call));
        peer.hear()
    });
    let heard = heard.await;
    assert!(heard.contains("was: 33554433 bytes.") && heard.contains(told), "{heard}");
    caller.peer(|peer| peer.say(&invoke(2, (SERVICE, None), "get"))).await;
    let value = long((32 << 20) + 1);
    let returned =
        Returned { event: 0, invocation: 0, how: How::Returned, value, attached: vec![] };
    callee
        .peer(move |peer| {
            peer.hear();
            peer.say(&Up::Returned(returned));
        })
        .await;
    let heard = caller.peer(|peer| [peer.hear(), peer.hear()]).await.join(" ");
    assert!(heard.contains("was: 33554433 bytes.") && heard.contains(told), "{heard}");
    assert!(caller.line.is_open() && callee.line.is_open());
}

fn loopback(slot: u32, event: Option<u32>) -> bindery_wire::rpc::Loopback<'static> {
    bindery_wire::rpc::Loopback { slot, event, entrypoint: None, props: None, attached: vec![] }
}

/// Lets so many bytes wait for an isolate that reads nothing.
fn owe(setup: &Setup, bytes: usize) {
    let frame = Down::Chunk { body: 99, bytes: &[0; CHUNK_BYTES_MAX] };
    (0..bytes.div_ceil(CHUNK_BYTES_MAX)).for_each(|_| setup.line.send(&frame));
}

/// Only the pumps of bodies waited for an isolate to read: what others asked of it and what it was
/// owed was kept without a bound.
#[tokio::test]
async fn an_isolate_that_does_not_read_is_asked_for_nothing_more_and_given_up_in_the_end() {
    let (mut caller, mut callee) = both().await;
    handed(&mut caller, &mut callee).await;
    owe(&callee, 40 << 20);
    let heard = caller.peer(|peer| {
        peer.say(&invoke(2, (DYNAMIC_SLOT, None), "more"));
        let stub = peer.hear();
        peer.say(&invoke(3, (SERVICE, None), "more"));
        [stub, peer.hear()]
    });
    let [stub, service] = heard.await;
    assert_eq!(stub, "refusal 2 The called isolate is too busy to take more calls now; try again.");
    assert!(service.starts_with("refusal 3 There is no capacity"), "{service}");
    let permit = callee.line.permit().await.expect("room");
    let kind = bindery_wire::frame::EventKind::Scheduled { at_ms: 1, cron: "" };
    let about = callee.line.table().events[&0].about.clone();
    let begun = super::Begun::handle(permit, None, kind, about);
    assert_eq!(begun.err(), Some(NotTaken::Full));
    assert!(!callee.io.is_finished());
    owe(&callee, 100 << 20);
    assert!(matches!(callee.io.await, Ok(End::Closed)));
}

#[tokio::test]
async fn arguments_of_calls_that_have_not_ended_are_bounded() {
    let (mut caller, mut callee) = both().await;
    let soon = caller.line.soon.clone();
    soon.fetch_add(SOON_BYTES_MAX, std::sync::atomic::Ordering::Relaxed);
    let refused = caller.peer(|peer| {
        peer.say(&invoke(1, (SERVICE, None), "get"));
        peer.hear()
    });
    let refused = refused.await;
    assert!(
        refused.starts_with("refusal 1 The arguments of calls that have not ended"),
        "{refused}"
    );
    soon.fetch_sub(SOON_BYTES_MAX, std::sync::atomic::Ordering::Relaxed);
    caller.peer(|peer| peer.say(&invoke(2, (SERVICE, None), "get"))).await;
    callee.peer(|peer| peer.hear()).await;
    // Until it returns it may have to be made anew.
    assert!(soon.load(std::sync::atomic::Ordering::Relaxed) > 0);
    callee.peer(|peer| peer.say(&returned(0, 0, vec![]))).await;
    caller.peer(|peer| peer.hear()).await;
    assert_eq!(soon.load(std::sync::atomic::Ordering::Relaxed), 0);
}

/// Calls of results of calls were let go in a recursion as deep as there were of them.
#[tokio::test]
async fn calls_of_results_begin_in_order_however_many_wait_for_each_other() {
    const COUNT: u32 = 900;
    let (mut caller, mut callee) = both().await;
    for _ in 0..2 {
        std::mem::forget(callee.begin(RequestBody::None).await);
    }
    caller
        .peer(|peer| {
            peer.say(&invoke(1, (SERVICE, None), "get"));
            (2..=COUNT).for_each(|call| peer.say(&invoke(call, (0, Some(call - 1)), "more")));
        })
        .await;
    let heard = callee.peer(|peer| {
        let _ = (peer.hear(), peer.hear());
        peer.done(0, Outcome::Ok);
        (0..COUNT).map(|_| peer.hear()).collect::<Vec<_>>()
    });
    let heard = heard.await;
    assert_eq!(heard[0], "event 2 Some(\"E\") 0 Entrypoint get()");
    for (at, heard) in heard.iter().enumerate().skip(1) {
        assert_eq!(*heard, format!("invoke 2 {at} Result({}) more()", at - 1));
    }
}
