//! The bytes of a row: its format version, then JSON or, where a table says so, plain bytes.

use std::sync::Arc;

use bindery_wire::{ContentHash, TenantId};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::{self, Check, Engine, Entry, KeyRange, Write};
use crate::key::Key;

/// The format that this program writes. It reads every older one.
pub(super) const FORMAT: u8 = 1;

/// Why a table could not read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] engine::Error),
    /// The row was written by a newer program.
    #[error("a row has format {0}; this program reads up to {FORMAT}")]
    TooNew(u8),
    /// The store as a whole was written by a newer program.
    #[error("the store has format {found}; this program reads up to {known}")]
    StoreTooNew {
        /// The format of the store.
        found: u64,
        /// The newest that this program knows.
        known: u64,
    },
    /// The row does not hold what its table keeps.
    #[error("a row of {0} does not parse")]
    Malformed(&'static str),
    /// What is too large for rows could not be read.
    #[error(transparent)]
    Blob(#[from] crate::blob::Error),
    /// A content's rows do not hold what their hash says.
    #[error("the content {0} is damaged in the store")]
    Damaged(ContentHash),
}

/// The result of a call to a table.
pub type Result<T> = std::result::Result<T, Error>;

/// A row as JSON.
pub(super) trait Row: Serialize + DeserializeOwned {
    /// The table's name in errors.
    const TABLE: &'static str;

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        serde_json::to_writer(&mut bytes, self).expect("rows are strings, numbers and flat maps");
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(body(bytes, Self::TABLE)?).map_err(|_| Error::Malformed(Self::TABLE))
    }
}

/// What stands behind the format version.
pub(super) fn body<'a>(bytes: &'a [u8], table: &'static str) -> Result<&'a [u8]> {
    match bytes.split_first() {
        Some((&FORMAT, body)) => Ok(body),
        Some((&format, _)) if format > FORMAT => Err(Error::TooNew(format)),
        _ => Err(Error::Malformed(table)),
    }
}

/// A number as a row.
pub(super) fn number_to_bytes(number: u64) -> Vec<u8> {
    [&[FORMAT][..], &number.to_be_bytes()].concat()
}

/// Reads what [`number_to_bytes`] wrote.
pub(super) fn number_from_bytes(bytes: &[u8], table: &'static str) -> Result<u64> {
    let number = body(bytes, table)?.try_into().map_err(|_| Error::Malformed(table))?;
    Ok(u64::from_be_bytes(number))
}

/// A key that ends with a text, so that a scan yields the texts in byte order.
pub(super) fn ending(key: Key, last: &str) -> Vec<u8> {
    let mut key = key.finish();
    key.extend_from_slice(last.as_bytes());
    key
}

/// What a key says behind its first `prefix` bytes.
pub(super) fn last(key: &[u8], prefix: usize, table: &'static str) -> Result<String> {
    let last = key.get(prefix..).and_then(|last| std::str::from_utf8(last).ok());
    last.map(str::to_owned).ok_or(Error::Malformed(table))
}

/// Whose a key of the form `space, tenant number, text ending` is, and the text.
pub(super) fn owned(key: &[u8], table: &'static str) -> Result<(TenantId, String)> {
    let number = key.get(1..9).and_then(|number| number.try_into().ok());
    let number = number.ok_or(Error::Malformed(table))?;
    Ok((TenantId(u64::from_be_bytes(number)), last(key, 9, table)?))
}

pub(super) fn put(key: Vec<u8>, row: &impl Row) -> Write {
    Write::Put { key, value: row.to_bytes() }
}

/// Holds while the row is as it was read; with `None`, while there is no row.
pub(super) fn unchanged(key: Vec<u8>, row: Option<&impl Row>) -> Check {
    Check { key, value: row.map(Row::to_bytes) }
}

/// A store with the reads that all tables share.
#[derive(Clone)]
pub(super) struct Store(pub(super) Arc<dyn Engine>);

impl Store {
    pub(super) async fn get<R: Row>(&self, key: Vec<u8>) -> Result<Option<R>> {
        self.0.get(key).await?.map(|bytes| R::from_bytes(&bytes)).transpose()
    }

    pub(super) async fn get_bytes(&self, key: Vec<u8>) -> Result<Option<Bytes>> {
        Ok(self.0.get(key).await?)
    }

    /// The rows of a prefix behind the key that `after` ends it with.
    pub(super) async fn scan(
        &self,
        prefix: Vec<u8>,
        after: Option<&[u8]>,
        count_max: usize,
    ) -> Result<Vec<Entry>> {
        let last = after.map(|after| [&prefix, after].concat());
        let range = KeyRange::prefix(prefix);
        let range = last.map_or(range.clone(), |last| range.after(&last));
        Ok(self.0.scan(range, count_max).await?)
    }

    /// The same, with each key's last text and its row.
    pub(super) async fn list<R: Row>(
        &self,
        prefix: Vec<u8>,
        after: Option<&str>,
        count_max: usize,
    ) -> Result<Vec<(String, R)>> {
        let skip = prefix.len();
        let entries = self.scan(prefix, after.map(str::as_bytes), count_max).await?;
        entries
            .iter()
            .map(|e| Ok((last(&e.key, skip, R::TABLE)?, R::from_bytes(&e.value)?)))
            .collect()
    }
}
