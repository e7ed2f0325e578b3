//! What is swept when its time has come: keys that have expired, and values that no key holds. A
//! delivery takes a few, and comes again at once while there are more.

use bindery_logic::kv;
use bindery_storage::engine::{Batch, Committed};
use bindery_storage::tables::{Due, Expired, Kind, KvPlace, Remains, Standing};
use bindery_wire::TenantId;
use futures_util::future::BoxFuture;

use super::put::Plan;
use super::{Inner, Kv, Result};
use crate::scheduler::{Deliver, Failure};

/// Keys of one delivery: with all that goes with them they fit one commit.
const KEY_COUNT: usize = 100;
/// Values of one delivery.
const VALUE_COUNT: usize = 64;

impl Deliver for Kv {
    fn deliver(
        &self,
        tenant: TenantId,
        due: Due,
    ) -> BoxFuture<'_, std::result::Result<(), Failure>> {
        Box::pin(async move {
            let swept = match due.kind {
                Kind::KvExpiry => self.0.sweep_keys(tenant, &due).await,
                _ => self.0.sweep_values(tenant, &due).await,
            };
            Ok(swept?)
        })
    }
}

impl Inner {
    async fn sweep_keys(&self, tenant: TenantId, due: &Due) -> Result<()> {
        let now_ms = self.now_ms();
        let expired = self.table.expired(tenant, now_ms / 1_000, KEY_COUNT).await?;
        let mut plan = Plan::default();
        for expired in &expired {
            let Expired { namespace, name, .. } = expired;
            let place = KvPlace { tenant, namespace, name };
            match self.table.get(place).await? {
                Some(row) if kv::is_over(row.expires_s, now_ms) => {
                    plan.checks.push(self.table.unchanged(place, Some(&row)));
                    self.remove(place, &row, &mut plan);
                }
                _ => {}
            }
            plan.writes.push(self.table.delete_expiry(tenant, expired));
        }
        self.settle(tenant, due, expired.len() >= KEY_COUNT, plan).await
    }

    async fn sweep_values(&self, tenant: TenantId, due: &Due) -> Result<()> {
        let remains = self.table.remains(tenant, self.now_ms(), VALUE_COUNT).await?;
        let mut plan = Plan::default();
        for found in &remains {
            let Some(condemned) = self.condemn(tenant, found).await? else { continue };
            self.values.delete(tenant, found.value).await?;
            plan.checks.push(self.table.remains_there(tenant, &condemned));
            plan.writes.push(self.table.delete_parts(tenant, found.value));
            plan.writes.push(self.table.delete_remains(tenant, &condemned));
            plan.went.bytes += found.bytes;
        }
        self.settle(tenant, due, remains.len() >= VALUE_COUNT, plan).await
    }

    /// Sees to it that no key can get a value any more; absent if one has it.
    async fn condemn(&self, tenant: TenantId, found: &Remains) -> Result<Option<Remains>> {
        if found.standing == Standing::Condemned {
            return Ok(Some(*found));
        }
        let condemned = Remains { standing: Standing::Condemned, ..*found };
        let checks = vec![self.table.remains_there(tenant, found)];
        let writes = vec![self.table.put_remains(tenant, &condemned)];
        let committed = self.parts.engine.commit(Batch { checks, writes }).await?;
        Ok(matches!(committed, Committed::Done { .. }).then_some(condemned))
    }

    /// Commits a delivery. Its entry goes, or comes again at once if there is more to do or
    /// something was changed meanwhile.
    async fn settle(&self, tenant: TenantId, due: &Due, more: bool, plan: Plan) -> Result<()> {
        let there = self.due.there(tenant, due);
        let again = || {
            let now_ms = self.now_ms();
            let next = Due { time_ms: now_ms, failures: 0, ..due.clone() };
            let mut writes = vec![self.due.remove(tenant, due)];
            writes.extend(self.due.add(tenant, &next, now_ms));
            writes
        };
        let mut with = plan;
        with.checks.push(there.clone());
        if more {
            with.writes.extend(again());
        } else {
            with.writes.push(self.due.remove(tenant, due));
        }
        if let Committed::Conflict { .. } = self.commit(tenant, with).await? {
            let batch = Batch { checks: vec![there], writes: again() };
            self.parts.engine.commit(batch).await?;
        }
        Ok(())
    }
}
