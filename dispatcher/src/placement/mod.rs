//! Which isolates live, and where: one per version and generation of a worker, and more of it
//! while it is busy and there is a core for them.
//!
//! A request for a version that is live costs one look-up. A cold start happens once, however
//! many wait for it, and goes on if they go away; starts of several tenants take turns, and each
//! has room reserved before. Isolates go when they are idle for long, when there are too many or
//! memory is short, or when what they run is out of date.

mod compiled;
mod error;
mod figures;
mod find;
mod gate;
mod group;
mod machine;
mod room;
mod start;
mod sweep;

pub use compiled::Compiled;
pub use error::{Failed, NoRoom};
pub use sweep::SWEEP_EVERY;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bindery_logic::memory::Account;
use bindery_wire::frame::Started;
use bindery_wire::{IsolateNumber, TenantId, VersionId};
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::code::Code;
use crate::config::PoolConfig;
use crate::cordon::{Cordon, Cordons};
use crate::line::{Line, Outside};
use crate::loader;
use crate::tail::Tail;
use crate::usage::Usage;
use figures::Figures;
use gate::Gate;
use group::{Group, Starting};
use machine::Cores;

/// What placement is made of.
pub struct Parts {
    /// Where isolates are hosted.
    pub cordons: Cordons,
    /// Where records go.
    pub tail: Tail,
    /// Counts what tenants use.
    pub usage: Usage,
    /// The time.
    pub clock: Clock,
    /// How many isolates are kept.
    pub config: PoolConfig,
    /// Compiled code of modules.
    pub compiled: Compiled,
    /// Carries out the calls of isolates.
    pub outside: Arc<dyn Outside>,
}

/// Which isolates live. Clones share them.
#[derive(Clone)]
pub struct Placement(Arc<Inner>);

struct Inner {
    parts: Parts,
    live: Mutex<Live>,
    gate: Gate,
    figures: Figures,
    /// Whoever waits for room: one at a time, in the order of the gate.
    turn: tokio::sync::Mutex<()>,
    /// An isolate has ended.
    ended: Notify,
    /// Isolates of one version at once.
    group_count_max: usize,
}

struct Live {
    entries: HashMap<Key, Entry>,
    /// Every isolate that has not ended, also those that take no events any more.
    isolates: HashMap<IsolateNumber, Isolate>,
    memory: Account,
    cores: Cores,
    /// When memory that is short may be given back again.
    trim_at_ms: u64,
    ending: bool,
}

/// What makes two events run in the same isolate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    tenant: TenantId,
    worker: Arc<str>,
    version: VersionId,
    generation: u64,
    instance: u64,
}

enum Entry {
    /// Some wait for the start's end.
    Starting(Starting),
    Live(Group),
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

impl Live {
    /// Isolates that take events.
    fn open_count(&self) -> usize {
        self.isolates.values().filter(|isolate| isolate.line.is_open()).count()
    }

    /// Forgets, of each version, the isolates that take no events any more.
    fn tidy(&mut self) {
        self.entries.retain(|_, entry| match entry {
            Entry::Live(group) => group.tidy(),
            Entry::Starting(_) | Entry::Failed(..) => true,
        });
    }
}

impl Placement {
    /// No isolates yet.
    pub fn new(parts: Parts) -> Self {
        let bytes_max =
            parts.config.memory_bytes_max.map_or_else(machine::memory_bytes_max, |b| b.get());
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let group_count_max = parts.config.version_isolate_count_max;
        let group_count_max = group_count_max.map_or(cores.max(2), |count| count.get() as usize);
        let live = Live {
            entries: HashMap::new(),
            isolates: HashMap::new(),
            memory: Account::new(bytes_max),
            cores: Cores::default(),
            trim_at_ms: 0,
            ending: false,
        };
        Self(Arc::new(Inner {
            parts,
            live: Mutex::new(live),
            gate: Gate::default(),
            figures: Figures::default(),
            turn: tokio::sync::Mutex::default(),
            ended: Notify::new(),
            group_count_max,
        }))
    }

    /// What runs of a worker and of what it loaded, or of all of a tenant's, is out of date: it takes
    /// no new events.
    pub fn outdated(&self, tenant: TenantId, worker: Option<&str>) {
        let mut condemned = Vec::new();
        self.live().entries.retain(|key, entry| {
            let Entry::Live(group) = entry else { return true };
            let is_of = |name| loader::is_of(&key.worker, name);
            let concerned = key.tenant == tenant && worker.is_none_or(is_of);
            if !concerned || std::mem::take(&mut group.trial) {
                return true;
            }
            condemned.append(&mut group.lines);
            false
        });
        for line in condemned {
            line.condemn();
        }
    }

    /// Ends all isolates of a tenant at once, with what runs in them.
    pub fn sever(&self, tenant: TenantId) {
        let is_its = |line: &&Arc<Line>| line.code().tenant == tenant;
        let lines: Vec<_> =
            self.live().isolates.values().map(|i| &i.line).filter(is_its).cloned().collect();
        lines.iter().for_each(|line| line.sever());
    }

    /// Nobody can call an instance any more: its isolates take no new events.
    pub fn ended(&self, code: &Code) {
        if let Some(Entry::Live(group)) = self.live().entries.remove(&Key::of(code)) {
            group.condemn();
        }
    }

    /// The process that hosts the isolate of a worker of a tenant, if one is live.
    pub fn cordon_of(&self, tenant: TenantId, worker: &str) -> Option<u32> {
        self.isolates_of(tenant, worker).first().map(|isolate| isolate.cordon.pid())
    }

    /// The lines of the isolates of a worker of a tenant that take events, the oldest first.
    pub fn lines_of(&self, tenant: TenantId, worker: &str) -> Vec<Arc<Line>> {
        self.isolates_of(tenant, worker).into_iter().map(|isolate| isolate.line).collect()
    }

    fn isolates_of(&self, tenant: TenantId, worker: &str) -> Vec<Isolate> {
        let live = self.live();
        let concerned = live.isolates.values().filter(|isolate| {
            let code = isolate.line.code();
            code.tenant == tenant && &*code.worker == worker && isolate.line.is_open()
        });
        let mut isolates: Vec<_> = concerned.cloned().collect();
        isolates.sort_by_key(|isolate| isolate.line.number());
        isolates
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

impl Key {
    fn of(code: &Code) -> Self {
        let (tenant, version, generation) = (code.tenant, code.version, code.generation);
        let (worker, instance) = (code.worker.clone(), code.instance);
        Self { tenant, worker, version, generation, instance }
    }
}
