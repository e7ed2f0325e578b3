//! Runs crons when they are due: the version that serves then, by the recipe that is kept.
//!
//! Guarantees: an occurrence is run until a run of it has been settled, so at least once. What the
//! worker's failure leads to is decided in `logic`; the host's own failures do not count, and put
//! the occurrence off. Nothing is in memory between two runs. Absent on purpose: which crons there
//! are (see the registry's deployments).

#[cfg(test)]
mod tests;

use std::sync::Arc;

use bindery_logic::cron::{self, Ended};
use bindery_storage::tables::Due;
use bindery_wire::event::Decision;
use bindery_wire::frame::EventKind;
use bindery_wire::{Outcome, TenantId};
use futures_util::future::BoxFuture;

use crate::event::{Error, Runner};
use crate::placement::Failed;
use crate::registry::{self, CronDue, CronRun, Registry};
use crate::scheduler::{Deliver, Failure};

/// The owner of what is due of crons.
pub struct Crons {
    /// Where they are.
    pub registry: Registry,
    /// What runs them.
    pub runner: Arc<dyn Runner>,
}

impl Deliver for Crons {
    fn deliver(&self, tenant: TenantId, due: Due) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            let run = match self.registry.cron_due(tenant, &due).await? {
                Some(cron) if cron.at_ms > 0 => self.run(tenant, &cron).await?,
                // Nobody's, or one whose first occurrence is worked out now.
                Some(_) | None => CronRun::LeftOut,
            };
            Ok(self.registry.settle_cron(tenant, &due, run).await?)
        })
    }
}

impl Crons {
    /// Runs an occurrence. Fails if the host does.
    async fn run(&self, tenant: TenantId, cron: &CronDue) -> Result<CronRun, Failure> {
        let code = match self.registry.serving(tenant, &cron.recipe.worker).await {
            Err(registry::Error::Suspended | registry::Error::NoWorker) => {
                return Ok(CronRun::LeftOut);
            }
            code => code?,
        };
        let kind = EventKind::Scheduled { at_ms: cron.at_ms, cron: &cron.expression };
        let ended = match self.runner.run(code, cron.recipe.entrypoint.as_deref(), kind).await {
            Ok(ended) => ended,
            Err(error) => return not_run(error),
        };
        let no_retry = matches!(ended.decision, Some(Decision::Scheduled { no_retry: true }));
        let failed = match cron::ended(ended.outcome, no_retry) {
            Ended::Done => false,
            Ended::Failed => true,
            Ended::HostFailed => return Err(format!("the run ended as {}", ended.outcome).into()),
        };
        Ok(CronRun::Ran { outcome: ended.outcome, failed, error: None })
    }
}

/// What becomes of an occurrence that did not begin.
fn not_run(error: Error) -> Result<CronRun, Failure> {
    let message = error.to_string();
    match error {
        // Another try would find the same version.
        Error::NoHandler { .. } => {
            let outcome = Outcome::Exception;
            Ok(CronRun::Ran { outcome, failed: false, error: Some(message) })
        }
        Error::NotStarted(Failed::Refused(spent, exception)) => {
            let error = Some(format!("{message}: {}: {}", exception.name, exception.message));
            Ok(CronRun::Ran { outcome: spent.outcome, failed: true, error })
        }
        Error::NotStarted(Failed::Lost(_)) => {
            Ok(CronRun::Ran { outcome: Outcome::Lost, failed: true, error: Some(message) })
        }
        Error::NotStarted(Failed::Overloaded { .. } | Failed::Host(_))
        | Error::Full
        | Error::TooLarge => Err(error.into()),
    }
}
