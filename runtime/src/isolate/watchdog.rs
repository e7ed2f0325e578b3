//! One thread per cordon that ends code which uses more CPU time than it may.
//!
//! While no isolate has run code for a second, the thread sleeps without a timer. Otherwise it
//! looks every few milliseconds at the CPU clock of each thread that runs, and asks the engine
//! again at every look until the isolate yields: an error's conversion can swallow one request.
//! Memory of code that runs on is looked at on the way.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread::Thread;
use std::time::Duration;

use bindery_wire::Outcome;
use deno_core::v8;

use crate::sys::CpuClock;

/// How often running isolates are looked at.
const TICK: Duration = Duration::from_millis(5);
/// Looks without code having run before the watchdog sleeps: waking it costs as much as a request.
const QUIET_TICKS: u32 = 200;
/// CPU time past its limit after which an isolate that does not yield is reported as stuck: the
/// cordon goes with it, and the engine's parsers take seconds over what memory can hold.
const STUCK_NS: u64 = 5_000_000_000;

/// Why an isolate was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// CPU time.
    Cpu = 1,
    /// Memory.
    Memory = 2,
}

impl Verdict {
    /// The outcome of the event that brought it about.
    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Self::Cpu => Outcome::ExceededCpu,
            Self::Memory => Outcome::ExceededMemory,
        }
    }
}

/// One isolate, as the watchdog sees it.
pub(crate) struct Watch {
    clock: CpuClock,
    isolate: v8::IsolateHandle,
    armed: Mutex<Armed>,
    verdict: AtomicU8,
}

#[derive(Clone, Copy, Default)]
struct Armed {
    /// The reading of the thread's CPU clock at which the code is ended; 0 while none runs.
    deadline_ns: u64,
    /// The limit on CPU time was passed, and this call into the isolate has not come back.
    stuck: Option<u64>,
}

impl Watch {
    /// Lets code run until the thread's CPU clock reads `deadline_ns`.
    pub(crate) fn arm(&self, deadline_ns: u64) {
        self.armed().deadline_ns = deadline_ns.max(1);
        wake();
    }

    /// The code has come back. After this the watchdog does not touch the isolate.
    pub(crate) fn disarm(&self) {
        *self.armed() = Armed::default();
    }

    /// Ends the code that runs, and condemns the isolate. The first verdict stands.
    pub(crate) fn condemn(&self, verdict: Verdict) {
        let unset =
            self.verdict.compare_exchange(0, verdict as u8, Ordering::Relaxed, Ordering::Relaxed);
        let _ = unset;
        self.isolate.terminate_execution();
    }

    /// Takes the verdict, if there is one.
    pub(crate) fn take_verdict(&self) -> Option<Verdict> {
        match self.verdict.swap(0, Ordering::Relaxed) {
            0 => None,
            1 => Some(Verdict::Cpu),
            _ => Some(Verdict::Memory),
        }
    }

    /// CPU time of the isolate's thread, in nanoseconds.
    pub(crate) fn cpu_ns(&self) -> u64 {
        self.clock.now_ns()
    }

    fn armed(&self) -> MutexGuard<'_, Armed> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the isolate. Says whether it runs code, and whether it is newly stuck.
    fn look(&self) -> (bool, bool) {
        let mut armed = self.armed();
        if armed.deadline_ns == 0 {
            return (false, false);
        }
        let now = self.clock.now_ns();
        if now >= armed.deadline_ns {
            self.condemn(Verdict::Cpu);
        } else if self.verdict.load(Ordering::Relaxed) != 0 {
            self.isolate.terminate_execution();
        } else {
            crate::sys::watch_memory(&self.isolate);
            return (true, false);
        }
        let since = *armed.stuck.get_or_insert(now);
        let newly = since != u64::MAX && now.saturating_sub(since) >= STUCK_NS;
        if newly {
            armed.stuck = Some(u64::MAX);
        }
        (true, newly)
    }
}

/// What the watchdog watches: the isolates of this process, with the number of each.
static WATCHED: Mutex<Vec<(u64, Weak<Watch>)>> = Mutex::new(Vec::new());
static ASLEEP: AtomicBool = AtomicBool::new(false);
/// Whether code ran since the last look.
static RAN: AtomicBool = AtomicBool::new(false);
static WATCHDOG: OnceLock<Thread> = OnceLock::new();

fn watched() -> MutexGuard<'static, Vec<(u64, Weak<Watch>)>> {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has the isolate of the calling thread watched for as long as the result lives.
pub(crate) fn watch(number: u64, isolate: v8::IsolateHandle) -> Option<Arc<Watch>> {
    let clock = CpuClock::of_this_thread()?;
    let armed = Mutex::new(Armed::default());
    let watch = Arc::new(Watch { clock, isolate, armed, verdict: AtomicU8::new(0) });
    watched().push((number, Arc::downgrade(&watch)));
    Some(watch)
}

/// Starts the watchdog, once per process. `stuck` is told the number of an isolate that does not
/// yield.
pub(crate) fn start(stuck: impl Fn(u64) + Send + 'static) -> std::io::Result<()> {
    let thread = std::thread::Builder::new().name("watchdog".into()).spawn(move || run(&stuck))?;
    let _ = WATCHDOG.set(thread.thread().clone());
    Ok(())
}

fn run(stuck: &impl Fn(u64)) {
    let mut quiet = 0;
    loop {
        std::thread::park_timeout(TICK);
        let ran = RAN.swap(false, Ordering::Relaxed) | look_at_all(stuck);
        quiet = if ran { 0 } else { quiet + 1 };
        if quiet < QUIET_TICKS {
            continue;
        }
        ASLEEP.store(true, Ordering::SeqCst);
        // An isolate that was armed before the store above is seen by this look, one armed
        // after it sees the store and wakes this thread.
        if !look_at_all(stuck) {
            std::thread::park();
        }
        ASLEEP.store(false, Ordering::SeqCst);
        quiet = 0;
    }
}

fn look_at_all(stuck: &impl Fn(u64)) -> bool {
    let mut running = false;
    let mut newly_stuck = Vec::new();
    watched().retain(|(number, watch)| {
        let Some(watch) = watch.upgrade() else { return false };
        let (runs, is_stuck) = watch.look();
        running |= runs;
        if is_stuck {
            newly_stuck.push(*number);
        }
        true
    });
    newly_stuck.into_iter().for_each(stuck);
    running
}

fn wake() {
    RAN.store(true, Ordering::Relaxed);
    std::sync::atomic::fence(Ordering::SeqCst);
    if ASLEEP.load(Ordering::Relaxed)
        && let Some(thread) = WATCHDOG.get()
    {
        thread.unpark();
    }
}
