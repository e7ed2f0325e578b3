//! What a server's bindings stand for, and who delivers what is due of them.

use std::sync::Arc;

use bindery_storage::tables::Kind;
use tokio::sync::watch;

use super::Error;
use super::store::{self, Store};
use crate::binding::Bindings;
use crate::clock::Clock;
use crate::config::Config;
use crate::cron::Crons;
use crate::event::Events;
use crate::kv::{self, Kv};
use crate::loader::Loaders;
use crate::queue::{self, Consumers, ConsumersParts, Queues};
use crate::registry::{Registry, Vault};
use crate::scheduler::{self, Deliver};
use crate::tasks::Tasks;

/// What the bindings of all workers stand for.
pub(super) async fn bindings(
    config: &Config,
    store: &Store,
    vault: &Vault,
    (clock, tasks, scheduler): (&Clock, &Tasks, &scheduler::Handle),
) -> Result<Bindings, Error> {
    let kv = Kv::new(kv::Parts {
        engine: store.engine.clone(),
        blobs: store.blobs.clone(),
        clock: clock.clone(),
        tasks: tasks.clone(),
        vault: vault.clone(),
    });
    let queues = Queues::new(queue::Parts {
        engine: store.engine.clone(),
        clock: clock.clone(),
        scheduler: scheduler.clone(),
    });
    let caches = store::caches(config, clock).await?;
    Ok(Bindings { caches, kv, loaders: Loaders::default(), queues })
}

/// Who delivers which kind of what is due.
pub(super) fn owners(
    bindings: &Bindings,
    registry: &Registry,
    (events, tasks): (&Events, &Tasks),
    serving: watch::Receiver<bool>,
) -> Vec<(Kind, Arc<dyn Deliver>)> {
    let crons = Crons { registry: registry.clone(), runner: Arc::new(events.clone()) };
    let consumers = Consumers::new(ConsumersParts {
        queues: bindings.queues.clone(),
        registry: registry.clone(),
        runner: Arc::new(events.clone()),
        tasks: tasks.clone(),
        serving,
    });
    let kv = Arc::new(bindings.kv.clone());
    vec![
        (Kind::Cron, Arc::new(crons)),
        (Kind::Queue, Arc::new(consumers)),
        (Kind::KvExpiry, kv.clone()),
        (Kind::KvRemains, kv),
    ]
}
