//! Who asked for which change, the newest first: of the whole store, and of each tenant.

use std::sync::Arc;

use bindery_wire::TenantId;
use serde::{Deserialize, Serialize};

use super::row::{self, Error, Result, Row, Store};
use crate::engine::{Engine, KeyRange, Write};
use crate::key::{Key, Space};

/// A change that was asked for. Holds names and never values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// Who: `operator`, or `token` and the token's id.
    pub who: String,
    /// The method of the call.
    pub method: String,
    /// The path of the call.
    pub path: String,
    /// The tenant's name, if the call was about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// `done`, or the code of the failure.
    pub outcome: String,
    /// The request's id.
    pub request: String,
}

impl Row for AuditEntry {
    const TABLE: &'static str = "audit";
}

/// Which list an entry stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// That of the whole store.
    Store,
    /// That of one tenant, which goes with the tenant.
    Tenant(TenantId),
}

/// The table of entries.
#[derive(Clone)]
pub struct Audit(Store);

impl Audit {
    /// The table in this store.
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self(Store(engine))
    }

    /// Entries older than the one numbered `before`, or all, the newest first, with their numbers.
    pub async fn list(
        &self,
        place: Place,
        before: Option<u64>,
        count_max: usize,
    ) -> Result<Vec<(u64, AuditEntry)>> {
        let prefix = prefix(place).finish();
        let skip = prefix.len();
        let before = before.map(|number| age(number).to_be_bytes());
        let rows = self.0.scan(prefix, before.as_ref().map(<[u8; 8]>::as_slice), count_max).await?;
        let read = |entry: &crate::engine::Entry| {
            let age = entry.key.get(skip..).and_then(|last| last.try_into().ok());
            let age = u64::from_be_bytes(age.ok_or(Error::Malformed(AuditEntry::TABLE))?);
            Ok((u64::MAX - age, AuditEntry::from_bytes(&entry.value)?))
        };
        rows.iter().map(read).collect()
    }

    /// Adds an entry under a number that is greater than those before.
    pub fn put(&self, place: Place, number: u64, entry: &AuditEntry) -> Write {
        row::put(prefix(place).number(age(number)).finish(), entry)
    }

    /// Forgets the entries before the one numbered `number`.
    pub fn forget_before(&self, place: Place, number: u64) -> Write {
        let KeyRange { end, .. } = prefix(place).range();
        let start = prefix(place).number(age(number).saturating_add(1)).finish();
        Write::DeleteRange(KeyRange { start, end })
    }
}

fn age(number: u64) -> u64 {
    u64::MAX - number
}

fn prefix(place: Place) -> Key {
    match place {
        Place::Store => Key::new(Space::Audit),
        Place::Tenant(tenant) => Key::new(Space::TenantAudit).tenant(tenant),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::engine::Batch;
    use crate::memory::Memory;

    fn entry(at_ms: u64) -> AuditEntry {
        AuditEntry {
            at_ms,
            who: "operator".into(),
            method: "PUT".into(),
            path: "/v1/tenants/acme".into(),
            tenant: Some("acme".into()),
            outcome: "done".into(),
            request: "req_1".into(),
        }
    }

    #[test]
    fn the_bytes_of_an_entry_are_frozen() {
        let golden = "\u{1}{\"at_ms\":5,\"who\":\"operator\",\"method\":\"PUT\",\
            \"path\":\"/v1/tenants/acme\",\"tenant\":\"acme\",\"outcome\":\"done\",\
            \"request\":\"req_1\"}";
        assert_eq!(String::from_utf8_lossy(&entry(5).to_bytes()), golden);
        assert_eq!(AuditEntry::from_bytes(golden.as_bytes()).expect("reads"), entry(5));
    }

    #[test]
    fn the_newest_is_first_and_the_oldest_is_forgotten() {
        let engine: Arc<dyn Engine> = Arc::new(Memory::new());
        let table = Audit::new(engine.clone());
        let own = Place::Tenant(TenantId(1));
        let mut writes: Vec<Write> = (1..=4).map(|n| table.put(own, n, &entry(n))).collect();
        writes.push(table.put(Place::Tenant(TenantId(2)), 9, &entry(9)));
        let commit = |writes| {
            let done = engine.commit(Batch { checks: vec![], writes }).now_or_never();
            done.expect("at once").expect("written");
        };
        commit(writes);
        let numbers = |before, max| -> Vec<u64> {
            let listed = table.list(own, before, max).now_or_never();
            listed.expect("at once").expect("read").iter().map(|(number, _)| *number).collect()
        };
        assert_eq!(numbers(None, 2), [4, 3]);
        assert_eq!(numbers(Some(3), 9), [2, 1]);
        commit(vec![table.forget_before(own, 3)]);
        assert_eq!(numbers(None, 9), [4, 3]);
        let other = table.list(Place::Tenant(TenantId(2)), None, 9).now_or_never();
        assert_eq!(other.expect("at once").expect("read").len(), 1);
    }
}
