//! How a thread that burns CPU gives way to those that do not.
//!
//! While one call into an isolate takes long, its thread asks the kernel for long slices: whoever
//! wants the processor for less gets it at once, and the thread keeps its share. Where the limit
//! on nice values lets it come back (a dispatcher with privileges raises it for its cordons), the
//! thread runs only when nobody else wants to. Where it does not, a call that takes very long
//! makes its thread nicer for good.

use std::cell::Cell;
use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, nice, setpriority_process, setrlimit};

use crate::sys::{self, Schedule};

/// How much nicer a thread is that makes what nobody waits for yet.
const NICER_BESIDE: i32 = 5;
/// How much nicer a thread becomes that burned for very long.
const NICER_FOR_GOOD: i32 = 10;
/// The longest slice that the kernel grants.
const SLICE_NS_MAX: u64 = 100_000_000;

/// The nice value of this process.
static OWN: OnceLock<i32> = OnceLock::new();
/// Whether a thread that was lowered can be raised again.
static RETURNS: OnceLock<bool> = OnceLock::new();

thread_local! {
    /// How much nicer this thread is than the process, for good.
    static NICER: Cell<i32> = const { Cell::new(0) };
}

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

/// Lowers the calling thread, which burns CPU, until [`rise`].
pub(crate) fn sink() {
    sys::schedule(Schedule { idle: returns(), nice: here(), slice_ns: SLICE_NS_MAX });
}

/// Undoes [`sink`].
pub(crate) fn rise() {
    sys::schedule(Schedule { idle: false, nice: here(), slice_ns: 0 });
}

/// Lowers the calling thread for good, if that is the only way to lower it.
pub(crate) fn sink_for_good() {
    if !returns() && NICER.replace(NICER_FOR_GOOD) == 0 {
        let _ = setpriority_process(None, here());
    }
}

/// While it lives, the thread that made it is behind those that serve.
pub(crate) struct Behind(());

impl Behind {
    /// Lowers the calling thread.
    pub(crate) fn step() -> Self {
        let nicer = if returns() { NICER_BESIDE } else { 0 };
        let slice_ns = SLICE_NS_MAX;
        sys::schedule(Schedule { idle: false, nice: here() + nicer, slice_ns });
        Self(())
    }
}

impl Drop for Behind {
    fn drop(&mut self) {
        rise();
    }
}

fn here() -> i32 {
    OWN.get().copied().unwrap_or(0) + NICER.get()
}

fn returns() -> bool {
    RETURNS.get().copied().unwrap_or(false)
}
