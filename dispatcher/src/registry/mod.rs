//! What the server knows: tenants, their workers, versions and deployments, tokens, secrets and
//! host names; and the code of a version, ready to start.
//!
//! Every change of a tenant is one commit that holds only if the tenant is as it was read, runs
//! to its end whoever stops waiting, and is seen by the very next [`Registry::code`]. Nothing is
//! loaded before somebody asks for it. Absent on purpose: who may do what (see `admin`), and
//! status codes.

mod cache;
mod consumer;
mod content;
mod cron;
mod deploy;
mod domain;
mod edit;
mod error;
mod hook;
mod load;
mod operator;
mod refer;
mod register;
mod route;
mod secret;
mod tenant;
#[cfg(test)]
pub(crate) mod tests;
mod token;
mod upload;
mod vault;

pub use cron::{CronDue, CronRun, CronShown};
pub use deploy::{Delete, DeploymentShown, VersionShown, WorkerShown};
pub use error::{Error, Result};
pub use hook::{Changed, StartFailure, Started, Starter};
pub use operator::Operator;
pub use register::{Registration, registered_name};
pub use route::Custom;
pub use tenant::{Settings, TenantShown};
pub use token::TokenShown;
pub use upload::{Deploy, Upload, Uploaded};
pub use vault::Vault;

use std::sync::Arc;

use bindery_storage::blob::Blobs;
use bindery_storage::engine::Engine;
use bindery_storage::tables::{
    Account, Contents, CronTable, Domains, DueTable, Meta, QueueTable, RouteTable, Secrets,
    Tenants, Tokens, Usage, Versions, Workers,
};
use bindery_wire::Limits;

use crate::audit::Cause;
use crate::clock::Clock;
use crate::tasks::Tasks;

/// Rows that one page of a list has at most.
pub const PAGE_COUNT_MAX: usize = 1_000;
/// Workers of a tenant, where its quotas say nothing.
pub const WORKER_COUNT_MAX: u32 = 1_000;
/// Workers that those of a tenant have registered.
pub const REGISTERED_COUNT_MAX: u32 = 10_000;
/// Versions of a worker that are kept: the oldest that do not serve are dropped.
pub const VERSION_COUNT_MAX: usize = 100;
/// Deployments of a worker that are remembered.
pub const DEPLOYMENT_COUNT_MAX: u64 = 100;
/// Tokens of a tenant.
pub const TOKEN_COUNT_MAX: usize = 100;
/// Host names of a tenant.
pub const DOMAIN_COUNT_MAX: usize = 100;
/// Routes of a tenant: of the versions that serve, together.
pub const TENANT_ROUTE_COUNT_MAX: usize = 1_000;
/// Bytes of one secret.
pub const SECRET_BYTES_MAX: usize = 32 << 10;

/// What a registry is made of.
pub struct Parts {
    /// Where rows are.
    pub engine: Arc<dyn Engine>,
    /// Where contents too large for rows are.
    pub blobs: Blobs,
    /// What encrypts secrets.
    pub vault: Vault,
    /// The time.
    pub clock: Clock,
    /// Where changes run.
    pub tasks: Tasks,
    /// The server's limits.
    pub limits: Limits,
    /// The name under which tenants have theirs: it is never granted to one.
    pub domain: String,
    /// Bytes of loaded code that are kept in memory.
    pub code_bytes_max: u64,
    /// Tries whether an upload starts.
    pub starter: Arc<dyn Starter>,
    /// Hears of changes.
    pub changed: Arc<dyn Changed>,
}

/// What the server knows. Clones are the same registry.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    parts: Parts,
    tenants: Tenants,
    workers: Workers,
    versions: Versions,
    contents: Contents,
    tokens: Tokens,
    secrets: Secrets,
    domains: Domains,
    routes: RouteTable,
    crons: CronTable,
    due: DueTable,
    index: route::Index,
    queues: QueueTable,
    account: Account,
    meta: Meta,
    usage: Usage,
    cache: cache::Cache,
    edits: edit::Locks,
}

impl Registry {
    /// The limits of every tenant before its own.
    pub fn server_limits(&self) -> &Limits {
        &self.0.parts.limits
    }

    /// The limits of a tenant's workers before their own.
    pub async fn limits(&self, tenant: &str) -> Result<Limits> {
        let limits = self.0.parts.limits.clone();
        let tenant = self.0.tenant(tenant).await?;
        Ok(tenant.map_or(limits.clone(), |(_, tenant)| limits.lowered_by(&tenant.limits)))
    }

    /// Opens the registry of a store: fails if the store's secrets have another key.
    pub async fn open(parts: Parts) -> Result<Self> {
        let engine = || parts.engine.clone();
        let inner = Inner {
            tenants: Tenants::new(engine()),
            workers: Workers::new(engine()),
            versions: Versions::new(engine()),
            contents: Contents::new(engine()),
            tokens: Tokens::new(engine()),
            secrets: Secrets::new(engine()),
            domains: Domains::new(engine()),
            routes: RouteTable::new(engine()),
            crons: CronTable::new(engine()),
            due: DueTable::new(engine()),
            index: route::Index::default(),
            queues: QueueTable::new(engine()),
            account: Account::new(engine()),
            meta: Meta::new(engine()),
            usage: Usage::new(engine()),
            cache: cache::Cache::new(parts.code_bytes_max),
            edits: edit::Locks::default(),
            parts,
        };
        inner.check_key().await?;
        inner.route_all().await?;
        let registry = Self(Arc::new(inner));
        registry.sweep();
        Ok(registry)
    }

    /// Runs a change to its end, even if nobody waits for it any more: what is committed is also
    /// made known.
    async fn whole<T: Send + 'static>(
        &self,
        change: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = tokio::sync::oneshot::channel();
        let change = Cause::within(Cause::current(), change);
        self.0.parts.tasks.spawn("registry change", async move {
            // Nobody waits for the answer if the client has gone.
            let _ = answer.send(change.await);
        });
        answered.await.map_err(|_| Error::Stopped)?
    }
}
