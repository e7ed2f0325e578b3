//! How much memory an isolate may use, in and outside the engine's heap together.
//!
//! Three things look: the allocator of buffers refuses what does not fit, the engine asks before
//! its heap passes the limit, and after each full collection (or when the watchdog asks, while
//! code runs on) heap and external bytes are added up. Each ends with the same verdict.

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use deno_core::v8;

use super::watchdog::{Verdict, Watch};
use crate::sys;

/// Bytes of the young generation: a larger one is faster for code that makes much garbage, and
/// stays resident when the isolate is idle.
pub(crate) const YOUNG_BYTES_MAX: usize = 3 << 19;
/// What a heap may grow past its limit while the offender is being ended, at least.
const HEADROOM_BYTES_MIN: usize = 32 << 20;
/// How many times its limit a heap may reach in code that does not yield.
const HEAP_GROWTH_MAX: usize = 4;

/// The bytes that an isolate may use.
pub(crate) struct Budget {
    bytes_max: usize,
    buffers: AtomicUsize,
    heap: AtomicUsize,
}

impl Budget {
    /// A budget of so many bytes.
    pub(crate) fn new(bytes_max: u64) -> Arc<Self> {
        Arc::new(Self {
            bytes_max: usize::try_from(bytes_max).unwrap_or(usize::MAX),
            buffers: AtomicUsize::new(0),
            heap: AtomicUsize::new(0),
        })
    }

    /// The limit.
    pub(crate) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Takes bytes for a buffer, if they fit beside the heap as it was last seen.
    pub(crate) fn reserve(&self, bytes: usize) -> bool {
        let room = self.bytes_max.saturating_sub(self.heap.load(Ordering::Relaxed));
        let taken = self.buffers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(bytes).filter(|total| *total <= room)
        });
        taken.is_ok()
    }

    /// Gives back the bytes of a buffer.
    pub(crate) fn release(&self, bytes: usize) {
        self.buffers.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// How often a process gives back what its allocator keeps: that takes the locks of all threads.
const GIVE_BACK_EVERY: Duration = Duration::from_secs(10);

/// Gives what has been free since then back to the system, unless it has been. False if it is too
/// early.
pub(crate) fn give_back(since: Instant) -> bool {
    static LAST: Mutex<Option<Instant>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    match *last {
        Some(last) if last >= since => return true,
        Some(last) if last.elapsed() < GIVE_BACK_EVERY => return false,
        _ => *last = Some(Instant::now()),
    }
    drop(last);
    sys::trim();
    true
}

thread_local! {
    static HERE: RefCell<Option<(Arc<Budget>, Arc<Watch>)>> = const { RefCell::new(None) };
}

/// Has this thread's isolate judged by `budget`, its breaches told to `watch`.
pub(crate) fn guard(isolate: &mut v8::Isolate, budget: &Arc<Budget>, watch: &Arc<Watch>) {
    HERE.set(Some((budget.clone(), watch.clone())));
    crate::sys::watch_collections(isolate);
}

/// Forgets what [`guard`] set, before the isolate goes.
pub(crate) fn unguard() {
    HERE.set(None);
}

/// Called on the isolate's thread with fresh figures: condemns it if they are over the limit.
/// `external` is what the engine keeps count of outside its heap, in bytes.
pub(crate) fn measured(statistics: &v8::HeapStatistics, external: usize) {
    HERE.with_borrow(|here| {
        let Some((budget, watch)) = here else { return };
        budget.heap.store(statistics.used_heap_size(), Ordering::Relaxed);
        let external = external.max(statistics.external_memory());
        let total = statistics.used_heap_size().saturating_add(external);
        if total > budget.bytes_max {
            watch.condemn(Verdict::Memory);
        }
    });
}

/// Called on the isolate's thread while its code runs on: it may have to give way to others.
pub(crate) fn interrupted() {
    HERE.with_borrow(|here| {
        if let Some((_, watch)) = here {
            watch.give_way();
        }
    });
}

/// Called by the engine when the heap is about to reach `current`: condemns the isolate, and
/// returns what the heap may grow to while that takes effect, since the engine ends the process
/// if it has no room to get out of what it is doing. Past a few times the limit that is right.
pub(crate) fn near_limit(current: usize) -> usize {
    let most = HERE.with_borrow(|here| {
        let (budget, watch) = here.as_ref()?;
        watch.condemn(Verdict::Memory);
        Some(budget.bytes_max.saturating_mul(HEAP_GROWTH_MAX).max(HEADROOM_BYTES_MIN))
    });
    let wanted = current.saturating_add((current / 2).max(HEADROOM_BYTES_MIN));
    wanted.min(most.unwrap_or(wanted)).max(current)
}
