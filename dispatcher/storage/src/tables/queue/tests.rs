//! The bytes of rows, and what of them is found.

use bindery_wire::VersionId;
use bindery_wire::recipe::{FORMAT, Recipe};

use super::*;
use crate::engine::{Batch, Committed, KeyRange};
use crate::memory::Memory;

const A: TenantId = TenantId(1);
const B: TenantId = TenantId(2);
const JOBS: Of<'_> = (A, "jobs");

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn id(sent_ms: u64, place: u16) -> MessageId {
    MessageId::new(sent_ms, place, 0x0102_0304_0506_0708)
}

fn ready(visible_ms: u64, id: MessageId) -> Ready {
    Ready { visible_ms, id, attempts: 3, bytes: 5 }
}

fn queue() -> Queue {
    let recipe = Recipe {
        format: FORMAT,
        tenant: A,
        worker: "mail".into(),
        entrypoint: None,
        version: VersionId([0xab; 32]),
    };
    let consumer = Consumer {
        recipe,
        declared: true,
        batch_count_max: Some(100),
        batch_wait_s: Some(0),
        retry_count_max: None,
        retry_delay_s: None,
        dead_letter_queue: Some("dead".into()),
        concurrency_max: None,
    };
    Queue { created_ms: 7, consumer: Some(consumer), ..Queue::default() }
}

fn table() -> (Arc<dyn Engine>, QueueTable) {
    let engine: Arc<dyn Engine> = Arc::new(Memory::new());
    (engine.clone(), QueueTable::new(engine))
}

async fn commit(engine: &Arc<dyn Engine>, checks: Vec<Check>, writes: Vec<Write>) -> Committed {
    engine.commit(Batch { checks, writes }).await.expect("commits")
}

#[test]
fn the_bytes_of_a_queue_are_frozen() {
    let golden = format!(
        "\u{1}{{\"created_ms\":7,\"consumer\":{{\"recipe\":{{\"format\":1,\"tenant\":1,\
         \"worker\":\"mail\",\"version\":\"ver_{}\"}},\"declared\":true,\"batch_count_max\":100,\
         \"batch_wait_s\":0,\"dead_letter_queue\":\"dead\"}}}}",
        "ab".repeat(32)
    );
    assert_eq!(String::from_utf8_lossy(&queue().to_bytes()), golden);
    assert_eq!(Queue::from_bytes(golden.as_bytes()).expect("reads"), queue());
}

#[test]
fn the_bytes_of_messages_are_frozen() {
    let id = id(0x0001_8bcf_e568, 2);
    assert_eq!(id.to_string(), "00018bcfe56800020102030405060708");
    assert_eq!(id.to_string().parse(), Ok(id));
    assert_eq!(id.sent_ms(), 0x0001_8bcf_e568);
    for wrong in ["", "+0018bcfe56800020102030405060708", "00018bcfe568000201020304050607", "x"] {
        assert_eq!(wrong.parse::<MessageId>(), Err(message::NotAnId));
    }
    assert_eq!(hex(&ready(9, id).to_bytes()), "01000300000005");
    let body = Body { content: Content::Bytes, bytes: Bytes::from_static(b"hello") };
    assert_eq!(
        body.to_parts().iter().map(|part| hex(part)).collect::<Vec<_>>(),
        ["010268656c6c6f"]
    );
    let leased = Leased { id, attempts: 1, bytes: 5 };
    let lease = Lease { holder: Holder::Server, number: 4, messages: vec![leased] };
    assert_eq!(hex(&lease.to_bytes()), format!("01{id}000100000005"));
}

#[test]
fn bodies_of_every_length_come_back() {
    for length in [0, 1, 64_999, 65_000, 65_001, 128_000, 130_000, 130_001] {
        let bytes: Vec<u8> = (0..length).map(|at: u32| at as u8).collect();
        let body = Body { content: Content::V8, bytes: bytes.into() };
        let parts = body.to_parts();
        assert_eq!(parts.len(), message::part_count(length as usize), "{length}");
        assert!(parts.iter().all(|part| part.len() <= crate::engine::VALUE_BYTES_MAX));
        let parts: Vec<Bytes> = parts.into_iter().map(Bytes::from).collect();
        assert_eq!(Body::from_parts(&parts).expect("reads"), body);
    }
    assert!(Body::from_parts(&[Bytes::from_static(b"\x01\x09")]).is_err(), "an unknown kind");
    assert!(matches!(Body::from_parts(&[Bytes::from_static(b"\x02\x00")]), Err(Error::TooNew(2))));
}

#[tokio::test]
async fn messages_wait_in_the_order_of_their_times_and_each_queue_for_itself() {
    let (engine, table) = table();
    let own = [ready(5, id(1, 0)), ready(5, id(1, 1)), ready(8, id(0, 0)), ready(300, id(2, 0))];
    let mut writes: Vec<Write> = own.iter().rev().map(|r| table.put_ready(JOBS, r)).collect();
    for other in [(A, "job"), (A, "jobs\0"), (A, "jobs/x"), (B, "jobs")] {
        writes.push(table.put_ready(other, &ready(1, id(1, 7))));
    }
    commit(&engine, vec![], writes).await;
    assert_eq!(table.ready(JOBS, 8, 10).await.expect("read"), own[..3]);
    assert_eq!(table.ready(JOBS, 8, 2).await.expect("read"), own[..2]);
    assert_eq!(table.ready(JOBS, u64::MAX, 10).await.expect("read"), own);
    assert_eq!(table.next_ready_ms(JOBS, 8).await.expect("read"), Some(300));
    assert_eq!(table.next_ready_ms(JOBS, 300).await.expect("read"), None);
}

#[tokio::test]
async fn of_two_who_take_a_message_one_gets_it_and_who_settles_late_changes_nothing() {
    let (engine, table) = table();
    let message = ready(5, id(1, 0));
    let body = Body { content: Content::Text, bytes: vec![b'x'; 70_000].into() };
    let mut writes = table.put_body(JOBS, message.id, &body);
    writes.push(table.put_ready(JOBS, &message));
    commit(&engine, vec![], writes).await;
    let take = async |number| {
        let leased = Leased { id: message.id, attempts: 4, bytes: 70_000 };
        let lease = Lease { holder: Holder::Server, number, messages: vec![leased] };
        let writes = vec![table.delete_ready(JOBS, &message), table.put_lease(JOBS, &lease)];
        let taken = commit(&engine, vec![table.still_ready(JOBS, &message)], writes).await;
        (lease, taken)
    };
    let (lease, taken) = take(1).await;
    assert!(matches!(taken, Committed::Done { .. }));
    assert!(matches!(take(2).await.1, Committed::Conflict { check: 0 }));
    assert_eq!(table.own_leases(JOBS, 9).await.expect("read"), std::slice::from_ref(&lease));
    let found = table.bodies(JOBS, [(message.id, 70_000), (id(9, 9), 1)]).await.expect("read");
    assert_eq!(found, [Some(body), None]);
    assert_eq!(table.oldest_ms(JOBS).await.expect("read"), Some(1));
    let settle = async || {
        let mut writes = vec![table.delete_lease(JOBS, &lease)];
        writes.extend(table.delete_body(JOBS, message.id, 70_000));
        commit(&engine, vec![table.still_leased(JOBS, &lease)], writes).await
    };
    assert!(matches!(settle().await, Committed::Done { .. }));
    assert!(matches!(settle().await, Committed::Conflict { check: 0 }));
    assert_eq!(table.oldest_ms(JOBS).await.expect("read"), None, "no part is left");
}

#[tokio::test]
async fn leases_of_the_server_and_of_others_stand_apart() {
    let (engine, table) = table();
    let lease = |holder, number| Lease { holder, number, messages: vec![] };
    let (own, early) = (lease(Holder::Server, 9), lease(Holder::Other { until_ms: 50 }, 1));
    let late = lease(Holder::Other { until_ms: 90 }, 2);
    let all = [&own, &early, &late];
    commit(&engine, vec![], all.map(|lease| table.put_lease(JOBS, lease)).into()).await;
    assert_eq!(table.own_leases(JOBS, 9).await.expect("read"), [own]);
    assert_eq!(table.ended_leases(JOBS, 49, 9).await.expect("read"), []);
    assert_eq!(table.ended_leases(JOBS, 50, 9).await.expect("read"), std::slice::from_ref(&early));
    assert_eq!(table.next_end_ms(JOBS).await.expect("read"), Some(50));
    assert_eq!(table.lease(JOBS, early.holder, 1).await.expect("read"), Some(early));
    assert_eq!(table.lease(JOBS, late.holder, 1).await.expect("read"), None);
}

#[tokio::test]
async fn a_queue_that_is_deleted_leaves_nothing_and_takes_nothing_from_others() {
    let (engine, table) = table();
    let fill = async |of: Of<'_>| {
        let came = Stored { bytes: 5, rows: 1 };
        let body = Body { content: Content::Json, bytes: Bytes::from_static(b"[1,2]") };
        let mut writes = table.put_body(of, id(1, 1), &body);
        writes.extend(table.count(of, came, Stored::default()));
        let lease = Lease { holder: Holder::Server, number: 1, messages: vec![] };
        writes.extend([table.put(of, &queue()), table.put_lease(of, &lease)]);
        writes.push(table.put_ready(of, &ready(1, id(1, 1))));
        commit(&engine, vec![], writes).await;
    };
    fill(JOBS).await;
    let before = engine.scan(KeyRange::prefix([]), 100).await.expect("read").len();
    for other in [(A, "job"), (A, "jobs2"), (B, "jobs")] {
        fill(other).await;
    }
    commit(&engine, vec![], table.delete(JOBS)).await;
    assert_eq!(engine.scan(KeyRange::prefix([]), 100).await.expect("read").len(), before * 3);
    assert_eq!(table.get((A, "jobs2")).await.expect("read"), Some(queue()));
    assert_eq!(table.counted((A, "job")).await.expect("read").backlog().count, 1);
    assert_eq!(table.get(JOBS).await.expect("read"), None);
}
