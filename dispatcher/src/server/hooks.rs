//! What the registry and the admin API ask of the side that runs code, and tell it.

use std::sync::Arc;

use bindery_wire::{Outcome, TenantId};
use futures_util::future::BoxFuture;

use crate::cache::Caches;
use crate::code::Code;
use crate::loader::Loaders;
use crate::placement::{Compiled, Failed, Placement};
use crate::problem;
use crate::registry::{Changed, StartFailure, Started, Starter};
use crate::scheduler;
use crate::tasks::Tasks;
use crate::usage::Usage;

/// Exports that a version is shown with.
const ENTRYPOINT_COUNT_MAX: usize = 100;
/// Bytes of the name of one.
const NAME_BYTES_MAX: usize = 256;

/// Placement, as others know it.
pub(super) struct Hooks {
    pub(super) placement: Placement,
    pub(super) usage: Usage,
    pub(super) tasks: Tasks,
    pub(super) compiled: Compiled,
    pub(super) caches: Caches,
    pub(super) loaders: Loaders,
    pub(super) scheduler: scheduler::Handle,
}

impl Starter for Hooks {
    fn try_start(&self, code: Arc<Code>) -> BoxFuture<'_, Result<Started, StartFailure>> {
        Box::pin(async move {
            let started = self.placement.trial(&code, &self.tasks).await.map_err(failure)?;
            let ms = started.cpu_us.div_ceil(1_000);
            let shown = started.entrypoints.iter().filter(|(name, _)| name.len() <= NAME_BYTES_MAX);
            let entrypoints = shown.take(ENTRYPOINT_COUNT_MAX).cloned().collect();
            Ok(Started { ms, warnings: started.warnings.clone(), entrypoints })
        })
    }
}

fn failure(failed: Failed) -> StartFailure {
    use problem::Code;
    let plain =
        |code, message: &str| StartFailure { code, message: message.into(), stack: String::new() };
    match failed {
        Failed::Refused(spent, exception) => {
            let code = match spent.outcome {
                Outcome::ExceededCpu => Code::ExceededCpu,
                Outcome::ExceededMemory => Code::ExceededMemory,
                Outcome::ExceededWallTime => Code::ExceededWallTime,
                Outcome::Hung => Code::Hung,
                _ => Code::StartupFailed,
            };
            let message = match exception.name.as_str() {
                "" => exception.message,
                name => format!("{name}: {}", exception.message),
            };
            StartFailure { code, message, stack: exception.stack }
        }
        Failed::Lost(_) => plain(Code::IsolateLost, "the isolate was lost while it started"),
        Failed::Overloaded { .. } => plain(Code::Overloaded, "there is no capacity to try it now"),
        Failed::Host(error) => {
            tracing::error!(error, "a trial start failed by the host's fault");
            plain(Code::Internal, "the server failed")
        }
    }
}

impl Changed for Hooks {
    fn changed(&self, tenant: TenantId, worker: Option<&str>) {
        self.loaders.outdated(tenant, worker);
        self.placement.outdated(tenant, worker);
        // Something of it may be due sooner than anything before.
        self.scheduler.wake();
    }

    fn suspended(&self, tenant: TenantId) {
        self.placement.sever(tenant);
    }

    fn deleted(&self, tenant: TenantId) {
        // Before anything is forgotten that it could make again.
        self.placement.sever(tenant);
        self.loaders.outdated(tenant, None);
        self.placement.outdated(tenant, None);
        self.usage.forget(tenant);
        self.compiled.forget(tenant);
        self.caches.forget(tenant);
    }
}
