//! Values of keys that are too large for rows: files under a number that the key's row names.
//!
//! `<blobs>/<tenant number>/values/<16 digits>`: beside the tenant's blobs, with which they are
//! removed when the tenant is. A file is written once, piece by piece, and durable when
//! [`Writing::finish`] returns; what is read is compared with its hash before the last piece is
//! given out. Who holds which file, the rows say ([`crate::tables::KvTable`]).

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use bindery_wire::{ContentHash, TenantId};
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::blob::{Blobs, Error, Result};
use crate::disk;

/// Bytes of one file.
pub const VALUE_FILE_BYTES_MAX: u64 = 25 << 20;
/// Bytes that are read at once.
const READ_BYTES: usize = 128 << 10;

/// A value in a file, as the row of its key has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LargeValue {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its number.
    pub number: u64,
    /// Its length.
    pub length: u64,
    /// What it is.
    pub hash: ContentHash,
}

/// The large values of every tenant. Copies are cheap, and the same store.
#[derive(Clone, Debug)]
pub struct Values(Blobs);

impl Values {
    /// Those that lie with these blobs.
    pub fn new(blobs: Blobs) -> Self {
        Self(blobs)
    }

    /// Begins a file. There must be none of this number.
    pub async fn begin(&self, tenant: TenantId, number: u64) -> Result<Writing> {
        let (blobs, directory) = (self.0.clone(), self.of(tenant));
        let path = self.path(tenant, number);
        let begun = blocking(move || {
            disk::make_directory(&directory)?;
            let mut options = OpenOptions::new();
            let file = options.write(true).create_new(true).mode(disk::FILE_MODE).open(path)?;
            let directories = [directory, blobs.of(tenant), blobs.directory().to_owned()];
            Ok(Work { file, hash: Sha256::new(), length: 0, directories })
        });
        Ok(Writing(Some(begun.await?)))
    }

    /// Begins to read a value.
    pub async fn open(&self, value: LargeValue) -> Result<Reading> {
        let LargeValue { tenant, number, length, hash: wanted } = value;
        let path = self.path(tenant, number);
        let file = blocking(move || open(&path, number)).await?;
        Ok(Reading(Some(Left { file, number, hash: Sha256::new(), left: length, wanted })))
    }

    /// All of a file, whatever it holds.
    pub async fn get(&self, tenant: TenantId, number: u64) -> Result<Bytes> {
        let path = self.path(tenant, number);
        let read = blocking(move || {
            let mut bytes = Vec::new();
            open(&path, number)?.take(VALUE_FILE_BYTES_MAX).read_to_end(&mut bytes)?;
            Ok(bytes.into())
        });
        read.await
    }

    /// Removes a file, if it is there.
    pub async fn delete(&self, tenant: TenantId, number: u64) -> Result<()> {
        let path = self.path(tenant, number);
        blocking(move || Ok(disk::remove_file(&path)?)).await
    }

    /// The numbers of a tenant's files, in no order. Blocks the thread.
    pub fn list(&self, tenant: TenantId) -> Result<Vec<u64>> {
        let names = disk::names(&self.of(tenant))?;
        Ok(names.iter().filter_map(|name| u64::from_str_radix(name, 16).ok()).collect())
    }

    fn of(&self, tenant: TenantId) -> PathBuf {
        self.0.of(tenant).join("values")
    }

    fn path(&self, tenant: TenantId, number: u64) -> PathBuf {
        self.of(tenant).join(format!("{number:016x}"))
    }
}

fn open(path: &std::path::Path, number: u64) -> Result<File> {
    File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::NoValue(number),
        _ => error.into(),
    })
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::Ended)?
}

/// A file that is being written. Whoever drops it before it is finished removes the file.
#[derive(Debug)]
pub struct Writing(Option<Work>);

#[derive(Debug)]
struct Work {
    file: File,
    hash: Sha256,
    length: u64,
    directories: [PathBuf; 3],
}

impl Writing {
    /// Appends some bytes.
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        let mut work = self.0.take().ok_or(Error::Ended)?;
        let length = work.length + bytes.len() as u64;
        if length > VALUE_FILE_BYTES_MAX {
            return Err(Error::TooLarge { got: length });
        }
        let written = blocking(move || {
            work.file.write_all(&bytes)?;
            work.hash.update(&bytes);
            work.length = length;
            Ok(work)
        });
        self.0 = Some(written.await?);
        Ok(())
    }

    /// Has all of it on disk, and says what it is: its length and its hash.
    pub async fn finish(mut self) -> Result<(u64, ContentHash)> {
        let work = self.0.take().ok_or(Error::Ended)?;
        let finished = blocking(move || {
            work.file.sync_all()?;
            for directory in &work.directories {
                disk::sync_directory(directory)?;
            }
            Ok((work.length, ContentHash(work.hash.finalize().into())))
        });
        finished.await
    }
}

/// A file that is being read. Removed meanwhile, it is read to its end.
#[derive(Debug)]
pub struct Reading(Option<Left>);

#[derive(Debug)]
struct Left {
    file: File,
    number: u64,
    hash: Sha256,
    left: u64,
    wanted: ContentHash,
}

impl Reading {
    /// The next bytes; absent behind the last ones.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        let Some(mut left) = self.0.take().filter(|left| left.left > 0) else { return Ok(None) };
        let read = blocking(move || {
            let length = usize::try_from(left.left).unwrap_or(READ_BYTES).min(READ_BYTES);
            let mut bytes = vec![0; length];
            match left.file.read_exact(&mut bytes) {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    return Err(Error::DamagedValue(left.number));
                }
                read => read?,
            }
            left.hash.update(&bytes);
            left.left -= length as u64;
            if left.left == 0 && ContentHash(left.hash.clone().finalize().into()) != left.wanted {
                return Err(Error::DamagedValue(left.number));
            }
            Ok((left, Bytes::from(bytes)))
        });
        let (left, bytes) = read.await?;
        self.0 = Some(left);
        Ok(Some(bytes))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const A: TenantId = TenantId(1);
    const B: TenantId = TenantId(2);

    struct Fixture {
        values: Values,
        blobs: Blobs,
        directory: tempfile::TempDir,
    }

    fn fixture() -> Fixture {
        let directory = tempfile::tempdir().expect("a directory");
        let blobs = Blobs::open(directory.path().join("blobs")).expect("opens");
        Fixture { values: Values::new(blobs.clone()), blobs, directory }
    }

    async fn put(values: &Values, tenant: TenantId, number: u64, pieces: &[&'static [u8]]) {
        let mut writing = values.begin(tenant, number).await.expect("begun");
        for piece in pieces {
            writing.write(Bytes::from_static(piece)).await.expect("written");
        }
        let (length, hash) = writing.finish().await.expect("durable");
        assert_eq!(
            (length, hash),
            (pieces.concat().len() as u64, ContentHash::of(&pieces.concat()))
        );
    }

    fn large(tenant: TenantId, number: u64, content: &[u8]) -> LargeValue {
        let (length, hash) = (content.len() as u64, ContentHash::of(content));
        LargeValue { tenant, number, length, hash }
    }

    async fn read(values: &Values, number: u64, wanted: &[u8]) -> Result<Vec<u8>> {
        let value = large(A, number, wanted);
        let (mut reading, mut all) = (values.open(value).await?, Vec::new());
        while let Some(piece) = reading.next().await? {
            all.extend_from_slice(&piece);
        }
        Ok(all)
    }

    #[tokio::test]
    async fn a_value_is_written_in_pieces_and_read_in_pieces_by_its_tenant_alone() {
        static LONG: [u8; 300_000] = [7; 300_000];
        let f = fixture();
        put(&f.values, A, 0xab, &[b"one ", &LONG, b" two"]).await;
        let whole = [&b"one "[..], &LONG, b" two"].concat();
        assert!(read(&f.values, 0xab, &whole).await.expect("read") == whole);
        let theirs = large(B, 0xab, &whole);
        assert!(matches!(f.values.open(theirs).await, Err(Error::NoValue(0xab))));
        assert!(f.values.begin(A, 0xab).await.is_err(), "a number is given once");
        put(&f.values, B, 0xab, &[b"another tenant's"]).await;
        assert_eq!(f.values.list(A).expect("listed"), [0xab]);
        assert!(f.blobs.list(A).expect("listed").is_empty());
        f.values.delete(A, 0xab).await.expect("deleted");
        f.values.delete(A, 0xab).await.expect("it is fine that it is not there");
        assert!(matches!(read(&f.values, 0xab, b"").await, Err(Error::NoValue(_))));
        f.blobs.delete_tenant(B).expect("deleted");
        assert!(f.values.list(B).expect("listed").is_empty());
    }

    #[tokio::test]
    async fn damage_is_seen_before_the_last_bytes_are_given_out() {
        let f = fixture();
        put(&f.values, A, 1, &[b"as it was"]).await;
        let path = f.directory.path().join(format!("blobs/{:016x}/values/{:016x}", 1, 1));
        for damaged in [&b"as it is!"[..], b"as it"] {
            fs::write(&path, damaged).expect("damaged");
            let read = read(&f.values, 1, b"as it was").await;
            assert!(matches!(read, Err(Error::DamagedValue(1))), "{read:?}");
        }
    }

    #[tokio::test]
    async fn a_file_that_is_removed_is_read_to_its_end() {
        static LONG: [u8; READ_BYTES + 1] = [7; READ_BYTES + 1];
        let f = fixture();
        put(&f.values, A, 1, &[&LONG]).await;
        let mut reading = f.values.open(large(A, 1, &LONG)).await.expect("opened");
        assert_eq!(reading.next().await.expect("read").expect("some").len(), READ_BYTES);
        f.values.delete(A, 1).await.expect("deleted");
        assert_eq!(reading.next().await.expect("read").expect("some").len(), 1);
        assert_eq!(reading.next().await.expect("read"), None);
    }
}
