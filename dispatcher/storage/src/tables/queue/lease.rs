//! Messages that somebody has, by the time until which they are his.

use super::{Holder, Lease, Of, QueueTable, in_queue};
use crate::engine::{Check, Write};
use crate::key::Space;
use crate::tables::row::Result;

impl QueueTable {
    /// Has somebody have messages.
    pub fn put_lease(&self, of: Of<'_>, lease: &Lease) -> Write {
        Write::Put { key: lease_key(of, lease), value: lease.to_bytes() }
    }

    /// Removes a lease.
    pub fn delete_lease(&self, of: Of<'_>, lease: &Lease) -> Write {
        Write::Delete { key: lease_key(of, lease) }
    }

    /// Holds while the lease is as it was written.
    pub fn still_leased(&self, of: Of<'_>, lease: &Lease) -> Check {
        Check { key: lease_key(of, lease), value: Some(lease.to_bytes()) }
    }

    /// A lease, if it is there.
    pub async fn lease(&self, of: Of<'_>, holder: Holder, number: u64) -> Result<Option<Lease>> {
        let key = lease_key(of, &Lease { holder, number, messages: vec![] });
        let value = self.0.get_bytes(key).await?;
        value.map(|value| Lease::read(holder, number, &value)).transpose()
    }

    /// The leases of the server itself.
    pub async fn own_leases(&self, of: Of<'_>, count_max: usize) -> Result<Vec<Lease>> {
        self.leases(of, (0, 0), count_max).await
    }

    /// The leases of others that have ended at `until_ms`, the earliest first.
    pub async fn ended_leases(
        &self,
        of: Of<'_>,
        until_ms: u64,
        count_max: usize,
    ) -> Result<Vec<Lease>> {
        self.leases(of, (1, until_ms), count_max).await
    }

    /// When the first lease of another ends.
    pub async fn next_end_ms(&self, of: Of<'_>) -> Result<Option<u64>> {
        let first = self.leases(of, (1, u64::MAX), 1).await?;
        Ok(first.first().and_then(|lease| lease.holder.until_ms()))
    }

    async fn leases(
        &self,
        of: Of<'_>,
        (from_ms, until_ms): (u64, u64),
        count_max: usize,
    ) -> Result<Vec<Lease>> {
        let prefix = in_queue(Space::QueueLease, of);
        let skip = prefix.clone().finish().len();
        let mut range = prefix.clone().range();
        range.start = prefix.clone().number(from_ms).finish();
        if let Some(end_ms) = until_ms.checked_add(1) {
            range.end = Some(prefix.number(end_ms).finish());
        }
        let entries = self.0.0.scan(range, count_max).await?;
        entries.iter().map(|entry| Lease::from_row(&entry.key, skip, &entry.value)).collect()
    }
}

fn lease_key(of: Of<'_>, lease: &Lease) -> Vec<u8> {
    let until_ms = lease.holder.until_ms().unwrap_or(0);
    let key = in_queue(Space::QueueLease, of).number(until_ms);
    key.number(lease.number).finish()
}
