//! What tenants keep: bytes and rows, by kind.
//!
//! Only counters that are added to, so no two batches ever conflict over them: what came and what
//! went are counted apart, and what is there is their difference. Who writes rows puts
//! [`Account::change`] into the same batch, and compares [`Account::stored`] with the quota
//! before; what several batches add at the same moment may pass the quota together, once.

use std::sync::Arc;

use bindery_wire::TenantId;

use super::row::{self, Error, Result, Store};
use crate::engine::{Engine, SCAN_COUNT_MAX, Write};
use crate::key::{Key, Space};

const TABLE: &str = "accounts";

/// A quota that a tenant has used up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tenant would store {got} {what}; its quota stored_{what} is {max}: delete something")]
pub struct OverQuota {
    /// Of what: `bytes` or `rows`.
    pub what: &'static str,
    /// What would be there.
    pub got: u64,
    /// The quota.
    pub max: u64,
}

/// What there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Bytes of keys and values as their owner sees them.
    pub bytes: u64,
    /// How many things they are.
    pub rows: u64,
}

impl Stored {
    /// Refuses so many more bytes and rows if they would pass the quota.
    pub fn admit(&self, more: Self, max: Self) -> std::result::Result<(), OverQuota> {
        within("bytes", self.bytes, more.bytes, max.bytes)?;
        within("rows", self.rows, more.rows, max.rows)
    }
}

/// Growth is refused and nothing else, so that what is over its quota can still be made less.
fn within(
    what: &'static str,
    there: u64,
    more: u64,
    max: u64,
) -> std::result::Result<(), OverQuota> {
    let got = there.saturating_add(more);
    if more == 0 || got <= max { Ok(()) } else { Err(OverQuota { what, got, max }) }
}

/// The table of what tenants keep. A kind is a short name such as `kv`.
#[derive(Clone)]
pub struct Account(Store);

impl Account {
    /// The table in this store.
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self(Store(engine))
    }

    /// Counts what a batch brings and what it takes away.
    pub fn change(&self, tenant: TenantId, kind: &str, came: Stored, went: Stored) -> Vec<Write> {
        let figures = [
            ("bytes-came", came.bytes),
            ("bytes-went", went.bytes),
            ("rows-came", came.rows),
            ("rows-went", went.rows),
        ];
        let write = |(figure, amount)| {
            let key = Key::new(Space::Stored).tenant(tenant).text(kind).ending(figure);
            Write::Add { key, amount }
        };
        figures.into_iter().filter(|(_, amount)| *amount > 0).map(write).collect()
    }

    /// What a tenant keeps of one kind; without a kind, of all.
    pub async fn stored(&self, tenant: TenantId, kind: Option<&str>) -> Result<Stored> {
        let all = Key::new(Space::Stored).tenant(tenant);
        let prefix = kind.map_or(all.clone(), |kind| all.text(kind)).finish();
        let [mut came, mut went] = [Stored::default(); 2];
        for entry in self.0.scan(prefix, None, SCAN_COUNT_MAX).await? {
            let amount = entry.value.as_ref().try_into().map_err(|_| Error::Malformed(TABLE))?;
            let amount = u64::from_be_bytes(amount);
            let sum = match figure(&entry.key)?.as_str() {
                "bytes-came" => &mut came.bytes,
                "bytes-went" => &mut went.bytes,
                "rows-came" => &mut came.rows,
                "rows-went" => &mut went.rows,
                _ => return Err(Error::Malformed(TABLE)),
            };
            *sum = sum.saturating_add(amount);
        }
        Ok(Stored {
            bytes: came.bytes.saturating_sub(went.bytes),
            rows: came.rows.saturating_sub(went.rows),
        })
    }

    /// Forgets what a tenant kept.
    pub fn delete(&self, tenant: TenantId) -> Write {
        Write::DeleteRange(Key::new(Space::Stored).tenant(tenant).range())
    }
}

/// The figure that a key names, behind the tenant and the kind.
fn figure(key: &[u8]) -> Result<String> {
    const KIND: usize = 1 + size_of::<u64>();
    let length = key.get(KIND..KIND + 2).and_then(|length| length.try_into().ok());
    let length = usize::from(u16::from_be_bytes(length.ok_or(Error::Malformed(TABLE))?));
    row::last(key, KIND + 2 + length, TABLE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Batch;
    use crate::memory::Memory;

    const A: TenantId = TenantId(1);
    const B: TenantId = TenantId(2);

    fn of(bytes: u64, rows: u64) -> Stored {
        Stored { bytes, rows }
    }

    #[tokio::test]
    async fn what_came_less_what_went_is_there_by_tenant_and_kind() {
        let engine: Arc<dyn Engine> = Arc::new(Memory::new());
        let account = Account::new(Arc::clone(&engine));
        let write = async |writes| {
            engine.commit(Batch { checks: vec![], writes }).await.expect("commits");
        };
        write(account.change(A, "kv", of(100, 2), of(0, 0))).await;
        write(account.change(A, "kv", of(7, 1), of(50, 1))).await;
        write(account.change(A, "queue", of(1000, 1), of(0, 0))).await;
        write(account.change(B, "kv", of(3, 3), of(0, 0))).await;
        let stored = async |tenant, kind| account.stored(tenant, kind).await.expect("read");
        assert_eq!(stored(A, Some("kv")).await, of(57, 2));
        assert_eq!(stored(A, None).await, of(1057, 3));
        assert_eq!(stored(A, Some("k")).await, of(0, 0));
        write(vec![account.delete(A)]).await;
        assert_eq!(stored(A, None).await, of(0, 0));
        assert_eq!(stored(B, None).await, of(3, 3));
    }

    #[test]
    fn a_quota_refuses_growth_over_it_and_nothing_else() {
        let max = of(100, 10);
        assert_eq!(of(90, 1).admit(of(10, 9), max), Ok(()));
        assert_eq!(of(200, 20).admit(of(0, 0), max), Ok(()));
        let over = of(90, 1).admit(of(11, 0), max).expect_err("over");
        assert_eq!(over, OverQuota { what: "bytes", got: 101, max: 100 });
        assert!(over.to_string().contains("101") && over.to_string().contains("stored_bytes"));
        let over = of(90, 1).admit(of(0, 10), max).expect_err("over");
        assert_eq!(over, OverQuota { what: "rows", got: 11, max: 10 });
    }
}
