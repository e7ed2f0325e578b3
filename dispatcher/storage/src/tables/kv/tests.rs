//! The bytes of rows, and whose they are.

use bindery_wire::ContentHash;

use super::*;
use crate::engine::{Batch, Committed};
use crate::memory::Memory;

const A: TenantId = TenantId(1);
const B: TenantId = TenantId(2);

fn inline(value: &'static [u8]) -> KvRow {
    let length = value.len() as u64;
    let value = KvValue::Inline(Bytes::from_static(value));
    KvRow { expires_s: None, metadata: None, length, value }
}

fn at<'a>(tenant: TenantId, namespace: &'a str, name: &'a str) -> Place<'a> {
    Place { tenant, namespace, name }
}

async fn write(engine: &Memory, writes: Vec<Write>) {
    let committed = engine.commit(Batch { checks: vec![], writes }).await;
    assert!(matches!(committed, Ok(Committed::Done { .. })), "{committed:?}");
}

#[test]
fn the_bytes_of_a_key_are_frozen() {
    let hash = ContentHash([0xab; 32]);
    let with = |value, length| KvRow {
        expires_s: Some(0x102),
        metadata: Some("{}".into()),
        length,
        value,
    };
    let rows = [
        inline(b"value"),
        with(KvValue::Parts(7), 5_000),
        with(KvValue::File { number: 8, hash }, 2 << 20),
    ];
    let hex = |row: &KvRow| {
        let bytes = row.to_bytes();
        assert_eq!(KvRow::from_bytes(&bytes.clone().into()).expect("reads"), *row);
        for end in 0..20 {
            assert!(KvRow::from_bytes(&Bytes::copy_from_slice(&bytes[..end])).is_err(), "{end}");
        }
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
            .replace(&"ab".repeat(32), "[32 x ab]")
    };
    let lines: Vec<String> = rows.iter().map(hex).collect();
    expect_test::expect![[r#"

        010100000000000000000000000000000005000076616c7565
        01020000000000000102000000000000138800027b7d0000000000000007
        01030000000000000102000000000020000000027b7d0000000000000008[32 x ab]"#]]
    .assert_eq(&format!("\n{}", lines.join("\n")));
    let newer = Bytes::from_static(&[2, 1]);
    assert!(matches!(KvRow::from_bytes(&newer), Err(Error::TooNew(2))));
    assert_eq!(PART_BYTES, 65_407);
}

#[test]
fn the_bytes_of_remains_and_parts_are_frozen() {
    let table = KvTable::new(Arc::new(Memory::new()));
    let remains = Remains { at_ms: 3, value: 4, standing: Standing::Reserved, bytes: 5 };
    let Write::Put { key, value } = table.put_remains(B, &remains) else { panic!("a row") };
    let wanted = [&[0x17][..], &[0, 0, 0, 0, 0, 0, 0, 2], &[0, 0, 0, 0, 0, 0, 0, 3]].concat();
    assert_eq!(key, [&wanted[..], &[0, 0, 0, 0, 0, 0, 0, 4]].concat());
    assert_eq!(value, [1, 1, 0, 0, 0, 0, 0, 0, 0, 5]);
    let parts = table.put_parts(A, 1, &[7; PART_BYTES + 1]);
    let [Write::Put { value: first, .. }, Write::Put { value: last, .. }] = &parts[..] else {
        panic!("two rows")
    };
    assert_eq!((first.len(), &first[..2]), (PART_BYTES + 1, &[1, 7][..]));
    assert_eq!(last[..], [1, 7]);
}

#[tokio::test]
async fn keys_are_listed_in_byte_order_by_namespace_and_by_tenant() {
    let engine = Arc::new(Memory::new());
    let table = KvTable::new(engine.clone());
    let names = ["", "\0", "a", "a\0", "a/b", "aa", "b", "\u{e9}", "e\u{301}", "\u{ffff}"];
    for (tenant, namespace) in [(A, "n"), (A, "na"), (A, ""), (B, "n")] {
        for name in names {
            write(&engine, table.put(at(tenant, namespace, name), &inline(b"v"))).await;
        }
    }
    write(&engine, table.put(at(B, "n", "only B"), &inline(b"b"))).await;
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    let listed = async |prefix, after, count| {
        let rows = table.list((A, "n"), prefix, after, count).await.expect("listed");
        rows.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(listed("", None, 100).await, sorted);
    assert_eq!(listed("", Some("a"), 3).await, ["a\0", "a/b", "aa"]);
    assert_eq!(listed("a", None, 100).await, ["a", "a\0", "a/b", "aa"]);
    assert_eq!(listed("a", Some("a/b"), 100).await, ["aa"]);
    assert_eq!(table.get(at(A, "n", "only B")).await.expect("read"), None);
    assert_eq!(table.get(at(B, "n", "only B")).await.expect("read"), Some(inline(b"b")));
}

#[tokio::test]
async fn what_expires_is_found_by_its_second_and_by_tenant() {
    let engine = Arc::new(Memory::new());
    let table = KvTable::new(engine.clone());
    let row = |expires_s| KvRow { expires_s: Some(expires_s), ..inline(b"v") };
    for (tenant, name, at_s) in [(A, "late", 20), (A, "soon", 10), (B, "other", 5)] {
        write(&engine, table.put(at(tenant, "n", name), &row(at_s))).await;
    }
    let soon = Expired { at_s: 10, namespace: "n".into(), name: "soon".into() };
    assert_eq!(table.expired(A, 9, 10).await.expect("read"), []);
    let first = table.expired(A, 10, 10).await.expect("read");
    assert_eq!(first, std::slice::from_ref(&soon));
    assert_eq!(table.expired(A, 20, 10).await.expect("read").len(), 2);
    assert_eq!(table.expired(A, 20, 1).await.expect("read"), [soon]);
    write(&engine, table.delete(at(A, "n", "soon"), &row(10))).await;
    assert_eq!(table.expired(A, 10, 10).await.expect("read"), []);
    assert_eq!(table.get(at(A, "n", "soon")).await.expect("read"), None);
}

#[tokio::test]
async fn parts_come_back_in_order_and_go_together() {
    let engine = Arc::new(Memory::new());
    let table = KvTable::new(engine.clone());
    let content: Vec<u8> = (0..KvTable::PARTS_BYTES_MAX).map(|at| (at % 251) as u8).collect();
    write(&engine, table.put_parts(A, 7, &content)).await;
    write(&engine, table.put_parts(A, 8, b"next")).await;
    let mut read = Vec::new();
    for number in 0.. {
        let Some(part) = table.part(A, 7, number).await.expect("read") else { break };
        read.extend_from_slice(&part);
    }
    assert!(read == content);
    assert_eq!(table.part(B, 7, 0).await.expect("read"), None);
    write(&engine, vec![table.delete_parts(A, 7)]).await;
    assert_eq!(table.part(A, 7, 3).await.expect("read"), None);
    assert_eq!(table.part(A, 8, 0).await.expect("read").expect("there")[..], *b"next");
}

#[tokio::test]
async fn a_value_is_claimed_or_condemned_and_never_both() {
    let engine = Arc::new(Memory::new());
    let table = KvTable::new(engine.clone());
    let reserved = Remains { at_ms: 5, value: 7, standing: Standing::Reserved, bytes: 0 };
    write(&engine, vec![table.put_remains(A, &reserved)]).await;
    assert_eq!(table.remains(A, 4, 10).await.expect("read"), []);
    assert_eq!(table.remains(A, 5, 10).await.expect("read"), [reserved]);
    assert_eq!(table.remains(B, 5, 10).await.expect("read"), []);
    let condemned = Remains { standing: Standing::Condemned, ..reserved };
    let condemn = Batch {
        checks: vec![table.remains_there(A, &reserved)],
        writes: vec![table.put_remains(A, &condemned)],
    };
    let claim = Batch {
        checks: vec![table.remains_there(A, &reserved)],
        writes: vec![table.delete_remains(A, &reserved)],
    };
    let first = engine.commit(condemn).await.expect("committed");
    assert!(matches!(first, Committed::Done { .. }));
    let second = engine.commit(claim).await.expect("committed");
    assert!(matches!(second, Committed::Conflict { .. }));
    assert_eq!(table.remains(A, 5, 10).await.expect("read"), [condemned]);
}
