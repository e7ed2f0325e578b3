//! Namespaces over the engine in memory, with a clock that stands still.

use std::collections::VecDeque;

use bindery_storage::engine::{Batch, KeyRange, SCAN_COUNT_MAX};
use bindery_storage::memory::Memory;
use bindery_storage::tables::{Quotas, Tenant};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::runtime::Handle;

use super::*;
use crate::clock::Millis;
use crate::line::{Cut, RequestBody, Upload};
use crate::scheduler::Deliver;

const A: TenantId = TenantId(1);
const B: TenantId = TenantId(2);
const START_S: u64 = 1_000_000;

struct Fixture {
    kv: Kv,
    engine: Arc<Memory>,
    clock: Clock,
    blobs: Blobs,
    tasks: Tasks,
    _directory: tempfile::TempDir,
}

fn tenant(name: &str, quotas: Quotas) -> Tenant {
    Tenant {
        name: name.into(),
        tier: "standard".into(),
        quotas,
        limits: Default::default(),
        suspended: false,
        created_ms: 0,
        workers: 0,
        registered: 0,
        changes: 1,
        limits_changed: 1,
    }
}

impl Fixture {
    async fn new() -> Self {
        let engine = Arc::new(Memory::new());
        let clock = Clock::test(Millis(START_S * 1_000));
        let directory = tempfile::tempdir().expect("a directory");
        let blobs = Blobs::open(directory.path().join("blobs")).expect("opens");
        let tasks = Tasks::new(Handle::current());
        let kv = Kv::new(Parts {
            engine: engine.clone(),
            blobs: blobs.clone(),
            clock: clock.clone(),
            tasks: tasks.clone(),
            vault: Vault::new(&[7; 32]),
        });
        let fixture = Self { kv, engine, clock, blobs, tasks, _directory: directory };
        fixture.set(A, &tenant("a", Quotas::default())).await;
        fixture.set(B, &tenant("b", Quotas::default())).await;
        fixture
    }

    async fn set(&self, id: TenantId, tenant: &Tenant) {
        let writes = vec![Tenants::new(self.engine.clone()).put(id, tenant)];
        self.engine.commit(Batch { checks: vec![], writes }).await.expect("committed");
    }

    async fn put(&self, of: &Namespace, name: &str, value: impl Into<Bytes>) -> Result<()> {
        let body = RequestBody::Inline(value.into());
        self.kv.put(of, name, Options::default(), body).await
    }

    async fn get(&self, of: &Namespace, name: &str) -> Option<Bytes> {
        let found = self.kv.get(of, name).await.expect("read")?;
        let pieces: Vec<Bytes> = found.content.pieces().try_collect().await.expect("whole");
        Some(pieces.concat().into())
    }

    async fn stored(&self, tenant: TenantId) -> (u64, u64) {
        let stored = self.kv.0.account.stored(tenant, Some("kv")).await.expect("read");
        (stored.bytes, stored.rows)
    }

    async fn rows(&self) -> usize {
        self.engine.scan(KeyRange::prefix([]), SCAN_COUNT_MAX).await.expect("scanned").len()
    }

    fn files(&self, tenant: TenantId) -> usize {
        Values::new(self.blobs.clone()).list(tenant).expect("listed").len()
    }

    /// Delivers what is due, as the scheduler does, until nothing is. Says how much it was.
    async fn deliver(&self, tenant: TenantId) -> usize {
        let mut count = 0;
        loop {
            let now_ms = self.clock.now().0;
            let due = self.kv.0.due.until(tenant, now_ms, 1).await.expect("read").pop();
            let Some(due) = due else { return count };
            self.kv.deliver(tenant, due).await.expect("delivered");
            count += 1;
            assert!(count < 1_000, "it ends");
        }
    }
}

fn of(tenant: TenantId, name: &str) -> Namespace {
    Namespace { tenant, name: name.into() }
}

fn streamed(pieces: Vec<std::result::Result<Bytes, Cut>>, length: Option<u64>) -> RequestBody {
    let frames = pieces.into_iter().map(|piece| piece.map(Frame::data));
    RequestBody::Stream { from: Upload::new(StreamBody::new(stream::iter(frames))), length }
}

fn large(length: usize) -> Vec<std::result::Result<Bytes, Cut>> {
    let bytes: Bytes = (0..length).map(|at| (at % 251) as u8).collect::<Vec<_>>().into();
    (0..length).step_by(65_536).map(|at| Ok(bytes.slice(at..length.min(at + 65_536)))).collect()
}

#[tokio::test]
async fn values_of_every_length_come_back_and_all_of_them_goes() {
    let f = Fixture::new().await;
    let of = of(A, "n");
    let before = f.rows().await;
    let lengths = [0, 1, 4_096, 4_097, 65_407, 65_408, 1 << 20, (1 << 20) + 1, 3 << 20];
    for length in lengths {
        for known in [None, Some(length as u64)] {
            let body = streamed(large(length), known);
            f.kv.put(&of, "key", Options::default(), body).await.expect("put");
            let wanted: Vec<Bytes> = large(length).into_iter().flatten().collect();
            assert!(f.get(&of, "key").await.expect("there") == wanted.concat(), "{length}");
        }
    }
    assert_eq!(f.stored(A).await.1, 1);
    f.kv.delete(&of, "key").await.expect("deleted");
    assert_eq!(f.get(&of, "key").await, None);
    assert!(f.stored(A).await.0 > 3 << 20, "what is still readable is counted");
    f.clock.advance(Duration::from_secs(180));
    f.deliver(A).await;
    assert_eq!(f.stored(A).await, (0, 0));
    assert_eq!(f.files(A), 0);
    // What is left: what came and went as counters, and hints.
    f.clock.advance(UPLOAD_TIME_MAX * 2);
    f.deliver(A).await;
    let left = f.engine.scan(KeyRange::prefix([]), SCAN_COUNT_MAX).await.expect("scanned");
    let left = left.iter().filter(|row| !matches!(row.key[0], 0x12 | 0x24)).count();
    assert_eq!(left, before);
}

#[tokio::test]
async fn a_reader_that_has_begun_reads_what_it_found() {
    let f = Fixture::new().await;
    let of = of(A, "n");
    for length in [200_000, 3 << 20] {
        let body = streamed(large(length), None);
        f.kv.put(&of, "key", Options::default(), body).await.expect("put");
        let found = f.kv.get(&of, "key").await.expect("read").expect("there");
        f.put(&of, "key", "next").await.expect("put");
        f.clock.advance(Duration::from_secs(59));
        f.deliver(A).await;
        let pieces: Vec<Bytes> = found.content.pieces().try_collect().await.expect("whole");
        assert_eq!(pieces.concat().len(), length);
    }
}

#[tokio::test]
async fn a_key_is_gone_at_its_second_and_swept_after_it() {
    let f = Fixture::new().await;
    let of = of(A, "n");
    let put = async |name: &str, ttl_s| {
        let options = Options { ttl_s, ..Options::default() };
        f.kv.put(&of, name, options, RequestBody::Inline(Bytes::from_static(b"v"))).await
    };
    put("soon", Some(60)).await.expect("put");
    put("late", Some(600)).await.expect("put");
    put("renewed", Some(60)).await.expect("put");
    put("renewed", None).await.expect("put");
    let names = async || {
        let page = f.kv.list(&of, "", None, None).await.expect("listed");
        page.keys.into_iter().map(|key| key.name).collect::<Vec<_>>()
    };
    f.clock.advance(Duration::from_millis(59_999));
    assert!(f.get(&of, "soon").await.is_some());
    assert_eq!(names().await, ["late", "renewed", "soon"]);
    f.clock.advance(Duration::from_millis(1));
    assert_eq!(f.get(&of, "soon").await, None);
    assert_eq!(names().await, ["late", "renewed"]);
    assert_eq!(f.stored(A).await.1, 3);
    f.clock.advance(SWEEP_STEP);
    assert_eq!(f.deliver(A).await, 1);
    assert_eq!(f.stored(A).await.1, 2);
    assert!(f.get(&of, "renewed").await.is_some());
    assert!(f.get(&of, "late").await.is_some());
}

#[tokio::test]
async fn many_keys_that_expire_are_swept_some_at_a_time() {
    let f = Fixture::new().await;
    let of = of(A, "n");
    for at in 0..250 {
        let options = Options { ttl_s: Some(60), ..Options::default() };
        let value = RequestBody::Inline(Bytes::from(vec![0; 4_096]));
        f.kv.put(&of, &format!("{at:0200}"), options, value).await.expect("put");
    }
    assert_eq!(f.kv.0.due.until(A, u64::MAX, 10).await.expect("read").len(), 1);
    f.clock.advance(Duration::from_secs(180));
    assert_eq!(f.deliver(A).await, 3);
    assert_eq!(f.stored(A).await, (0, 0));
}

#[tokio::test]
async fn a_value_that_is_given_up_leaves_nothing_and_changes_nothing() {
    let f = Fixture::new().await;
    let of = of(A, "n");
    f.put(&of, "key", "before").await.expect("put");
    let mut pieces = large(2 << 20);
    pieces.push(Err(Cut::Unfinished));
    let put = f.kv.put(&of, "key", Options::default(), streamed(pieces, None)).await;
    assert!(matches!(put, Err(Error::Cut)), "{put:?}");
    let over = streamed(large((25 << 20) + 1), None);
    let put = f.kv.put(&of, "key", Options::default(), over).await;
    assert!(matches!(put, Err(Error::Refused(_))), "{put:?}");
    // One whose caller goes away while it waits for more.
    let waits = stream::iter(large(2 << 20)).map_ok(Frame::data).chain(stream::pending());
    let body = RequestBody::Stream { from: Upload::new(StreamBody::new(waits)), length: None };
    let mut put = Box::pin(f.kv.put(&of, "key", Options::default(), body));
    while f.files(A) == 0 {
        assert!(put.as_mut().now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    drop(put);
    f.tasks.join().await;
    assert_eq!(f.files(A), 0);
    assert_eq!(f.get(&of, "key").await.expect("there"), &b"before"[..]);
    assert_eq!(f.kv.0.table.remains(A, u64::MAX - 1, 10).await.expect("read"), []);
}

/// A kill leaves a note and a file, whole or not, or a file that its key has got: only the notes
/// tell which is which.
#[tokio::test]
async fn what_a_kill_leaves_of_a_value_is_collected_and_no_more() {
    let f = Fixture::new().await;
    let of = of(A, "n");
    f.kv.put(&of, "kept", Options::default(), streamed(large(2 << 20), None)).await.expect("put");
    let killed = f.kv.0.receive(A, streamed(large(2 << 20), None)).await.expect("received");
    std::mem::forget(killed);
    assert_eq!(f.files(A), 2);
    f.clock.advance(UPLOAD_TIME_MAX - Duration::from_secs(1));
    f.deliver(A).await;
    assert_eq!(f.files(A), 2, "it may still be on its way");
    f.clock.advance(Duration::from_secs(120));
    f.deliver(A).await;
    assert_eq!(f.files(A), 1);
    assert_eq!(f.get(&of, "kept").await.expect("there").len(), 2 << 20);
}

#[tokio::test]
async fn a_value_that_comes_too_late_is_refused() {
    let f = Fixture::new().await;
    let of = of(A, "n");
    let received = f.kv.0.receive(A, streamed(large(2 << 20), None)).await.expect("received");
    f.clock.advance(UPLOAD_TIME_MAX + Duration::from_secs(120));
    f.deliver(A).await;
    assert_eq!(f.files(A), 0);
    let late = f.kv.set_for_test(of.at("key"), received).await;
    assert!(matches!(late, Err(Error::Slow)), "{late:?}");
    assert_eq!(f.get(&of, "key").await, None);
}

#[tokio::test]
async fn quotas_of_bytes_and_rows_refuse_growth_and_say_so() {
    let f = Fixture::new().await;
    let of = of(A, "n");
    let quotas = Quotas { stored_bytes: Some(20), stored_rows: Some(2), ..Quotas::default() };
    f.set(A, &tenant("a", quotas)).await;
    f.put(&of, "a", "0123456789").await.expect("put");
    let over = f.put(&of, "b", "0123456789").await.expect_err("over").to_string();
    assert!(over.contains("22 bytes") && over.contains("stored_bytes is 20"), "{over}");
    f.put(&of, "b", "01234567").await.expect("put");
    f.put(&of, "a", "9876543210").await.expect("no growth");
    f.put(&of, "a", "").await.expect("less");
    let over = f.put(&of, "c", "").await.expect_err("over").to_string();
    assert!(over.contains("3 rows") && over.contains("stored_rows is 2"), "{over}");
    f.kv.delete(&of, "a").await.expect("deleted");
    f.put(&of, "c", "").await.expect("put");
    assert_eq!(f.stored(A).await, (10, 2));
    f.put(&self::of(B, "n"), "b", "0123456789012345678901234567890").await.expect("another's");
}

#[tokio::test]
async fn nothing_is_kept_for_a_tenant_that_is_deleted() {
    let f = Fixture::new().await;
    let of = of(A, "n");
    let received = f.kv.0.receive(A, streamed(large(2 << 20), None)).await.expect("received");
    let writes = Tenants::new(f.engine.clone()).delete(A, "a");
    f.engine.commit(Batch { checks: vec![], writes }).await.expect("deleted");
    let late = f.kv.set_for_test(of.at("key"), received).await;
    assert!(matches!(late, Err(Error::Gone)), "{late:?}");
    assert!(matches!(f.put(&of, "key", "v").await, Err(Error::Gone)));
    let large = f.kv.put(&of, "key", Options::default(), streamed(large(2 << 20), None)).await;
    assert!(matches!(large, Err(Error::Gone)), "{large:?}");
    f.tasks.join().await;
    assert_eq!(f.files(A), 0);
}

#[tokio::test]
async fn pages_go_on_where_the_last_one_ended_for_their_own_namespace() {
    let f = Fixture::new().await;
    let (mine, theirs) = (of(A, "n"), of(B, "n"));
    for at in 0..2_500 {
        f.put(&mine, &format!("k{at:04}"), "").await.expect("put");
    }
    f.put(&theirs, "k0000", "").await.expect("put");
    let (mut names, mut cursor, mut pages) = (VecDeque::new(), None, 0);
    loop {
        let page = f.kv.list(&mine, "k", None, cursor.as_deref()).await.expect("listed");
        names.extend(page.keys.into_iter().map(|key| key.name));
        pages += 1;
        let Some(next) = page.cursor else { break };
        let refused = f.kv.list(&theirs, "k", None, Some(&next)).await;
        assert!(matches!(refused, Err(Error::Cursor)), "another tenant's");
        cursor = Some(next);
    }
    assert_eq!((names.len(), pages), (2_500, 3));
    assert!(names.iter().is_sorted());
}

#[tokio::test]
async fn a_page_of_keys_that_have_expired_is_short_and_has_a_next_one() {
    let f = Fixture::new().await;
    let of = of(A, "n");
    for at in 0..5_200 {
        let ttl_s = (at < 5_100).then_some(60);
        let options = Options { ttl_s, ..Options::default() };
        let value = RequestBody::Inline(Bytes::new());
        f.kv.put(&of, &format!("{at:05}"), options, value).await.expect("put");
    }
    f.clock.advance(Duration::from_secs(60));
    let first = f.kv.list(&of, "", None, None).await.expect("listed");
    assert_eq!(first.keys, []);
    let next = f.kv.list(&of, "", None, first.cursor.as_deref()).await.expect("listed");
    assert_eq!((next.keys.len(), next.cursor), (100, None));
}

#[tokio::test]
async fn writers_of_one_key_at_once_are_all_done_and_one_is_the_last() {
    let f = Fixture::new().await;
    let of = of(A, "n");
    let put = |at: u32| f.put(&of, "key", at.to_string());
    let all = futures_util::future::join_all((0..200).map(put)).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(f.stored(A).await.1, 1);
    assert!(f.get(&of, "key").await.is_some());
}
