//! Why a worker has no isolate.

use bindery_logic::blame::Blame;
use bindery_wire::log::{Exception, Spent};

/// Why there is no isolate.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failed {
    /// The modules do not evaluate.
    #[error("the worker does not start")]
    Refused(Spent, Exception),
    /// The isolate died while it started.
    #[error("the isolate died while it started")]
    Lost(Blame),
    /// There is no room now.
    #[error("there is no room for the worker now")]
    Overloaded {
        /// After how many milliseconds to ask again.
        after_ms: u64,
    },
    /// The code does not fit into a frame, or the host failed otherwise.
    #[error("the host failed: {0}")]
    Host(String),
}

impl Failed {
    /// Whether trying again at once would only cost the same again.
    pub(super) fn is_lasting(&self) -> bool {
        matches!(self, Self::Refused(..) | Self::Host(_))
    }
}

/// Why there is no room for an event.
#[derive(Clone, Debug)]
pub enum NoRoom {
    /// There is no isolate.
    NotStarted(Failed),
    /// The worker has nothing that would run it.
    Unfit,
    /// As many events wait for the isolate as may.
    Full,
    /// One isolate after the other ended.
    Closed,
}
