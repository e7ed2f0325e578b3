//! Writes: one key, in one commit.

use std::sync::Arc;

use bindery_logic::kv;
use bindery_storage::engine::{Batch, Check, Committed, Write};
use bindery_storage::tables::{
    Kind, KvPlace, KvRow, KvTable, KvValue, Remains, Standing, Stored, Tenant,
};
use bindery_wire::TenantId;
use bytes::Bytes;
use chacha20poly1305::aead::OsRng;
use chacha20poly1305::aead::rand_core::RngCore;

use super::stored_max;
use super::upload::Received;
use super::{ACCOUNT, Error, Inner, Kv, Namespace, REMAINS_FOR, Result};
use crate::line::RequestBody;

/// How often a write is tried again whose key or tenant was changed meanwhile. Writers of one key
/// wait for each other, so that is for changes of the tenant.
const ATTEMPT_COUNT_MAX: u32 = 16;

/// What is said of a key beside its value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The second since 1970 from which on it is not there.
    pub expiration_s: Option<i64>,
    /// After how many seconds it is not there; this one wins.
    pub ttl_s: Option<i64>,
    /// A JSON text.
    pub metadata: Option<String>,
}

/// What a key is to be.
struct Wanted<'a> {
    place: KvPlace<'a>,
    expires_s: Option<u64>,
    metadata: Option<String>,
}

/// A batch that is being put together.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) checks: Vec<Check>,
    pub(super) writes: Vec<Write>,
    pub(super) came: Stored,
    pub(super) went: Stored,
}

impl Kv {
    /// Sets a key. It is durable when this returns. Dropped, it may still be done, whole.
    pub async fn put(
        &self,
        of: &Namespace,
        name: &str,
        options: Options,
        body: RequestBody,
    ) -> Result<()> {
        kv::check_name(name)?;
        let Options { expiration_s, ttl_s, metadata } = options;
        kv::check_metadata(metadata.as_deref().map_or(0, str::len))?;
        if metadata.as_deref().is_some_and(|text| !is_json(text)) {
            return Err(Error::Metadata);
        }
        let expires_s = kv::expiry(expiration_s, ttl_s, self.0.now_ms() / 1_000)?;
        let received = self.0.receive(of.tenant, body).await?;
        let wanted = Wanted { place: of.at(name), expires_s, metadata };
        self.0.set(wanted, received).await
    }

    /// Deletes a key, if it is there. It is gone for good when this returns.
    pub async fn delete(&self, of: &Namespace, name: &str) -> Result<()> {
        kv::check_name(name)?;
        let (inner, place) = (&self.0, of.at(name));
        let _lock = inner.locks.lock(place).await;
        for _ in 0..ATTEMPT_COUNT_MAX {
            let Some(row) = inner.table.get(place).await? else { return Ok(()) };
            let mut plan = Plan::default();
            plan.checks.push(inner.table.unchanged(place, Some(&row)));
            inner.remove(place, &row, &mut plan);
            if let Committed::Done { .. } = inner.commit(place.tenant, plan).await? {
                return Ok(());
            }
        }
        Err(Error::Busy)
    }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

#[cfg(test)]
impl Kv {
    /// Gives a key a value that has come.
    pub(super) async fn set_for_test(&self, place: KvPlace<'_>, received: Received) -> Result<()> {
        self.0.set(Wanted { place, expires_s: None, metadata: None }, received).await
    }
}

impl Inner {
    async fn set(self: &Arc<Self>, wanted: Wanted<'_>, received: Received) -> Result<()> {
        let place = wanted.place;
        let _lock = self.locks.lock(place).await;
        for _ in 0..ATTEMPT_COUNT_MAX {
            let tenant = self.tenants.get(place.tenant).await?.ok_or(Error::Gone)?;
            let before = self.table.get(place).await?;
            let mut plan = Plan::default();
            plan.checks.push(self.tenants.unchanged(place.tenant, &tenant));
            plan.checks.push(self.table.unchanged(place, before.as_ref()));
            if let Some(row) = &before {
                self.remove(place, row, &mut plan);
            }
            self.add(&wanted, &received, &mut plan);
            self.admit(place.tenant, &tenant, &plan).await?;
            match self.commit(place.tenant, plan).await? {
                Committed::Done { .. } => {
                    if let Received::File(filed) = received {
                        filed.claimed();
                    }
                    return Ok(());
                }
                Committed::Conflict { check } if check >= CLAIM => match &received {
                    Received::File(_) => return Err(Error::Slow),
                    // The number was taken: the next one is another.
                    Received::Here(_) => {}
                },
                Committed::Conflict { .. } => {}
            }
        }
        Err(Error::Busy)
    }

    /// Adds the key as it will be.
    fn add(&self, wanted: &Wanted<'_>, received: &Received, plan: &mut Plan) {
        let tenant = wanted.place.tenant;
        let value = match received {
            Received::Here(bytes) => self.add_value(tenant, bytes, plan),
            Received::File(filed) => {
                let (check, write) = filed.claim();
                plan.checks.push(check);
                plan.writes.push(write);
                KvValue::File { number: filed.number(), hash: filed.hash }
            }
        };
        let Wanted { place, expires_s, metadata } = wanted;
        let (expires_s, metadata) = (*expires_s, metadata.clone());
        let row = KvRow { expires_s, metadata, length: received.length(), value };
        plan.writes.extend(self.table.put(*place, &row));
        plan.came = Stored { bytes: head_bytes(*place, &row) + row.length, rows: 1 };
        if let Some(at_s) = expires_s {
            let at_ms = at_s.saturating_mul(1_000);
            let sweep = self.sweep_after(tenant, Kind::KvExpiry, at_ms, self.now_ms());
            plan.writes.extend(sweep);
        }
    }

    fn add_value(&self, tenant: TenantId, bytes: &Bytes, plan: &mut Plan) -> KvValue {
        if bytes.len() <= KvTable::INLINE_BYTES_MAX {
            return KvValue::Inline(bytes.clone());
        }
        let number = OsRng.next_u64();
        plan.checks.push(self.table.is_free(tenant, number));
        plan.writes.extend(self.table.put_parts(tenant, number, bytes));
        KvValue::Parts(number)
    }

    /// Takes a key away. A value that has a number stays readable for a while.
    pub(super) fn remove(&self, place: KvPlace<'_>, row: &KvRow, plan: &mut Plan) {
        plan.writes.extend(self.table.delete(place, row));
        plan.went.bytes += head_bytes(place, row);
        plan.went.rows += 1;
        let value = match row.value {
            KvValue::Inline(_) => {
                plan.went.bytes += row.length;
                return;
            }
            KvValue::Parts(number) | KvValue::File { number, .. } => number,
        };
        let now_ms = self.now_ms();
        let at_ms = now_ms.saturating_add(REMAINS_FOR.as_millis() as u64);
        let (standing, bytes) = (Standing::Condemned, row.length);
        let remains = Remains { at_ms, value, standing, bytes };
        plan.writes.push(self.table.put_remains(place.tenant, &remains));
        plan.writes.extend(self.sweep_after(place.tenant, Kind::KvRemains, at_ms, now_ms));
    }

    /// Refuses what would pass the tenant's quotas.
    async fn admit(&self, id: TenantId, tenant: &Tenant, plan: &Plan) -> Result<()> {
        let more = Stored {
            bytes: plan.came.bytes.saturating_sub(plan.went.bytes),
            rows: plan.came.rows.saturating_sub(plan.went.rows),
        };
        let stored = self.account.stored(id, None).await?;
        Ok(stored.admit(more, stored_max(&tenant.quotas))?)
    }

    pub(super) async fn commit(&self, tenant: TenantId, plan: Plan) -> Result<Committed> {
        let Plan { checks, mut writes, came, went } = plan;
        writes.extend(self.account.change(tenant, ACCOUNT, came, went));
        Ok(self.parts.engine.commit(Batch { checks, writes }).await?)
    }
}

/// The place of the check that a value's number is this write's.
const CLAIM: usize = 2;

/// Bytes of a key beside its value.
fn head_bytes(place: KvPlace<'_>, row: &KvRow) -> u64 {
    (place.name.len() + row.metadata.as_deref().map_or(0, str::len)) as u64
}
