//! What the registry and the admin API ask of the side that runs code.

use std::sync::Arc;

use bindery_wire::{Outcome, TenantId};
use futures_util::future::BoxFuture;

use crate::admin::{Measured, Metric};
use crate::code::Code;
use crate::placement::{Compiled, Failed, Placement};
use crate::problem;
use crate::registry::{Changed, StartFailure, Started, Starter};
use crate::tasks::Tasks;
use crate::usage::Usage;

/// Placement, as others know it.
pub(super) struct Hooks {
    placement: Placement,
    usage: Usage,
    tasks: Tasks,
    compiled: Compiled,
}

impl Hooks {
    pub(super) fn new(
        placement: Placement,
        usage: Usage,
        tasks: Tasks,
        compiled: Compiled,
    ) -> Self {
        Self { placement, usage, tasks, compiled }
    }
}

impl Starter for Hooks {
    fn try_start(&self, code: Arc<Code>) -> BoxFuture<'_, Result<Started, StartFailure>> {
        Box::pin(async move {
            let started = self.placement.trial(&code, &self.tasks).await.map_err(failure)?;
            let ms = started.cpu_us.div_ceil(1_000);
            Ok(Started { ms, warnings: started.warnings.clone() })
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
        self.placement.outdated(tenant, worker);
    }

    fn deleted(&self, tenant: TenantId) {
        self.placement.outdated(tenant, None);
        self.usage.forget(tenant);
        self.compiled.forget(tenant);
    }
}

impl Measured for Hooks {
    fn measure(&self) -> Vec<Metric> {
        let figure =
            |name, kind, help, value| Metric { name, help, kind, labels: String::new(), value };
        let cordons = self.placement.cordons();
        let status = cordons.status();
        let waiting: u32 = status.iter().map(|cordon| cordon.waiting).sum();
        vec![
            figure(
                "bindery_isolates",
                "gauge",
                "Isolates that have not ended.",
                self.placement.isolate_count() as f64,
            ),
            figure("bindery_isolates_blank", "gauge", "Blank isolates.", waiting.into()),
            figure("bindery_cordons", "gauge", "Cordons that run.", status.len() as f64),
            figure(
                "bindery_cordon_deaths_total",
                "counter",
                "Cordons that died without being told to.",
                cordons.death_count() as f64,
            ),
        ]
    }
}
