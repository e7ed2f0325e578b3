//! One delivery, and what becomes of an entry that its owner could not deliver.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bindery_logic::backoff;
use bindery_storage::engine::{self, Batch};
use bindery_storage::tables::{Due, DueTable};
use bindery_wire::TenantId;
use futures_util::FutureExt;

use super::running::Ticket;
use super::{Figures, Parts};

/// How long an entry is put off at first.
const PUT_OFF_MS: u64 = 1_000;
/// How long at most.
const PUT_OFF_MS_MAX: u64 = 5 * 60 * 1_000;

pub(super) struct Delivery {
    pub(super) parts: Arc<Parts>,
    pub(super) table: DueTable,
    pub(super) figures: Arc<Figures>,
}

impl Delivery {
    /// Has the entry delivered. The ticket is given back when that has ended.
    pub(super) async fn run(self, ticket: Ticket, due: Due) {
        let failure = self.hand_over(ticket.tenant, &due).await;
        self.figures.end(failure.is_none());
        if let Some(failure) = failure {
            let tenant = ticket.tenant;
            tracing::error!(%tenant, kind = ?due.kind, failure, "what is due was not delivered");
            self.put_off(tenant, &due).await;
        }
        drop(ticket);
    }

    /// Why the owner did not deliver it, if it did not.
    async fn hand_over(&self, tenant: TenantId, due: &Due) -> Option<String> {
        let owner = self.parts.owners.iter().find(|(kind, _)| *kind == due.kind);
        let Some((_, owner)) = owner else { return Some("nobody delivers this kind".into()) };
        match AssertUnwindSafe(owner.deliver(tenant, due.clone())).catch_unwind().await {
            Ok(Ok(())) => None,
            Ok(Err(failure)) => Some(failure.to_string()),
            Err(_) => Some("the owner panicked".into()),
        }
    }

    /// Moves the entry to a later time, unless its owner changed it.
    async fn put_off(&self, tenant: TenantId, due: &Due) {
        let delay_ms = backoff::doubled_ms(PUT_OFF_MS, due.failures.into(), PUT_OFF_MS_MAX);
        if let Err(error) = self.commit_put_off(tenant, due, delay_ms).await {
            tracing::error!(%tenant, %error, "what is due can not be put off");
            // It is due still, and no better now.
            self.parts.clock.sleep(Duration::from_millis(delay_ms)).await;
        }
    }

    async fn commit_put_off(
        &self,
        tenant: TenantId,
        due: &Due,
        delay_ms: u64,
    ) -> engine::Result<()> {
        let now_ms = self.parts.clock.now().0;
        let later = Due {
            time_ms: now_ms.saturating_add(delay_ms),
            failures: due.failures.saturating_add(1),
            ..due.clone()
        };
        let mut writes = vec![self.table.remove(tenant, due)];
        writes.extend(self.table.add(tenant, &later, now_ms));
        let batch = Batch { checks: vec![self.table.there(tenant, due)], writes };
        self.parts.engine.commit(batch).await.map(drop)
    }
}
