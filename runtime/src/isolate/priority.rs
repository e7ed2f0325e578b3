//! How a thread that burns CPU gives way to those that do not.
//!
//! While one call into an isolate takes long, its thread runs only when nobody else wants the
//! processor; afterwards it is scheduled as before. The kernel lets a thread come back only where
//! the limit on nice values allows it, which a dispatcher with privileges raises for its cordons.
//! Elsewhere a thread is lowered only if it burns for very long, and then for good.

use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, nice, setpriority_process, setrlimit};

use crate::sys::{self, Schedule};

/// How much nicer a thread is that makes what nobody waits for yet.
const NICER_BESIDE: i32 = 5;
/// How much nicer a thread becomes that can not come back.
const NICER_FOR_GOOD: i32 = 10;

/// The nice value of this process.
static OWN: OnceLock<i32> = OnceLock::new();
/// Whether a thread that was lowered can be raised again.
static RETURNS: OnceLock<bool> = OnceLock::new();

/// Lowers the whole process, and asks for the right to undo what lowers a thread further. Before
/// any other thread exists, and before privileges are dropped.
pub(crate) fn lower_process(by: i32) {
    // Being nicer is never denied.
    let own = nice(by).unwrap_or(by);
    let limit = u64::try_from(20 - own).ok();
    let granted = setrlimit(Resource::Nice, Rlimit { current: limit, maximum: limit });
    let _ = OWN.set(own);
    let _ = RETURNS.set(granted.is_ok());
}

/// Whether a thread that was lowered can be raised again.
pub(crate) fn returns() -> bool {
    RETURNS.get().copied().unwrap_or(false)
}

/// Lowers the calling thread, which burns CPU. True if [`rise`] has to be called afterwards.
pub(crate) fn sink() -> bool {
    if returns() {
        return sys::schedule(Schedule::Idle);
    }
    // Asking again changes nothing.
    let _ = setpriority_process(None, own() + NICER_FOR_GOOD);
    false
}

/// Undoes [`sink`].
pub(crate) fn rise() {
    sys::schedule(Schedule::Normal);
}

/// While it lives, the thread that made it is behind those that serve.
pub(crate) struct Behind(());

impl Behind {
    /// Lowers the calling thread, if it can be raised again.
    pub(crate) fn step() -> Option<Self> {
        let lowered = returns() && setpriority_process(None, own() + NICER_BESIDE).is_ok();
        lowered.then_some(Self(()))
    }
}

impl Drop for Behind {
    fn drop(&mut self) {
        let _ = setpriority_process(None, own());
    }
}

fn own() -> i32 {
    OWN.get().copied().unwrap_or(0)
}
