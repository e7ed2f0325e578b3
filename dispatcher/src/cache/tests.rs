//! What is kept, what goes, and whose it is.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bindery_logic::cache::select::Selector;
use bindery_wire::TenantId;
use bytes::Bytes;
use http::HeaderMap;
use http_body_util::{BodyExt, StreamBody};
use tempfile::TempDir;

use super::file::{Filed, Folder};
use super::receive::Ended;
use super::shelf::Weight;
use super::shelves::Shelves;
use super::variant::{Key, Stored, Variant};
use super::{CACHE_VARIANT_COUNT_MAX, Caches};
use crate::clock::{Clock, Millis};
use crate::config::CacheConfig;
use crate::line::{Cut, RequestBody, Upload};

const A: TenantId = TenantId(1);
const B: TenantId = TenantId(2);
const NOW: Duration = Duration::from_secs(100);
const KIB: usize = 1 << 10;

fn key(url: &str) -> Key {
    Key { cache: None, url: url.into() }
}

fn variant(body: Stored) -> Variant {
    Variant {
        status: 200,
        headers: HeaderMap::new(),
        selector: Selector::default(),
        kept_at: NOW,
        fresh: Duration::from_secs(60),
        age: Duration::ZERO,
        body,
    }
}

fn here(bytes: usize) -> Stored {
    Stored::Here(vec![b'x'; bytes].into())
}

fn put(shelves: &Shelves, tenant: TenantId, url: &str, body: Stored) -> usize {
    shelves.put(tenant, key(url), (Arc::new(variant(body)), None)).expect("no draft")
}

fn get(shelves: &Shelves, tenant: TenantId, key: &Key) -> Option<Arc<Variant>> {
    shelves.get(tenant, key, (&HeaderMap::new(), NOW))
}

fn has(shelves: &Shelves, tenant: TenantId, url: &str) -> bool {
    get(shelves, tenant, &key(url)).is_some()
}

fn memory(bytes: usize) -> Shelves {
    Shelves::new(Weight { memory: bytes as u64, disk: 0 })
}

#[test]
fn who_floods_a_cache_loses_its_own() {
    let shelves = memory(100 * KIB);
    // Less than half, and never touched again.
    for n in 0..40 {
        put(&shelves, B, &format!("/{n}"), here(KIB / 2));
    }
    let mut evicted = 0;
    for n in 0..1_000 {
        evicted += put(&shelves, A, &format!("/{n}"), here(KIB));
        assert!(shelves.held().0.memory <= 100 * KIB as u64);
    }
    assert!(evicted > 900, "{evicted}");
    assert!((0..40).all(|n| has(&shelves, B, &format!("/{n}"))));
    assert!(has(&shelves, A, "/999") && !has(&shelves, A, "/0"));
}

#[test]
fn what_nobody_else_uses_is_for_one() {
    let shelves = memory(100 * KIB);
    for n in 0..50 {
        put(&shelves, A, &format!("/{n}"), here(KIB));
    }
    assert!((0..50).all(|n| has(&shelves, A, &format!("/{n}"))));
    // And goes back when another comes.
    for n in 0..50 {
        put(&shelves, B, &format!("/{n}"), here(KIB));
    }
    let kept = |tenant| (0..50).filter(|n| has(&shelves, tenant, &format!("/{n}"))).count();
    let (a, b) = (kept(A), kept(B));
    assert!(a.abs_diff(b) <= 1 && a + b >= 55, "{a} {b}");
}

#[test]
fn what_was_used_last_goes_last() {
    let shelves = memory(10 * KIB);
    for url in ["/a", "/b", "/c"] {
        put(&shelves, A, url, here(2 * KIB));
    }
    assert!(has(&shelves, A, "/a"));
    put(&shelves, A, "/d", here(2 * KIB));
    assert!(!has(&shelves, A, "/b"));
    assert!(["/a", "/c", "/d"].iter().all(|url| has(&shelves, A, url)));
    // What is larger than all there is room for takes the rest with it.
    put(&shelves, A, "/e", here(20 * KIB));
    assert_eq!(shelves.held(), (Weight::default(), 0));
}

#[test]
fn tenants_caches_and_keys_never_meet() {
    let shelves = memory(1 << 20);
    let names = [None, Some(""), Some("a"), Some("a\n"), Some("\0"), Some("../a"), Some("null")];
    let urls = ["", "/", "a", "\na", "\u{e9}", "e\u{301}", "http://h/", "http://h/?"];
    let all = || names.iter().flat_map(|name| urls.iter().map(move |url| (*name, *url)));
    let key_of =
        |(name, url): (Option<&str>, &str)| Key { cache: name.map(Into::into), url: url.into() };
    let text = |tenant: TenantId, at: usize| Bytes::from(format!("{tenant} {at}"));
    for tenant in [A, B] {
        for (at, place) in all().enumerate() {
            let body = Stored::Here(text(tenant, at));
            shelves.put(tenant, key_of(place), (Arc::new(variant(body)), None)).expect("kept");
        }
    }
    for tenant in [A, B] {
        for (at, place) in all().enumerate() {
            let found = get(&shelves, tenant, &key_of(place)).expect("there");
            let Stored::Here(bytes) = &found.body else { panic!("in a file") };
            assert_eq!(*bytes, text(tenant, at), "{place:?}");
        }
    }
    shelves.forget(A);
    assert!(all().all(|place| get(&shelves, A, &key_of(place)).is_none()));
    assert!(all().all(|place| get(&shelves, B, &key_of(place)).is_some()));
    assert_eq!(shelves.held().1, names.len() * urls.len());
}

#[test]
fn what_is_stale_is_not_given_out_and_goes() {
    let shelves = memory(1 << 20);
    put(&shelves, A, "/", here(1));
    let at = |seconds| shelves.get(A, &key("/"), (&HeaderMap::new(), NOW + seconds));
    assert_eq!(at(Duration::from_millis(59_999)).expect("fresh").age_s(NOW), 0);
    assert!(at(Duration::from_secs(60)).is_none());
    assert_eq!(shelves.held(), (Weight::default(), 0));
    put(&shelves, A, "/", here(1));
    assert!(!shelves.delete(A, &key("/"), NOW + Duration::from_secs(60)));
    put(&shelves, A, "/", here(1));
    assert!(shelves.delete(A, &key("/"), NOW) && !shelves.delete(A, &key("/"), NOW));
}

#[test]
fn responses_to_one_key_are_bounded_and_replaced_by_one_for_all() {
    let shelves = memory(1 << 20);
    let vary = HeaderMap::from_iter([(http::header::VARY, "accept".parse().expect("a value"))]);
    let asks = |accept: usize| HeaderMap::from_iter([(http::header::ACCEPT, accept.into())]);
    for accept in 0..CACHE_VARIANT_COUNT_MAX + 1 {
        let selector = Selector::new(&asks(accept), &vary);
        let one = Variant { selector, status: accept as u16, ..variant(here(1)) };
        shelves.put(A, key("/"), (Arc::new(one), None)).expect("kept");
    }
    let find = |accept| Some(shelves.get(A, &key("/"), (&asks(accept), NOW))?.status);
    assert_eq!(find(0), None);
    assert!((1..=CACHE_VARIANT_COUNT_MAX).all(|accept| find(accept) == Some(accept as u16)));
    let before = shelves.held().0.memory;
    assert_eq!(put(&shelves, A, "/", here(1)), 0);
    assert_eq!((find(0), find(5)), (Some(200), Some(200)));
    assert!(shelves.held().0.memory * 8 < before, "all others are gone");
}

fn caches(directory: &TempDir, disk: u64) -> Caches {
    let config = CacheConfig { disk_bytes_max: disk, ..CacheConfig::default() };
    Caches::open(directory.path(), &config, Clock::test(Millis(0))).expect("opens")
}

fn stream(
    chunks: impl IntoIterator<Item = Result<Bytes, Cut>, IntoIter: Send + 'static>,
) -> Upload {
    let frames = chunks.into_iter().map(|chunk| chunk.map(http_body::Frame::data));
    Upload::new(StreamBody::new(futures_util::stream::iter(frames)))
}

fn large(byte: u8, count: usize) -> RequestBody {
    let from = stream((0..count).map(move |_| Ok(Bytes::from(vec![byte; 64 * KIB]))));
    RequestBody::Stream { from, length: None }
}

/// Keeps a body as the response of a URL; false if there was no room.
async fn keep(caches: &Caches, tenant: TenantId, url: &str, body: RequestBody) -> bool {
    let received = match caches.0.receive(tenant, body).await {
        Ok(received) => received,
        Err(Ended::NoRoom) => return false,
        Err(Ended::Refused(refused)) => panic!("{refused:?}"),
    };
    let kept = (Arc::new(variant(received.body)), received.draft);
    caches.0.shelves.put(tenant, key(url), kept).is_some()
}

fn files(directory: &TempDir) -> usize {
    std::fs::read_dir(directory.path().join("cache")).expect("listed").count()
}

/// Waits until so many files are there: they are removed by another thread.
async fn has_files(directory: &TempDir, count: usize) {
    for _ in 0..500 {
        if files(directory) == count {
            return;
        }
        tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(10)))
            .await
            .expect("slept");
    }
    panic!("{} files and not {count}", files(directory));
}

async fn all_of(filed: &Arc<Filed>, first: u64, end: u64) -> Vec<u8> {
    let reading = filed.read(first, end).await.expect("opens");
    reading.collect().await.expect("whole").to_bytes().to_vec()
}

fn filed(caches: &Caches, tenant: TenantId, url: &str) -> Option<Arc<Filed>> {
    match &get(&caches.0.shelves, tenant, &key(url))?.body {
        Stored::Filed(filed) => Some(filed.clone()),
        Stored::Here(_) => None,
    }
}

#[tokio::test]
async fn a_large_body_is_a_private_file_that_goes_with_its_last_reader() {
    let directory = tempfile::tempdir().expect("a directory");
    let caches = caches(&directory, 1 << 30);
    assert!(keep(&caches, A, "/", large(b'a', 10)).await);
    let path = std::fs::read_dir(directory.path().join("cache")).expect("listed").next();
    let path = path.expect("a file").expect("a file").path();
    assert_eq!(std::fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
    let first = filed(&caches, A, "/").expect("in a file");
    assert_eq!(all_of(&first, 0, first.length()).await, vec![b'a'; 640 * KIB]);
    assert_eq!(all_of(&first, 5, 7).await, b"aa");
    let mut reading = first.read(0, first.length()).await.expect("opens");
    let piece = reading.frame().await.expect("more").expect("read").into_data().expect("bytes");
    assert!(piece.len() < 640 * KIB);
    // Replaced and read on.
    assert!(keep(&caches, A, "/", large(b'b', 2)).await);
    drop(first);
    let rest = reading.collect().await.expect("whole").to_bytes();
    assert_eq!(piece.len() + rest.len(), 640 * KIB);
    assert!(rest.iter().all(|byte| *byte == b'a'));
    has_files(&directory, 1).await;
    assert_eq!(caches.0.shelves.held().0.disk, 128 * KIB as u64);
    caches.forget(A);
    has_files(&directory, 0).await;
}

#[tokio::test]
async fn a_body_that_ends_early_or_is_too_large_leaves_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = CacheConfig { object_bytes_max: 256 << 10, ..CacheConfig::default() };
    let caches = Caches::open(directory.path(), &config, Clock::test(Millis(0))).expect("opens");
    assert!(keep(&caches, A, "/", large(b'a', 2)).await);
    let piece = || Ok(Bytes::from(vec![b'b'; 64 * KIB]));
    let cut = stream(vec![piece(), piece(), piece(), Err(Cut::Unfinished)]);
    for body in [
        RequestBody::Stream { from: cut, length: None },
        large(b'b', 5),
        RequestBody::Stream { from: stream(vec![piece()]), length: Some(300 << 10) },
    ] {
        assert!(matches!(caches.0.receive(A, body).await, Err(Ended::Refused(_))));
        assert_eq!(caches.0.shelves.held().0.disk, 128 * KIB as u64);
    }
    has_files(&directory, 1).await;
    assert!(filed(&caches, A, "/").is_some(), "the one before stays");
}

#[tokio::test]
async fn who_fills_the_disk_loses_its_own_whether_kept_or_on_its_way() {
    let directory = tempfile::tempdir().expect("a directory");
    let caches = caches(&directory, 1 << 20);
    assert!(keep(&caches, B, "/kept", large(b'b', 6)).await);
    for n in 0..5 {
        keep(&caches, A, &format!("/{n}"), large(b'a', 4)).await;
        assert!(caches.0.shelves.held().0.disk <= 1 << 20);
    }
    assert!(filed(&caches, B, "/kept").is_some());
    assert!(filed(&caches, A, "/4").is_some() && filed(&caches, A, "/0").is_none());
    // One that never ends holds its place until another wants it.
    let (sender, receiver) = tokio::sync::mpsc::channel::<Bytes>(1);
    let frames = futures_util::stream::unfold(receiver, |mut receiver| async move {
        let bytes = receiver.recv().await?;
        Some((Ok(http_body::Frame::data(bytes)), receiver))
    });
    let from = Upload::new(StreamBody::new(frames));
    let held = caches.clone();
    let stalled =
        async move { keep(&held, A, "/stalled", RequestBody::Stream { from, length: None }).await };
    let others = async {
        // More than half of the disk, so that its tenant is who holds most.
        for _ in 0..11 {
            sender.send(vec![b'a'; 64 * KIB].into()).await.expect("wanted");
        }
        for n in 0..3 {
            assert!(keep(&caches, B, &format!("/{n}"), large(b'b', 2)).await);
        }
        // Until nobody reads it any more.
        sender.closed().await;
    };
    let (kept, ()) = tokio::join!(stalled, others);
    assert!(!kept, "its place was wanted");
    assert!((0..3).all(|n| filed(&caches, B, &format!("/{n}")).is_some()));
}

#[tokio::test]
async fn files_of_an_earlier_process_are_removed() {
    let directory = tempfile::tempdir().expect("a directory");
    let folder = directory.path().join("cache");
    std::fs::create_dir(&folder).expect("made");
    std::fs::write(folder.join("0000000000000000"), b"old").expect("written");
    let caches = caches(&directory, 1 << 20);
    assert_eq!(files(&directory), 0);
    assert!(keep(&caches, A, "/", large(b'a', 2)).await);
    assert!(Folder::open(Path::new("/proc/nowhere").into()).is_err());
}
