//! Reads of one moment of the store.

use bytes::Bytes;
use tokio::runtime::Handle;

use super::view::View;
use crate::engine::{Entry, KeyRange, Result};
use crate::plan;
use crate::redb::unavailable;

/// Rows that a scan may read on the caller's thread.
const INLINE_COUNT_MAX: usize = 64;

/// The value under a key.
pub(super) fn get(view: &View, key: &[u8]) -> Result<Option<Bytes>> {
    plan::measure_key(key)?;
    view.get(key)
}

/// The first rows of a range. A scan that may be long leaves the caller's thread to others.
pub(super) async fn scan(view: View, range: KeyRange, count_max: usize) -> Result<Vec<Entry>> {
    plan::measure_range(&range)?;
    let count_max = plan::scan_count(count_max);
    match Handle::try_current() {
        Ok(runtime) if count_max > INLINE_COUNT_MAX => {
            let scan = runtime.spawn_blocking(move || view.scan(&range, count_max));
            scan.await.map_err(unavailable)?
        }
        _ => view.scan(&range, count_max),
    }
}
