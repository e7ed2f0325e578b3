//! Every record as it lies in a store, kept for ever: what each format of a store wrote is read by
//! every later program, after the steps that lead to its own.
//!
//! `golden/rows-N.txt` is what format N writes: each row on a line of its own, the space's name,
//! the key in hexadecimal and the value with what is no text escaped. `golden/rows-N-now.txt` is
//! the same store after the steps of this program.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use bindery_storage::blob::Blobs;
use bindery_storage::engine::{Batch, Committed, Engine, KeyRange, Write};
use bindery_storage::key::Space;
use bindery_storage::memory::Memory;
use bindery_storage::tables::{
    Account, Audit, AuditEntry, Body, Consumer, Content, Contents, Cron, CronTable, Deployment,
    Domain, Domains, DueTable, Holder, KvPlace, KvRow, KvTable, KvValue, LastRun, Lease, Leased,
    MessageId, Meta, Place, Queue, QueueTable, Quotas, Ready, Remains, RouteTable, Routes, Sealed,
    Secrets, Standing, Stored, Tenant, Tenants, Token, Tokens, Usage, Version, Versions, Worker,
    Workers, migrate,
};
use bindery_wire::limits::Lower;
use bindery_wire::recipe::{self, Recipe};
use bindery_wire::{ContentHash, Outcome, TenantId, VersionId};
use expect_test::expect_file;
use serde_json::value::RawValue;

const TENANT: TenantId = TenantId(1);
/// A manifest of the first format, with a cron.
const MANIFEST: &str = include_str!("../../../runtime/wire/golden/manifest-1-bindings.json");
const CRON: &str = "*/5 * * * *";

/// A store with one record of each kind, or more where there are several forms.
async fn filled() -> Arc<dyn Engine> {
    let engine: Arc<dyn Engine> = Arc::new(Memory::new());
    let (_directory, blobs) = blobs();
    migrate(&engine, &blobs).await.expect("numbered");
    Tenants::new(engine.clone()).next_id().await.expect("counted");
    let mut writes = of_tenant(&engine);
    writes.extend(of_worker(&engine));
    writes.extend(of_what_runs(&engine));
    writes.extend(of_keys(&engine));
    writes.extend(of_queues(&engine));
    commit(&engine, writes).await;
    engine
}

fn of_tenant(engine: &Arc<dyn Engine>) -> Vec<Write> {
    let tenant = Tenant {
        name: "acme".into(),
        tier: "standard".into(),
        quotas: Quotas { workers: Some(3), ..Quotas::default() },
        limits: Lower { cpu_ms: Some(50), ..Lower::default() },
        suspended: false,
        created_ms: 7,
        workers: 2,
        registered: 0,
        changes: 9,
        limits_changed: 2,
    };
    let entry = AuditEntry {
        at_ms: 5,
        who: "operator".into(),
        method: "PUT".into(),
        path: "/v1/tenants/acme".into(),
        tenant: Some("acme".into()),
        outcome: "done".into(),
        request: "00000000000000ff".into(),
    };
    let sealed = Sealed { nonce: [3; 24], ciphertext: b"sealed".to_vec() };
    let (tenants, audit) = (Tenants::new(engine.clone()), Audit::new(engine.clone()));
    let meta = Meta::new(engine.clone());
    let [came, went] = [(10, 2), (4, 1)].map(|(bytes, rows)| Stored { bytes, rows });
    let mut writes = vec![
        tenants.put(TENANT, &tenant),
        tenants.name(TENANT, "acme"),
        Tokens::new(engine.clone()).put(TENANT, &[0xab; 32], &Token { created_ms: 5 }),
        audit.put(Place::Store, 1, &entry),
        audit.put(Place::Tenant(TENANT), 1, &entry),
        meta.put_key_check(&sealed).1,
        meta.put_gone(TenantId(7)),
        Usage::new(engine.clone()).add(TENANT, 500_000, "requests", 12),
    ];
    writes.extend(Domains::new(engine.clone()).put(TENANT, "a.b", &Domain { created_ms: 6 }));
    writes.extend(Account::new(engine.clone()).change(TENANT, "kv", came, went));
    writes
}

/// Two workers: the manifest of one is in its version's row, that of the other a content.
fn of_worker(engine: &Arc<dyn Engine>) -> Vec<Write> {
    let (workers, versions) = (Workers::new(engine.clone()), Versions::new(engine.clone()));
    let hash = ContentHash::of(MANIFEST.as_bytes());
    let version = VersionId(hash.0);
    let worker = Worker { created_ms: 1, deployed: Some(version), deployments: 1, generation: 2 };
    let idle = Worker { deployed: None, deployments: 0, ..worker.clone() };
    let inline = Version {
        created_ms: 2,
        manifest: RawValue::from_string(MANIFEST.into()).ok(),
        entrypoints: [("default".to_owned(), vec!["scheduled".to_owned()])].into(),
    };
    let large = Version { created_ms: 2, manifest: None, entrypoints: Default::default() };
    let sealed = Sealed { nonce: [4; 24], ciphertext: b"sealed".to_vec() };
    let routes = Routes { patterns: vec!["a.b/*".into()] };
    let mut writes = vec![
        workers.put(TENANT, "main", &worker),
        workers.put(TENANT, "large", &worker),
        workers.put(TENANT, "idle", &idle),
        versions.put(TENANT, "main", version, &inline),
        versions.put(TENANT, "large", version, &large),
        Secrets::new(engine.clone()).put(TENANT, "main", "KEY", &sealed),
        RouteTable::new(engine.clone()).put(TENANT, "main", &routes),
    ];
    writes.extend(workers.deploy((TENANT, "main"), (1, &Deployment { version, at_ms: 3 }), 1));
    writes.extend(Contents::new(engine.clone()).put(TENANT, &hash, MANIFEST.as_bytes()));
    writes
}

fn of_what_runs(engine: &Arc<dyn Engine>) -> Vec<Write> {
    let recipe = Recipe {
        format: recipe::FORMAT,
        tenant: TENANT,
        worker: "main".into(),
        entrypoint: None,
        version: VersionId([0xcd; 32]),
    };
    let last = LastRun { at_ms: 300_000, ended_ms: 300_100, outcome: Outcome::Ok, error: None };
    let cron = Cron {
        recipe,
        generation: 9,
        at_ms: 600_000,
        due_ms: 602_000,
        failures: 1,
        last: Some(last),
    };
    let mut writes = vec![CronTable::new(engine.clone()).put(TENANT, ("main", CRON), &cron)];
    writes.extend(DueTable::new(engine.clone()).add(TENANT, &cron.due("main", CRON), 600_000));
    writes
}

/// Keys whose values are here, in parts and in a file, and one that no key holds.
fn of_keys(engine: &Arc<dyn Engine>) -> Vec<Write> {
    let table = KvTable::new(engine.clone());
    let place = |name| KvPlace { tenant: TENANT, namespace: "notes", name };
    let small = KvRow {
        expires_s: Some(1_000_060),
        metadata: Some("{\"a\":1}".into()),
        length: 5,
        value: KvValue::Inline("value".into()),
    };
    let of = |length, value| KvRow { expires_s: None, metadata: None, length, value };
    let file = KvValue::File { number: 9, hash: ContentHash([0xef; 32]) };
    let (standing, bytes) = (Standing::Condemned, 5_000);
    let remains = Remains { at_ms: 1_000_000_000, value: 7, standing, bytes };
    let mut writes = table.put(place("small"), &small);
    writes.extend(table.put(place("parts"), &of(4, KvValue::Parts(8))));
    writes.extend(table.put(place("file"), &of(2 << 20, file)));
    writes.extend(table.put_parts(TENANT, 8, b"part"));
    writes.push(table.put_remains(TENANT, &remains));
    writes
}

/// A queue with a message that waits, and one that somebody has.
fn of_queues(engine: &Arc<dyn Engine>) -> Vec<Write> {
    let table = QueueTable::new(engine.clone());
    let jobs = (TENANT, "jobs");
    let recipe = Recipe {
        format: recipe::FORMAT,
        tenant: TENANT,
        worker: "main".into(),
        entrypoint: Some("Jobs".into()),
        version: VersionId([0xcd; 32]),
    };
    let consumer = Consumer {
        recipe,
        declared: true,
        batch_count_max: Some(10),
        batch_wait_s: Some(5),
        retry_count_max: Some(3),
        retry_delay_s: Some(1),
        dead_letter_queue: Some("dead".into()),
        concurrency_max: Some(8),
    };
    let queue = Queue {
        created_ms: 7,
        consumer: Some(consumer),
        retention_s: Some(60),
        delivery_delay_s: Some(2),
    };
    let id = |place| MessageId::new(1_000, place, 0x0102_0304);
    let body = Body { content: Content::Json, bytes: "[1]".into() };
    let other = Body { content: Content::V8, bytes: "\u{7f}o".into() };
    let ready = Ready { visible_ms: 2_000, id: id(1), attempts: 1, bytes: 3 };
    let leased = Leased { id: id(2), attempts: 2, bytes: 2 };
    let holder = Holder::Other { until_ms: 9_000 };
    let lease = Lease { holder, number: 5, messages: vec![leased] };
    let came = Stored { bytes: 5, rows: 2 };
    let mut writes = table.put_body(jobs, id(1), &body);
    writes.extend(table.put_body(jobs, id(2), &other));
    writes.extend([table.put(jobs, &queue), table.put_ready(jobs, &ready)]);
    writes.push(table.put_lease(jobs, &lease));
    writes.extend(table.count(jobs, came, Stored::default()));
    writes
}

fn blobs() -> (tempfile::TempDir, Blobs) {
    let directory = tempfile::tempdir().expect("a directory");
    let blobs = Blobs::open(directory.path().join("blobs")).expect("opens");
    (directory, blobs)
}

async fn commit(engine: &Arc<dyn Engine>, writes: Vec<Write>) {
    let done = engine.commit(Batch { checks: vec![], writes }).await.expect("committed");
    assert!(matches!(done, Committed::Done { .. }));
}

/// All rows as text.
async fn dump(engine: &Arc<dyn Engine>) -> String {
    let rows = engine.scan(KeyRange::prefix([]), 1_000).await.expect("scanned");
    rows.iter().fold(String::new(), |mut text, row| {
        let space = Space::ALL.iter().find(|space| Some(&(**space as u8)) == row.key.first());
        let key = row.key.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        let _ = writeln!(text, "{:?} {key} {}", space.expect("known"), row.value.escape_ascii());
        text
    })
}

/// A store with the rows of such a text.
async fn restored(text: &str) -> Arc<dyn Engine> {
    let engine: Arc<dyn Engine> = Arc::new(Memory::new());
    let put = |line: &str| {
        let mut words = line.splitn(3, ' ').skip(1);
        let mut word = || words.next().expect("three words");
        let (key, value) = (hex(word()), unescaped(word()));
        Write::Put { key, value }
    };
    commit(&engine, text.lines().map(put).collect()).await;
    engine
}

fn hex(text: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal");
    (0..text.len()).step_by(2).map(byte).collect()
}

fn unescaped(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let (escaped, length) = match (byte, after.first()) {
            (b'\\', Some(b'x')) => (hex(str::from_utf8(&after[1..3]).expect("text"))[0], 3),
            (b'\\', Some(b'n')) => (b'\n', 1),
            (b'\\', Some(b'r')) => (b'\r', 1),
            (b'\\', Some(b't')) => (b'\t', 1),
            (b'\\', Some(&other)) => (other, 1),
            (byte, _) => (byte, 0),
        };
        bytes.push(escaped);
        rest = &rest[length..];
    }
    bytes
}

#[tokio::test]
async fn every_record_is_written_as_it_always_was() {
    let rows = dump(&filled().await).await;
    expect_file!["../golden/rows-2.txt"].assert_eq(&rows);
    let there: BTreeSet<&str> = rows.lines().filter_map(|line| line.split(' ').next()).collect();
    let all: BTreeSet<String> = Space::ALL.iter().map(|space| format!("{space:?}")).collect();
    assert!(all.iter().all(|space| there.contains(space.as_str())), "each space has a record");
    assert_eq!(dump(&restored(&rows).await).await, rows);
}

#[tokio::test]
async fn a_store_of_the_first_format_is_brought_to_this_one() {
    let (_directory, blobs) = blobs();
    let engine = restored(include_str!("../golden/rows-1.txt")).await;
    migrate(&engine, &blobs).await.expect("brought forward");
    expect_file!["../golden/rows-1-now.txt"].assert_eq(&dump(&engine).await);
    // What its workers ask for is due, whether the manifest is a row or a content.
    let crons = CronTable::new(engine.clone());
    let mut due = DueTable::new(engine.clone()).until(TENANT, 0, 10).await.expect("read");
    for worker in ["main", "large"] {
        let cron = crons.get(TENANT, worker, CRON).await.expect("read").expect("there");
        assert_eq!(cron.recipe.version, VersionId(ContentHash::of(MANIFEST.as_bytes()).0));
        let place = due.iter().position(|due| *due == cron.due(worker, CRON)).expect("due");
        due.remove(place);
    }
    assert_eq!(due, []);
    let all = dump(&engine).await;
    migrate(&engine, &blobs).await.expect("nothing to do");
    assert_eq!(dump(&engine).await, all);
}

#[tokio::test]
async fn a_step_that_was_killed_in_the_middle_is_done_again() {
    let (_directory, blobs) = blobs();
    let whole = restored(include_str!("../golden/rows-1.txt")).await;
    migrate(&whole, &blobs).await.expect("brought forward");
    // One worker's crons were committed, the number was not.
    let half = restored(include_str!("../golden/rows-1.txt")).await;
    let rows = whole.scan(KeyRange::prefix([Space::Cron as u8]), 1).await.expect("scanned");
    let put = |row: &bindery_storage::engine::Entry| Write::Put {
        key: row.key.to_vec(),
        value: row.value.to_vec(),
    };
    let due = DueTable::new(half.clone());
    let cron = CronTable::new(whole.clone()).get(TENANT, "main", CRON).await.expect("read");
    let entry = cron.expect("there").due("main", CRON);
    let mut writes: Vec<Write> = rows.iter().map(put).collect();
    writes.extend(due.add(TENANT, &entry, 0));
    commit(&half, writes).await;
    migrate(&half, &blobs).await.expect("brought forward");
    assert_eq!(dump(&half).await, dump(&whole).await);
}
