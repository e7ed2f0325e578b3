//! The counters of one tenant, and the list of those that counted something.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bindery_wire::TenantId;
use bindery_wire::log::Spent;
use tokio::sync::Notify;

/// What is counted. The names are those of the stored rows: append only.
pub const FIGURES: [&str; 16] = [
    "requests",
    "cpu_us",
    "wall_us",
    "bytes_in",
    "bytes_out",
    "subrequests",
    "outcome.ok",
    "outcome.exception",
    "outcome.exceededCpu",
    "outcome.exceededMemory",
    "outcome.exceededWallTime",
    "outcome.canceled",
    "outcome.hung",
    "outcome.lost",
    "outcome.internalError",
    "operations",
];

const REQUESTS: usize = 0;
const CPU_US: usize = 1;
const WALL_US: usize = 2;
const BYTES_IN: usize = 3;
const BYTES_OUT: usize = 4;
const SUBREQUESTS: usize = 5;
/// The first of the outcomes' counts, which stand in the order of [`Outcome::ALL`].
const OUTCOMES: usize = 6;
const OPERATIONS: usize = 15;

/// What was counted since the last writing, in the order of [`FIGURES`].
pub(super) type Counts = [u64; FIGURES.len()];

/// What one tenant used and nobody has written yet.
#[derive(Debug)]
pub struct Meter {
    tenant: TenantId,
    counts: [AtomicU64; FIGURES.len()],
    /// Whether it is on the list.
    listed: AtomicBool,
    closed: AtomicBool,
    /// The hour of the last writing.
    hour: AtomicU64,
    waiting: Arc<Waiting>,
}

impl Meter {
    pub(super) fn new(tenant: TenantId, waiting: Arc<Waiting>) -> Self {
        Self {
            tenant,
            counts: Default::default(),
            listed: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            hour: AtomicU64::new(0),
            waiting,
        }
    }

    /// Whose it is.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// An event has ended.
    pub fn event(self: &Arc<Self>, spent: &Spent) {
        self.count(REQUESTS, 1);
        self.count(CPU_US, spent.cpu_us);
        self.count(WALL_US, spent.wall_us);
        self.count(OUTCOMES + spent.outcome as usize, 1);
        self.list();
    }

    /// Bytes of a body have come: a client's request, or a response to one of the tenant's.
    pub fn bytes_in(self: &Arc<Self>, bytes: usize) {
        self.count(BYTES_IN, bytes as u64);
        self.list();
    }

    /// Bytes of a body have gone out: a response to a client, or a request of the tenant's.
    pub fn bytes_out(self: &Arc<Self>, bytes: usize) {
        self.count(BYTES_OUT, bytes as u64);
        self.list();
    }

    /// Outgoing requests were made.
    pub fn subrequests(self: &Arc<Self>, count: u32) {
        self.count(SUBREQUESTS, count.into());
        self.list();
    }

    /// A binding was called.
    pub fn operation(self: &Arc<Self>) {
        self.count(OPERATIONS, 1);
        self.list();
    }

    fn count(&self, figure: usize, by: u64) {
        if let Some(count) = self.counts.get(figure) {
            count.fetch_add(by, Ordering::Relaxed);
        }
    }

    fn list(self: &Arc<Self>) {
        // What was counted before a swap that finds it listed is seen by the one in `take`.
        if !self.listed.swap(true, Ordering::AcqRel) {
            self.waiting.add(self.clone());
        }
    }

    /// What was counted; from now on it counts from nothing.
    pub(super) fn take(&self) -> Counts {
        self.listed.swap(false, Ordering::AcqRel);
        let mut taken = Counts::default();
        if self.closed.load(Ordering::Relaxed) {
            return taken;
        }
        for (taken, count) in taken.iter_mut().zip(&self.counts) {
            *taken = count.swap(0, Ordering::Relaxed);
        }
        taken
    }

    /// Counts again what could not be written.
    pub(super) fn give_back(self: &Arc<Self>, counts: &Counts) {
        for (count, back) in self.counts.iter().zip(counts) {
            count.fetch_add(*back, Ordering::Relaxed);
        }
        self.hour.store(0, Ordering::Relaxed);
        self.list();
    }

    /// Whether this is the first writing in `hour`.
    pub(super) fn enters(&self, hour: u64) -> bool {
        !self.closed.load(Ordering::Relaxed) && self.hour.swap(hour, Ordering::Relaxed) != hour
    }

    /// Nothing that it counts is written any more.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }
}

/// Meters that counted something since they were last written.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    meters: Mutex<Vec<Arc<Meter>>>,
    added: Notify,
}

impl Waiting {
    fn add(&self, meter: Arc<Meter>) {
        let mut meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        meters.push(meter);
        if meters.len() == 1 {
            self.added.notify_one();
        }
    }

    /// Waits until there is one. Cancel-safe.
    pub(super) async fn some(&self) {
        loop {
            let added = self.added.notified();
            if !self.meters.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
                return;
            }
            added.await;
        }
    }

    pub(super) fn take(&self) -> Vec<Arc<Meter>> {
        std::mem::take(&mut self.meters.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use bindery_wire::Outcome;

    use super::*;

    #[test]
    fn each_outcome_is_counted_under_its_name() {
        for outcome in Outcome::ALL {
            assert_eq!(FIGURES[OUTCOMES + outcome as usize], format!("outcome.{outcome}"));
        }
    }
}
