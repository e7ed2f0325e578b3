//! Contents: bytes by their hash, each tenant's its own, cut over the rows of one batch.
//!
//! What is cut is a head (format, length) and the bytes. What is read is compared with its
//! hash. Nothing is kept under a hash but what it is of, so a content is never changed.

use std::sync::Arc;

use bindery_wire::{ContentHash, TenantId};
use bytes::Bytes;

use super::row::{self, Error, Result, Store};
use crate::engine::{BATCH_BYTES_MAX, Engine, KeyRange, VALUE_BYTES_MAX, Write};
use crate::key::{Key, Space};

/// Bytes of one content in rows.
pub const CONTENT_BYTES_MAX: usize = 1 << 20;
/// Bytes of one part. A whole one, with its key and what the embedded engine adds, fills 64 KiB
/// on disk; one more than that would take twice as much.
const PART_BYTES: usize = VALUE_BYTES_MAX - 128;
/// Bytes of the format and the length.
const HEAD_BYTES: usize = 1 + 8;
/// Bytes of a part's key.
const KEY_BYTES: usize = 1 + 8 + 32 + 8;
/// Parts of one content.
const PART_COUNT_MAX: usize = (HEAD_BYTES + CONTENT_BYTES_MAX).div_ceil(PART_BYTES);
const TABLE: &str = "contents";

const _: () = assert!(
    HEAD_BYTES + CONTENT_BYTES_MAX + PART_COUNT_MAX * KEY_BYTES < BATCH_BYTES_MAX,
    "a content is the rows of one batch, with room for a check"
);

/// The table of contents.
#[derive(Clone)]
pub struct Contents(Store);

impl Contents {
    /// The table in this store.
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self(Store(engine))
    }

    /// A tenant's content, compared with its hash.
    pub async fn get(&self, tenant: TenantId, hash: &ContentHash) -> Result<Option<Bytes>> {
        let parts = self.0.scan(prefix(tenant, hash).finish(), None, PART_COUNT_MAX + 1).await?;
        if parts.is_empty() {
            return Ok(None);
        }
        let values: Vec<&[u8]> = parts.iter().map(|part| &part.value[..]).collect();
        let whole = values.concat();
        let (length, bytes) = row::body(&whole, TABLE)?
            .split_first_chunk::<{ HEAD_BYTES - 1 }>()
            .ok_or(Error::Damaged(*hash))?;
        if u64::from_be_bytes(*length) != bytes.len() as u64 || ContentHash::of(bytes) != *hash {
            return Err(Error::Damaged(*hash));
        }
        Ok(Some(Bytes::from(whole).slice(HEAD_BYTES..)))
    }

    /// Hashes of a tenant's contents behind `after`, in their order.
    pub async fn list(
        &self,
        tenant: TenantId,
        after: Option<&ContentHash>,
        count_max: usize,
    ) -> Result<Vec<ContentHash>> {
        let all = Key::new(Space::Content).tenant(tenant).finish();
        let mut range = KeyRange::prefix(all.clone());
        if let Some(after) = after {
            skip(&mut range, tenant, after);
        }
        let mut hashes = Vec::new();
        while hashes.len() < count_max {
            // One row at a time: the others of a content would be read for nothing.
            let first = self.0.0.scan(range.clone(), 1).await?;
            let Some(first) = first.first() else { break };
            let hash = first.key.get(all.len()..).and_then(|rest| rest.first_chunk());
            let hash = ContentHash(*hash.ok_or(Error::Malformed(TABLE))?);
            skip(&mut range, tenant, &hash);
            hashes.push(hash);
        }
        Ok(hashes)
    }

    /// Sets a content of at most [`CONTENT_BYTES_MAX`]; all of it belongs into one batch.
    pub fn put(&self, tenant: TenantId, hash: &ContentHash, bytes: &[u8]) -> Vec<Write> {
        let head = row::number_to_bytes(bytes.len() as u64);
        let whole = [&head, bytes].concat();
        let part = |(number, part): (u64, &[u8])| Write::Put {
            key: prefix(tenant, hash).number(number).finish(),
            value: part.to_vec(),
        };
        (0..).zip(whole.chunks(PART_BYTES)).map(part).collect()
    }

    /// Removes a content.
    pub fn delete(&self, tenant: TenantId, hash: &ContentHash) -> Write {
        Write::DeleteRange(prefix(tenant, hash).range())
    }
}

fn prefix(tenant: TenantId, hash: &ContentHash) -> Key {
    Key::new(Space::Content).tenant(tenant).hash(&hash.0)
}

/// Lets a range begin behind a content.
fn skip(range: &mut KeyRange, tenant: TenantId, hash: &ContentHash) {
    if let Some(end) = prefix(tenant, hash).range().end {
        range.start = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Batch, Committed};
    use crate::memory::Memory;

    const A: TenantId = TenantId(1);
    const B: TenantId = TenantId(2);

    struct Fixture {
        engine: Arc<Memory>,
        contents: Contents,
    }

    impl Fixture {
        fn new() -> Self {
            let engine = Arc::new(Memory::new());
            Self { engine: engine.clone(), contents: Contents::new(engine) }
        }

        async fn write(&self, writes: Vec<Write>) {
            let committed = self.engine.commit(Batch { checks: vec![], writes }).await;
            assert!(matches!(committed, Ok(Committed::Done { .. })), "{committed:?}");
        }

        async fn put(&self, tenant: TenantId, bytes: &[u8]) -> ContentHash {
            let hash = ContentHash::of(bytes);
            self.write(self.contents.put(tenant, &hash, bytes)).await;
            hash
        }
    }

    /// Bytes without a period that a part's length divides.
    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at % 251) as u8).collect()
    }

    #[test]
    fn the_bytes_of_a_content_are_frozen() {
        let writes = Fixture::new().contents.put(B, &ContentHash([0xab; 32]), b"code");
        let [Write::Put { key, value }] = &writes[..] else { panic!("one row") };
        assert_eq!(value, b"\x01\0\0\0\0\0\0\0\x04code");
        let wanted = [&[0x0c, 0, 0, 0, 0, 0, 0, 0, 2][..], &[0xab; 32], &[0; 8]].concat();
        assert_eq!(*key, wanted);
        assert_eq!(PART_BYTES, 65_408);
    }

    #[tokio::test]
    async fn a_content_of_any_length_is_cut_where_a_row_is_full_and_comes_back_whole() {
        let one = PART_BYTES - HEAD_BYTES;
        let lengths = [
            (0, 1),
            (1, 1),
            (one - 1, 1),
            (one, 1),
            (one + 1, 2),
            (one + PART_BYTES, 2),
            (one + PART_BYTES + 1, 3),
            (VALUE_BYTES_MAX, 2),
            (CONTENT_BYTES_MAX, PART_COUNT_MAX),
        ];
        for (length, rows) in lengths {
            let (f, bytes) = (Fixture::new(), bytes(length));
            let hash = f.put(A, &bytes).await;
            let there = f.engine.scan(KeyRange::prefix([]), 100).await.expect("scanned");
            assert_eq!(there.len(), rows, "{length}");
            let found = f.contents.get(A, &hash).await.expect("read").expect("there");
            assert!(found == bytes, "{length}");
        }
    }

    #[tokio::test]
    async fn damage_of_every_kind_is_noticed_and_mended_by_the_next_put() {
        let (f, bytes) = (Fixture::new(), bytes(3 * PART_BYTES));
        let hash = f.put(A, &bytes).await;
        let row = |number: u64| prefix(A, &hash).number(number).finish();
        let value = |number: u64| f.engine.get(row(number));
        let put = |number: u64, value: Vec<u8>| Write::Put { key: row(number), value };
        let mut flipped = value(2).await.expect("read").expect("there").to_vec();
        flipped[100] ^= 1;
        let cut = value(1).await.expect("read").expect("there")[1..].to_vec();
        let damages = [
            put(2, flipped),
            put(1, cut),
            put(0, b"\x01\0\0".to_vec()),
            Write::Delete { key: row(1) },
            Write::Delete { key: row(3) },
        ];
        for damage in damages {
            f.write(vec![damage.clone()]).await;
            let read = f.contents.get(A, &hash).await;
            assert!(matches!(read, Err(Error::Damaged(named)) if named == hash), "{damage:?}");
            f.put(A, &bytes).await;
            assert!(f.contents.get(A, &hash).await.expect("read").expect("there") == bytes);
        }
        f.write(vec![Write::Delete { key: row(0) }]).await;
        assert!(f.contents.get(A, &hash).await.is_err());
        f.write(vec![put(0, vec![2])]).await;
        assert!(matches!(f.contents.get(A, &hash).await, Err(Error::TooNew(2))));
        f.put(A, &bytes).await;
        f.write(vec![put(4, vec![0])]).await;
        assert!(matches!(f.contents.get(A, &hash).await, Err(Error::Damaged(_))));
    }

    #[tokio::test]
    async fn a_tenant_reads_lists_and_removes_its_own_contents_alone() {
        let f = Fixture::new();
        let (large, small) = (bytes(2 * PART_BYTES), bytes(3));
        let mut hashes = [f.put(A, &large).await, f.put(A, &small).await];
        let other = f.put(B, &large).await;
        assert_eq!(f.contents.get(B, &ContentHash::of(&small)).await.expect("read"), None);
        hashes.sort_unstable_by_key(|hash| hash.0);
        assert_eq!(f.contents.list(A, None, 10).await.expect("listed"), hashes);
        assert_eq!(f.contents.list(A, None, 1).await.expect("listed"), hashes[..1]);
        let behind = f.contents.list(A, Some(&hashes[0]), 10).await.expect("listed");
        assert_eq!(behind, hashes[1..]);
        assert_eq!(f.contents.list(A, Some(&hashes[1]), 10).await.expect("listed"), []);
        f.write(vec![f.contents.delete(A, &other)]).await;
        assert_eq!(f.contents.get(A, &other).await.expect("read"), None);
        let left = f.contents.list(A, None, 10).await.expect("listed");
        assert_eq!(left, [ContentHash::of(&small)]);
        assert!(f.contents.get(B, &other).await.expect("read").expect("there") == large);
        assert_eq!(f.contents.list(B, None, 10).await.expect("listed"), [other]);
    }

    #[tokio::test]
    async fn a_hash_at_the_end_of_all_hashes_is_listed_and_ends_the_list() {
        let f = Fixture::new();
        let last = ContentHash([0xff; 32]);
        for tenant in [TenantId(u64::MAX), TenantId(0x00ff), TenantId(0x0100)] {
            f.write(f.contents.put(tenant, &last, b"x")).await;
        }
        for tenant in [TenantId(u64::MAX), TenantId(0x00ff)] {
            assert_eq!(f.contents.list(tenant, None, 10).await.expect("listed"), [last]);
        }
    }
}
