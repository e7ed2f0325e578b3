//! Backups: everything that a store and its blobs hold at one moment, as one file.
//!
//! The rows are those of a snapshot. A blob is written before the row that names it, so all that the
//! snapshot names are there when it is taken; one that is deleted while the backup runs is missing
//! from it together with whatever named it last. What is cached, and the keys and tokens that lie
//! beside the store, are not in a backup. `LAYOUT.md` draws the format.

use std::collections::VecDeque;
use std::io::{self, Read};

use bindery_wire::{ContentHash, TenantId};
use bytes::Bytes;
use futures_util::stream::{Stream, try_unfold};
use sha2::{Digest, Sha256};

use crate::blob::{self, BLOB_BYTES_MAX, Blobs};
use crate::engine::{
    self, BATCH_BYTES_MAX, Batch, Committed, Engine, Entry, KEY_BYTES_MAX, KeyRange,
    VALUE_BYTES_MAX, View, Write,
};
use crate::value::{VALUE_FILE_BYTES_MAX, Values};

const MAGIC: [u8; 8] = *b"bndrybak";
const FORMAT: u64 = 1;
/// Rows of one chunk.
const PAGE_COUNT_MAX: usize = 512;
/// Bytes that are read of a file at once while it is verified.
const READ_BYTES: usize = 1 << 20;

mod kind {
    pub(super) const END: u8 = 0;
    pub(super) const ROW: u8 = 1;
    pub(super) const BLOB: u8 = 2;
    pub(super) const VALUE: u8 = 3;
}

/// Why a backup was not made or not restored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] engine::Error),
    /// The blobs failed.
    #[error(transparent)]
    Blob(#[from] blob::Error),
    /// The file can not be read or written.
    #[error("the backup's file can not be read")]
    File(#[from] io::Error),
    /// The file was not made by this kind of program.
    #[error("this is no backup")]
    NoBackup,
    /// The file was made by a newer program.
    #[error("the backup has format {0}; this program reads up to {FORMAT}")]
    TooNew(u64),
    /// The file is not as it was written, or its end is missing.
    #[error("the backup is damaged or was cut off")]
    Damaged,
}

/// The result of what is done with a backup.
pub type Result<T> = std::result::Result<T, Error>;

/// What a backup holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows.
    pub rows: u64,
    /// Blobs.
    pub blobs: u64,
}

/// A backup that is being made.
struct Making {
    view: Box<dyn View>,
    blobs: Blobs,
    hash: Sha256,
    counts: Counts,
    next: Next,
}

/// A file beside the rows.
enum File {
    Blob(ContentHash),
    Value(u64),
}

/// What its next chunk is.
enum Next {
    Head,
    Rows(KeyRange),
    Blobs(VecDeque<(TenantId, File)>),
    End,
    Nothing,
}

/// A backup of what is there now, in chunks. It is whole only if the stream ends without an error.
pub async fn make(
    engine: &dyn Engine,
    blobs: &Blobs,
) -> Result<impl Stream<Item = Result<Bytes>> + Send + use<>> {
    let making = Making {
        view: engine.snapshot().await?,
        blobs: blobs.clone(),
        hash: Sha256::new(),
        counts: Counts::default(),
        next: Next::Head,
    };
    Ok(try_unfold(making, |mut making| async move {
        let chunk = making.chunk().await?;
        Ok(chunk.map(|chunk| (chunk, making)))
    }))
}

impl Making {
    async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let mut chunk = Vec::new();
        self.next = match std::mem::replace(&mut self.next, Next::Nothing) {
            Next::Head => {
                chunk.extend_from_slice(&MAGIC);
                chunk.extend_from_slice(&FORMAT.to_be_bytes());
                Next::Rows(KeyRange::prefix([]))
            }
            Next::Rows(range) => self.rows(range, &mut chunk).await?,
            Next::Blobs(left) => self.blob(left, &mut chunk).await?,
            Next::End => {
                chunk.push(kind::END);
                chunk.extend_from_slice(&self.counts.rows.to_be_bytes());
                chunk.extend_from_slice(&self.counts.blobs.to_be_bytes());
                self.hash.update(&chunk);
                chunk.extend_from_slice(&self.hash.clone().finalize());
                return Ok(Some(chunk.into()));
            }
            Next::Nothing => return Ok(None),
        };
        self.hash.update(&chunk);
        Ok(Some(chunk.into()))
    }

    async fn rows(&mut self, range: KeyRange, chunk: &mut Vec<u8>) -> Result<Next> {
        let rows = self.view.scan(range.clone(), PAGE_COUNT_MAX).await?;
        rows.iter().for_each(|row| push_row(row, chunk));
        self.counts.rows += rows.len() as u64;
        match rows.last() {
            Some(last) if rows.len() >= PAGE_COUNT_MAX => Ok(Next::Rows(range.after(&last.key))),
            _ => {
                let blobs = self.blobs.clone();
                let listed = tokio::task::spawn_blocking(move || list(&blobs)).await;
                Ok(Next::Blobs(listed.map_err(|_| blob::Error::Ended)??))
            }
        }
    }

    async fn blob(
        &mut self,
        mut left: VecDeque<(TenantId, File)>,
        chunk: &mut Vec<u8>,
    ) -> Result<Next> {
        let Some((tenant, file)) = left.pop_front() else { return Ok(Next::End) };
        let values = Values::new(self.blobs.clone());
        let read = match file {
            File::Blob(hash) => self.blobs.get_async(tenant, hash).await,
            File::Value(number) => values.get(tenant, number).await,
        };
        match read {
            Ok(bytes) => {
                chunk.push(if matches!(file, File::Blob(_)) { kind::BLOB } else { kind::VALUE });
                chunk.extend_from_slice(&tenant.0.to_be_bytes());
                if let File::Value(number) = file {
                    chunk.extend_from_slice(&number.to_be_bytes());
                }
                chunk.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
                chunk.extend_from_slice(&bytes);
                self.counts.blobs += 1;
            }
            // Deleted since it was listed.
            Err(blob::Error::Missing(_) | blob::Error::NoValue(_)) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Next::Blobs(left))
    }
}

fn list(blobs: &Blobs) -> Result<VecDeque<(TenantId, File)>> {
    let (mut all, values) = (VecDeque::new(), Values::new(blobs.clone()));
    for tenant in blobs.tenants()? {
        all.extend(blobs.list(tenant)?.into_iter().map(|hash| (tenant, File::Blob(hash))));
        all.extend(values.list(tenant)?.into_iter().map(|number| (tenant, File::Value(number))));
    }
    Ok(all)
}

/// Keys and values are within the limits of every engine, and so of their lengths here.
fn push_row(row: &Entry, chunk: &mut Vec<u8>) {
    let key = u16::try_from(row.key.len()).unwrap_or(u16::MAX);
    let value = u32::try_from(row.value.len()).unwrap_or(u32::MAX);
    chunk.push(kind::ROW);
    chunk.extend_from_slice(&key.to_be_bytes());
    chunk.extend_from_slice(&row.key);
    chunk.extend_from_slice(&value.to_be_bytes());
    chunk.extend_from_slice(&row.value);
}

/// Reads a backup from end to end, and says what it holds if it is whole.
pub fn verify(mut from: impl Read) -> Result<Counts> {
    const HASH_BYTES: usize = 32;
    const END_BYTES: usize = 1 + 8 + 8 + HASH_BYTES;
    let (mut hash, mut tail) = (Sha256::new(), Vec::new());
    check_head(&mut from, &mut hash)?;
    loop {
        let before = tail.len();
        (&mut from).take(READ_BYTES as u64).read_to_end(&mut tail)?;
        if tail.len() == before {
            break;
        }
        // The last bytes are the hash of all before.
        let known = tail.len().saturating_sub(END_BYTES);
        hash.update(&tail[..known]);
        tail.drain(..known);
    }
    let (end, sum) = tail.split_at_checked(END_BYTES - HASH_BYTES).ok_or(Error::Damaged)?;
    hash.update(end);
    if hash.finalize()[..] != *sum || end.first() != Some(&kind::END) {
        return Err(Error::Damaged);
    }
    counts(&end[1..])
}

fn check_head(from: &mut impl Read, hash: &mut Sha256) -> Result<()> {
    let mut head = [0; 16];
    from.read_exact(&mut head).map_err(|_| Error::NoBackup)?;
    if !head.starts_with(&MAGIC) {
        return Err(Error::NoBackup);
    }
    hash.update(head);
    match number(&head[8..])? {
        FORMAT => Ok(()),
        newer => Err(Error::TooNew(newer)),
    }
}

fn counts(bytes: &[u8]) -> Result<Counts> {
    let (rows, blobs) = bytes.split_at_checked(8).ok_or(Error::Damaged)?;
    Ok(Counts { rows: number(rows)?, blobs: number(blobs)? })
}

fn number(bytes: &[u8]) -> Result<u64> {
    Ok(u64::from_be_bytes(bytes.try_into().map_err(|_| Error::Damaged)?))
}

/// Writes what a backup holds into an empty store. It should have been verified before.
pub async fn restore(mut from: impl Read, engine: &dyn Engine, blobs: &Blobs) -> Result<Counts> {
    check_head(&mut from, &mut Sha256::new())?;
    let (mut found, mut batch, mut size) = (Counts::default(), Batch::default(), 0);
    loop {
        let row = match read_array::<1>(&mut from)? {
            [kind::ROW] => read_row(&mut from)?,
            [kind::BLOB] => {
                let tenant = TenantId(u64::from_be_bytes(read_array(&mut from)?));
                let length = u64::from_be_bytes(read_array(&mut from)?);
                let bytes = read_bytes(&mut from, length, BLOB_BYTES_MAX)?;
                blobs.put_async(tenant, bytes.into()).await?;
                found.blobs += 1;
                continue;
            }
            [kind::VALUE] => {
                let tenant = TenantId(u64::from_be_bytes(read_array(&mut from)?));
                let number = u64::from_be_bytes(read_array(&mut from)?);
                let length = u64::from_be_bytes(read_array(&mut from)?);
                let bytes = read_bytes(&mut from, length, VALUE_FILE_BYTES_MAX)?;
                let mut writing = Values::new(blobs.clone()).begin(tenant, number).await?;
                writing.write(bytes.into()).await?;
                writing.finish().await?;
                found.blobs += 1;
                continue;
            }
            [kind::END] => break,
            _ => return Err(Error::Damaged),
        };
        if size + row.bytes() > BATCH_BYTES_MAX {
            commit(engine, std::mem::take(&mut batch)).await?;
            size = 0;
        }
        size += row.bytes();
        batch.writes.push(row);
        found.rows += 1;
    }
    commit(engine, batch).await?;
    if counts(&read_array::<16>(&mut from)?)? == found { Ok(found) } else { Err(Error::Damaged) }
}

async fn commit(engine: &dyn Engine, batch: Batch) -> Result<()> {
    match engine.commit(batch).await? {
        Committed::Done { .. } => Ok(()),
        // Nothing is checked.
        Committed::Conflict { .. } => Err(Error::Damaged),
    }
}

fn read_row(from: &mut impl Read) -> Result<Write> {
    let length = u16::from_be_bytes(read_array(from)?);
    let key = read_bytes(from, length.into(), KEY_BYTES_MAX as u64)?;
    let length = u32::from_be_bytes(read_array(from)?);
    let value = read_bytes(from, length.into(), VALUE_BYTES_MAX as u64)?;
    Ok(Write::Put { key, value })
}

fn read_array<const N: usize>(from: &mut impl Read) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes).map_err(|_| Error::Damaged)?;
    Ok(bytes)
}

fn read_bytes(from: &mut impl Read, length: u64, max: u64) -> Result<Vec<u8>> {
    if length > max {
        return Err(Error::Damaged);
    }
    let mut bytes = Vec::new();
    from.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err(Error::Damaged) }
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt;

    use super::*;
    use crate::memory::Memory;

    const TENANT: TenantId = TenantId(7);

    struct Store {
        engine: Memory,
        blobs: Blobs,
        _directory: tempfile::TempDir,
    }

    fn store() -> Store {
        let directory = tempfile::tempdir().expect("a directory");
        let blobs = Blobs::open(directory.path().join("blobs")).expect("opens");
        Store { engine: Memory::new(), blobs, _directory: directory }
    }

    /// A store with rows of many sizes and two blobs.
    async fn filled(rows: u64) -> Store {
        let store = store();
        for row in 0..rows {
            let value = vec![row as u8; (row * 31 % 3_000) as usize];
            let write = Write::Put { key: row.to_be_bytes().into(), value };
            commit(&store.engine, Batch { checks: vec![], writes: vec![write] })
                .await
                .expect("put");
        }
        for bytes in [&b"one"[..], &[9; 3 << 20]] {
            store.blobs.put(TENANT, bytes).expect("kept");
        }
        let mut value = Values::new(store.blobs.clone()).begin(TENANT, 5).await.expect("begun");
        value.write(Bytes::from_static(b"a large value")).await.expect("written");
        value.finish().await.expect("durable");
        store
    }

    async fn backup(store: &Store) -> Vec<u8> {
        let chunks = make(&store.engine, &store.blobs).await.expect("begun");
        chunks.try_collect::<Vec<_>>().await.expect("made").concat()
    }

    async fn all(engine: &Memory) -> Vec<Entry> {
        engine.scan(KeyRange::prefix([]), 10_000).await.expect("scanned")
    }

    #[tokio::test]
    async fn what_is_restored_is_what_was_backed_up() {
        let (one, two) = (filled(2_000).await, store());
        let bytes = backup(&one).await;
        let expected = Counts { rows: 2_000, blobs: 3 };
        assert_eq!(verify(&bytes[..]).expect("whole"), expected);
        assert_eq!(restore(&bytes[..], &two.engine, &two.blobs).await.expect("done"), expected);
        assert_eq!(all(&one.engine).await, all(&two.engine).await);
        let hash = ContentHash::of(b"one");
        assert_eq!(two.blobs.get(TENANT, &hash).expect("there"), &b"one"[..]);
        assert_eq!(two.blobs.list(TENANT).expect("listed").len(), 2);
        let value = Values::new(two.blobs.clone()).get(TENANT, 5).await.expect("there");
        assert_eq!(value, &b"a large value"[..]);
    }

    #[tokio::test]
    async fn the_bytes_of_a_backup_are_frozen() {
        let store = store();
        let write = Write::Put { key: b"key".into(), value: b"value".into() };
        commit(&store.engine, Batch { checks: vec![], writes: vec![write] }).await.expect("put");
        store.blobs.put(TENANT, b"blob").expect("kept");
        let hex: String = backup(&store).await.iter().map(|byte| format!("{byte:02x}")).collect();
        expect_test::expect!["626e64727962616b00000000000000010100036b65790000000576616c75650200000000000000070000000000000004626c6f620000000000000000010000000000000001601ddfa46727ce1c343e4429d0c156641c4492d85908220a2192ed8174ae8b45"].assert_eq(&hex);
    }

    #[tokio::test]
    async fn a_backup_with_any_byte_changed_or_its_end_cut_off_is_refused() {
        let bytes = backup(&filled(20).await).await;
        for place in (0..bytes.len()).step_by(bytes.len() / 50).chain([bytes.len() - 1]) {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            assert!(verify(&changed[..]).is_err(), "byte {place}");
            assert!(verify(&bytes[..place]).is_err(), "cut at {place}");
        }
        assert!(matches!(verify(&b"something else"[..]), Err(Error::NoBackup)));
        let mut newer = bytes;
        newer[15] = 2;
        assert!(matches!(verify(&newer[..]), Err(Error::TooNew(2))));
    }

    #[tokio::test]
    async fn commits_made_while_a_backup_runs_are_not_in_it() {
        let store = filled(2_000).await;
        let mut chunks = Box::pin(make(&store.engine, &store.blobs).await.expect("begun"));
        let mut bytes = chunks.try_next().await.expect("made").expect("a head").to_vec();
        let writes = vec![Write::DeleteRange(KeyRange::prefix([]))];
        commit(&store.engine, Batch { checks: vec![], writes }).await.expect("deleted");
        while let Some(chunk) = chunks.try_next().await.expect("made") {
            bytes.extend_from_slice(&chunk);
        }
        assert_eq!(verify(&bytes[..]).expect("whole").rows, 2_000);
    }
}
