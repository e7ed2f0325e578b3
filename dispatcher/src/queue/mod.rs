//! Queues: messages that a tenant's workers send, and the workers that take them.
//!
//! Guarantees: a message is durable when its sender is answered, and is delivered until its consumer
//! is done with it, it has failed as often as it may, or nobody took it for too long. Whoever takes
//! messages has a lease on them: the server's own lease ends with the server, so what was running
//! when it was killed is delivered again; another's has a time. Who settles without a lease
//! that stands changes nothing. What becomes of a batch is one commit, dead letters included: a
//! message is in one queue at any time, and never in none.
//!
//! The scheduler says which queue to look at: an entry of it stands wherever a message may have to
//! be delivered. While a queue is attended ([`live`]) no entry is written for what comes to
//! it; what comes holds only if the entry under which it is attended is still there.
//!
//! A queue is attended for a few seconds and then goes behind the others of its tenant. Handlers run
//! apart from that. Absent on purpose: any order between messages but a best effort.

mod arrive;
mod ask;
mod attend;
mod draft;
mod error;
mod figures;
mod live;
mod plan;
mod pull;
mod register;
mod run;
mod settle;
#[cfg(test)]
mod tests;

pub(crate) use arrive::{QUEUES, Sent};
pub use attend::{Consumers, ConsumersParts};
pub use error::Error;
pub use figures::Figures;
pub use plan::{CONCURRENCY_MAX, RETENTION_S_MAX};
pub use pull::{Acked, Pulled, QueueShown};
pub(crate) use register::{BATCH_WAIT_S_MAX, RETRY_COUNT_MAX, declared};

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bindery_storage::engine::Engine;
use bindery_storage::tables::{Account, DueTable, MessageId, QueueTable, Tenants};
use bindery_wire::TenantId;
use chacha20poly1305::aead::OsRng;
use chacha20poly1305::aead::rand_core::RngCore;

use crate::clock::Clock;
use crate::scheduler;
use live::Live;

/// Queues of a tenant.
pub const QUEUE_COUNT_MAX: u64 = 10_000;
/// Messages of one pull.
pub const PULL_COUNT_MAX: usize = 100;
/// Milliseconds for which who pulls a message may have it.
pub const VISIBILITY_MS_MAX: u64 = 12 * 3_600_000;

/// How often something is decided anew that changed meanwhile.
const TRY_COUNT_MAX: usize = 20;
/// Tenants of whom the newest id is remembered.
const ORDER_COUNT_MAX: usize = 4_096;

/// Which queue: whose, and its name.
type Of<'a> = (TenantId, &'a str);

/// What queues are made of.
pub struct Parts {
    /// Where they are kept.
    pub engine: Arc<dyn Engine>,
    /// The time.
    pub clock: Clock,
    /// Who is told of what is due.
    pub scheduler: scheduler::Handle,
}

/// Every tenant's queues. Clones are the same.
#[derive(Clone)]
pub struct Queues(Arc<Inner>);

struct Inner {
    parts: Parts,
    table: QueueTable,
    due: DueTable,
    account: Account,
    tenants: Tenants,
    live: Live,
    order: Order,
    figures: Arc<Figures>,
}

impl Queues {
    /// The queues of a store.
    pub fn new(parts: Parts) -> Self {
        let engine = || parts.engine.clone();
        Self(Arc::new(Inner {
            table: QueueTable::new(engine()),
            due: DueTable::new(engine()),
            account: Account::new(engine()),
            tenants: Tenants::new(engine()),
            live: Live::default(),
            order: Order::default(),
            figures: Arc::default(),
            parts,
        }))
    }

    /// What they count.
    pub fn figures(&self) -> Arc<Figures> {
        self.0.figures.clone()
    }
}

impl Inner {
    fn now_ms(&self) -> u64 {
        self.parts.clock.now().0
    }
}

/// Gives ids to messages so that those of a tenant sort as they were sent.
#[derive(Default)]
struct Order(Mutex<HashMap<TenantId, (u64, u16)>>);

impl Order {
    /// Ids for messages of a tenant that are sent now.
    fn ids(&self, tenant: TenantId, now_ms: u64, count: usize) -> Vec<MessageId> {
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if newest.len() >= ORDER_COUNT_MAX && !newest.contains_key(&tenant) {
            newest.clear();
        }
        let (at_ms, place) = newest.entry(tenant).or_insert((now_ms, 0));
        if *at_ms != now_ms {
            (*at_ms, *place) = (now_ms, 0);
        }
        let mut next = || {
            *place = place.saturating_add(1);
            MessageId::new(now_ms, *place, chance())
        };
        (0..count).map(|_| next()).collect()
    }
}

/// A number that nobody guesses.
fn chance() -> u64 {
    OsRng.next_u64()
}
