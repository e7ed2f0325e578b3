//! Room on a line: how many events its isolate runs at once, and how many wait for that.

use std::sync::Arc;

use bindery_wire::limits::QUEUED_EVENT_COUNT_MAX;
use tokio::sync::TryAcquireError;

use super::{Line, NotTaken};

impl Line {
    /// Waits for room to run one more event. At most [`QUEUED_EVENT_COUNT_MAX`] wait. Cancel-safe.
    pub async fn permit(self: &Arc<Self>) -> Result<Permit, NotTaken> {
        match self.slots.try_acquire() {
            Ok(permit) => {
                permit.forget();
                return Ok(Permit(Some(self.clone())));
            }
            Err(TryAcquireError::Closed) => return Err(NotTaken::Closed),
            Err(TryAcquireError::NoPermits) => {}
        }
        let waiting = Waiting::enter(self).ok_or(NotTaken::Full)?;
        let permit = self.slots.acquire().await.map_err(|_| NotTaken::Closed)?;
        permit.forget();
        drop(waiting);
        Ok(Permit(Some(self.clone())))
    }
}

/// The right to run one event on a line; given back when dropped unused.
pub struct Permit(Option<Arc<Line>>);

impl Permit {
    /// The line.
    pub fn line(&self) -> Option<&Arc<Line>> {
        self.0.as_ref()
    }

    pub(super) fn take(mut self) -> Option<Arc<Line>> {
        self.0.take()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(line) = &self.0 {
            line.slots.add_permits(1);
        }
    }
}

/// Counts somebody who waits for a permit.
struct Waiting<'a>(&'a Line);

impl<'a> Waiting<'a> {
    fn enter(line: &'a Line) -> Option<Self> {
        let mut table = line.table();
        if table.waiting >= QUEUED_EVENT_COUNT_MAX {
            return None;
        }
        table.waiting += 1;
        Some(Self(line))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.table().waiting -= 1;
    }
}
