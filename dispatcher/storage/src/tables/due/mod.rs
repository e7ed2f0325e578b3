//! What is due, in two steps: entries under their tenant and time, and hints that say from when on
//! to look at which tenant.
//!
//! Whoever owns what is due adds, moves and removes its entry in the batch that changes its own
//! rows. Nothing is read for that and no check is needed, so batches never conflict over hints:
//! a hint is a counter, and adding an entry adds one to a hint that is not later than the entry.
//! Hints come from few times: the further away an entry is, the coarser the time of its hint. So a
//! tenant has few of them, however many entries it has, and never stands before another with many.
//!
//! Invariant: an entry has a hint of its tenant that is not later than the entry. A hint is
//! removed only by [`DueTable::settle`]: if it counts what it counted *before* the tenant's entries
//! were read, and along with a hint for the first entry that was found. An entry that was there
//! then is not earlier than that one; an entry that came later counted on a hint that stays, or
//! the removal does not happen. A hint too many costs one look. Only one batch that removes hints
//! may be under way for a tenant: the scheduler is one.

use std::sync::Arc;

use bindery_wire::TenantId;

use super::row::{self, Error, FORMAT, Result, Store};
use crate::engine::{Batch, Check, Engine, Entry, KeyRange, Write};
use crate::key::{Key, Space};

const TABLE: &str = "due entries";

/// What can be due. A byte, once given, is never given again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A cron of a worker.
    Cron = 1,
    /// A queue.
    Queue = 2,
    /// Keys that have expired.
    KvExpiry = 3,
    /// Values that no key holds.
    KvRemains = 4,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Cron, Self::Queue, Self::KvExpiry, Self::KvRemains];
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// When, in milliseconds since 1970.
    pub time_ms: u64,
    /// What.
    pub kind: Kind,
    /// Which one of the tenant's of that kind.
    pub id: Vec<u8>,
    /// How often it could not be delivered and was put off.
    pub failures: u8,
    /// What its owner needs: some bytes at most.
    pub data: Vec<u8>,
}

/// From its time on something may be due to its tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hint {
    /// When, in milliseconds since 1970.
    pub time_ms: u64,
    /// Whom to look at.
    pub tenant: TenantId,
    /// How many entries counted on it.
    pub count: u64,
}

/// The tables of entries and hints.
#[derive(Clone)]
pub struct DueTable(Store);

impl DueTable {
    /// The tables in this store.
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self(Store(engine))
    }

    /// Adds an entry, or changes its data.
    pub fn add(&self, tenant: TenantId, due: &Due, now_ms: u64) -> [Write; 2] {
        let value = [&[FORMAT, due.failures][..], &due.data].concat();
        let entry = Write::Put { key: key(tenant, due), value };
        [entry, count_on(hint_ms(due.time_ms, now_ms), tenant)]
    }

    /// Removes the entry of this time, kind and id, if it is there.
    pub fn remove(&self, tenant: TenantId, due: &Due) -> Write {
        Write::Delete { key: key(tenant, due) }
    }

    /// Holds while the entry is as it was read: of several who settle it, one does.
    pub fn there(&self, tenant: TenantId, due: &Due) -> Check {
        let value = [&[FORMAT, due.failures][..], &due.data].concat();
        Check { key: key(tenant, due), value: Some(value) }
    }

    /// The first entries of a tenant that are due at `until_ms`, the earliest first.
    pub async fn until(
        &self,
        tenant: TenantId,
        until_ms: u64,
        count_max: usize,
    ) -> Result<Vec<Due>> {
        let entries = self.0.0.scan(until(of(tenant), until_ms), count_max).await?;
        entries.iter().map(read).collect()
    }

    /// The earliest entry of a tenant.
    pub async fn first(&self, tenant: TenantId) -> Result<Option<Due>> {
        Ok(self.until(tenant, u64::MAX, 1).await?.pop())
    }

    /// The hints up to `until_ms` that follow `after`, in the order of their times.
    pub async fn hints(
        &self,
        until_ms: u64,
        after: Option<&Hint>,
        count_max: usize,
    ) -> Result<Vec<Hint>> {
        let mut range = until(Key::new(Space::Wake), until_ms);
        if let Some(after) = after {
            range = range.after(&hint_key(after.time_ms, after.tenant));
        }
        let entries = self.0.0.scan(range, count_max).await?;
        entries.iter().map(read_hint).collect()
    }

    /// The time of the first hint after `time_ms`.
    pub async fn next_hint_ms(&self, time_ms: u64) -> Result<Option<u64>> {
        let Some(from_ms) = time_ms.checked_add(1) else { return Ok(None) };
        let all = Key::new(Space::Wake).range();
        let range = KeyRange { start: Key::new(Space::Wake).number(from_ms).finish(), ..all };
        let entries = self.0.0.scan(range, 1).await?;
        entries.first().map(|entry| Ok(read_hint(entry)?.time_ms)).transpose()
    }

    /// Removes hints of one tenant that were read before its entries were, of which `first` was the
    /// earliest. Changes nothing if an entry counted on one of the hints meanwhile.
    pub fn settle(&self, hints: &[Hint], first: Option<&Due>) -> Batch {
        let check = |hint: &Hint| Check {
            key: hint_key(hint.time_ms, hint.tenant),
            value: Some(hint.count.to_be_bytes().into()),
        };
        let delete = |hint: &Hint| Write::Delete { key: hint_key(hint.time_ms, hint.tenant) };
        let mut writes: Vec<Write> = hints.iter().map(delete).collect();
        let next = hints.first().zip(first);
        writes.extend(next.map(|(hint, due)| count_on(due.time_ms, hint.tenant)));
        Batch { checks: hints.iter().map(check).collect(), writes }
    }
}

/// The time of the hint for an entry: not after the entry, and at most two between any power of
/// two from now and the next; for all that is due already, one.
fn hint_ms(time_ms: u64, now_ms: u64) -> u64 {
    match time_ms.saturating_sub(now_ms).checked_ilog2() {
        Some(bits) => time_ms >> bits << bits,
        None => 0,
    }
}

fn count_on(time_ms: u64, tenant: TenantId) -> Write {
    Write::Add { key: hint_key(time_ms, tenant), amount: 1 }
}

fn of(tenant: TenantId) -> Key {
    Key::new(Space::Due).tenant(tenant)
}

fn key(tenant: TenantId, due: &Due) -> Vec<u8> {
    let mut key = of(tenant).number(due.time_ms).finish();
    key.push(due.kind as u8);
    key.extend_from_slice(&due.id);
    key
}

fn hint_key(time_ms: u64, tenant: TenantId) -> Vec<u8> {
    Key::new(Space::Wake).number(time_ms).tenant(tenant).finish()
}

/// What has this prefix and then a time up to `until_ms`.
fn until(prefix: Key, until_ms: u64) -> KeyRange {
    let all = prefix.clone().range();
    match until_ms.checked_add(1) {
        Some(end_ms) => KeyRange { end: Some(prefix.number(end_ms).finish()), ..all },
        None => all,
    }
}

/// Takes a number off the front.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u64::from_be_bytes(*number), rest))
}

fn read(entry: &Entry) -> Result<Due> {
    let key = || {
        let (_tenant, rest) = number(entry.key.get(1..)?)?;
        let (time_ms, rest) = number(rest)?;
        let (byte, id) = rest.split_first()?;
        let kind = Kind::ALL.into_iter().find(|kind| *kind as u8 == *byte)?;
        Some((time_ms, kind, id.to_vec()))
    };
    let (failures, data) =
        row::body(&entry.value, TABLE)?.split_first().ok_or(Error::Malformed(TABLE))?;
    let (time_ms, kind, id) = key().ok_or(Error::Malformed(TABLE))?;
    Ok(Due { time_ms, kind, id, failures: *failures, data: data.to_vec() })
}

fn read_hint(entry: &Entry) -> Result<Hint> {
    let read = || {
        let (time_ms, rest) = number(entry.key.get(1..)?)?;
        let (tenant, _) = number(rest)?;
        let (count, _) = number(&entry.value)?;
        Some(Hint { time_ms, tenant: TenantId(tenant), count })
    };
    read().ok_or(Error::Malformed("hints"))
}

#[cfg(test)]
mod tests;
