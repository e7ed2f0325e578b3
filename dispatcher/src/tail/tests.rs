//! The ring: its bounds, its numbers, and who follows it.

use std::sync::Arc;
use std::time::Duration;

use bindery_wire::event::Handler;
use bindery_wire::log::{Level, Record, Spent};
use bindery_wire::{Manifest, Outcome, TenantId, VersionId, limits, manifest};
use futures_util::StreamExt;

use super::*;
use crate::code::Code;
use crate::line::{About, RequestId};
use crate::trace::Trace;

const T: TenantId = TenantId(1);

fn code(worker: &str) -> Code {
    let manifest = Manifest {
        format: manifest::FORMAT,
        main_module: "a.js".into(),
        modules: Default::default(),
        bindings: Default::default(),
        compat: manifest::Compat { date: "2026-08-01".into(), flags: vec![] },
        limits: limits::Lower::default(),
        outbound: manifest::Outbound::Public,
        previews: true,
        routes: vec![],
        queue_consumers: vec![],
        crons: vec![],
        given: None,
    };
    Code {
        tenant: T,
        tenant_name: "t".into(),
        worker: worker.into(),
        version: VersionId::of(b"v"),
        manifest,
        modules: vec![],
        secrets: vec![],
        env: None,
        outbound: None,
        tails: None,
        depth: 0,
        room: None,
        instance: 0,
        limits: limits::DEFAULT,
        generation: 1,
    }
}

fn trace() -> Trace {
    let text = format!("00-{}-00f067aa0ba902b7-01", "4b".repeat(16));
    Trace::parse(text.as_bytes()).expect("a trace")
}

fn log(ring: &Ring, worker: &str, message: &str) {
    let record = Record::Console { level: Level::Warn, message: message.into() };
    ring.record(Millis(5), &code(worker), Some((RequestId(1), trace())), record);
}

#[test]
fn records_are_read_in_order_from_where_one_left_off() {
    let tail = Tail::new(Clock::test(Millis(1_000)));
    let ring = tail.ring(T);
    log(&ring, "a", r#"["one",1]"#);
    log(&ring, "b", "not json");
    let method = ::http::Method::GET;
    let (request, trace, handler) = (RequestId(2), trace(), Handler::Fetch);
    let path = "/p".into();
    let about = About { request, trace, handler, method, path, status: 0, hops: 0 };
    let spent = Spent { outcome: Outcome::ExceededCpu, cpu_us: 3, wall_us: 4 };
    ring.outcome(Millis(6), &code("a"), about, spent);
    let all = tail.read(T, None, None);
    let text: Vec<String> =
        all.iter().map(|item| serde_json::to_string(item).expect("plain data") + "\n").collect();
    let version = VersionId::of(b"v").to_string();
    expect_test::expect![[r#"
        {"seq":1000000,"atMs":5,"worker":"a","version":"V","requestId":"req_0000000000000001","traceId":"T","kind":"log","level":"warn","message":["one",1]}
        {"seq":1000001,"atMs":5,"worker":"b","version":"V","requestId":"req_0000000000000001","traceId":"T","kind":"log","level":"warn","message":["not json"]}
        {"seq":1000002,"atMs":6,"worker":"a","version":"V","requestId":"req_0000000000000002","traceId":"T","kind":"outcome","outcome":"exceededCpu","event":"fetch","cpuUs":3,"wallUs":4,"method":"GET","path":"/p"}
    "#]]
    .assert_eq(&text.concat().replace(&version, "V").replace(&"4b".repeat(16), "T"));
    let kinds: Vec<&str> = all.iter().map(Item::event_name).collect();
    assert_eq!(kinds, ["log", "log", "outcome"]);
    assert_eq!(tail.read(T, Some("a"), Some(1_000_000)).len(), 1);
    assert_eq!(tail.read(T, None, Some(1_000_002)).len(), 0);
    assert_eq!(tail.read(T, None, Some(u64::MAX)).len(), 0);
    assert_eq!(tail.read(TenantId(2), None, None).len(), 0);
}

#[test]
fn a_flood_pushes_the_oldest_out_by_count_and_by_bytes() {
    let tail = Tail::new(Clock::test(Millis(1)));
    let ring = tail.ring(T);
    for _ in 0..3_000 {
        log(&ring, "a", "[]");
    }
    let items = tail.read(T, None, None);
    assert_eq!(items.len(), 1_000);
    assert_eq!(items.last().map(|item| item.seq), Some(1_000 + 2_999));
    for _ in 0..20 {
        log(&ring, "a", &format!("[{:?}]", "x".repeat(100_000)));
    }
    assert!(tail.read(T, None, None).len() <= 10);
}

#[tokio::test]
async fn a_follower_sees_what_comes_and_is_told_what_it_missed() {
    let tail = Tail::new(Clock::test(Millis(1)));
    let ring = tail.ring(T);
    log(&ring, "a", "[\"before\"]");
    let followed = tail.follow(T, Some("a".into()));
    futures_util::pin_mut!(followed);
    log(&ring, "b", "[\"another's\"]");
    log(&ring, "a", "[\"first\"]");
    let first = followed.next().await.expect("endless");
    assert_eq!(first.seq, 1_002);
    let waiting = async { followed.next().await.expect("endless").seq };
    let pushing = async {
        tokio::task::yield_now().await;
        log(&ring, "a", "[]");
    };
    assert_eq!(tokio::join!(waiting, pushing).0, 1_003);
    for _ in 0..1_005 {
        log(&ring, "a", "[]");
    }
    let missed = followed.next().await.expect("endless");
    assert!(matches!(missed.kind, Kind::Dropped { count: 5 }), "{missed:?}");
    assert_eq!(followed.next().await.expect("endless").seq, missed.seq + 1);
}

#[test]
fn a_ring_that_nobody_holds_is_forgotten_after_a_while() {
    let clock = Clock::test(Millis(1_000));
    let tail = Tail::new(clock.clone());
    log(&tail.ring(T), "a", "[]");
    tail.ring(T).record(clock.now(), &code("a"), None, Record::ConsoleFull { bytes_max: 9 });
    let held = tail.ring(TenantId(2));
    clock.advance(Duration::from_millis(RING_MS_MAX - 1));
    tail.sweep();
    assert_eq!(tail.read(T, None, None).len(), 2);
    clock.advance(Duration::from_millis(1));
    tail.sweep();
    assert_eq!(tail.read(T, None, None).len(), 0);
    assert!(Arc::ptr_eq(&held, &tail.ring(TenantId(2))));
}
