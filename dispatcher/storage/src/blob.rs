//! Blobs: bytes too large for rows, named by their hash, each tenant's in a directory of its own.
//!
//! `<directory>/<tenant number>/<first 2 digits>/<64 digits>`. A blob is on disk under its name,
//! whole, when `put` returns; what is read is compared with its name. Two tenants never share a
//! file, so none can learn or lose anything through another's upload. A tenant's uploads and
//! the deletion of its blobs are kept apart by the caller: a blob is nothing that a batch can
//! check.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bindery_wire::{ContentHash, TenantId};
use bytes::Bytes;

use crate::disk::{self, Drafts, Durability};

/// Bytes of one blob.
pub const BLOB_BYTES_MAX: u64 = 64 << 20;

/// Why a blob was not kept or not found.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Over the limit.
    #[error("a blob of {got} bytes; the limit is {BLOB_BYTES_MAX}")]
    TooLarge {
        /// Its size.
        got: u64,
    },
    /// The tenant has no such blob.
    #[error("there is no blob {0}")]
    Missing(ContentHash),
    /// The tenant has no such value.
    #[error("there is no file of the value {0:016x}")]
    NoValue(u64),
    /// The file does not hold what its key says.
    #[error("the file of the value {0:016x} is damaged on disk")]
    DamagedValue(u64),
    /// The file does not hold what its name says.
    #[error("the blob {0} is damaged on disk")]
    Corrupt(ContentHash),
    /// The disk failed.
    #[error("the disk failed under a blob")]
    Disk(#[from] io::Error),
    /// The thread that does the work is gone.
    #[error("the blob's thread has ended")]
    Ended,
}

/// The result of a call to the blobs.
pub type Result<T> = std::result::Result<T, Error>;

/// The blobs of every tenant. Copies are cheap, and the same store.
///
/// Methods block the thread, but for those named `_async`. One process may have them open.
#[derive(Clone, Debug)]
pub struct Blobs(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    directory: PathBuf,
    drafts: Drafts,
}

impl Blobs {
    /// Opens the blobs under `directory`, or makes it.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self> {
        let directory = directory.into();
        disk::make_directory(&directory)?;
        let drafts = Drafts::open(directory.join("drafts"))?;
        disk::sync_parent(&directory)?;
        Ok(Self(Arc::new(Inner { directory, drafts })))
    }

    /// Keeps a tenant's bytes. They are durable when this returns.
    pub fn put(&self, tenant: TenantId, bytes: &[u8]) -> Result<ContentHash> {
        let length = bytes.len() as u64;
        if length > BLOB_BYTES_MAX {
            return Err(Error::TooLarge { got: length });
        }
        let hash = ContentHash::of(bytes);
        let shelf = self.shelf(tenant, &hash);
        let path = shelf.join(hash.hex());
        if !holds(&path, length)? {
            disk::make_directory(&shelf)?;
            self.0.drafts.write(&path, &[bytes], Durability::Synced)?;
        }
        // A file that was there may be another call's, whose directories are not on disk yet.
        for directory in [shelf, self.of(tenant), self.0.directory.clone()] {
            disk::sync_directory(&directory)?;
        }
        Ok(hash)
    }

    /// A tenant's blob, compared with its name.
    pub fn get(&self, tenant: TenantId, hash: &ContentHash) -> Result<Bytes> {
        let bytes = match read(&self.path(tenant, hash)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(Error::Missing(*hash)),
            Err(error) => return Err(error.into()),
        };
        if ContentHash::of(&bytes) == *hash { Ok(bytes.into()) } else { Err(Error::Corrupt(*hash)) }
    }

    /// Removes a tenant's blob, if it is there.
    pub fn delete(&self, tenant: TenantId, hash: &ContentHash) -> Result<()> {
        Ok(disk::remove_file(&self.path(tenant, hash))?)
    }

    /// Removes all blobs of a tenant.
    pub fn delete_tenant(&self, tenant: TenantId) -> Result<()> {
        disk::remove_directory(&self.of(tenant))?;
        Ok(disk::sync_directory(&self.0.directory)?)
    }

    /// The tenants that have blobs, in no order.
    pub fn tenants(&self) -> Result<Vec<TenantId>> {
        let names = disk::names(&self.0.directory)?;
        Ok(names.iter().filter_map(|name| tenant_of(name)).collect())
    }

    /// The blobs of a tenant, in no order.
    pub fn list(&self, tenant: TenantId) -> Result<Vec<ContentHash>> {
        let directory = self.of(tenant);
        let mut hashes = Vec::new();
        for shelf in disk::names(&directory)? {
            let names = disk::names(&directory.join(shelf))?;
            let named = names.iter().map(|name| format!("sha_{name}").parse::<ContentHash>());
            hashes.extend(named.flatten());
        }
        Ok(hashes)
    }

    /// [`Self::put`] on a thread that may block. A call that was dropped is still carried out.
    pub async fn put_async(&self, tenant: TenantId, bytes: Bytes) -> Result<ContentHash> {
        let blobs = self.clone();
        let put = tokio::task::spawn_blocking(move || blobs.put(tenant, &bytes));
        put.await.map_err(|_| Error::Ended)?
    }

    /// [`Self::get`] on a thread that may block.
    pub async fn get_async(&self, tenant: TenantId, hash: ContentHash) -> Result<Bytes> {
        let blobs = self.clone();
        let get = tokio::task::spawn_blocking(move || blobs.get(tenant, &hash));
        get.await.map_err(|_| Error::Ended)?
    }

    /// The directory of a tenant.
    pub(crate) fn of(&self, tenant: TenantId) -> PathBuf {
        self.0.directory.join(directory_of(tenant))
    }

    /// The directory of all tenants.
    pub(crate) fn directory(&self) -> &Path {
        &self.0.directory
    }

    fn shelf(&self, tenant: TenantId, hash: &ContentHash) -> PathBuf {
        self.of(tenant).join(hash.hex().get(..2).unwrap_or_default())
    }

    fn path(&self, tenant: TenantId, hash: &ContentHash) -> PathBuf {
        self.shelf(tenant, hash).join(hash.hex())
    }
}

/// The name of a tenant's directory: its number, never its name, as 16 hexadecimal digits.
pub(crate) fn directory_of(tenant: TenantId) -> String {
    format!("{:016x}", tenant.0)
}

/// The tenant whose directory has this name, if it is a tenant's.
pub(crate) fn tenant_of(name: &str) -> Option<TenantId> {
    let tenant = TenantId(u64::from_str_radix(name, 16).ok()?);
    (directory_of(tenant) == name).then_some(tenant)
}

/// Whether a file of this length is there.
fn holds(path: &Path, length: u64) -> Result<bool> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.is_file() && metadata.len() == length),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// A file's bytes; one byte over the limit is enough to see that it is damaged.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let length = file.metadata()?.len().min(BLOB_BYTES_MAX);
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default() + 1);
    file.take(BLOB_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const A: TenantId = TenantId(1);
    const B: TenantId = TenantId(0x2f);

    fn open(directory: &tempfile::TempDir) -> Blobs {
        Blobs::open(directory.path().join("blobs")).expect("opens")
    }

    #[test]
    fn what_was_put_comes_back_to_its_tenant_only_and_after_reopening() {
        let directory = tempfile::tempdir().expect("a directory");
        let hash = open(&directory).put(A, b"module").expect("kept");
        let blobs = open(&directory);
        assert_eq!(blobs.get(A, &hash).expect("found"), &b"module"[..]);
        assert!(matches!(blobs.get(B, &hash), Err(Error::Missing(missing)) if missing == hash));
        let shelf = format!("blobs/0000000000000001/{}", &hash.hex()[..2]);
        assert!(directory.path().join(shelf).join(hash.hex()).is_file());
    }

    #[test]
    fn a_blob_that_is_there_is_not_written_again() {
        let directory = tempfile::tempdir().expect("a directory");
        let blobs = open(&directory);
        let hash = blobs.put(A, b"module").expect("kept");
        let written =
            || fs::metadata(blobs.path(A, &hash)).expect("there").modified().expect("set");
        let before = written();
        blobs.put(A, b"module").expect("kept");
        assert_eq!(written(), before);
    }

    #[test]
    fn damage_is_an_error_that_names_the_hash_and_a_cut_is_mended_by_the_next_put() {
        let directory = tempfile::tempdir().expect("a directory");
        let blobs = open(&directory);
        let hash = blobs.put(A, b"module").expect("kept");
        fs::write(blobs.path(A, &hash), b"modul").expect("damaged");
        let error = blobs.get(A, &hash).expect_err("damaged");
        assert!(matches!(error, Error::Corrupt(named) if named == hash));
        assert!(error.to_string().contains(&hash.hex()));
        blobs.put(A, b"module").expect("kept");
        assert_eq!(blobs.get(A, &hash).expect("found"), &b"module"[..]);
    }

    #[test]
    fn deletion_takes_one_blob_or_one_tenant_and_lists_say_what_is_left() {
        let directory = tempfile::tempdir().expect("a directory");
        let blobs = open(&directory);
        let one = blobs.put(A, b"1").expect("kept");
        let two = blobs.put(A, b"2").expect("kept");
        blobs.put(B, b"1").expect("kept");
        blobs.delete(A, &one).expect("deleted");
        blobs.delete(A, &one).expect("deleted already");
        assert_eq!(blobs.list(A).expect("listed"), [two]);
        assert!(blobs.get(B, &one).is_ok());
        blobs.delete_tenant(A).expect("deleted");
        blobs.delete_tenant(A).expect("deleted already");
        assert_eq!(blobs.tenants().expect("listed"), [B]);
        assert_eq!(blobs.list(A).expect("listed"), []);
    }

    #[test]
    fn only_the_servers_user_can_look_and_drafts_of_a_killed_process_go() {
        let directory = tempfile::tempdir().expect("a directory");
        let blobs = open(&directory);
        let hash = blobs.put(A, b"module").expect("kept");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&blobs.path(A, &hash)), 0o600);
        assert_eq!(mode(&blobs.shelf(A, &hash)), 0o700);
        assert_eq!(mode(&blobs.of(A)), 0o700);
        assert_eq!(mode(&blobs.0.directory), 0o700);
        let draft = blobs.0.directory.join("drafts/7");
        fs::write(&draft, b"half").expect("written");
        open(&directory);
        assert!(!draft.exists());
    }

    #[test]
    fn a_blob_over_the_limit_is_refused_before_it_is_written() {
        let directory = tempfile::tempdir().expect("a directory");
        let blobs = open(&directory);
        let bytes = vec![0; 64 * 1024 * 1024 + 1];
        assert!(matches!(blobs.put(A, &bytes), Err(Error::TooLarge { .. })));
        assert_eq!(blobs.tenants().expect("listed"), []);
    }

    #[tokio::test]
    async fn the_async_calls_do_what_the_others_do() {
        let directory = tempfile::tempdir().expect("a directory");
        let blobs = open(&directory);
        let hash = blobs.put_async(A, Bytes::from_static(b"module")).await.expect("kept");
        assert_eq!(blobs.get_async(A, hash).await.expect("found"), &b"module"[..]);
    }
}
