//! Values that no key holds: not yet, or no more.

use bindery_wire::TenantId;

use super::row::number;
use super::{KvTable, TABLE};
use crate::engine::{Check, KeyRange, Write};
use crate::key::{Key, Space};
use crate::tables::row::{self, Error, FORMAT, Result};

/// A value that no key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remains {
    /// From when on it may be removed, in milliseconds since 1970.
    pub at_ms: u64,
    /// The value's number.
    pub value: u64,
    /// Whether a key may still get it.
    pub standing: Standing,
    /// Bytes that are counted for it.
    pub bytes: u64,
}

/// Whether a key may still get a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is being written: a key may.
    Reserved = 1,
    /// None will.
    Condemned = 2,
}

impl Remains {
    fn to_bytes(self) -> Vec<u8> {
        [&[FORMAT, self.standing as u8][..], &self.bytes.to_be_bytes()].concat()
    }
}

impl KvTable {
    /// Notes a value that no key holds.
    pub fn put_remains(&self, tenant: TenantId, remains: &Remains) -> Write {
        Write::Put { key: key(tenant, remains), value: remains.to_bytes() }
    }

    /// Holds while the note is as it was read or written.
    pub fn remains_there(&self, tenant: TenantId, remains: &Remains) -> Check {
        Check { key: key(tenant, remains), value: Some(remains.to_bytes()) }
    }

    /// Removes the note: a key holds the value, or it is gone.
    pub fn delete_remains(&self, tenant: TenantId, remains: &Remains) -> Write {
        Write::Delete { key: key(tenant, remains) }
    }

    /// The first of a tenant's remains that may be removed at a time.
    pub async fn remains(
        &self,
        tenant: TenantId,
        now_ms: u64,
        count_max: usize,
    ) -> Result<Vec<Remains>> {
        let all = Key::new(Space::KvRemains).tenant(tenant);
        let end = all.clone().number(now_ms.saturating_add(1)).finish();
        let range = KeyRange { start: all.finish(), end: Some(end) };
        let rows = self.0.0.scan(range, count_max).await?;
        rows.iter().map(|entry| read(&entry.key, &entry.value)).collect()
    }
}

fn key(tenant: TenantId, remains: &Remains) -> Vec<u8> {
    Key::new(Space::KvRemains).tenant(tenant).number(remains.at_ms).number(remains.value).finish()
}

fn read(key: &[u8], value: &[u8]) -> Result<Remains> {
    let body = row::body(value, TABLE)?;
    let read = || {
        let (at_ms, rest) = number(key.get(1 + 8..)?)?;
        let (value, _) = number(rest)?;
        let (standing, rest) = body.split_first()?;
        let standings = [Standing::Reserved, Standing::Condemned];
        let standing = standings.into_iter().find(|known| *known as u8 == *standing)?;
        Some(Remains { at_ms, value, standing, bytes: number(rest)?.0 })
    };
    read().ok_or(Error::Malformed(TABLE))
}
