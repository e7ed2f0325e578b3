//! The folded rows as of one fold.

use std::sync::Arc;

use ::redb::ReadOnlyTable;
use bytes::Bytes;

use super::unavailable;
use crate::engine::{Bounds, Result};

/// Rows that no later fold changes. The pages that hold them are kept until the last copy goes.
#[derive(Clone)]
pub(crate) struct Rows(Arc<ReadOnlyTable<&'static [u8], &'static [u8]>>);

impl Rows {
    pub(super) fn new(table: ReadOnlyTable<&'static [u8], &'static [u8]>) -> Self {
        Self(Arc::new(table))
    }

    /// The value under a key.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        let found = self.0.get(key).map_err(unavailable)?;
        Ok(found.map(|value| Bytes::copy_from_slice(value.value())))
    }

    /// Whether there is a row.
    pub(crate) fn has(&self, key: &[u8]) -> Result<bool> {
        Ok(self.0.get(key).map_err(unavailable)?.is_some())
    }

    /// The rows within these bounds.
    pub(crate) fn range(
        &self,
        bounds: Bounds<'_>,
    ) -> Result<impl Iterator<Item = Result<(Bytes, Bytes)>> + use<>> {
        let rows = self.0.range::<&[u8]>(bounds).map_err(unavailable)?;
        Ok(rows.map(|row| {
            let (key, value) = row.map_err(unavailable)?;
            let key = Bytes::copy_from_slice(key.value());
            Ok((key, Bytes::copy_from_slice(value.value())))
        }))
    }
}
