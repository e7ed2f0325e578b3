//! Which names are loaded, and who loads those that are not.
//!
//! A name belongs to one binding of one instance of one worker: nobody else's is ever found. Of
//! those who ask for a name that is not loaded, one gets the right to load it, and the others wait;
//! when it is let go without a worker, the next one gets it, so that no failure is kept. Whoever
//! waits for long gets the right too: the first to load wins. Names are forgotten when a tenant has
//! too many, those first that were asked for longest ago.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bindery_wire::{TenantId, VersionId};
use tokio::sync::watch;

use super::Loaded;
use crate::code::Code;
use crate::line::Refused;

/// Names of one tenant that are loaded or being loaded.
pub(crate) const NAME_COUNT_MAX: usize = 2_000;
/// Bytes of a loaded worker's name, with those of all that loaded each other before it.
const WORKER_BYTES_MAX: usize = 4 << 10;
/// How long somebody who may load a name keeps others waiting.
const TURN: Duration = Duration::from_secs(10);

/// The name of a worker that is loaded by another.
pub(super) fn worker_name(parent: &Code, name: &str) -> Result<String, Refused> {
    let worker = format!("{}/{name}", parent.worker);
    if worker.len() <= WORKER_BYTES_MAX {
        return Ok(worker);
    }
    let got = worker.len();
    Err(Refused::wrong(format!(
        "Dynamic Workers that load each other have {got} bytes of names together; the limit is \
         {WORKER_BYTES_MAX}."
    )))
}

/// Of whom a loader is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Owner {
    pub(super) tenant: TenantId,
    worker: Arc<str>,
    version: VersionId,
    generation: u64,
    instance: u64,
    binding: String,
}

impl Owner {
    /// The loader that `code` knows as `binding`.
    pub(super) fn new(code: &Code, binding: &str) -> Self {
        Self {
            tenant: code.tenant,
            worker: code.worker.clone(),
            version: code.version,
            generation: code.generation,
            instance: code.instance,
            binding: binding.into(),
        }
    }
}

/// One name of one loader.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) owner: Owner,
    pub(super) name: String,
}

/// Names and what they stand for. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Names(Arc<Mutex<HashMap<TenantId, Of>>>);

/// One tenant's.
#[derive(Default)]
struct Of {
    entries: HashMap<Key, Entry>,
    /// Counts up with each use.
    now: u64,
}

struct Entry {
    what: What,
    used: u64,
}

enum What {
    /// Somebody loads it; tells when that is over.
    Loading {
        turn: u64,
        over: watch::Receiver<()>,
    },
    Loaded(Arc<Loaded>),
}

/// The right to load a name, until it is dropped.
pub(crate) struct Turn {
    names: Names,
    key: Key,
    number: u64,
    over: watch::Sender<()>,
}

/// What there is of a name.
pub(super) enum Got {
    Loaded(Arc<Loaded>),
    Turn(Turn),
}

impl Names {
    /// The worker of a name, or the right to load it. Waits for whoever has that right.
    pub(super) async fn get(&self, key: &Key) -> Got {
        let until = tokio::time::Instant::now() + TURN;
        loop {
            let is_late = tokio::time::Instant::now() >= until;
            let mut over = match self.look(key, is_late) {
                Ok(got) => return got,
                Err(over) => over,
            };
            let _ = tokio::time::timeout_at(until, over.changed()).await;
        }
    }

    fn look(&self, key: &Key, is_late: bool) -> Result<Got, watch::Receiver<()>> {
        let mut all = self.lock();
        let of = all.entry(key.owner.tenant).or_default();
        of.now += 1;
        let number = of.now;
        if let Some(entry) = of.entries.get_mut(key) {
            entry.used = number;
            match &entry.what {
                What::Loaded(loaded) => return Ok(Got::Loaded(loaded.clone())),
                What::Loading { over, .. } if !is_late => return Err(over.clone()),
                What::Loading { .. } => {}
            }
        }
        let (sender, over) = watch::channel(());
        let what = What::Loading { turn: number, over };
        let former = of.entries.insert(key.clone(), Entry { what, used: number });
        let gone = of.forget_over();
        drop(all);
        drop((former, gone));
        let names = self.clone();
        Ok(Got::Turn(Turn { names, key: key.clone(), number, over: sender }))
    }

    /// Forgets a name, if it still stands for this instance.
    pub(super) fn forget(&self, key: &Key, instance: u64) {
        let mut all = self.lock();
        let Some(of) = all.get_mut(&key.owner.tenant) else { return };
        let is_it = of.entries.get(key).is_some_and(|entry| match &entry.what {
            What::Loaded(loaded) => loaded.code().instance == instance,
            What::Loading { .. } => false,
        });
        let gone = if is_it { of.entries.remove(key) } else { None };
        drop(all);
        drop(gone);
    }

    /// Forgets the names of loaders of a worker that is out of date, or of a whole tenant.
    pub(crate) fn outdated(&self, tenant: TenantId, worker: Option<&str>) {
        let mut all = self.lock();
        let gone: Vec<Entry> = match worker {
            None => {
                all.remove(&tenant).into_iter().flat_map(|of| of.entries.into_values()).collect()
            }
            Some(worker) => {
                let Some(of) = all.get_mut(&tenant) else { return };
                let is_of = |key: &Key, _: &mut Entry| super::is_of(&key.owner.worker, worker);
                of.entries.extract_if(is_of).map(|(_, entry)| entry).collect()
            }
        };
        drop(all);
        drop(gone);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, Of>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Of {
    /// Forgets what was used longest ago, until there are no more names than may be.
    fn forget_over(&mut self) -> Vec<Entry> {
        let mut gone = Vec::new();
        while self.entries.len() > NAME_COUNT_MAX {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used);
            let Some(key) = oldest.map(|(key, _)| key.clone()) else { break };
            gone.extend(self.entries.remove(&key));
        }
        gone
    }
}

impl Turn {
    /// The name, and whose it is.
    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    /// Says what the name stands for, unless somebody else has: then that is given back.
    pub(super) fn load(&self, loaded: Arc<Loaded>) -> Arc<Loaded> {
        let mut all = self.names.lock();
        let of = all.entry(self.key.owner.tenant).or_default();
        of.now += 1;
        let used = of.now;
        if let Some(Entry { what: What::Loaded(there), .. }) = of.entries.get(&self.key) {
            return there.clone();
        }
        let what = What::Loaded(loaded.clone());
        let former = of.entries.insert(self.key.clone(), Entry { what, used });
        let gone = of.forget_over();
        drop(all);
        drop((former, gone));
        self.over.send_replace(());
        loaded
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut all = self.names.lock();
        let Some(of) = all.get_mut(&self.key.owner.tenant) else { return };
        let is_its = of.entries.get(&self.key).is_some_and(
            |entry| matches!(entry.what, What::Loading { turn, .. } if turn == self.number),
        );
        let gone = if is_its { of.entries.remove(&self.key) } else { None };
        drop(all);
        drop(gone);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_that_load_each_other_have_a_longest_name() {
        let (mut code, name) = (crate::line::test_code(), "x".repeat(512));
        let levels = (0..100).map_while(|_| {
            code.worker = worker_name(&code, &name).ok()?.into();
            Some(())
        });
        assert_eq!(levels.count(), 7);
    }
}
