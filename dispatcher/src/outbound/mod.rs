//! Where the calls of workers go: to the internet, to another worker of the same tenant, or nowhere,
//! as the version's `outbound` says, and those of bindings to what carries them out.
//!
//! Guarantees: which worker is meant is looked up at each call, among those of the caller's own
//! tenant only; workers that call each other are bounded by the hops that one request may take.
//! What is refused is said in words that the worker may read.

mod encoded;
mod internet;
mod tail;
mod worker;

use std::sync::{Arc, OnceLock, Weak};

use bindery_wire::limits::Lower;
use bindery_wire::manifest;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderName, StatusCode};
use http_body_util::{BodyExt, Full};

use crate::binding::{Bindings, Operations};
use crate::code::Code;
use crate::egress::Egress;
use crate::event::Events;
use crate::line::{Answer, Ask, Call, Cut, Fetched, Item, Outside, Permit, Refused, Upload};
use crate::placement::Placement;
use crate::registry::Registry;
use crate::rpc::{Props, Service, Target};
use crate::tasks::Tasks;

pub(crate) use encoded::unread;

/// Carries out the calls of workers.
pub struct Outbound {
    egress: Egress,
    bindings: Bindings,
    operations: Operations,
    /// Not held: lines, which end up here, are part of it.
    workers: OnceLock<Weak<Workers>>,
}

/// What workers are found and run with.
pub struct Workers {
    /// What their names mean.
    pub registry: Registry,
    /// Where they run.
    pub placement: Placement,
    /// Runs events that no client's request brings.
    pub events: Events,
    /// Runs the lines of those that are not live.
    pub tasks: Tasks,
}

impl Outbound {
    /// One that knows no workers yet.
    pub fn new(egress: Egress, bindings: Bindings, operations: Operations) -> Self {
        Self { egress, bindings, operations, workers: OnceLock::new() }
    }

    /// Lets calls reach workers, for as long as they are held elsewhere. Told once.
    pub fn reach(&self, workers: &Arc<Workers>) {
        let _ = self.workers.set(Arc::downgrade(workers));
    }

    fn workers(&self) -> Result<Arc<Workers>, Refused> {
        let workers = self.workers.get().and_then(Weak::upgrade);
        workers.ok_or_else(|| refused("The server is shutting down."))
    }
}

impl Outside for Outbound {
    fn fetch(&self, call: Call) -> BoxFuture<'static, Result<Fetched, Refused>> {
        let service = call.service.clone().or_else(|| call.code.outbound.clone());
        if let Some(service) = service {
            let workers = self.workers();
            return Box::pin(async move { worker::fetch(&*workers?, call, &service).await });
        }
        match &call.code.manifest.outbound {
            manifest::Outbound::Public => {
                let egress = self.egress.clone();
                Box::pin(async move { internet::fetch(&egress, call).await })
            }
            manifest::Outbound::None => {
                let loaded = call.code.instance != 0;
                let why = if loaded { "" } else { " (Its `outbound` is \"none\".)" };
                Box::pin(async move { Err(refused(format!("{NOT_PERMITTED}{why}"))) })
            }
            manifest::Outbound::Service { service, entrypoint } => {
                let service = Service {
                    target: Target::Named(service.as_str().into()),
                    entrypoint: entrypoint.as_deref().map(Into::into),
                    props: Props::None,
                    limits: Lower::NONE,
                };
                let workers = self.workers();
                Box::pin(async move { worker::fetch(&*workers?, call, &service).await })
            }
        }
    }

    fn tell(&self, code: Arc<Code>, item: Item) {
        let (Ok(workers), Some(tails)) = (self.workers(), code.tails.clone()) else { return };
        let tasks = workers.tasks.clone();
        tasks.spawn("tail", async move {
            for service in &tails.services {
                tail::tell(&workers, &code, service, &item.text).await;
            }
        });
    }

    fn room(
        &self,
        caller: Arc<Code>,
        service: Arc<Service>,
        hops: u32,
    ) -> BoxFuture<'static, Result<Permit, Refused>> {
        let workers = self.workers();
        Box::pin(async move { worker::room(&*workers?, &caller, &service, hops).await })
    }

    fn ask(&self, ask: Ask) -> BoxFuture<'static, Result<Answer, Refused>> {
        match self.operations.count(ask.code.tenant) {
            Some(Ok(())) => self.bindings.ask(ask),
            Some(Err(over)) => Box::pin(async move { Err(refused(over.to_string())) }),
            None => {
                let (operations, bindings) = (self.operations.clone(), self.bindings.clone());
                Box::pin(async move {
                    operations.look_up(ask.code.tenant).await?;
                    bindings.ask(ask).await
                })
            }
        }
    }
}

const NOT_PERMITTED: &str = "This worker is not permitted to access the internet via global \
    functions like fetch(). It must use capabilities (such as bindings in 'env') to talk to the \
    outside world.";

const ONE_TIME_BODY: &str = "A request with a one-time-use body (it was initialized from a stream, \
    not a buffer) encountered a redirect requiring the body to be retransmitted. To avoid this \
    error in the future, construct this request from a buffer-like body initializer.";

/// What stands behind a status.
pub(crate) fn status_text(status: u16) -> &'static str {
    // The crate writes it without the hyphen that it has everywhere else.
    if status == 203 {
        return "Non-Authoritative Information";
    }
    let known = StatusCode::from_u16(status).ok();
    known.and_then(|status| status.canonical_reason()).unwrap_or_default()
}

/// Bytes as a body that is all there.
pub(crate) fn whole(bytes: Bytes) -> Upload {
    Upload::new(Full::new(bytes).map_err(|never| -> Cut { match never {} }))
}

/// A failure that is not the caller's.
fn refused(message: impl Into<std::borrow::Cow<'static, str>>) -> Refused {
    Refused::failed(message)
}

/// A call that can not be carried out as it is.
fn wrong(message: impl Into<std::borrow::Cow<'static, str>>) -> Refused {
    Refused::wrong(message)
}

/// The name of a header of a worker, if the header goes any further.
fn passes(name: &[u8]) -> Result<Option<HeaderName>, Refused> {
    let name = HeaderName::from_bytes(name).map_err(|_| wrong("Invalid header name."))?;
    let dropped = bindery_logic::header::call_drops(name.as_str());
    Ok(Some(name).filter(|_| !dropped))
}
