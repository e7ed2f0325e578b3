//! Limits of resources that the kernel enforces on a cordon.
//!
//! Memory and threads are not among them: both are bounded by what the cordon makes for each
//! isolate, and the kernel counts threads per user, not per process.

use std::{fs, io};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// One line per isolate and a few for the process.
const DESCRIPTORS_MAX: u64 = 65_536;

/// How readily the kernel ends a cordon when memory is short: before the dispatcher.
const OOM_SCORE: &str = "500";

/// Sets them; no later call can raise them.
pub(super) fn set() -> io::Result<()> {
    fs::write("/proc/self/oom_score_adj", OOM_SCORE)?;
    for resource in [Resource::Core, Resource::Memlock, Resource::Msgqueue, Resource::Rtprio] {
        setrlimit(resource, both(0))?;
    }
    let granted = getrlimit(Resource::Nofile).maximum.unwrap_or(DESCRIPTORS_MAX);
    Ok(setrlimit(Resource::Nofile, both(granted.min(DESCRIPTORS_MAX)))?)
}

fn both(value: u64) -> Rlimit {
    Rlimit { current: Some(value), maximum: Some(value) }
}
