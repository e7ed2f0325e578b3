//! Messages that nobody has, by the time from which they may be delivered.

use super::{Of, QueueTable, Ready, in_queue};
use crate::engine::{Check, KeyRange, Write};
use crate::key::Space;
use crate::tables::row::Result;

impl QueueTable {
    /// Has a message wait to be delivered.
    pub fn put_ready(&self, of: Of<'_>, ready: &Ready) -> Write {
        Write::Put { key: ready_key(of, ready), value: ready.to_bytes() }
    }

    /// Removes a message from those that wait.
    pub fn delete_ready(&self, of: Of<'_>, ready: &Ready) -> Write {
        Write::Delete { key: ready_key(of, ready) }
    }

    /// Holds while the message waits as it was read.
    pub fn still_ready(&self, of: Of<'_>, ready: &Ready) -> Check {
        Check { key: ready_key(of, ready), value: Some(ready.to_bytes()) }
    }

    /// The first messages that wait, those that may be delivered earliest first, up to `until_ms`.
    pub async fn ready(&self, of: Of<'_>, until_ms: u64, count_max: usize) -> Result<Vec<Ready>> {
        let prefix = in_queue(Space::QueueReady, of);
        let skip = prefix.clone().finish().len();
        let mut range = prefix.clone().range();
        if let Some(end_ms) = until_ms.checked_add(1) {
            range = KeyRange { end: Some(prefix.number(end_ms).finish()), ..range };
        }
        let entries = self.0.0.scan(range, count_max).await?;
        entries.iter().map(|entry| Ready::read(&entry.key, skip, &entry.value)).collect()
    }

    /// When the first message that waits behind `after_ms` may be delivered.
    pub async fn next_ready_ms(&self, of: Of<'_>, after_ms: u64) -> Result<Option<u64>> {
        let Some(from_ms) = after_ms.checked_add(1) else { return Ok(None) };
        let prefix = in_queue(Space::QueueReady, of);
        let skip = prefix.clone().finish().len();
        let all = prefix.clone().range();
        let range = KeyRange { start: prefix.number(from_ms).finish(), ..all };
        let first = self.0.0.scan(range, 1).await?;
        let read = first.first().map(|entry| Ready::read(&entry.key, skip, &entry.value));
        Ok(read.transpose()?.map(|ready| ready.visible_ms))
    }
}

fn ready_key(of: Of<'_>, ready: &Ready) -> Vec<u8> {
    let mut key = in_queue(Space::QueueReady, of).number(ready.visible_ms).finish();
    key.extend_from_slice(&ready.id.0);
    key
}
