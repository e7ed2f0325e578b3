//! Workers that are registered: kept, so that they start when nobody is calling.

use std::sync::Arc;

use bindery_wire::binding::loader::{LOADED_NAME_BYTES_MAX, Outbound};
use bindery_wire::given::Given;
use futures_util::future::BoxFuture;

use super::attached::{Attached, NOT_TRANSFERRED};
use super::read::Read;
use super::{Loaders, answer, read};
use crate::admin;
use crate::code::Code;
use crate::line::{Answer, Ask, Refused};
use crate::outbound::Workers;
use crate::placement::Failed;
use crate::registry::{self, Registration, registered_name};
use crate::rpc::{Contents, Provide, Target, Value};

/// A registered worker: its exports are made of it.
pub(super) struct Registered {
    /// Its name among all of the tenant's.
    pub(super) worker: String,
    tenant: Arc<str>,
    workers: Arc<Workers>,
}

impl Provide for Registered {
    fn code(&self) -> BoxFuture<'_, Result<Arc<Code>, Refused>> {
        Box::pin(async {
            let code = self.workers.registry.code(&self.tenant, &self.worker, None).await;
            code.map_err(|error| refused(error, &self.worker))
        })
    }

    fn depth(&self) -> u32 {
        0
    }
}

impl Loaders {
    /// Keeps a worker, once it has started.
    pub(super) async fn register(
        &self,
        ask: Ask,
        (name, index_bytes): (String, usize),
        triggers: Option<&str>,
    ) -> Result<Answer, Refused> {
        let Ask { code: parent, body, attached, .. } = ask;
        check_name(&name)?;
        check_kept(&parent)?;
        let triggers = triggers.map(admin::triggers).transpose().map_err(Refused::wrong)?;
        let workers = self.workers()?;
        let tenant = self.tenant(parent.tenant);
        let room = tenant.room()?;
        let mut read = self.read(&parent, index_bytes, body, &tenant).await?;
        let attached = Attached::of(&read, attached)?;
        let mut contents = Contents::new();
        let given = given(&parent, &read, &attached, &mut contents);
        let given = given.ok_or_else(|| Refused::wrong(NOT_TRANSFERRED))?;
        read.manifest.given = Some(given).filter(|given| *given != Given::default());
        (read.manifest.crons, read.manifest.queue_consumers) = triggers.unwrap_or_default();
        let manifest = read.manifest.clone();
        let code = Arc::new(self.code((&parent, &name), room, read, attached)?);
        let started = workers.placement.trial(&code, &workers.tasks).await;
        workers.placement.ended(&code);
        let entrypoints = started.map_err(|failed| not_started(&failed))?.entrypoints.clone();
        let modules = code.modules.iter().map(|(_, bytes)| bytes.clone());
        let contents = modules.chain(contents.into_values()).collect();
        let entrypoints = entrypoints.into_iter().collect();
        let registration = Registration { manifest, contents, entrypoints };
        let kept = workers.registry.register(&parent, &name, registration).await;
        kept.map_err(|error| refused(error, &name))?;
        Answer::new(&(), crate::line::FetchedBody::None)
    }

    /// Forgets a registered worker.
    pub(super) async fn unregister(&self, ask: Ask, name: &str) -> Result<Answer, Refused> {
        check_kept(&ask.code)?;
        let there = self.workers()?.registry.unregister(&ask.code, name).await;
        Answer::new(&there.map_err(|error| refused(error, name))?, crate::line::FetchedBody::None)
    }

    /// A registered worker, for whoever registered it.
    pub(super) async fn registered(&self, ask: Ask, name: &str) -> Result<Answer, Refused> {
        check_kept(&ask.code)?;
        let worker = registered_name(&ask.code.worker, name);
        let (tenant, workers) = (ask.code.tenant_name.clone(), self.workers()?);
        let registered = Registered { worker, tenant, workers };
        registered.code().await?;
        answer(&ask.code, &(), Target::Provided(Arc::new(registered)))
    }
}

/// Refuses a worker that was loaded: it has the name of another, and with it would have what that one
/// has registered.
fn check_kept(code: &Code) -> Result<(), Refused> {
    if code.instance == 0 {
        return Ok(());
    }
    Err(Refused::failed("A worker that is not kept itself can register none."))
}

fn check_name(name: &str) -> Result<(), Refused> {
    let good = (1..=LOADED_NAME_BYTES_MAX).contains(&name.len()) && !name.contains('/');
    if good {
        return Ok(());
    }
    Err(Refused::wrong(format!(
        "The name of a registered worker has 1 to {LOADED_NAME_BYTES_MAX} bytes and no slash."
    )))
}

/// What a worker is given beside its code, as it is kept. `None` if some of it can not be.
fn given(
    parent: &Code,
    read: &Read,
    attached: &Attached,
    contents: &mut Contents,
) -> Option<Given> {
    let env = match &read.env {
        Some(bytes) => {
            let capabilities = attached.env.clone();
            let value = Value::new(bindery_wire::value::FORMAT, bytes.clone(), capabilities);
            Some(value.ok()?.kept(contents)?)
        }
        None => None,
    };
    let outbound = match read.index.outbound {
        Outbound::Inherit => parent.outbound.as_ref(),
        Outbound::None | Outbound::Attached => attached.outbound.as_ref(),
    };
    let outbound = match outbound {
        Some(service) => Some(service.kept(contents)?),
        None => None,
    };
    let tails = attached.tails.iter().map(|tail| tail.kept(contents));
    Some(Given { env, outbound, tails: tails.collect::<Option<_>>()? })
}

fn not_started(failed: &Failed) -> Refused {
    match failed {
        Failed::Refused(_, exception) => {
            read::not_started(&format!("{}: {}", exception.name, exception.message))
        }
        Failed::Lost(_) => Refused::failed("The worker's isolate was lost while it started."),
        Failed::Overloaded { .. } => {
            Refused::failed("There is no capacity to start the worker now; try again.")
        }
        Failed::Host(error) => {
            tracing::error!(error, "a worker that is to be registered was not started");
            Refused::failed("The server failed to start the worker.")
        }
    }
}

fn refused(error: registry::Error, name: &str) -> Refused {
    match error {
        registry::Error::NoWorker => {
            Refused::failed(format!("There is no registered worker `{name}`."))
        }
        registry::Error::Quota(told) => Refused::failed(format!("No more is kept. ({told})")),
        registry::Error::OverQuota(over) => Refused::failed(over.to_string()),
        registry::Error::Suspended => Refused::failed("The tenant is suspended."),
        registry::Error::Conflict(message) => Refused::failed(message),
        error => {
            tracing::error!(%error, "a registered worker was not read or written");
            Refused::failed("The server failed to read or write what is registered.")
        }
    }
}
