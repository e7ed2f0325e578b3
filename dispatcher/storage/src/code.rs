//! Compiled code: what an engine made of a module, kept for the next start.
//!
//! `<directory>/<engine build>/<tenant number>/<module's hash>`. A cache: nothing is flushed, an
//! entry that is damaged or gone is a miss, and the directories of other builds are removed
//! when it is opened. No tenant is given what was compiled for another, even of the same source.
//! Over the limit, the tenant with the most bytes loses its oldest entries first, so that no
//! tenant's uploads push out everybody else's code.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use bindery_wire::{ContentHash, TenantId};
use bytes::Bytes;

use crate::blob::{directory_of, tenant_of};
use crate::disk::{self, Drafts, Durability};

/// Bytes of one entry, without its checksum: as many as a frame from an isolate can hold.
pub const ENTRY_BYTES_MAX: usize = 16 << 20;
/// Bytes of the checksum at the start of each file.
const CHECKSUM_BYTES: usize = 32;

/// The compiled code of one engine build. Copies are cheap, and the same cache. Methods block.
#[derive(Clone, Debug)]
pub struct CodeCache(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The build's own directory.
    directory: PathBuf,
    drafts: Drafts,
    bytes_max: u64,
    /// Bytes of all entries, or a little more; absent until the first entry is written.
    bytes: Mutex<Option<u64>>,
}

impl CodeCache {
    /// Opens the cache for this engine build, and removes what other builds left.
    pub fn open(directory: &Path, engine: &str, bytes_max: u64) -> io::Result<Self> {
        // A hash, for the build's name may hold anything.
        let build = ContentHash::of(engine.as_bytes()).hex();
        disk::make_directory(directory)?;
        for name in disk::names(directory)? {
            if name != build {
                disk::remove_directory(&directory.join(name))?;
            }
        }
        let drafts = Drafts::open(directory.join("drafts"))?;
        let directory = directory.join(build);
        disk::make_directory(&directory)?;
        let bytes = Mutex::new(None);
        Ok(Self(Arc::new(Inner { directory, drafts, bytes_max, bytes })))
    }

    /// What was compiled from a tenant's module. A damaged entry is removed.
    pub fn get(&self, tenant: TenantId, module: &ContentHash) -> Option<Bytes> {
        let path = self.path(tenant, module);
        let file = Bytes::from(fs::read(&path).ok()?);
        if let Some((checksum, code)) = file.split_first_chunk::<CHECKSUM_BYTES>()
            && ContentHash::of(code).0 == *checksum
        {
            return Some(file.slice(CHECKSUM_BYTES..));
        }
        // If it can not be removed either, the next start is a miss again.
        let _ = disk::remove_file(&path);
        None
    }

    /// Keeps what was compiled from a tenant's module. What is over a limit is not kept.
    pub fn put(&self, tenant: TenantId, module: &ContentHash, code: &[u8]) -> io::Result<()> {
        let size = (code.len() + CHECKSUM_BYTES) as u64;
        if code.len() > ENTRY_BYTES_MAX || size > self.0.bytes_max {
            return Ok(());
        }
        self.make_room(size)?;
        disk::make_directory(&self.of(tenant))?;
        let checksum = ContentHash::of(code);
        let path = self.path(tenant, module);
        self.0.drafts.write(&path, &[&checksum.0, code], Durability::Later)
    }

    /// Removes all that was compiled for a tenant.
    pub fn delete_tenant(&self, tenant: TenantId) -> io::Result<()> {
        disk::remove_directory(&self.of(tenant))
    }

    /// Counts `size` more bytes, and evicts down to nine tenths of the limit if they do not fit:
    /// the files are looked through once per tenth, not at every entry.
    fn make_room(&self, size: u64) -> io::Result<()> {
        let mut held = self.0.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = match *held {
            Some(bytes) if bytes + size <= self.0.bytes_max => bytes,
            _ => self.evict(size)?,
        };
        *held = Some(counted + size);
        Ok(())
    }

    /// Evicts until `size` more bytes fit; gives the bytes that are left.
    fn evict(&self, size: u64) -> io::Result<u64> {
        let entries = self.entries()?;
        let bytes: u64 = entries.iter().map(|entry| entry.bytes).sum();
        if bytes + size <= self.0.bytes_max {
            return Ok(bytes);
        }
        let goal = (self.0.bytes_max / 10 * 9).saturating_sub(size);
        let mut left = bytes;
        for entry in victims(entries, bytes.saturating_sub(goal)) {
            disk::remove_file(&entry.path)?;
            left -= entry.bytes;
        }
        Ok(left)
    }

    /// Every entry there is.
    fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for name in disk::names(&self.0.directory)? {
            let Some(tenant) = tenant_of(&name) else { continue };
            let directory = self.0.directory.join(name);
            for name in disk::names(&directory)? {
                let path = directory.join(name);
                // Gone since: a damaged entry or a deleted tenant.
                let Ok(metadata) = fs::metadata(&path) else { continue };
                let (bytes, written) = (metadata.len(), metadata.modified()?);
                entries.push(Entry { tenant, path, bytes, written });
            }
        }
        Ok(entries)
    }

    fn of(&self, tenant: TenantId) -> PathBuf {
        self.0.directory.join(directory_of(tenant))
    }

    fn path(&self, tenant: TenantId, module: &ContentHash) -> PathBuf {
        self.of(tenant).join(module.hex())
    }
}

/// A file of the cache.
#[derive(Clone, Debug)]
struct Entry {
    tenant: TenantId,
    path: PathBuf,
    bytes: u64,
    written: SystemTime,
}

/// Which entries go so that `excess` bytes do: again and again the oldest one of the tenant that
/// has the most bytes, and among equals the oldest.
fn victims(mut entries: Vec<Entry>, excess: u64) -> Vec<Entry> {
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.written));
    let mut tenants: BTreeMap<TenantId, (u64, Vec<Entry>)> = BTreeMap::new();
    for entry in entries {
        let (bytes, newest_first) = tenants.entry(entry.tenant).or_default();
        *bytes += entry.bytes;
        newest_first.push(entry);
    }
    let (mut chosen, mut freed) = (Vec::new(), 0);
    while freed < excess {
        let largest = tenants.values_mut().max_by_key(|(bytes, newest_first)| {
            (*bytes, newest_first.last().map(|oldest| std::cmp::Reverse(oldest.written)))
        });
        let Some((bytes, newest_first)) = largest else { break };
        let Some(entry) = newest_first.pop() else { break };
        *bytes -= entry.bytes;
        freed += entry.bytes;
        chosen.push(entry);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use super::*;

    const A: TenantId = TenantId(1);
    const B: TenantId = TenantId(2);

    fn open(directory: &tempfile::TempDir, engine: &str, bytes_max: u64) -> CodeCache {
        CodeCache::open(&directory.path().join("code"), engine, bytes_max).expect("opens")
    }

    #[test]
    fn code_is_found_by_tenant_and_module_and_survives_reopening() {
        let directory = tempfile::tempdir().expect("a directory");
        let (one, two) = (ContentHash::of(b"1"), ContentHash::of(b"2"));
        open(&directory, "v8 14/x", 1 << 20).put(A, &one, b"compiled").expect("kept");
        let cache = open(&directory, "v8 14/x", 1 << 20);
        assert_eq!(cache.get(A, &one).expect("a hit"), &b"compiled"[..]);
        assert_eq!(cache.get(A, &two), None);
        assert_eq!(cache.get(B, &one), None);
        cache.delete_tenant(A).expect("deleted");
        assert_eq!(cache.get(A, &one), None);
    }

    #[test]
    fn another_engine_build_finds_nothing_and_removes_what_was_there() {
        let directory = tempfile::tempdir().expect("a directory");
        let module = ContentHash::of(b"1");
        let old = open(&directory, "a", 1 << 20);
        old.put(A, &module, b"compiled").expect("kept");
        let new = open(&directory, "b", 1 << 20);
        assert_eq!(new.get(A, &module), None);
        assert!(!old.0.directory.exists());
    }

    #[test]
    fn a_damaged_entry_is_a_miss_and_is_removed() {
        let directory = tempfile::tempdir().expect("a directory");
        let module = ContentHash::of(b"1");
        let cache = open(&directory, "a", 1 << 20);
        cache.put(A, &module, b"compiled").expect("kept");
        let path = cache.path(A, &module);
        let whole = fs::read(&path).expect("there");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        let mut flipped = whole.clone();
        *flipped.last_mut().expect("not empty") ^= 1;
        for damaged in [&flipped[..], &whole[..whole.len() - 1], &whole[..5], &[]] {
            fs::write(&path, damaged).expect("damaged");
            assert_eq!(cache.get(A, &module), None);
            assert!(!path.exists());
        }
    }

    #[test]
    fn the_bytes_on_disk_stay_under_the_limit() {
        let directory = tempfile::tempdir().expect("a directory");
        let cache = open(&directory, "a", 10_000);
        for number in 0_u32..100 {
            cache.put(A, &ContentHash::of(&number.to_be_bytes()), &[7; 1_000]).expect("kept");
        }
        let bytes: u64 = cache.entries().expect("listed").iter().map(|entry| entry.bytes).sum();
        assert!((5_000..=10_000).contains(&bytes), "{bytes}");
        let newest = ContentHash::of(&99_u32.to_be_bytes());
        assert!(cache.get(A, &newest).is_some());
        cache.put(B, &newest, &[7; 10_000]).expect("left out");
        assert_eq!(cache.get(B, &newest), None);
        // What lay there before a restart counts too.
        let cache = open(&directory, "a", 3_000);
        cache.put(B, &newest, &[7; 1_000]).expect("kept");
        let bytes: u64 = cache.entries().expect("listed").iter().map(|entry| entry.bytes).sum();
        assert!(bytes <= 3_000, "{bytes}");
    }

    #[test]
    fn the_tenant_with_the_most_bytes_loses_its_oldest_entries_first() {
        let entry = |tenant, name: &str, bytes, at| Entry {
            tenant,
            path: name.into(),
            bytes,
            written: SystemTime::UNIX_EPOCH + Duration::from_secs(at),
        };
        let entries = vec![
            entry(B, "b-oldest", 10, 1),
            entry(A, "a-new", 10, 4),
            entry(A, "a-old", 10, 2),
            entry(A, "a-mid", 10, 3),
        ];
        let chosen = |excess| -> Vec<PathBuf> {
            victims(entries.clone(), excess).into_iter().map(|entry| entry.path).collect()
        };
        assert_eq!(chosen(15), [Path::new("a-old"), Path::new("a-mid")]);
        assert_eq!(chosen(25), [Path::new("a-old"), Path::new("a-mid"), Path::new("b-oldest")]);
        assert!(chosen(0).is_empty());
        assert_eq!(chosen(1_000).len(), 4);
    }
}
