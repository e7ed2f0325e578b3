//! Keys of namespaces: small values in the key's own row, larger ones in parts under a number of
//! their own, the largest in files ([`crate::value`]).
//!
//! A value that has a number is never changed: whoever sets the key again gives another one, and
//! notes what the key held before as remains. They stay readable until they are removed, so a
//! reader that has begun is not cut off by a writer. A file is reserved in the remains before it
//! is written; the batch that sets its key claims it, which takes the note away. What was reserved
//! and not claimed in time is condemned first, in a commit that a claim would conflict with, and
//! removed after that.
//!
//! Absent on purpose: which keys and values there may be, quotas, and the time.

mod remains;
mod row;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bindery_wire::TenantId;
use bytes::Bytes;

pub use remains::{Remains, Standing};
pub use row::{KvRow, KvValue};

use super::row::{self as rows, Error, FORMAT, Result, Store};
use crate::engine::{Check, Engine, Entry, KeyRange, VALUE_BYTES_MAX, Write};
use crate::key::{Key, Space};
use crate::value::LargeValue;

const TABLE: &str = "keys";

/// Bytes of a part of a value. A whole one, with its key and what the embedded engine adds, fills
/// 64 KiB on disk.
const PART_BYTES: usize = VALUE_BYTES_MAX - 128 - 1;

/// Where a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// Whose it is.
    pub tenant: TenantId,
    /// The namespace's name.
    pub namespace: &'a str,
    /// The key's name.
    pub name: &'a str,
}

/// A key that expires, as the index has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expired {
    /// The second since 1970 from which on it is not seen.
    pub at_s: u64,
    /// The namespace's name.
    pub namespace: String,
    /// The key's name.
    pub name: String,
}

/// The tables of keys, values, expiries and remains.
#[derive(Clone)]
pub struct KvTable(Store);

impl KvTable {
    /// Bytes of a value that stands in its key's row.
    pub const INLINE_BYTES_MAX: usize = 4 << 10;
    /// Bytes of a value in parts.
    pub const PARTS_BYTES_MAX: usize = 1 << 20;

    /// The tables in this store.
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self(Store(engine))
    }

    /// A key, expired or not.
    pub async fn get(&self, place: Place<'_>) -> Result<Option<KvRow>> {
        let row = self.0.get_bytes(key(place)).await?;
        row.map(|row| KvRow::from_bytes(&row)).transpose()
    }

    /// Holds while the key is as it was read.
    pub fn unchanged(&self, place: Place<'_>, row: Option<&KvRow>) -> Check {
        Check { key: key(place), value: row.map(KvRow::to_bytes) }
    }

    /// Sets a key.
    pub fn put(&self, place: Place<'_>, row: &KvRow) -> Vec<Write> {
        let mut writes = vec![Write::Put { key: key(place), value: row.to_bytes() }];
        if let Some(at_s) = row.expires_s {
            writes.push(Write::Put { key: expiry_key(place, at_s), value: vec![FORMAT] });
        }
        writes
    }

    /// Removes a key that is as it was read, and what stands in the index for it.
    pub fn delete(&self, place: Place<'_>, row: &KvRow) -> Vec<Write> {
        let mut writes = vec![Write::Delete { key: key(place) }];
        let expires_s = row.expires_s;
        writes.extend(expires_s.map(|at_s| Write::Delete { key: expiry_key(place, at_s) }));
        writes
    }

    /// The keys of a namespace that begin with `prefix` and follow `after`, in byte order.
    pub async fn list(
        &self,
        (tenant, namespace): (TenantId, &str),
        prefix: &str,
        after: Option<&str>,
        count_max: usize,
    ) -> Result<Vec<(String, KvRow)>> {
        let of = of(tenant, namespace).finish();
        let mut range = KeyRange::prefix([&of, prefix.as_bytes()].concat());
        if let Some(after) = after {
            range = range.after(&[&of, after.as_bytes()].concat());
        }
        let found = self.0.0.scan(range, count_max).await?;
        let read = |entry: &Entry| {
            Ok((rows::last(&entry.key, of.len(), TABLE)?, KvRow::from_bytes(&entry.value)?))
        };
        found.iter().map(read).collect()
    }

    /// The first keys of the tenant that have expired at a second, and those before.
    pub async fn expired(
        &self,
        tenant: TenantId,
        now_s: u64,
        count_max: usize,
    ) -> Result<Vec<Expired>> {
        let all = Key::new(Space::KvExpiry).tenant(tenant);
        let end = all.clone().number(now_s.saturating_add(1)).finish();
        let range = KeyRange { start: all.finish(), end: Some(end) };
        let found = self.0.0.scan(range, count_max).await?;
        found.iter().map(|entry| read_expiry(&entry.key).ok_or(Error::Malformed(TABLE))).collect()
    }

    /// Removes what stands in the index for a key that was set anew.
    pub fn delete_expiry(&self, tenant: TenantId, expired: &Expired) -> Write {
        let Expired { at_s, namespace, name } = expired;
        Write::Delete { key: expiry_key(Place { tenant, namespace, name }, *at_s) }
    }

    /// What is in a file, if a row of the store is that of a key and its value is in one.
    pub fn large_value(entry: &Entry) -> Result<Option<LargeValue>> {
        let Some(rest) = entry.key.strip_prefix(&[Space::Kv as u8]) else { return Ok(None) };
        let (tenant, _) = row::number(rest).ok_or(Error::Malformed(TABLE))?;
        let KvRow { length, value, .. } = KvRow::from_bytes(&entry.value)?;
        Ok(match value {
            KvValue::File { number, hash } => {
                Some(LargeValue { tenant: TenantId(tenant), number, length, hash })
            }
            _ => None,
        })
    }

    /// Sets a value of at most [`Self::PARTS_BYTES_MAX`] under its number.
    pub fn put_parts(&self, tenant: TenantId, value: u64, content: &[u8]) -> Vec<Write> {
        let part = |(number, part): (u64, &[u8])| Write::Put {
            key: part_key(tenant, value, number),
            value: [&[FORMAT], part].concat(),
        };
        (0..).zip(content.chunks(PART_BYTES)).map(part).collect()
    }

    /// Holds while no value in parts has this number.
    pub fn is_free(&self, tenant: TenantId, value: u64) -> Check {
        Check { key: part_key(tenant, value, 0), value: None }
    }

    /// One part of a value.
    pub async fn part(&self, tenant: TenantId, value: u64, number: u64) -> Result<Option<Bytes>> {
        let Some(part) = self.0.get_bytes(part_key(tenant, value, number)).await? else {
            return Ok(None);
        };
        rows::body(&part, TABLE)?;
        Ok(Some(part.slice(1..)))
    }

    /// Removes all parts of a value.
    pub fn delete_parts(&self, tenant: TenantId, value: u64) -> Write {
        Write::DeleteRange(Key::new(Space::KvPart).tenant(tenant).number(value).range())
    }
}

fn of(tenant: TenantId, namespace: &str) -> Key {
    Key::new(Space::Kv).tenant(tenant).text(namespace)
}

fn key(place: Place<'_>) -> Vec<u8> {
    rows::ending(of(place.tenant, place.namespace), place.name)
}

fn expiry_key(place: Place<'_>, at_s: u64) -> Vec<u8> {
    let key = Key::new(Space::KvExpiry).tenant(place.tenant).number(at_s).text(place.namespace);
    rows::ending(key, place.name)
}

fn part_key(tenant: TenantId, value: u64, number: u64) -> Vec<u8> {
    Key::new(Space::KvPart).tenant(tenant).number(value).number(number).finish()
}

fn read_expiry(key: &[u8]) -> Option<Expired> {
    let (second, rest) = key.get(1 + 8..)?.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (namespace, name) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    let text = |bytes| std::str::from_utf8(bytes).ok().map(str::to_owned);
    let at_s = u64::from_be_bytes(*second);
    Some(Expired { at_s, namespace: text(namespace)?, name: text(name)? })
}
