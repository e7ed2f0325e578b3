//! Which isolates live, and where: one per version and generation of a worker.
//!
//! A request for a version that is live costs one look-up. A cold start happens once, however
//! many wait for it, and goes on if they go away; starts of several tenants take turns. Isolates
//! go when they are idle for long, when there are too many, or when what they run is out of date.

mod compiled;
mod error;
mod figures;
mod gate;
mod start;
mod sweep;

pub use compiled::Compiled;
pub use error::Failed;
pub use sweep::SWEEP_EVERY;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bindery_wire::frame::Started;
use bindery_wire::limits::QUEUED_EVENT_COUNT_MAX;
use bindery_wire::{IsolateNumber, TenantId, VersionId};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::code::Code;
use crate::config::PoolConfig;
use crate::cordon::{Cordon, Cordons};
use crate::line::Line;
use crate::tail::Tail;
use crate::tasks::Tasks;
use figures::Figures;
use gate::Gate;

/// A version that did not start is not tried again for this long.
const FAILED_FOR: Duration = Duration::from_secs(1);

/// What placement is made of.
pub struct Parts {
    /// Where isolates are hosted.
    pub cordons: Cordons,
    /// Where records go.
    pub tail: Tail,
    /// The time.
    pub clock: Clock,
    /// How many isolates are kept.
    pub config: PoolConfig,
    /// Compiled code of modules.
    pub compiled: Compiled,
}

/// Which isolates live. Clones share them.
#[derive(Clone)]
pub struct Placement(Arc<Inner>);

struct Inner {
    parts: Parts,
    live: Mutex<Live>,
    gate: Gate,
    figures: Figures,
}

#[derive(Default)]
struct Live {
    entries: HashMap<Key, Entry>,
    /// Every isolate that has not ended, also those that take no events any more.
    isolates: HashMap<IsolateNumber, Isolate>,
    ending: bool,
}

/// What makes two events run in the same isolate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    tenant: TenantId,
    worker: Arc<str>,
    version: VersionId,
    generation: u64,
}

enum Entry {
    /// Some wait for the start's end.
    Starting(watch::Sender<Option<Result<Ready, Failed>>>),
    Live {
        line: Arc<Line>,
        /// Started for an upload and not used since: a change does not make it out of date.
        trial: bool,
    },
    /// It did not start; until when that stands.
    Failed(Failed, Duration),
}

#[derive(Clone)]
struct Isolate {
    line: Arc<Line>,
    cordon: Arc<Cordon>,
}

/// An isolate that takes events.
#[derive(Clone)]
pub struct Ready {
    /// Its line.
    pub line: Arc<Line>,
    /// What its start found.
    pub started: Arc<Started>,
}

enum Found {
    Line(Arc<Line>),
    Wait(watch::Receiver<Option<Result<Ready, Failed>>>),
}

impl Placement {
    /// No isolates yet.
    pub fn new(parts: Parts) -> Self {
        let (live, gate, figures) = (Mutex::default(), Gate::default(), Figures::default());
        Self(Arc::new(Inner { parts, live, gate, figures }))
    }

    /// The isolate that runs `code`, started if there is none. `tasks` runs its line. Cancel-safe.
    pub async fn line(&self, code: &Arc<Code>, tasks: &Tasks) -> Result<Arc<Line>, Failed> {
        match self.find(code, tasks, false)? {
            Found::Line(line) => Ok(line),
            Found::Wait(started) => wait(started).await.map(|ready| ready.line),
        }
    }

    /// Starts `code` to see whether it does; the isolate stays for the first request. What is
    /// live of the same version and generation already is taken as proof of nothing and replaced.
    pub async fn trial(&self, code: &Arc<Code>, tasks: &Tasks) -> Result<Arc<Started>, Failed> {
        let former = self.live().entries.remove(&Key::of(code));
        if let Some(Entry::Live { line, .. }) = former {
            line.condemn();
        }
        match self.find(code, tasks, true)? {
            Found::Line(_) => Ok(Ready::started()),
            Found::Wait(started) => wait(started).await.map(|ready| ready.started),
        }
    }

    fn find(&self, code: &Arc<Code>, tasks: &Tasks, trial: bool) -> Result<Found, Failed> {
        let key = Key::of(code);
        let mut live = self.live();
        if live.ending {
            return Err(Failed::Overloaded { after_ms: 1_000 });
        }
        match live.entries.get_mut(&key) {
            Some(Entry::Live { line, trial }) if line.is_open() => {
                *trial = false;
                return Ok(Found::Line(line.clone()));
            }
            Some(Entry::Starting(started)) => {
                let most = QUEUED_EVENT_COUNT_MAX + code.limits.event_count_max as usize;
                if started.receiver_count() >= most {
                    return Err(Failed::Overloaded { after_ms: 1_000 });
                }
                return Ok(Found::Wait(started.subscribe()));
            }
            Some(Entry::Failed(failed, until)) if self.0.parts.clock.elapsed() < *until => {
                return Err(failed.clone());
            }
            Some(Entry::Live { .. } | Entry::Failed(..)) | None => {}
        }
        let (starting, started) = watch::channel(None);
        live.entries.insert(key, Entry::Starting(starting));
        drop(live);
        let job =
            start::Job { placement: self.clone(), code: code.clone(), tasks: tasks.clone(), trial };
        tasks.spawn("start", job.run());
        Ok(Found::Wait(started))
    }

    /// Records how a start ended, and tells all who wait for it.
    fn settle(&self, code: &Code, trial: bool, result: Result<Ready, Failed>) {
        let entry = match &result {
            Ok(ready) => Entry::Live { line: ready.line.clone(), trial },
            Err(failed) => {
                let pause = if failed.is_lasting() { FAILED_FOR } else { Duration::ZERO };
                Entry::Failed(failed.clone(), self.0.parts.clock.elapsed() + pause)
            }
        };
        let former = self.live().entries.insert(Key::of(code), entry);
        if let Some(Entry::Starting(starting)) = former {
            starting.send_replace(Some(result));
        }
    }

    /// What runs of a worker, or of all of a tenant's, is out of date: it takes no new events.
    pub fn outdated(&self, tenant: TenantId, worker: Option<&str>) {
        let mut condemned = Vec::new();
        self.live().entries.retain(|key, entry| {
            let Entry::Live { line, trial } = entry else { return true };
            let concerned = key.tenant == tenant && worker.is_none_or(|name| name == &*key.worker);
            if !concerned || std::mem::take(trial) {
                return true;
            }
            condemned.push(line.clone());
            false
        });
        for line in condemned {
            line.condemn();
        }
    }

    /// The process that hosts the isolate of a worker of a tenant, if one is live.
    pub fn cordon_of(&self, tenant: TenantId, worker: &str) -> Option<u32> {
        let live = self.live();
        let mut isolates = live.isolates.values();
        let isolate = isolates.find(|isolate| {
            let code = isolate.line.code();
            code.tenant == tenant && &*code.worker == worker && isolate.line.is_open()
        })?;
        Some(isolate.cordon.pid())
    }

    /// How many isolates have not ended.
    pub fn isolate_count(&self) -> usize {
        self.live().isolates.len()
    }

    /// The cordons.
    pub fn cordons(&self) -> &Cordons {
        &self.0.parts.cordons
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.0.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn wait(
    mut started: watch::Receiver<Option<Result<Ready, Failed>>>,
) -> Result<Ready, Failed> {
    let gone = || Failed::Host("a start was given up".into());
    match started.wait_for(Option::is_some).await {
        Ok(result) => result.clone().unwrap_or_else(|| Err(gone())),
        Err(_) => Err(gone()),
    }
}

impl Key {
    fn of(code: &Code) -> Self {
        let (tenant, version, generation) = (code.tenant, code.version, code.generation);
        Self { tenant, worker: code.worker.clone(), version, generation }
    }
}
