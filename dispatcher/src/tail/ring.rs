//! The records of one tenant, the newest of them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bindery_wire::VersionId;
use bindery_wire::event::Handler;
use bindery_wire::limit;
use bindery_wire::log::{Exception, Level, Record, Spent};
use serde_json::value::RawValue;
use tokio::sync::Notify;

use super::outcomes::Outcomes;
use super::{Item, Kind};
use crate::clock::Millis;
use crate::code::Code;
use crate::line::{About, RequestId};
use crate::trace::Trace;

/// Records of one ring.
pub(crate) const COUNT_MAX: usize = 1_000;
/// Bytes of text of one ring.
pub(crate) const BYTES_MAX: usize = 1 << 20;

/// The request that a record belongs to, and its trace.
type Ids = (RequestId, Trace);

/// The newest records of one tenant.
#[derive(Debug)]
pub struct Ring {
    kept: Mutex<Kept>,
    last_ms: AtomicU64,
    follower_count: AtomicUsize,
    changed: Notify,
    outcomes: Arc<Outcomes>,
}

#[derive(Debug)]
struct Kept {
    records: VecDeque<Stored>,
    bytes: usize,
    /// The number of the next record.
    next: u64,
}

#[derive(Debug)]
struct Stored {
    at: Millis,
    worker: Arc<str>,
    version: VersionId,
    of: Option<Ids>,
    what: What,
}

#[derive(Debug)]
enum What {
    Console(Level, String),
    ConsoleFull(u32),
    Exception(Exception),
    Outcome(Spent, Box<About>),
}

impl Ring {
    /// An empty ring. Its numbers begin at the time, so that they also grow over a ring that was
    /// forgotten and made again.
    pub(super) fn new(now: Millis, outcomes: Arc<Outcomes>) -> Self {
        let next = now.0.saturating_mul(1_000);
        let kept = Kept { records: VecDeque::new(), bytes: 0, next };
        Self {
            kept: Mutex::new(kept),
            last_ms: AtomicU64::new(now.0),
            follower_count: AtomicUsize::new(0),
            changed: Notify::new(),
            outcomes,
        }
    }

    /// Adds what an isolate reported, under the ids of the request that it belongs to.
    pub fn record(&self, at: Millis, code: &Code, of: Option<(RequestId, Trace)>, record: Record) {
        let what = match record {
            Record::Console { level, message } => What::Console(level, message),
            Record::ConsoleFull { bytes_max } => What::ConsoleFull(bytes_max),
            Record::Exception(exception) => What::Exception(exception),
        };
        self.push(Stored::new(at, code, of, what));
    }

    /// Adds the end of an event.
    pub fn outcome(&self, at: Millis, code: &Code, about: About, spent: Spent) {
        self.outcomes.count(spent);
        let of = Some((about.request, about.trace));
        let what = What::Outcome(spent, Box::new(about));
        self.push(Stored::new(at, code, of, what));
    }

    fn push(&self, record: Stored) {
        self.last_ms.store(record.at.0, Ordering::Relaxed);
        {
            let mut kept = self.kept();
            kept.bytes += record.bytes();
            kept.records.push_back(record);
            kept.next += 1;
            while kept.records.len() > COUNT_MAX || kept.bytes > BYTES_MAX {
                let Some(gone) = kept.records.pop_front() else { break };
                kept.bytes -= gone.bytes();
            }
        }
        if self.follower_count.load(Ordering::Relaxed) > 0 {
            self.changed.notify_waiters();
        }
    }

    pub(super) fn last(&self) -> Millis {
        Millis(self.last_ms.load(Ordering::Relaxed))
    }

    /// The records after the one numbered `after`.
    pub(super) fn read(&self, worker: Option<&str>, after: u64) -> Read {
        let kept = self.kept();
        let first = kept.next - kept.records.len() as u64;
        let from = after.saturating_add(1).max(first);
        let skip = usize::try_from(from - first).unwrap_or(usize::MAX);
        let numbered = kept.records.iter().zip(first..).skip(skip);
        let wanted = numbered.filter(|(r, _)| worker.is_none_or(|w| w == &*r.worker));
        let items = wanted.map(|(record, seq)| record.item(seq)).collect();
        let missed = first.saturating_sub(after.saturating_add(1));
        Read { items, last: kept.next - 1, missed }
    }

    /// Follows what comes from now on.
    pub(super) fn follow(self: &Arc<Self>, worker: Option<String>) -> Follower {
        self.follower_count.fetch_add(1, Ordering::Relaxed);
        let after = self.kept().next - 1;
        Follower { ring: self.clone(), worker, after, ready: VecDeque::new() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a ring gave.
pub(super) struct Read {
    pub(super) items: Vec<Item>,
    /// The number to go on from.
    pub(super) last: u64,
    /// Records after `after` that are gone.
    pub(super) missed: u64,
}

/// Reads a ring as it grows.
pub(super) struct Follower {
    ring: Arc<Ring>,
    worker: Option<String>,
    after: u64,
    ready: VecDeque<Item>,
}

impl Follower {
    /// The next record. Cancel-safe.
    pub(super) async fn next(&mut self) -> Item {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return item;
            }
            let ring = self.ring.clone();
            let changed = ring.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            self.fill();
            if self.ready.is_empty() {
                changed.await;
            }
        }
    }

    fn fill(&mut self) {
        let Read { items, last, missed } = self.ring.read(self.worker.as_deref(), self.after);
        if missed > 0 {
            let seq = self.after.saturating_add(missed);
            let kind = Kind::Dropped { count: missed };
            let (worker, version) = (String::new(), String::new());
            let (at_ms, request_id, trace_id) = (self.ring.last().0, None, None);
            let item = Item { seq, at_ms, worker, version, request_id, trace_id, kind };
            self.ready.push_back(item);
        }
        self.ready.extend(items);
        self.after = last;
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.ring.follower_count.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Stored {
    /// Does not hold on to the code: its modules would stay in memory for as long as the record.
    fn new(at: Millis, code: &Code, of: Option<Ids>, what: What) -> Self {
        Self { at, worker: code.worker.clone(), version: code.version, of, what }
    }

    fn bytes(&self) -> usize {
        let text = match &self.what {
            What::Console(_, message) => message.len(),
            What::ConsoleFull(_) => 0,
            What::Exception(e) => e.name.len() + e.message.len() + e.stack.len(),
            What::Outcome(_, about) => about.path.len(),
        };
        text + size_of::<Self>()
    }

    fn item(&self, seq: u64) -> Item {
        let kind = match &self.what {
            What::Console(level, message) => {
                Kind::Log { level: *level, message: arguments(message) }
            }
            What::ConsoleFull(max) => {
                let told = limit::LOG.told(*max);
                let text = format!("further messages of this event are dropped; {told}");
                // What is no JSON is shown as one string.
                Kind::Log { level: Level::Warn, message: arguments(&text) }
            }
            What::Exception(exception) => {
                let Exception { name, message, stack } = exception.clone();
                Kind::Exception { name, message, stack }
            }
            What::Outcome(spent, about) => outcome(spent, about),
        };
        Item {
            seq,
            at_ms: self.at.0,
            worker: self.worker.to_string(),
            version: self.version.to_string(),
            request_id: self.of.map(|(request, _)| request.to_string()),
            trace_id: self.of.map(|(_, trace)| trace.to_string()),
            kind,
        }
    }
}

fn outcome(spent: &Spent, about: &About) -> Kind {
    let of = |handler| (about.handler == handler).then(|| about.path.to_string());
    Kind::Outcome {
        outcome: spent.outcome.as_str(),
        event: about.handler.as_str(),
        cpu_us: spent.cpu_us,
        wall_us: spent.wall_us,
        method: of(Handler::Fetch).map(|_| about.method.to_string()),
        path: of(Handler::Fetch),
        cron: of(Handler::Scheduled),
        queue: of(Handler::Queue),
        rpc_method: of(Handler::Rpc),
        status: (about.status != 0).then_some(about.status),
    }
}

/// The arguments as JSON; what an isolate sent that is none is shown as one string.
fn arguments(message: &str) -> Box<RawValue> {
    RawValue::from_string(message.to_owned())
        .or_else(|_| serde_json::value::to_raw_value(&[message]))
        .unwrap_or_default()
}
