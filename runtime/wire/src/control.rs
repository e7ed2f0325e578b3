//! The messages of a cordon's control socket. One message is one packet.

use serde::{Deserialize, Serialize};

use crate::id::IsolateNumber;

/// Bytes of one message.
pub const MESSAGE_BYTES_MAX: usize = 64 << 10;
/// Isolates in one report of usage.
pub const USAGE_COUNT_MAX: usize = 256;

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
    /// Give memory that nobody uses back to the system.
    Trim,
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
    /// Code of one event holds an isolate for long, or does so no more: what else was sent to it
    /// waits.
    Held {
        /// The isolate.
        number: IsolateNumber,
        /// Whether it is held now.
        held: bool,
    },
    /// Which isolates used the processor since the last report. Sent about once a second while
    /// code runs, and once with nothing in it when none does any more.
    Usage {
        /// `(isolate, thousandths of a core)`, the busiest at most [`USAGE_COUNT_MAX`].
        busy: Vec<(IsolateNumber, u32)>,
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

    /// What is missing though no tenant's code may run without it, each with its reason.
    pub fn required_missing(&self) -> Vec<String> {
        let refused = |choices: &&[&str]| {
            let reasons: Option<Vec<String>> =
                choices.iter().map(|part| self.absent(part)).collect();
            reasons.map(|reasons| reasons.join(", and "))
        };
        REQUIRED.iter().filter_map(refused).collect()
    }

    /// The part and why it does not hold; `None` where it holds.
    fn absent(&self, part: &str) -> Option<String> {
        match self.parts.iter().find(|(name, _)| name == part) {
            Some((_, None)) => None,
            Some((_, Some(why))) => Some(format!("{part}: {why}")),
            None => Some(format!("{part}: not reported")),
        }
    }
}

/// One part of each row must hold. The filter of system calls is also what closes the network
/// where there is no namespace of its own for it.
const REQUIRED: &[&[&str]] = &[
    &[part::DESCRIPTORS],
    &[part::NO_NEW_PRIVILEGES],
    &[part::CAPABILITIES],
    &[part::EMPTY_ROOT, part::LANDLOCK],
    &[part::SECCOMP],
];

/// Names of the parts of a sandbox.
pub mod part {
    /// No descriptor is inherited beside standard input, output and error.
    pub const DESCRIPTORS: &str = "descriptors";
    /// Nothing that is executed can gain privileges.
    pub const NO_NEW_PRIVILEGES: &str = "no-new-privileges";
    /// Limits of resources are set, and no core is dumped.
    pub const LIMITS: &str = "limits";
    /// The process is not root, nor any other user of the host; holds for a host that is not root.
    pub const USER: &str = "unprivileged-user";
    /// A user namespace of its own.
    pub const USER_NAMESPACE: &str = "user-namespace";
    /// A network namespace of its own, without any interface that is up.
    pub const NETWORK_NAMESPACE: &str = "network-namespace";
    /// A namespace of its own for System V and POSIX message queues.
    pub const IPC_NAMESPACE: &str = "ipc-namespace";
    /// A host name of its own.
    pub const UTS_NAMESPACE: &str = "uts-namespace";
    /// The host's control groups are out of sight.
    pub const CGROUP_NAMESPACE: &str = "cgroup-namespace";
    /// The root directory is an empty one that cannot be written.
    pub const EMPTY_ROOT: &str = "empty-root";
    /// No capability is left.
    pub const CAPABILITIES: &str = "capabilities";
    /// Landlock denies every access to files.
    pub const LANDLOCK: &str = "landlock";
    /// Neither debuggers nor core dumps can read the process.
    pub const NOT_DUMPABLE: &str = "not-dumpable";
    /// The process ends with the one that started it.
    pub const ENDS_WITH_PARENT: &str = "ends-with-parent";
    /// Only the system calls of a list are answered, on all threads.
    pub const SECCOMP: &str = "seccomp";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sandbox(absent: &[&str]) -> Sandbox {
        let all = [
            part::DESCRIPTORS,
            part::NO_NEW_PRIVILEGES,
            part::CAPABILITIES,
            part::EMPTY_ROOT,
            part::LANDLOCK,
            part::SECCOMP,
        ];
        let state = |name: &&str| {
            let why = absent.contains(name).then(|| "no".to_owned());
            ((*name).to_owned(), why)
        };
        Sandbox { parts: all.iter().map(state).collect() }
    }

    #[test]
    fn one_way_to_hide_the_disk_is_enough() {
        assert_eq!(sandbox(&[part::LANDLOCK]).required_missing(), Vec::<String>::new());
        assert_eq!(sandbox(&[part::EMPTY_ROOT]).required_missing(), Vec::<String>::new());
        assert_eq!(
            sandbox(&[part::EMPTY_ROOT, part::LANDLOCK]).required_missing(),
            ["empty-root: no, and landlock: no"]
        );
    }

    #[test]
    fn each_part_that_has_no_stand_in_is_required() {
        for part in [part::DESCRIPTORS, part::NO_NEW_PRIVILEGES, part::CAPABILITIES, part::SECCOMP]
        {
            assert_eq!(sandbox(&[part]).required_missing(), [format!("{part}: no")]);
        }
    }

    #[test]
    fn a_part_that_nobody_reported_is_missing() {
        assert_eq!(Sandbox::default().required_missing().len(), REQUIRED.len());
    }
}
