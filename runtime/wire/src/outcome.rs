//! How an event ended.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How an event ended. The text form is what logs and `x-bindery-outcome` show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The handler did what it was asked.
    Ok,
    /// The tenant's code threw, or returned what is not an answer.
    Exception,
    /// The event used more CPU time than its limit.
    ExceededCpu,
    /// The isolate used more memory than its limit.
    ExceededMemory,
    /// The event took longer than its limit.
    ExceededWallTime,
    /// Whoever waited for the event went away.
    Canceled,
    /// Nothing was left that could ever have produced the answer.
    Hung,
    /// The isolate or its cordon died under the event.
    Lost,
    /// The host failed.
    InternalError,
}

impl Outcome {
    /// Every outcome, in the order of its number.
    pub const ALL: [Self; 9] = [
        Self::Ok,
        Self::Exception,
        Self::ExceededCpu,
        Self::ExceededMemory,
        Self::ExceededWallTime,
        Self::Canceled,
        Self::Hung,
        Self::Lost,
        Self::InternalError,
    ];

    /// The name in logs, headers and the tail.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Exception => "exception",
            Self::ExceededCpu => "exceededCpu",
            Self::ExceededMemory => "exceededMemory",
            Self::ExceededWallTime => "exceededWallTime",
            Self::Canceled => "canceled",
            Self::Hung => "hung",
            Self::Lost => "lost",
            Self::InternalError => "internalError",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
