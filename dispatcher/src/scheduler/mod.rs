//! Delivers what is due, at its time, when nobody is calling.
//!
//! One task for all tenants. It follows the hints up to now, from where it was, and gives each
//! tenant a turn: a few of its entries are handed to their owners. It takes no input but what is
//! stored; a wake-up makes it look earlier, and that is all.
//!
//! Guarantees: an entry is handed to its owner at its time or later, and again until it is gone.
//! The owner settles it in one commit, which removes or moves the entry and changes what it owns
//! while [`DueTable::there`] holds; so, killed anywhere, nothing due is lost and nothing settles
//! twice. An entry is in one delivery at a time. What an owner can not deliver is put off, for
//! longer each time. A million entries or tenants that are due, or idle, are rows: in memory are a
//! page of hints and what is being delivered, both bounded.
//!
//! Absent on purpose: what an entry means, and what becomes of an event that failed.

mod deliver;
mod figures;
mod running;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bindery_storage::engine::Engine;
use bindery_storage::tables::{self, Due, DueTable, Hint, Kind};
use bindery_wire::TenantId;
use futures_util::future::{BoxFuture, join_all};
use tokio::sync::{Notify, watch};

use crate::clock::Clock;
use crate::tasks::Tasks;
use deliver::Delivery;
pub use figures::Figures;
use running::Running;
pub use running::{DELIVERY_COUNT_MAX, TENANT_DELIVERY_COUNT_MAX};

/// Hints that are read in one go.
const PAGE_COUNT: usize = 256;
/// Entries of a tenant that one turn starts.
const TURN_COUNT: usize = 8;
/// How long nothing is looked at, at most, whatever hints say.
const REST_MAX: Duration = Duration::from_secs(60);
/// How long a store that failed is left alone.
const FAILED_REST: Duration = Duration::from_secs(1);

/// Why an entry was not delivered; for the log.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The owner of all entries of one kind.
pub trait Deliver: Send + Sync {
    /// Does what is due, and settles it: the entry is gone or moved when it returns. An entry that
    /// its owner no longer knows is removed. May be called again for an entry whose delivery was
    /// killed.
    fn deliver(&self, tenant: TenantId, due: Due) -> BoxFuture<'_, Result<(), Failure>>;
}

/// Wakes the scheduler. Clones wake the same one.
#[derive(Clone, Debug, Default)]
pub struct Handle(Arc<Notify>);

impl Handle {
    /// Says that something was added that may be due before the scheduler would look.
    pub fn wake(&self) {
        self.0.notify_one();
    }
}

/// What a scheduler is made of.
pub struct Parts {
    /// Where entries are.
    pub engine: Arc<dyn Engine>,
    /// The time.
    pub clock: Clock,
    /// Where deliveries run.
    pub tasks: Tasks,
    /// What wakes it.
    pub handle: Handle,
    /// Who delivers what.
    pub owners: Vec<(Kind, Arc<dyn Deliver>)>,
}

/// Delivers what is due.
pub struct Scheduler {
    parts: Arc<Parts>,
    due: DueTable,
    running: Running,
    figures: Arc<Figures>,
    /// The hint behind which the next page begins; absent for the first.
    after: Option<Hint>,
    /// Whether anything was changed since the first page.
    changed: bool,
}

/// When to look again.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Now,
    After(Duration),
}

/// What came of a tenant's turn.
enum Turn {
    /// Entries were started.
    Started,
    /// What is due is being delivered, or there is no room for more of it.
    Waits,
    /// Nothing is due now; this is the next entry.
    Nothing(Option<Due>),
}

impl Scheduler {
    /// A scheduler that does nothing yet.
    pub fn new(parts: Parts) -> Self {
        let due = DueTable::new(parts.engine.clone());
        let running = Running::new(parts.handle.clone());
        let figures = Arc::default();
        Self { parts: Arc::new(parts), due, running, figures, after: None, changed: false }
    }

    /// What it counts.
    pub fn figures(&self) -> Arc<Figures> {
        self.figures.clone()
    }

    /// Delivers what is due until the server no longer takes work.
    pub async fn run(mut self, mut serving: watch::Receiver<bool>) {
        let stopped = async move {
            let _ = serving.wait_for(|serving| !*serving).await;
        };
        tokio::pin!(stopped);
        let handle = self.parts.handle.clone();
        loop {
            // From before the time is read, so that what a pass takes does not come on top.
            let since = self.parts.clock.elapsed();
            let next = self.pass().await.unwrap_or_else(|error| {
                tracing::error!(%error, "what is due can not be read");
                Next::After(FAILED_REST)
            });
            let rest = async {
                match next {
                    Next::Now => tokio::task::yield_now().await,
                    Next::After(rest) => self.parts.clock.sleep_until(since + rest).await,
                }
            };
            tokio::select! {
                biased;
                () = stopped.as_mut() => return,
                () = handle.0.notified() => {}
                () = rest => {}
            }
        }
    }

    /// Gives a turn to each tenant of the next page of hints.
    async fn pass(&mut self) -> Result<Next, tables::Error> {
        let now_ms = self.parts.clock.now().0;
        let page = self.due.hints(now_ms, self.after.as_ref(), PAGE_COUNT).await?;
        let mut of: HashMap<TenantId, Vec<Hint>> = HashMap::new();
        for hint in &page {
            of.entry(hint.tenant).or_default().push(*hint);
        }
        let mut done = Vec::new();
        for hint in &page {
            if let Some(hints) = of.remove(&hint.tenant) {
                if self.running.is_full() {
                    self.settle(done).await;
                    return Ok(Next::After(REST_MAX));
                }
                match self.turn(hint.tenant, now_ms).await {
                    Ok(Turn::Started) => self.changed = true,
                    Ok(Turn::Waits) => {}
                    Ok(Turn::Nothing(next)) => done.push((hints, next)),
                    // The others are not to wait for one that does not read.
                    Err(error) => {
                        tracing::error!(tenant = %hint.tenant, %error, "what is due does not read");
                    }
                }
            }
            self.after = Some(*hint);
        }
        self.settle(done).await;
        if page.len() == PAGE_COUNT {
            return Ok(Next::Now);
        }
        self.after = None;
        if std::mem::take(&mut self.changed) {
            return Ok(Next::Now);
        }
        let next_ms = self.due.next_hint_ms(now_ms).await?;
        let rest = next_ms.map(|next_ms| Duration::from_millis(next_ms - now_ms));
        Ok(Next::After(rest.map_or(REST_MAX, |rest| rest.min(REST_MAX))))
    }

    /// Starts a few of the tenant's entries that are due and not started yet.
    async fn turn(&self, tenant: TenantId, now_ms: u64) -> Result<Turn, tables::Error> {
        let own = self.running.count(tenant);
        let count = self.running.room(tenant).min(TURN_COUNT);
        let first = self.due.until(tenant, u64::MAX, own + count.max(1)).await?;
        if first.first().is_none_or(|due| due.time_ms > now_ms) {
            return Ok(Turn::Nothing(first.into_iter().next()));
        }
        let mut turn = Turn::Waits;
        let due = first.into_iter().take_while(|due| due.time_ms <= now_ms);
        for (due, ticket) in due.filter_map(|due| self.running.enter(tenant, due)).take(count) {
            self.figures.start(now_ms - due.time_ms);
            let delivery = Delivery {
                parts: self.parts.clone(),
                table: self.due.clone(),
                figures: self.figures.clone(),
            };
            self.parts.tasks.spawn("delivery", delivery.run(ticket, due));
            turn = Turn::Started;
        }
        Ok(turn)
    }

    /// Removes hints of tenants to whom nothing is due now.
    async fn settle(&self, done: Vec<(Vec<Hint>, Option<Due>)>) {
        let commit = |(hints, next): (Vec<Hint>, Option<Due>)| {
            self.parts.engine.commit(self.due.settle(&hints, next.as_ref()))
        };
        // A conflict leaves the hints of a tenant to whom something came meanwhile: it is looked
        // at again, as whoever added that wakes the scheduler.
        for committed in join_all(done.into_iter().map(commit)).await {
            if let Err(error) = committed {
                tracing::error!(%error, "hints can not be removed");
            }
        }
    }
}
