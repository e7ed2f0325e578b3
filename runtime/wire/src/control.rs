//! The messages of a cordon's control socket. One message is one packet.

use serde::{Deserialize, Serialize};

use crate::id::IsolateNumber;

/// Bytes of one message.
pub const MESSAGE_BYTES_MAX: usize = 64 << 10;

/// What the dispatcher says to a cordon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToCordon {
    /// Keep this many blank isolates waiting.
    Pool {
        /// How many.
        waiting_count: u32,
    },
    /// The descriptor that travels with this message is the line of a new isolate.
    Isolate {
        /// Its number, which a death note names.
        number: IsolateNumber,
        /// Its memory limit, which is fixed when an isolate is made: the default takes a blank one.
        memory_bytes_max: u64,
    },
    /// Try what a tenant's code must not be able to do, and say what happened.
    Probe {
        /// A path that exists outside.
        path: String,
        /// A port that listens on 127.0.0.1 outside.
        port: u16,
    },
}

/// What a cordon says to the dispatcher.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromCordon {
    /// The engine runs and the sandbox is closed. Always first.
    Ready {
        /// Names the engine's build: compiled code of another one is of no use.
        engine: String,
        /// What encloses the process.
        sandbox: Sandbox,
    },
    /// This many blank isolates wait now.
    Waiting {
        /// How many.
        count: u32,
    },
    /// An isolate's thread has ended and its memory is given back.
    Ended {
        /// The isolate.
        number: IsolateNumber,
    },
    /// An isolate does not end though it was told to: native code holds its thread.
    Stuck {
        /// The isolate.
        number: IsolateNumber,
    },
    /// What a probe found: each attempt and whether it was denied.
    Probed {
        /// `(what was tried, how it was denied)`; `None` where it succeeded.
        attempts: Vec<(String, Option<String>)>,
    },
}

/// What encloses a cordon. Each part says why it is absent, if it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// `(part, None)` where it holds, `(part, Some(reason))` where this kernel did not grant it.
    pub parts: Vec<(String, Option<String>)>,
}

impl Sandbox {
    /// The parts that are missing, with reasons.
    pub fn missing(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parts.iter().filter_map(|(part, why)| Some((part.as_str(), why.as_deref()?)))
    }
}
