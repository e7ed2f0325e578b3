//! Telling a worker what an event of another one did.

use std::time::Duration;

use bindery_wire::frame::EventKind;

use super::{Workers, worker};
use crate::code::Code;
use crate::event::{self, To};
use crate::placement::Failed;
use crate::rpc::Service;

/// How often a worker is told that takes no events now.
const TRY_COUNT_MAX: u32 = 5;
/// How long after the first time it is told again; then twice as long, and so on.
const AGAIN_IN: Duration = Duration::from_millis(200);

/// Runs the `tail` handler of a service with one item. Whether it fails is its own affair: the tail
/// of the tenant has it.
pub(super) async fn tell(workers: &Workers, of: &Code, service: &Service, items: &str) {
    for tried in 0..TRY_COUNT_MAX {
        let Ok(code) = worker::find(workers, of, service).await else { return };
        let to = To {
            entrypoint: service.entrypoint.as_deref(),
            props: &service.props,
            limits: &service.limits,
        };
        match workers.events.run_as(code, to, EventKind::Tail { items }).await {
            Err(event::Error::Full | event::Error::NotStarted(Failed::Overloaded { .. })) => {
                tokio::time::sleep(AGAIN_IN * 2_u32.saturating_pow(tried)).await;
            }
            Ok(_) | Err(_) => return,
        }
    }
    tracing::debug!(tenant = %of.tenant_name, worker = %of.worker, "a tail was not told");
}
