//! What tenants use: counted where it happens, durable within a second.
//!
//! A [`Meter`] is a row of counters in memory that the lines of one tenant share. The first
//! event on a meter that stands at nothing puts it on a list; one task adds what the listed
//! meters counted to the stored hours, at most once a second. So a killed server loses the last
//! second and counts nothing twice, and a tenant without events costs nothing. An event belongs
//! to the hour in which it was written. Absent on purpose: prices.

mod meter;
#[cfg(test)]
mod tests;

pub use meter::{FIGURES, Meter};

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bindery_storage::engine::{Batch, Committed, Engine, Write};
use bindery_storage::tables::{self, Figures};
use bindery_wire::TenantId;
use tokio::sync::watch;

use crate::clock::Clock;
use meter::Waiting;

/// How often what was counted is written, while something is.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// Tenants whose figures are written together.
const BATCH_COUNT_MAX: usize = 256;
/// Hours that are kept.
pub const HOUR_COUNT_MAX: u64 = 400 * 24;
/// Milliseconds of an hour.
pub const HOUR_MS: u64 = 3_600_000;

/// What all tenants use. Clones share it.
#[derive(Clone)]
pub struct Usage(Arc<Inner>);

struct Inner {
    rows: tables::Usage,
    engine: Arc<dyn Engine>,
    clock: Clock,
    meters: Mutex<Meters>,
    waiting: Arc<Waiting>,
}

#[derive(Default)]
struct Meters {
    by_tenant: HashMap<TenantId, Weak<Meter>>,
    /// How many there may be before those that nobody holds are forgotten.
    room: usize,
}

impl Usage {
    /// Nothing counted yet.
    pub fn new(engine: Arc<dyn Engine>, clock: Clock) -> Self {
        let rows = tables::Usage::new(engine.clone());
        let (meters, waiting) = (Mutex::default(), Arc::default());
        Self(Arc::new(Inner { rows, engine, clock, meters, waiting }))
    }

    /// The meter of a tenant.
    pub fn meter(&self, tenant: TenantId) -> Arc<Meter> {
        let mut meters = self.0.meters();
        if let Some(meter) = meters.by_tenant.get(&tenant).and_then(Weak::upgrade) {
            return meter;
        }
        if meters.by_tenant.len() >= meters.room {
            meters.by_tenant.retain(|_, meter| meter.strong_count() > 0);
            meters.room = (2 * meters.by_tenant.len()).max(1_000);
        }
        let meter = Arc::new(Meter::new(tenant, self.0.waiting.clone()));
        meters.by_tenant.insert(tenant, Arc::downgrade(&meter));
        meter
    }

    /// The hour that it is.
    pub fn hour(&self) -> u64 {
        self.0.clock.now().0 / HOUR_MS
    }

    /// The figures of the first `count_max` hours of these in which the tenant used something.
    pub async fn read(
        &self,
        tenant: TenantId,
        hours: std::ops::Range<u64>,
        count_max: usize,
    ) -> tables::Result<Vec<(u64, Figures)>> {
        self.0.rows.read(tenant, hours, count_max).await
    }

    /// The tenant is deleted: what its meter still counts is nobody's.
    pub fn forget(&self, tenant: TenantId) {
        let meter = self.0.meters().by_tenant.remove(&tenant);
        if let Some(meter) = meter.and_then(|meter| meter.upgrade()) {
            meter.close();
        }
    }

    /// Writes what is counted until `ending`, and then once more.
    pub async fn run(self, mut ending: watch::Receiver<bool>) {
        let ended = async move {
            let _ = ending.wait_for(|ending| *ending).await;
        };
        tokio::pin!(ended);
        loop {
            let soon = async {
                self.0.waiting.some().await;
                self.0.clock.sleep(WRITE_EVERY).await;
            };
            tokio::select! {
                () = soon => self.write().await,
                () = ended.as_mut() => return self.write().await,
            }
        }
    }

    /// Adds what was counted to the stored hours.
    async fn write(&self) {
        let hour = self.hour();
        let meters = self.0.waiting.take();
        for meters in meters.chunks(BATCH_COUNT_MAX) {
            let counted: Vec<_> = meters.iter().map(|meter| (meter, meter.take())).collect();
            let writes = counted.iter().flat_map(|(meter, counts)| {
                let tenant = meter.tenant();
                let add = move |(figure, count): (&&str, &u64)| {
                    (*count > 0).then(|| self.0.rows.add(tenant, hour, figure, *count))
                };
                let adds = FIGURES.iter().zip(counts).filter_map(add);
                adds.chain(self.old(meter, hour)).collect::<Vec<Write>>()
            });
            let batch = Batch { checks: vec![], writes: writes.collect() };
            if batch.writes.is_empty() {
                continue;
            }
            match self.0.engine.commit(batch).await {
                Ok(Committed::Done { .. } | Committed::Conflict { .. }) => {}
                Err(error) => {
                    tracing::error!(%error, "what tenants used was not written; it is tried again");
                    counted.iter().for_each(|(meter, counts)| meter.give_back(counts));
                }
            }
        }
    }

    /// Once an hour for each tenant: the hours that are too old go.
    fn old(&self, meter: &Meter, hour: u64) -> Option<Write> {
        let first = hour.saturating_sub(HOUR_COUNT_MAX);
        meter.enters(hour).then(|| self.0.rows.delete_before(meter.tenant(), first))
    }
}

impl Inner {
    fn meters(&self) -> MutexGuard<'_, Meters> {
        self.meters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
