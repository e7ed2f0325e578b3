//! Who asked the admin API for which change, and what became of it.
//!
//! A change that is committed carries its entry in the same commit: the [`Cause`] of the call that
//! asked for it travels beside the work, and whoever commits takes its writes along. What changed
//! nothing, or was refused, is written right after. Entries hold names and never values.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bindery_storage::engine::{Batch, Engine, Write};
use bindery_storage::tables::{self, AuditEntry, Place};
use bindery_wire::TenantId;

use crate::clock::Clock;

/// How long an entry is kept, in milliseconds.
const KEPT_MS: u64 = 400 * 24 * 3_600_000;
/// Entries of one look.
pub const PAGE_COUNT_MAX: usize = 10_000;
/// Pages of the store's list that are kept; a tenant keeps one.
const PAGES_MAX: usize = 10;
/// After so many entries the lists are cut to their bounds.
const TRIM_EVERY: u64 = 512;
/// Numbers of one millisecond.
const NUMBERS_PER_MS: u64 = 1_000;

tokio::task_local! {
    static CAUSE: Arc<Cause>;
}

/// The audit log. Clones share it.
#[derive(Clone)]
pub struct Audit(Arc<Inner>);

struct Inner {
    engine: Arc<dyn Engine>,
    table: tables::Audit,
    clock: Clock,
    last: AtomicU64,
    count: AtomicU64,
}

/// A call that asks for a change.
pub struct Cause {
    audit: Audit,
    number: u64,
    entry: AuditEntry,
    written: AtomicBool,
}

impl Cause {
    /// The call that the present work is done for.
    pub(crate) fn current() -> Option<Arc<Self>> {
        CAUSE.try_with(Arc::clone).ok()
    }

    /// Does work for this call.
    pub(crate) async fn within<T>(cause: Option<Arc<Self>>, work: impl Future<Output = T>) -> T {
        match cause {
            Some(cause) => CAUSE.scope(cause, work).await,
            None => work.await,
        }
    }

    /// The entry of a change of this tenant that is being made.
    pub(crate) fn writes(&self, tenant: TenantId) -> Vec<Write> {
        self.audit.writes(Some(tenant), self.number, &self.entry)
    }

    /// The entry is written.
    pub(crate) fn written(&self) {
        self.written.store(true, Ordering::Release);
    }

    /// Writes the entry with how the call ended, unless a commit has taken it along.
    pub(crate) async fn close(&self, tenant: Option<TenantId>, outcome: &str) {
        let audit = &self.audit;
        if !self.written.load(Ordering::Acquire) {
            let entry = AuditEntry { outcome: outcome.into(), ..self.entry.clone() };
            let writes = audit.writes(tenant, self.number, &entry);
            if let Err(error) = audit.0.engine.commit(Batch { checks: vec![], writes }).await {
                tracing::error!(%error, "an entry of the audit log was not written");
            }
        }
        if audit.0.count.fetch_add(1, Ordering::Relaxed) % TRIM_EVERY == TRIM_EVERY - 1 {
            audit.trim(tenant).await;
        }
    }
}

impl Audit {
    /// The audit log of this store.
    pub fn new(engine: Arc<dyn Engine>, clock: Clock) -> Self {
        let table = tables::Audit::new(engine.clone());
        let (last, count) = (AtomicU64::new(0), AtomicU64::new(0));
        Self(Arc::new(Inner { engine, table, clock, last, count }))
    }

    /// Begins the entry of a call. Its time is now; its outcome is not known yet.
    pub(crate) fn begin(&self, entry: AuditEntry) -> Arc<Cause> {
        let now = self.0.clock.now().0;
        let entry = AuditEntry { at_ms: now, outcome: "done".into(), ..entry };
        let next = |last: u64| Some(now.saturating_mul(NUMBERS_PER_MS).max(last + 1));
        let last = self.0.last.fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        let number = next(last.unwrap_or_else(|last| last)).unwrap_or(0);
        Arc::new(Cause { audit: self.clone(), number, entry, written: AtomicBool::new(false) })
    }

    /// Entries before the one numbered `before`, the newest first, with their numbers.
    pub async fn list(
        &self,
        place: Place,
        before: Option<u64>,
        count_max: usize,
    ) -> tables::Result<Vec<(u64, AuditEntry)>> {
        self.0.table.list(place, before, count_max.min(PAGE_COUNT_MAX)).await
    }

    fn writes(&self, tenant: Option<TenantId>, number: u64, entry: &AuditEntry) -> Vec<Write> {
        let oldest = entry.at_ms.saturating_sub(KEPT_MS).saturating_mul(NUMBERS_PER_MS);
        let places = [Some(Place::Store), tenant.map(Place::Tenant)];
        let table = &self.0.table;
        let one = |place| [table.put(place, number, entry), table.forget_before(place, oldest)];
        places.into_iter().flatten().flat_map(one).collect()
    }

    /// Cuts the lists to their bounds.
    async fn trim(&self, tenant: Option<TenantId>) {
        let lists = [Some((Place::Store, PAGES_MAX)), tenant.map(|t| (Place::Tenant(t), 1))];
        for (place, pages) in lists.into_iter().flatten() {
            if let Err(error) = self.cut(place, pages).await {
                tracing::warn!(%error, "the audit log was not cut");
            }
        }
    }

    async fn cut(&self, place: Place, pages: usize) -> tables::Result<()> {
        let mut last = None;
        for _ in 0..pages {
            let page = self.list(place, last, PAGE_COUNT_MAX).await?;
            match page.last() {
                Some((number, _)) if page.len() == PAGE_COUNT_MAX => last = Some(*number),
                _ => return Ok(()),
            }
        }
        if let Some(number) = last {
            let writes = vec![self.0.table.forget_before(place, number)];
            self.0.engine.commit(Batch { checks: vec![], writes }).await?;
        }
        Ok(())
    }
}
