//! One suite for every engine: what stands above may not be able to tell them apart.

use std::sync::Arc;
use std::time::Duration;

use bindery_storage::embedded::{Embedded, Options};
use bindery_storage::engine::{
    BATCH_BYTES_MAX, Batch, Check, Committed, Engine, Entry, Error, KEY_BYTES_MAX, KeyRange,
    SCAN_COUNT_MAX, VALUE_BYTES_MAX, Write,
};
use bindery_storage::memory::Memory;
use futures_util::FutureExt;
use futures_util::future::join_all;
use proptest::prelude::*;

/// A store that folds whatever it holds as soon as it can.
fn folding() -> Options {
    Options { log_bytes_max: 2 << 20, overlay_bytes_max: 0, ..Options::default() }
}

/// Runs each case against both engines.
macro_rules! contract {
    ($($case:ident,)*) => {
        mod on_memory {
            use super::*;
            $(#[tokio::test]
            async fn $case() {
                super::$case(Arc::new(Memory::new())).await;
            })*
        }

        mod on_disk {
            use super::*;
            $(#[tokio::test]
            async fn $case() {
                let directory = tempfile::tempdir().expect("a directory");
                let store = Embedded::open(directory.path()).expect("opens");
                super::$case(Arc::new(store)).await;
            })*
        }

        mod on_disk_with_a_fold_after_each_group {
            use super::*;
            $(#[tokio::test]
            async fn $case() {
                let directory = tempfile::tempdir().expect("a directory");
                let store = Embedded::open_with(directory.path(), folding()).expect("opens");
                super::$case(Arc::new(store)).await;
            })*
        }
    };
}

contract! {
    what_was_put_is_found_and_what_was_deleted_is_not,
    a_scan_is_in_byte_order_and_within_its_range_and_count,
    a_scan_stops_at_the_limit_and_goes_on_behind_its_last_key,
    a_check_that_fails_names_its_place_and_nothing_is_written,
    a_failed_batch_leaves_its_neighbours_alone,
    counters_add_up_within_a_batch_and_across_batches,
    a_counter_that_can_not_be_added_to_refuses_the_whole_batch,
    a_range_is_deleted_without_its_end,
    a_snapshot_does_not_see_later_commits,
    one_of_many_conditional_commits_wins,
    many_commits_at_once_are_all_applied,
    what_is_over_a_limit_is_refused_and_names_it,
    what_is_at_a_limit_is_taken,
    an_empty_batch_is_done,
}

fn put(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Write {
    Write::Put { key: key.as_ref().into(), value: value.as_ref().into() }
}

fn delete(key: &str) -> Write {
    Write::Delete { key: key.into() }
}

fn add(key: &str, amount: u64) -> Write {
    Write::Add { key: key.into(), amount }
}

fn range(start: &str, end: Option<&str>) -> KeyRange {
    KeyRange { start: start.into(), end: end.map(Into::into) }
}

fn holds(key: &str, value: Option<&str>) -> Check {
    Check { key: key.into(), value: value.map(Into::into) }
}

fn batch(checks: impl Into<Vec<Check>>, writes: impl Into<Vec<Write>>) -> Batch {
    Batch { checks: checks.into(), writes: writes.into() }
}

async fn write(store: &Arc<dyn Engine>, writes: impl Into<Vec<Write>>) -> Vec<u64> {
    match store.commit(batch([], writes)).await.expect("committed") {
        Committed::Done { added } => added,
        conflict => panic!("{conflict:?}"),
    }
}

async fn get(store: &Arc<dyn Engine>, key: &str) -> Option<String> {
    let value = store.get(key.into()).await.expect("read");
    value.map(|value| String::from_utf8_lossy(&value).into_owned())
}

fn keys(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| std::str::from_utf8(&entry.key).expect("text")).collect()
}

async fn all(store: &dyn Engine) -> Vec<Entry> {
    store.scan(KeyRange::prefix([]), SCAN_COUNT_MAX).await.expect("scanned")
}

async fn what_was_put_is_found_and_what_was_deleted_is_not(store: Arc<dyn Engine>) {
    assert_eq!(get(&store, "a").await, None);
    write(&store, [put("a", "1"), put("b", "2"), put("a", "3"), put("", "empty key")]).await;
    assert_eq!(get(&store, "a").await.as_deref(), Some("3"));
    assert_eq!(get(&store, "").await.as_deref(), Some("empty key"));
    write(&store, [delete("a"), delete("never"), put("b", "")]).await;
    assert_eq!(get(&store, "a").await, None);
    assert_eq!(get(&store, "b").await.as_deref(), Some(""));
    write(&store, [delete("b"), put("b", "again")]).await;
    assert_eq!(get(&store, "b").await.as_deref(), Some("again"));
}

async fn a_scan_is_in_byte_order_and_within_its_range_and_count(store: Arc<dyn Engine>) {
    let bytes: [&[u8]; 6] = [b"b", b"a\xff", b"a", b"ab", b"c", b"a\0"];
    write(&store, bytes.map(|key| put(key, "v"))).await;
    let scan = async |range, count_max| {
        let entries = store.scan(range, count_max).await.expect("scanned");
        entries.into_iter().map(|entry| entry.key.to_vec()).collect::<Vec<_>>()
    };
    let prefix = scan(KeyRange::prefix("a"), 100).await;
    assert_eq!(prefix, [&b"a"[..], b"a\0", b"ab", b"a\xff"]);
    assert_eq!(scan(range("a", None), 2).await, [&b"a"[..], b"a\0"]);
    assert_eq!(scan(range("ab", Some("c")), 100).await, [&b"ab"[..], b"a\xff", b"b"]);
    assert_eq!(scan(KeyRange::prefix("a").after(b"ab"), 100).await, [b"a\xff"]);
    assert_eq!(scan(KeyRange::prefix([0xff]), 100).await, [[0_u8; 0]; 0]);
    assert_eq!(scan(range("a", None), 0).await, [[0_u8; 0]; 0]);
    for (start, end) in [("b", "b"), ("c", "a")] {
        assert_eq!(scan(range(start, Some(end)), 100).await, [[0_u8; 0]; 0]);
    }
}

async fn a_scan_stops_at_the_limit_and_goes_on_behind_its_last_key(store: Arc<dyn Engine>) {
    let rows = SCAN_COUNT_MAX + 5;
    let writes: Vec<Write> = (0..rows).map(|n| put(format!("{n:06}"), "v")).collect();
    write(&store, writes).await;
    let first = store.scan(KeyRange::prefix([]), usize::MAX).await.expect("scanned");
    assert_eq!(first.len(), SCAN_COUNT_MAX);
    let last = &first.last().expect("not empty").key;
    let rest = store.scan(KeyRange::prefix([]).after(last), usize::MAX).await.expect("scanned");
    assert_eq!(keys(&rest), ["010000", "010001", "010002", "010003", "010004"]);
}

async fn a_check_that_fails_names_its_place_and_nothing_is_written(store: Arc<dyn Engine>) {
    write(&store, [put("a", "1")]).await;
    let good = [holds("a", Some("1")), holds("b", None)];
    for (bad, check) in
        [(holds("a", Some("2")), 2), (holds("a", None), 2), (holds("b", Some("")), 2)]
    {
        let checks = [&good[..], &[bad]].concat();
        let outcome = store.commit(batch(checks, [put("b", "2"), add("n", 1)])).await;
        assert_eq!(outcome.expect("decided"), Committed::Conflict { check });
    }
    assert_eq!(keys(&all(&*store).await), ["a"]);
    let first = store.commit(batch([holds("b", Some("x")), holds("a", None)], [])).await;
    assert_eq!(first.expect("decided"), Committed::Conflict { check: 0 });
    let done = store.commit(batch(good, [delete("a"), put("b", "2")])).await;
    assert_eq!(done.expect("decided"), Committed::Done { added: vec![] });
    assert_eq!(keys(&all(&*store).await), ["b"]);
}

async fn a_failed_batch_leaves_its_neighbours_alone(store: Arc<dyn Engine>) {
    let (good, conflict, broken, after) = tokio::join!(
        store.commit(batch([], [put("a", "1"), add("n", 1)])),
        store.commit(batch([holds("a", None)], [put("x", "1")])),
        store.commit(batch([], [put("y", "1"), add("a", 1)])),
        store.commit(batch([holds("a", Some("1"))], [put("b", "1"), add("n", 1)])),
    );
    assert_eq!(good.expect("decided"), Committed::Done { added: vec![1] });
    assert_eq!(conflict.expect("decided"), Committed::Conflict { check: 0 });
    assert!(matches!(broken, Err(Error::NotACounter { key }) if key == "61"));
    assert_eq!(after.expect("decided"), Committed::Done { added: vec![2] });
    assert_eq!(keys(&all(&*store).await), ["a", "b", "n"]);
}

async fn counters_add_up_within_a_batch_and_across_batches(store: Arc<dyn Engine>) {
    assert_eq!(write(&store, [add("n", 2), add("m", 5), add("n", 3)]).await, [2, 5, 5]);
    assert_eq!(write(&store, [add("n", 0x0100)]).await, [0x0105]);
    let bytes = store.get("n".into()).await.expect("read").expect("there");
    assert_eq!(bytes[..], [0, 0, 0, 0, 0, 0, 1, 5]);
    let writes = [
        put("n", 9_u64.to_be_bytes()),
        add("n", 1),
        delete("n"),
        add("n", 1),
        Write::DeleteRange(KeyRange::prefix("n")),
        add("n", 7),
        add("m", 1),
    ];
    assert_eq!(write(&store, writes).await, [10, 1, 7, 6]);
    let bytes = store.get("n".into()).await.expect("read").expect("there");
    assert_eq!(bytes[..], 7_u64.to_be_bytes());
}

async fn a_counter_that_can_not_be_added_to_refuses_the_whole_batch(store: Arc<dyn Engine>) {
    write(&store, [put("text", "1"), put("full", u64::MAX.to_be_bytes())]).await;
    for (name, hex) in [("text", "74657874"), ("full", "66756c6c")] {
        let refused = store.commit(batch([], [put("a", "1"), delete("b"), add(name, 1)])).await;
        assert!(matches!(refused, Err(Error::NotACounter { key }) if key == hex));
    }
    let refused = store.commit(batch([], [put("b", "1"), add("b", 1)])).await;
    assert!(matches!(refused, Err(Error::NotACounter { .. })));
    assert_eq!(keys(&all(&*store).await), ["full", "text"]);
    assert_eq!(
        write(&store, [delete("text"), add("text", 1), add("full", 0)]).await,
        [1, u64::MAX]
    );
}

async fn a_range_is_deleted_without_its_end(store: Arc<dyn Engine>) {
    write(&store, ["a", "b", "b1", "c", "d"].map(|key| put(key, "v"))).await;
    let writes = [
        put("b2", "v"),
        Write::DeleteRange(range("b", Some("c"))),
        put("b3", "v"),
        Write::DeleteRange(range("x", Some("a"))),
        Write::DeleteRange(range("d", None)),
    ];
    write(&store, writes).await;
    assert_eq!(keys(&all(&*store).await), ["a", "b3", "c"]);
    // What is read may end within what was deleted.
    let part = store.scan(range("a", Some("b1")), 10).await.expect("scanned");
    assert_eq!(keys(&part), ["a"]);
    write(&store, [Write::DeleteRange(KeyRange::prefix([]))]).await;
    assert_eq!(all(&*store).await, []);
}

async fn a_snapshot_does_not_see_later_commits(store: Arc<dyn Engine>) {
    write(&store, [put("a", "1"), put("b", "1")]).await;
    let before = store.snapshot().await.expect("taken");
    write(&store, [put("a", "2"), delete("b"), put("c", "2")]).await;
    let after = store.snapshot().await.expect("taken");
    write(&store, [Write::DeleteRange(KeyRange::prefix([]))]).await;
    assert_eq!(before.get("a".into()).await.expect("read").expect("there"), &b"1"[..]);
    assert_eq!(before.get("c".into()).await.expect("read"), None);
    for count_max in [50, 5_000] {
        let rows = before.scan(KeyRange::prefix([]), count_max).await.expect("scanned");
        assert_eq!(keys(&rows), ["a", "b"]);
        let rows = after.scan(KeyRange::prefix([]), count_max).await.expect("scanned");
        assert_eq!(keys(&rows), ["a", "c"]);
    }
}

async fn one_of_many_conditional_commits_wins(store: Arc<dyn Engine>) {
    write(&store, [put("head", "0")]).await;
    for round in 1..=10_u64 {
        let contenders = (0..32).map(|contender| {
            let store = Arc::clone(&store);
            let before = holds("head", Some(&format!("{}", round - 1)));
            let won = put(format!("won/{round}/{contender}"), "");
            let writes = [put("head", format!("{round}")), won, add("wins", 1)];
            async move { store.commit(batch([before], writes)).await }
        });
        let mut wins = Vec::new();
        for outcome in join_all(contenders).await {
            match outcome.expect("decided") {
                Committed::Done { added } => wins.push(added),
                Committed::Conflict { check } => assert_eq!(check, 0),
            }
        }
        assert_eq!(wins, [[round]]);
    }
    let rows = store.scan(KeyRange::prefix("won/"), 100).await.expect("scanned");
    assert_eq!(rows.len(), 10);
}

async fn many_commits_at_once_are_all_applied(store: Arc<dyn Engine>) {
    let commits = (0..600).map(|number| {
        let store = Arc::clone(&store);
        let writes = [put(format!("{number:04}"), [7; 20_000]), add("~", 1)];
        async move { store.commit(batch([], writes)).await }
    });
    let mut sums = Vec::new();
    for outcome in join_all(commits).await {
        match outcome.expect("decided") {
            Committed::Done { added } => sums.extend(added),
            conflict => panic!("{conflict:?}"),
        }
    }
    sums.sort_unstable();
    assert_eq!(sums, (1..=600).collect::<Vec<u64>>());
    assert_eq!(all(&*store).await.len(), 601);
}

async fn what_is_over_a_limit_is_refused_and_names_it(store: Arc<dyn Engine>) {
    let (key, value) = (vec![1; KEY_BYTES_MAX + 1], vec![1; VALUE_BYTES_MAX + 1]);
    let over = |result: Result<Committed, Error>, named: &str| match result {
        Err(Error::TooLarge { what, got, max }) => {
            assert_eq!(what, named);
            assert!(got > max);
        }
        other => panic!("{named}: {other:?}"),
    };
    let write = |write: Write| store.commit(batch([], [put("a", "1"), write]));
    over(write(put(&key, "")).await, "a key");
    over(write(Write::Delete { key: key.clone() }).await, "a key");
    over(write(Write::Add { key: key.clone(), amount: 1 }).await, "a key");
    over(write(put("k", &value)).await, "a value");
    let check = |key: &[u8], value: Option<Vec<u8>>| {
        store.commit(batch([Check { key: key.into(), value }], [put("a", "1")]))
    };
    over(check(&key, None).await, "a key");
    over(check(b"k", Some(value)).await, "a value");
    let many: Vec<_> = (0..18).map(|n| put(format!("{n}"), vec![1; VALUE_BYTES_MAX])).collect();
    over(store.commit(batch([], many)).await, "a batch");
    let long = KeyRange { start: vec![1; KEY_BYTES_MAX + 2], end: None };
    over(write(Write::DeleteRange(long.clone())).await, "the end of a range");
    let scan = store.scan(long, 1).await;
    assert!(matches!(scan, Err(Error::TooLarge { what: "the end of a range", .. })));
    assert!(matches!(store.get(key).await, Err(Error::TooLarge { what: "a key", .. })));
    assert_eq!(all(&*store).await, []);
}

async fn what_is_at_a_limit_is_taken(store: Arc<dyn Engine>) {
    let (key, value) = (vec![0xff; KEY_BYTES_MAX], vec![1; VALUE_BYTES_MAX]);
    let mut writes = vec![put(&key, &value)];
    let mut room = BATCH_BYTES_MAX - KEY_BYTES_MAX - VALUE_BYTES_MAX;
    while room > 0 {
        let bytes = (VALUE_BYTES_MAX + 3).min(room);
        writes.push(put(format!("{:03}", writes.len()), &value[..bytes - 3]));
        room -= bytes;
    }
    let count = writes.len();
    write(&store, writes).await;
    let rows = all(&*store).await;
    assert_eq!(rows.len(), count);
    let rest = store.scan(KeyRange::prefix([]).after(&key), 10).await.expect("scanned");
    assert_eq!(rest, []);
    assert_eq!(store.get(key).await.expect("read").expect("there"), value);
}

async fn an_empty_batch_is_done(store: Arc<dyn Engine>) {
    assert_eq!(write(&store, []).await, [0_u64; 0]);
    let outcome = store.commit(batch([holds("a", None)], [])).await.expect("decided");
    assert_eq!(outcome, Committed::Done { added: vec![] });
}

#[tokio::test]
async fn an_expired_snapshot_says_so_on_each_engine() {
    let directory = tempfile::tempdir().expect("a directory");
    let options = Options { snapshot_life: Duration::ZERO, ..Options::default() };
    let store = Embedded::open_with(directory.path(), options).expect("opens");
    let engines: [Arc<dyn Engine>; 2] =
        [Arc::new(Memory::with_snapshot_life(Duration::ZERO)), Arc::new(store)];
    for store in engines {
        let snapshot = store.snapshot().await.expect("taken");
        assert!(matches!(snapshot.get("a".into()).await, Err(Error::Expired)));
        let scan = snapshot.scan(KeyRange::prefix([]), 10).await;
        assert!(matches!(scan, Err(Error::Expired)));
    }
}

#[tokio::test]
async fn reopening_keeps_everything() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("store");
    let before = {
        let store: Arc<dyn Engine> = Arc::new(Embedded::open(&path).expect("opens"));
        write(&store, [put("a", "1"), put("b", "2"), add("n", 3)]).await;
        write(&store, [delete("a"), put("c", [0; 60_000])]).await;
        all(&*store).await
    };
    assert_eq!(keys(&before), ["b", "c", "n"]);
    for _ in 0..3 {
        let store = Embedded::open(&path).expect("opens again");
        assert_eq!(all(&store).await, before);
    }
}

#[tokio::test]
async fn what_is_at_rest_is_folded_and_then_nothing_more_is_done() {
    let directory = tempfile::tempdir().expect("a directory");
    let open = |fold_at_rest| {
        let options = Options { fold_at_rest, ..Options::default() };
        Arc::new(Embedded::open_with(directory.path(), options).expect("opens"))
    };
    let fold_at_once = Duration::from_millis(1);
    let store = open(fold_at_once);
    let engine: Arc<dyn Engine> = store.clone();
    write(&engine, [put("a", "1"), put("b", "2")]).await;
    write(&engine, [Write::DeleteRange(KeyRange::prefix("a"))]).await;
    let folded = at_rest(&store).await;
    assert_eq!(keys(&all(&*engine).await), ["b"]);
    // What came and went leaves no row, but is in the log.
    write(&engine, [put("d", "4")]).await;
    write(&engine, [delete("d")]).await;
    let before = folded;
    let folded = at_rest(&store).await;
    assert!(folded > before);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(at_rest(&store).await, folded);
    // What a log held when the store was opened rests too.
    drop((store, engine));
    let engine: Arc<dyn Engine> = open(Duration::from_secs(600));
    write(&engine, [put("c", "3")]).await;
    drop(engine);
    let store = open(fold_at_once);
    assert!(at_rest(&store).await > folded);
    assert_eq!(keys(&all(&*store).await), ["b", "c"]);
}

/// What a log without records takes.
const BLOCK_BYTES: u64 = 4_096;

/// The newest epoch that is folded, once nothing is left in memory.
async fn at_rest(store: &Embedded) -> u64 {
    for _ in 0..3_000 {
        let stats = store.stats().expect("figures");
        let is_begun_anew = stats.log_bytes_used <= BLOCK_BYTES;
        if stats.changes_in_memory == 0 && is_begun_anew && !stats.is_folding {
            return stats.epoch_folded;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("what is in memory is not folded");
}

#[test]
fn a_batch_whose_caller_left_is_on_disk_when_the_store_is_dropped() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("store");
    let store = Embedded::open(&path).expect("opens");
    for number in 0..100 {
        // One poll hands the batch over. Outside a runtime, none is put off.
        let _ = store.commit(batch([], [put(format!("{number:03}"), "v")])).now_or_never();
    }
    drop(store);
    let store = Embedded::open(&path).expect("opens again");
    assert_eq!(all(&store).now_or_never().expect("read").len(), 100);
}

#[tokio::test]
async fn a_store_is_open_once_and_its_files_are_the_users_own() {
    use std::os::unix::fs::PermissionsExt;

    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("store");
    let _store = Embedded::open(&path).expect("opens");
    assert!(matches!(Embedded::open(&path), Err(Error::Unavailable(_))));
    for file in ["store.redb", "log-0", "log-1"] {
        let mode = std::fs::metadata(path.join(file)).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[tokio::test]
async fn a_snapshot_outlives_its_store_without_a_panic_and_lets_the_file_be_opened() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("store");
    let store: Arc<dyn Engine> = Arc::new(Embedded::open(&path).expect("opens"));
    write(&store, [put("a", "1")]).await;
    let snapshot = store.snapshot().await.expect("taken");
    drop(store);
    match snapshot.get("a".into()).await {
        Ok(value) => assert_eq!(value.expect("there"), &b"1"[..]),
        Err(error) => assert!(matches!(error, Error::Unavailable(_))),
    }
    drop(snapshot);
    let store: Arc<dyn Engine> = Arc::new(Embedded::open(&path).expect("opens again"));
    assert_eq!(get(&store, "a").await.as_deref(), Some("1"));
}

/// Keys and values from so few that batches meet.
fn any_batch() -> impl Strategy<Value = Batch> {
    let key = || proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(0xff)], 0..3);
    let value = || prop_oneof![Just(vec![]), Just(vec![7]), Just(5_u64.to_be_bytes().to_vec())];
    let range =
        || (key(), proptest::option::of(key())).prop_map(|(start, end)| KeyRange { start, end });
    let check =
        (key(), proptest::option::of(value())).prop_map(|(key, value)| Check { key, value });
    let write = prop_oneof![
        4 => (key(), value()).prop_map(|(key, value)| Write::Put { key, value }),
        2 => key().prop_map(|key| Write::Delete { key }),
        1 => range().prop_map(Write::DeleteRange),
        2 => (key(), prop_oneof![Just(1), Just(u64::MAX)])
            .prop_map(|(key, amount)| Write::Add { key, amount }),
    ];
    let checks = proptest::collection::vec(check, 0..2);
    (checks, proptest::collection::vec(write, 0..6))
        .prop_map(|(checks, writes)| Batch { checks, writes })
}

/// What is done to a store.
#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<Batch>),
    Reopen,
    /// Reads a range, a few rows at a time.
    Read(KeyRange, usize),
    Snapshot,
}

fn any_step() -> impl Strategy<Value = Step> {
    let key = || proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(0xff)], 0..3);
    let range = (key(), proptest::option::of(key()));
    let range = range.prop_map(|(start, end)| KeyRange { start, end });
    prop_oneof![
        6 => proptest::collection::vec(any_batch(), 1..4).prop_map(Step::Commit),
        1 => Just(Step::Reopen),
        2 => (range, 0..5_usize).prop_map(|(range, count)| Step::Read(range, count)),
        1 => Just(Step::Snapshot),
    ]
}

/// Does the steps to a store on disk and to one in memory, which may not differ.
async fn compare(steps: Vec<Step>, options: Options) -> Result<(), TestCaseError> {
    let directory = tempfile::tempdir().expect("a directory");
    let open = || Embedded::open_with(directory.path(), options.clone()).expect("opens");
    let (memory, mut disk) = (Memory::new(), Some(open()));
    let mut snapshots = Vec::new();
    for step in steps {
        match step {
            Step::Commit(batches) => {
                let disk = disk.as_ref().expect("open");
                let one = join_all(batches.iter().map(|batch| disk.commit(batch.clone()))).await;
                let two = join_all(batches.iter().map(|batch| memory.commit(batch.clone()))).await;
                prop_assert_eq!(format!("{one:?}"), format!("{two:?}"));
            }
            Step::Reopen => {
                snapshots.clear();
                disk = None;
                disk = disk.or_else(|| Some(open()));
            }
            Step::Read(range, count) => {
                let disk = disk.as_ref().expect("open");
                let one = disk.scan(range.clone(), count).await.expect("scanned");
                prop_assert_eq!(one, memory.scan(range, count).await.expect("scanned"));
            }
            Step::Snapshot => {
                let disk = disk.as_ref().expect("open");
                let taken = (disk.snapshot().await, memory.snapshot().await);
                snapshots.push((taken.0.expect("taken"), taken.1.expect("taken")));
                snapshots = snapshots.split_off(snapshots.len().saturating_sub(8));
            }
        }
        let disk = disk.as_ref().expect("open");
        let rows = all(&memory).await;
        prop_assert_eq!(all(disk).await, rows.clone());
        for row in rows {
            let found = disk.get(row.key.to_vec()).await.expect("read");
            prop_assert_eq!(found, Some(row.value));
        }
        for (one, two) in &snapshots {
            let one = one.scan(KeyRange::prefix([]), 100).await.expect("scanned");
            prop_assert_eq!(one, two.scan(KeyRange::prefix([]), 100).await.expect("scanned"));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn disk_and_memory_do_the_same_with_folds_anywhere(
        steps in proptest::collection::vec(any_step(), 1..30),
        overlay_bytes_max in prop_oneof![Just(0_usize), 0..4_000_usize, Just(1 << 20)],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let options = Options { log_bytes_max: 64 << 10, overlay_bytes_max, ..Options::default() };
        runtime.block_on(compare(steps, options))?;
    }
}
