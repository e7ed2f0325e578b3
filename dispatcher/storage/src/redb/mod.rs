//! The folded rows: one file, written by one transaction for each fold.
//!
//! Every commit is of the kind that redb calls quick-repair: it carries the state of the
//! allocator, so that a store that was killed opens without a walk over the file. The price,
//! one more flush and some 140 bytes for each MiB of file, is paid once for thousands of batches.

mod backend;
mod rows;

use std::sync::Arc;

use ::redb::{
    Database, Durability, ReadableDatabase, ReadableTableMetadata, TableDefinition, TableError,
};

use self::backend::Backend;
pub(crate) use self::rows::Rows;
use crate::embedded::disk::Disk;
use crate::engine::{Error, KeyRange, Result};

const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
/// Under [`FOLDED`], the newest epoch of a log whose records are all in the rows.
const EPOCHS: TableDefinition<'_, &str, u64> = TableDefinition::new("epochs");
const FOLDED: &str = "folded";
/// Bytes of the file that are kept in memory.
const CACHE_BYTES_MAX: usize = 64 << 20;

/// The rows that are folded.
pub(crate) struct Folded(Database);

impl Folded {
    /// Opens the rows on this disk, or makes them.
    pub(crate) fn open(disk: Arc<dyn Disk>) -> Result<Self> {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES_MAX);
        Ok(Self(builder.create_with_backend(Backend::new(disk)).map_err(unavailable)?))
    }

    /// The newest epoch that is folded; absent until [`Self::begin`].
    pub(crate) fn epoch(&self) -> Result<Option<u64>> {
        let transaction = self.0.begin_read().map_err(unavailable)?;
        match transaction.open_table(EPOCHS) {
            Ok(table) => {
                let folded = table.get(FOLDED).map_err(unavailable)?;
                Ok(folded.map(|epoch| epoch.value()))
            }
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Says that these rows have a log, and that none of it is folded yet.
    pub(crate) fn begin(&self) -> Result<()> {
        self.fold(0, [], [])
    }

    /// The rows as of the newest fold.
    pub(crate) fn rows(&self) -> Result<Rows> {
        let transaction = self.0.begin_read().map_err(unavailable)?;
        Ok(Rows::new(transaction.open_table(ROWS).map_err(unavailable)?))
    }

    /// Erases ranges, then sets and removes rows, and notes that this epoch is folded: all or
    /// nothing, and durable when it returns.
    pub(crate) fn fold<'a>(
        &self,
        epoch: u64,
        erased: impl IntoIterator<Item = KeyRange>,
        rows: impl IntoIterator<Item = (&'a [u8], Option<&'a [u8]>)>,
    ) -> Result<()> {
        let mut transaction = self.0.begin_write().map_err(unavailable)?;
        transaction.set_durability(Durability::Immediate).map_err(unavailable)?;
        transaction.set_quick_repair(true);
        {
            let mut table = transaction.open_table(ROWS).map_err(unavailable)?;
            for range in erased {
                let all = |_: &[u8], _: &[u8]| false;
                table.retain_in::<&[u8], _>(range.bounds(), all).map_err(unavailable)?;
            }
            for (key, value) in rows {
                match value {
                    Some(value) => table.insert(key, value).map(drop).map_err(unavailable)?,
                    None => table.remove(key).map(drop).map_err(unavailable)?,
                }
            }
            let mut epochs = transaction.open_table(EPOCHS).map_err(unavailable)?;
            epochs.insert(FOLDED, epoch).map_err(unavailable)?;
        }
        transaction.commit().map_err(unavailable)
    }

    /// Whether every page of the file is as it was written. Reads all of it.
    pub(crate) fn check(&mut self) -> Result<bool> {
        self.0.check_integrity().map_err(unavailable)
    }

    /// How many rows there are, and the bytes of their keys and values. Reads the whole file.
    pub(crate) fn size(&self) -> Result<(u64, u64)> {
        let transaction = self.0.begin_read().map_err(unavailable)?;
        let table = transaction.open_table(ROWS).map_err(unavailable)?;
        let stats = table.stats().map_err(unavailable)?;
        Ok((table.len().map_err(unavailable)?, stats.stored_bytes()))
    }
}

/// A failure that is the store's.
pub(crate) fn unavailable(error: impl std::fmt::Display) -> Error {
    Error::Unavailable(error.to_string())
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::embedded::Embedded;
    use crate::engine::{Engine, Entry};

    /// What the first engine left behind: one file with one table.
    fn first_store(path: &std::path::Path, rows: &[(&[u8], &[u8])]) {
        let database = Database::create(path).expect("made");
        let mut transaction = database.begin_write().expect("begun");
        transaction.set_quick_repair(true);
        {
            let mut table = transaction.open_table(ROWS).expect("opened");
            for (key, value) in rows {
                table.insert(key, value).expect("inserted");
            }
        }
        transaction.commit().expect("committed");
    }

    #[test]
    fn a_store_of_the_engine_without_logs_opens_with_its_rows() {
        let directory = tempfile::tempdir().expect("a directory");
        first_store(&directory.path().join("store.redb"), &[(b"a", b"1"), (b"b", b"2")]);
        let entry =
            |key: &'static str, value: &'static str| Entry { key: key.into(), value: value.into() };
        for _ in 0..2 {
            let store = Embedded::open(directory.path()).expect("opens");
            let rows = store.scan(KeyRange::prefix([]), 10).now_or_never().expect("few rows");
            assert_eq!(rows.expect("scanned"), [entry("a", "1"), entry("b", "2")]);
        }
    }
}
