//! The seam: what everything above asks of a store, and all that a distributed one must offer.
//!
//! An ordered map from bytes to bytes with atomic, conditional, durable commits. Nothing above
//! may assume that the store is in this process.

use std::ops::Bound;

use bytes::Bytes;
use futures_util::future::BoxFuture;

/// Bytes of one key.
pub const KEY_BYTES_MAX: usize = 2 << 10;
/// Bytes of one value.
pub const VALUE_BYTES_MAX: usize = 64 << 10;
/// Bytes of all keys and values of one batch.
pub const BATCH_BYTES_MAX: usize = (1 << 20) + (64 << 10);
/// Rows of one scan.
pub const SCAN_COUNT_MAX: usize = 10_000;

/// Why a store did not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// A key, value or batch over its limit.
    #[error("{what} of {got} bytes; the limit is {max}")]
    TooLarge {
        /// What: a key, a value, a batch.
        what: &'static str,
        /// Its size.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// An `add` to a row that holds no counter, or past the end of the numbers.
    #[error("the row under `{key}` is not a counter that can take this")]
    NotACounter {
        /// The key, in hexadecimal.
        key: String,
    },
    /// A snapshot was used after its life.
    #[error("the snapshot has expired")]
    Expired,
    /// The store failed, or is shut down.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
}

/// The result of a call to a store.
pub type Result<T> = std::result::Result<T, Error>;

/// The first and the last of some keys.
pub(crate) type Bounds<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// Which rows a scan or a deletion takes: from `start` on, before `end`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// The first key.
    pub start: Vec<u8>,
    /// The first key after the range; absent for no end.
    pub end: Option<Vec<u8>>,
}

impl KeyRange {
    /// Every key that begins with `prefix`.
    pub fn prefix(prefix: impl Into<Vec<u8>>) -> Self {
        let start = prefix.into();
        let mut end = start.clone();
        while let Some(last) = end.pop() {
            if let Some(next) = last.checked_add(1) {
                end.push(next);
                return Self { start, end: Some(end) };
            }
        }
        Self { start, end: None }
    }

    /// The same range without `key` and what stands before it.
    pub fn after(mut self, key: &[u8]) -> Self {
        let next = [key, &[0]].concat();
        if next > self.start {
            self.start = next;
        }
        self
    }

    /// The range as the standard library's bounds.
    pub fn bounds(&self) -> Bounds<'_> {
        let end = self.end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        (Bound::Included(&self.start), end)
    }
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: Bytes,
    /// The value.
    pub value: Bytes,
}

/// What must be true of one row for a batch to be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The key.
    pub key: Vec<u8>,
    /// The value that the row must hold; absent if there must be no row.
    pub value: Option<Vec<u8>>,
}

/// One change of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Sets a row.
    Put {
        /// The key.
        key: Vec<u8>,
        /// The value.
        value: Vec<u8>,
    },
    /// Removes a row, if it is there.
    Delete {
        /// The key.
        key: Vec<u8>,
    },
    /// Removes every row of a range.
    DeleteRange(KeyRange),
    /// Adds to a counter: eight bytes, big end first; an absent row counts as 0.
    Add {
        /// The key.
        key: Vec<u8>,
        /// How much.
        amount: u64,
    },
}

impl Write {
    /// Its share of [`BATCH_BYTES_MAX`].
    pub fn bytes(&self) -> usize {
        match self {
            Self::Put { key, value } => key.len() + value.len(),
            Self::Delete { key } => key.len(),
            Self::DeleteRange(range) => {
                range.start.len() + range.end.as_ref().map_or(0, |end| end.len())
            }
            Self::Add { key, amount } => key.len() + size_of_val(amount),
        }
    }
}

/// Checks and writes that are applied together or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// What must hold.
    pub checks: Vec<Check>,
    /// What is written, in this order.
    pub writes: Vec<Write>,
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Committed {
    /// It is applied, and durable.
    Done {
        /// The value of each counter that an `Add` changed, in the order of the writes.
        added: Vec<u64>,
    },
    /// A check did not hold; nothing was written.
    Conflict {
        /// Which check: its place in the batch.
        check: usize,
    },
}

/// An ordered key-value store with atomic conditional commits.
///
/// All futures may be dropped at any point; a commit whose future was dropped may still be
/// applied, whole.
pub trait Engine: Send + Sync + 'static {
    /// The value under `key`, as of the newest durable commit.
    fn get(&self, key: Vec<u8>) -> BoxFuture<'_, Result<Option<Bytes>>>;

    /// The first `count_max` rows of `range` in byte order, at most [`SCAN_COUNT_MAX`].
    fn scan(&self, range: KeyRange, count_max: usize) -> BoxFuture<'_, Result<Vec<Entry>>>;

    /// Applies every write, or none, if each check holds. Durable when it returns.
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Committed>>;

    /// A consistent view of what is committed now.
    fn snapshot(&self) -> BoxFuture<'_, Result<Box<dyn View>>>;
}

/// A consistent read view with a bounded life.
pub trait View: Send + Sync {
    /// The value under `key`.
    fn get(&self, key: Vec<u8>) -> BoxFuture<'_, Result<Option<Bytes>>>;

    /// The first `count_max` rows of `range` in byte order, at most [`SCAN_COUNT_MAX`].
    fn scan(&self, range: KeyRange, count_max: usize) -> BoxFuture<'_, Result<Vec<Entry>>>;
}
