//! The limits that our scripts know by heart are those of the host: an isolate that kept to another
//! would be taken for one that breaks the protocol.

use bindery_wire::{frame, limits, rpc, value};

/// The number that a script gives a constant: digits, or a one that is shifted.
fn constant(script: &str, name: &str) -> usize {
    let line = script.lines().find_map(|line| line.strip_prefix(&format!("const {name} = ")));
    let line = line.or_else(|| {
        script.lines().find_map(|line| line.strip_prefix(&format!("export const {name} = ")))
    });
    let text = line.unwrap_or_else(|| panic!("no {name}")).trim_end_matches(';').replace('_', "");
    let number = |text: &str| text.trim().parse::<usize>().expect("a number");
    text.split_once("<<").map_or_else(|| number(&text), |(one, by)| number(one) << number(by))
}

#[test]
fn scripts_and_host_have_the_same_limits() {
    let same = [
        (include_str!("../../js-api/src/door/call.js"), "CALL_COUNT_MAX", limits::CALL_COUNT_MAX),
        (include_str!("../../js-api/src/door/call.js"), "METHOD_COUNT_MAX", rpc::CALL_COUNT_MAX),
        (include_str!("../../js-api/src/rpc/stub.js"), "PATH_COUNT_MAX", rpc::PATH_COUNT_MAX),
        (
            include_str!("../../js-api/src/rpc/loopback.js"),
            "OWN_SLOT",
            value::OWN_SLOTS.start as usize,
        ),
        (
            include_str!("../../js-api/src/fetch/fetch.js"),
            "OUTBOUND_SLOT",
            frame::OUTBOUND_SLOT as usize,
        ),
        (
            include_str!("../../js-api/src/binding/ask.js"),
            "CACHES_SLOT",
            frame::CACHES_SLOT as usize,
        ),
        (
            include_str!("../../js-api/src/queue/queue.js"),
            "DELAY_S_MAX",
            limits::DELAY_S_MAX as usize,
        ),
        (
            include_str!("../../js-api/src/event/queue.js"),
            "DELAY_S_MAX",
            limits::DELAY_S_MAX as usize,
        ),
    ];
    for (script, name, wanted) in same {
        assert_eq!(constant(script, name), wanted, "{name}");
    }
    // What a route takes has to leave room for what is called of it.
    let route = constant(include_str!("../../js-api/src/rpc/method.js"), "ROUTE_COUNT_MAX");
    assert!(route < rpc::PATH_COUNT_MAX);
}
