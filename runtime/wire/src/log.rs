//! What a tenant sees of its own events: console output, exceptions and outcomes.

use serde::{Deserialize, Serialize};

use crate::outcome::Outcome;

/// How loud a console message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// `console.debug`
    Debug,
    /// `console.info`
    Info,
    /// `console.log`
    Log,
    /// `console.warn`
    Warn,
    /// `console.error`
    Error,
}

/// An exception that left the tenant's code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exception {
    /// The class, such as `TypeError`.
    pub name: String,
    /// The message.
    pub message: String,
    /// The frames, with positions in the tenant's modules; may be empty.
    pub stack: String,
}

/// One thing that happened in an isolate, as the isolate reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// A console message.
    Console {
        /// How loud it is.
        level: Level,
        /// The arguments, as the text of a JSON array.
        message: String,
    },
    /// Console messages of this event are dropped from here on.
    ConsoleFull {
        /// The limit that was reached, in bytes.
        bytes_max: u32,
    },
    /// An exception that nobody caught.
    Exception(Exception),
}

/// How an event ended and what it used, as the isolate reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// How it ended.
    pub outcome: Outcome,
    /// CPU time, in microseconds.
    pub cpu_us: u64,
    /// Time from its start to its end, in microseconds.
    pub wall_us: u64,
}
