//! A whole server in one value: storage, registry, cordons, front door and admin API.
//!
//! The program and the tests start it the same way. It reads no environment and prints nothing.

mod bindings;
mod commits;
mod error;
mod figures;
mod hooks;
mod setup;
mod store;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bindery_wire::limits;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::admin;
use crate::audit::Audit;
use crate::binding::Operations;
use crate::clock::Clock;
use crate::config::Config;
use crate::cordon::Cordons;
use crate::event::Events;
use crate::http::{Front, Fronts};
use crate::outbound::{Outbound, Workers};
use crate::placement::{self, Placement};
use crate::registry::{self, Operator, Registry, Vault};
use crate::scheduler::{self, Scheduler};
use crate::tail::Tail;
use crate::tasks::Tasks;
use crate::usage::Usage;
pub use error::Error;
use figures::Figures;
use hooks::Hooks;
use store::Store;

/// How long background work may take to end.
const TASKS_IN: Duration = Duration::from_secs(5);

/// A server that runs. Ends with [`Server::shutdown`]; dropped without, its cordons are killed.
pub struct Server {
    /// Where workers are reached.
    pub listen: SocketAddr,
    /// Where the admin API is reached.
    pub admin: SocketAddr,
    registry: Registry,
    placement: Placement,
    events: Events,
    tail: Tail,
    /// What calls from worker to worker reach, for as long as the server is there.
    _workers: Arc<Workers>,
    fronts: Fronts,
    tasks: Tasks,
    serving: watch::Sender<bool>,
    ending: watch::Sender<bool>,
    drain: Duration,
}

impl Server {
    /// Starts a server whose cordons run `program cordon`. Both ports accept when it returns.
    pub async fn start(config: Config, program: PathBuf, clock: Clock) -> Result<Self, Error> {
        setup::raise_descriptors();
        let tasks = Tasks::new(Handle::current());
        let cordons = Cordons::start(setup::cordons(&config, program), clock.clone());
        let (store, cordons) = tokio::join!(Store::open(config.data.clone()), cordons);
        let cordons = cordons?;
        let started = Self::start_with(&config, store, (cordons.clone(), tasks, clock)).await;
        if started.is_err() {
            cordons.shutdown().await;
        }
        started
    }

    async fn start_with(
        config: &Config,
        store: Result<Store, Error>,
        (cordons, tasks, clock): (Cordons, Tasks, Clock),
    ) -> Result<Self, Error> {
        let store = store?;
        let engine = store.engine.clone();
        let fronts = Fronts::start(setup::front_count()).await?;
        let tail = Tail::new(clock.clone());
        let usage = Usage::new(engine.clone(), clock.clone());
        let egress = setup::egress(config, &fronts, &clock).map_err(Error::Certificates)?;
        let vault = Vault::open(config.secrets_key.as_deref(), &config.data)?;
        let operations = Operations::new(engine.clone(), clock.clone());
        let handle = scheduler::Handle::default();
        let bindings =
            bindings::bindings(config, &store, &vault, (&clock, &tasks, &handle)).await?;
        let Store { embedded, blobs, .. } = store;
        let outbound = Arc::new(Outbound::new(egress.clone(), bindings.clone(), operations));
        let audit = Audit::new(engine.clone(), clock.clone());
        let compiled = store::compiled(config.data.clone(), &cordons).await;
        let placement = Placement::new(placement::Parts {
            cordons,
            tail: tail.clone(),
            usage: usage.clone(),
            clock: clock.clone(),
            config: config.pool.clone(),
            compiled: compiled.clone(),
            outside: outbound.clone(),
        });
        let events = Events::new(placement.clone(), fronts.tasks(), clock.clone());
        let hooks = Arc::new(Hooks {
            placement: placement.clone(),
            usage: usage.clone(),
            tasks: fronts.tasks(),
            compiled,
            caches: bindings.caches.clone(),
            loaders: bindings.loaders.clone(),
            scheduler: handle.clone(),
        });
        let registry = Registry::open(registry::Parts {
            engine: engine.clone(),
            blobs: blobs.clone(),
            vault,
            clock: clock.clone(),
            tasks: tasks.clone(),
            limits: limits::DEFAULT.lowered_by(&config.limits),
            domain: config.domain.to_ascii_lowercase(),
            code_bytes_max: config.pool.code_bytes_max,
            starter: hooks.clone(),
            changed: hooks,
        });
        let registry = registry.await?;
        let workers = Arc::new(Workers {
            registry: registry.clone(),
            placement: placement.clone(),
            events: events.clone(),
            tasks: fronts.tasks(),
        });
        outbound.reach(&workers);
        bindings.loaders.reach(&workers);
        let (serving, ending) = (watch::Sender::new(true), watch::Sender::new(false));
        let running = (&events, &tasks);
        let owners = bindings::owners(&bindings, &registry, running, serving.subscribe());
        let scheduler = Scheduler::new(scheduler::Parts {
            engine: engine.clone(),
            clock: clock.clone(),
            tasks: tasks.clone(),
            handle,
            owners,
        });
        let trusted = config.trusted_proxies.clone();
        let front = Front::new(&config.domain, trusted, registry.clone(), placement.clone());
        let front = Arc::new(front);
        let listen = fronts.open(config.listen, &front)?;
        let figures = Figures {
            front,
            placement: placement.clone(),
            tail: tail.clone(),
            commits: engine,
            caches: bindings.caches,
            scheduler: scheduler.figures(),
            queues: bindings.queues.figures(),
        };
        let parts = admin::Parts {
            registry: registry.clone(),
            store: embedded,
            blobs,
            operator: Operator::open(config.operator_token.as_ref(), &config.data)?,
            audit,
            tail: tail.clone(),
            usage: usage.clone(),
            kv: bindings.kv,
            queues: bindings.queues,
            measured: Arc::new(figures),
            runner: Arc::new(events.clone()),
            serving: serving.subscribe(),
            domain: config.domain.to_ascii_lowercase(),
            port: listen.port(),
        };
        let admin = admin::serve(config.admin, parts, (&tasks, ending.subscribe())).await;
        let admin = admin.map_err(|source| Error::Admin { address: config.admin, source })?;
        egress.keep_from(admin.port());
        tasks.spawn("usage", usage.run(ending.subscribe()));
        tasks.spawn("scheduler", scheduler.run(serving.subscribe()));
        let swept = (placement.clone(), egress);
        tasks.spawn("sweep", setup::sweep(swept, clock, ending.subscribe()));
        let drain = Duration::from_millis(config.drain_ms.into());
        let server = Self {
            listen,
            admin,
            registry,
            placement,
            events,
            tail,
            _workers: workers,
            fronts,
            tasks,
            serving,
            ending,
            drain,
        };
        Ok(server)
    }

    /// What the server knows.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Which isolates live, and where.
    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    /// Runs events that no client's request brings.
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// What tenants see of their events.
    pub fn tail(&self) -> &Tail {
        &self.tail
    }

    /// Takes no new work, finishes what runs within the time configured for it, and ends every
    /// cordon and thread.
    pub async fn shutdown(self) {
        let until = Instant::now() + self.drain;
        self.serving.send_replace(false);
        self.fronts.close(self.drain).await;
        self.placement.end(until.saturating_duration_since(Instant::now())).await;
        // First, for what is being delivered ends with the isolate that it runs in.
        self.placement.cordons().shutdown().await;
        self.ending.send_replace(true);
        if tokio::time::timeout(TASKS_IN, self.tasks.join()).await.is_err() {
            tracing::warn!("background work still ran when the server ended");
        }
        self.fronts.end().await;
    }
}
