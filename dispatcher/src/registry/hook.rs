//! What the registry asks of whoever runs code.

use std::collections::BTreeMap;
use std::sync::Arc;

use bindery_wire::TenantId;
use futures_util::future::BoxFuture;

use crate::code::Code;
use crate::problem;

/// Tries whether code starts.
pub trait Starter: Send + Sync {
    /// Evaluates the modules in an isolate of their own and says how that went.
    fn try_start(&self, code: Arc<Code>) -> BoxFuture<'_, Result<Started, StartFailure>>;
}

/// Code that starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Started {
    /// How long the modules took, in milliseconds.
    pub ms: u64,
    /// What the author should know.
    pub warnings: Vec<String>,
    /// The handlers of each export.
    pub entrypoints: BTreeMap<String, Vec<String>>,
}

/// Why code did not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartFailure {
    /// What happened, such as [`problem::Code::StartupFailed`].
    pub code: problem::Code,
    /// The exception's class and message.
    pub message: String,
    /// The frames, with positions in the modules; may be empty.
    pub stack: String,
}

/// Hears of changes after they are durable.
pub trait Changed: Send + Sync {
    /// What runs of this worker, or of all of the tenant's, may be out of date.
    fn changed(&self, tenant: TenantId, worker: Option<&str>);

    /// The tenant is suspended: what runs of it ends at once.
    fn suspended(&self, tenant: TenantId);

    /// The tenant is deleted: what runs of it ends at once, and whatever was derived from its modules goes too. May block.
    fn deleted(&self, tenant: TenantId);
}
