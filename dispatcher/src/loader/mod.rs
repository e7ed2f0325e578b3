//! Loaders: workers that load other workers.
//!
//! Code arrives as a call of the loader's slot, is checked here whatever was checked before, and
//! becomes code of the caller's tenant like any other: placement, limits, quotas, the tail and
//! compiled code know no difference. Guarantees: what a loaded worker is and what it is started with
//! are two things. Code that comes again is kept once and shares its compiled code, and yet each
//! instance has its own `env` and isolates of its own, which nobody reaches but through the loader
//! that it came from. `env` holds nothing that ends with an event. A tenant keeps a bounded number
//! of instances and bytes of them.
//!
//! Absent on purpose: Python, and streaming tails.

mod attached;
mod instance;
mod names;
mod read;
mod register;

pub(crate) use instance::{LOADED_BYTES_MAX, LOADED_COUNT_MAX, Room};
pub(crate) use names::NAME_COUNT_MAX;
pub(crate) use read::not_started;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use bindery_wire::TenantId;
use bindery_wire::binding::loader::{self, Got, LOADED_NAME_BYTES_MAX, Outbound};
use bindery_wire::limits::Lower;
use bindery_wire::value::FORMAT;
use serde::Serialize;

use crate::code::Code;
use crate::line::{Answer, Ask, FetchedBody, Refused, RequestBody, Tails};
use crate::outbound::Workers;
use crate::rpc::{Capability, Props, Service, Size, Target, Value, What, depth_of};
use attached::{Attached, entrypoint_of};
use instance::{Loaded, Right, Stub, Tenant};
use names::{Key, Names, Owner, Turn, worker_name};
use read::Read;

/// The name in the tail of a worker that has none.
const UNNAMED: &str = "(unnamed)";
/// Bytes of code beyond which it is read and hashed away from the threads that serve.
const BLOCKING_BYTES: usize = 256 << 10;

/// Carries out what loaders are asked for. Clones are the same.
#[derive(Clone, Default)]
pub struct Loaders(Arc<Inner>);

#[derive(Default)]
struct Inner {
    names: Names,
    tenants: Mutex<HashMap<TenantId, Arc<Tenant>>>,
    instances: AtomicU64,
    /// Not held: lines, which end up here, are part of it.
    workers: OnceLock<Weak<Workers>>,
}

impl Loaders {
    /// Lets loaded workers run, for as long as `workers` is held elsewhere. Told once.
    pub fn reach(&self, workers: &Arc<Workers>) {
        let _ = self.0.workers.set(Arc::downgrade(workers));
    }

    /// What a worker loaded, or all of a tenant's workers, is out of date.
    pub fn outdated(&self, tenant: TenantId, worker: Option<&str>) {
        self.0.names.outdated(tenant, worker);
        self.tenants().retain(|_, tenant| !tenant.is_idle());
    }

    /// Carries out one call. Dropped, it may still be done, whole.
    pub(crate) async fn ask(&self, ask: Ask) -> Result<Answer, Refused> {
        match ask.read::<loader::Ask>()? {
            loader::Ask::Get { name } => {
                let owner = Owner::new(&ask.code, binding_name(&ask));
                self.get(&ask.code.clone(), Key { owner, name }).await
            }
            loader::Ask::Load { index } => self.load(ask, index as usize).await,
            loader::Ask::Entrypoint { entrypoint, props, limits } => {
                entrypoint_of(ask, entrypoint, props, limits).await
            }
            loader::Ask::Register { name, index, triggers } => {
                self.register(ask, (name, index as usize), triggers.as_deref()).await
            }
            loader::Ask::Unregister { name } => self.unregister(ask, &name).await,
            loader::Ask::Registered { name } => self.registered(ask, &name).await,
        }
    }

    async fn get(&self, code: &Code, key: Key) -> Result<Answer, Refused> {
        if key.name.len() > LOADED_NAME_BYTES_MAX {
            let message =
                format!("A dynamic Worker's name has at most {LOADED_NAME_BYTES_MAX} bytes.");
            return Err(Refused::wrong(message));
        }
        let (loaded, service) = match self.0.names.get(&key).await {
            names::Got::Loaded(loaded) => (true, Target::Provided(Arc::new(Stub(loaded)))),
            names::Got::Turn(turn) => (false, Target::Provided(Arc::new(Right(Arc::new(turn))))),
        };
        answer(code, &Got { loaded }, service)
    }

    async fn load(&self, ask: Ask, index_bytes: usize) -> Result<Answer, Refused> {
        let Ask { code: parent, body, attached, .. } = ask;
        let tenant = self.tenant(parent.tenant);
        let room = tenant.room()?;
        let read = self.read(&parent, index_bytes, body, &tenant).await?;
        let attached = Attached::of(&read, attached)?;
        let turn = attached.turn.clone();
        let name = turn.as_deref().map_or(UNNAMED, |turn| &turn.key().name);
        let code = Arc::new(self.code((&parent, name), room, read, attached)?);
        let loaded = self.start(code, turn.as_deref())?;
        answer(&parent, &(), Target::Provided(Arc::new(Stub(loaded))))
    }

    /// Takes the code in. What does not come in one piece waits for its turn.
    async fn read(
        &self,
        parent: &Arc<Code>,
        index_bytes: usize,
        body: RequestBody,
        tenant: &Tenant,
    ) -> Result<Read, Refused> {
        let _turn = match body {
            RequestBody::Stream { .. } => tenant.reading.acquire().await.ok(),
            RequestBody::None | RequestBody::Inline(_) => None,
        };
        let bytes = Value::read(body, Vec::new(), read::CODE_BYTES_MAX).await?.bytes;
        if bytes.len() <= BLOCKING_BYTES {
            return read::read(parent, index_bytes, &bytes);
        }
        let parent = parent.clone();
        let read = tokio::task::spawn_blocking(move || read::read(&parent, index_bytes, &bytes));
        read.await.unwrap_or_else(|_| Err(Refused::failed("internal error")))
    }

    fn code(
        &self,
        (parent, name): (&Code, &str),
        mut room: Room,
        read: Read,
        attached: Attached,
    ) -> Result<Code, Refused> {
        let worker = worker_name(parent, name)?;
        let Read { index, index_bytes, manifest, modules, env } = read;
        let inherited = match index.outbound {
            Outbound::Inherit => parent.outbound.clone(),
            Outbound::None | Outbound::Attached => None,
        };
        let capabilities = attached.env;
        let env = env.map(|bytes| Value::new(FORMAT, bytes, capabilities)).transpose()?;
        let outbound = attached.outbound.or(inherited);
        let services = || outbound.iter().chain(&attached.tails).map(|service| &**service);
        let depth = depth_of(env.as_ref(), services());
        let given: Size =
            services().map(Service::size).chain(env.as_ref().map(Value::size)).collect();
        let given = Size { depth, ..given }.check()?;
        // The index is kept twice: as the manifest, and as the names of the modules.
        room.hold(given.bytes.saturating_add(2 * index_bytes as u64))?;
        let modules = room.source(manifest.id(), modules)?;
        Ok(Code {
            tenant: parent.tenant,
            tenant_name: parent.tenant_name.clone(),
            worker: worker.into(),
            version: manifest.id(),
            instance: self.0.instances.fetch_add(1, Ordering::Relaxed) + 1,
            modules,
            secrets: Vec::new(),
            env: env.map(Arc::new),
            outbound,
            tails: Tails::new(attached.tails).map(Arc::new),
            depth,
            room: Some(room),
            limits: parent.limits.clone().lowered_by(&manifest.limits),
            generation: parent.generation,
            manifest,
        })
    }

    /// Has an isolate start, and lets the name be loaded anew if it does not.
    fn start(&self, code: Arc<Code>, turn: Option<&Turn>) -> Result<Arc<Loaded>, Refused> {
        let workers = self.workers()?;
        let loaded = Arc::new(Loaded::new(code, Arc::downgrade(&workers)));
        let Some(turn) = turn else {
            begin(&workers, loaded.clone(), || ());
            return Ok(loaded);
        };
        let there = turn.load(loaded.clone());
        if Arc::ptr_eq(&there, &loaded) {
            let (names, key) = (self.0.names.clone(), turn.key().clone());
            let instance = loaded.code().instance;
            begin(&workers, loaded, move || names.forget(&key, instance));
        }
        Ok(there)
    }

    fn workers(&self) -> Result<Arc<Workers>, Refused> {
        let workers = self.0.workers.get().and_then(Weak::upgrade);
        workers.ok_or_else(|| Refused::failed("The server is shutting down."))
    }

    fn tenant(&self, tenant: TenantId) -> Arc<Tenant> {
        self.tenants().entry(tenant).or_default().clone()
    }

    fn tenants(&self) -> std::sync::MutexGuard<'_, HashMap<TenantId, Arc<Tenant>>> {
        self.0.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts an isolate before anybody calls.
fn begin(workers: &Arc<Workers>, loaded: Arc<Loaded>, failed: impl FnOnce() + Send + 'static) {
    let held = workers.clone();
    workers.tasks.spawn("loader", async move {
        if held.placement.line(loaded.code(), &held.tasks).await.is_err() {
            failed();
        }
    });
}

/// The declared name of the loader that is asked; one that was handed over has none.
fn binding_name(ask: &Ask) -> &str {
    let mut declared = ask.code.manifest.bound();
    declared.find(|(slot, ..)| *slot == ask.slot).map_or("", |(_, _, name, _)| name)
}

/// An answer with which a worker, or the right to load one, is handed over.
fn answer(code: &Code, head: &impl Serialize, target: Target) -> Result<Answer, Refused> {
    let (entrypoint, props, limits) = (None, Props::None, Lower::NONE);
    hand(code, head, Service { target, entrypoint, props, limits })
}

fn hand(code: &Code, head: &impl Serialize, service: Service) -> Result<Answer, Refused> {
    let mut answer = Answer::new(head, FetchedBody::None)?;
    let what = What::Service(Arc::new(service));
    answer.handed.push(Capability { tenant: code.tenant, what });
    Ok(answer)
}

fn malformed() -> Refused {
    Refused::failed("internal error: the call is malformed")
}

/// Whether a worker is `of`, or was loaded by it.
pub(crate) fn is_of(worker: &str, of: &str) -> bool {
    worker.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
