//! One thread per cordon that ends code which uses more CPU time than it may.
//!
//! While no isolate has run code for a second, the thread sleeps without a timer. Otherwise it
//! looks every few milliseconds at the CPU clock of each thread that runs, and asks the engine
//! again at every look until the isolate yields: an error's conversion can swallow one request.
//! Memory of code that runs on is looked at on the way, its thread gives way to others, and the
//! dispatcher hears of it.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread::Thread;
use std::time::{Duration, Instant};

use bindery_wire::Outcome;
use deno_core::v8;

use super::priority;
use crate::sys::CpuClock;

/// How often running isolates are looked at.
const TICK: Duration = Duration::from_millis(5);
/// Looks without code having run before the watchdog sleeps: waking it costs as much as a request.
const QUIET_TICKS: u32 = 200;
/// CPU time past its limit after which an isolate that does not yield is reported as stuck: the
/// cordon goes with it, and the engine's parsers take seconds over what memory can hold.
const STUCK_NS: u64 = 5_000_000_000;
/// CPU time of one call into an isolate after which its thread gives way to others.
const SINK_NS: u64 = 15_000_000;
/// CPU time of one call after which it does so for good, where there is no better way.
const SINK_FOR_GOOD_NS: u64 = 1_000_000_000;
/// CPU time of one call after which the dispatcher hears that it holds the isolate.
const HELD_NS: u64 = 50_000_000;
/// How often usage is reported while code runs.
const USAGE_EVERY: Duration = Duration::from_secs(1);
/// What is less of a core, in thousandths, is not reported.
const USAGE_PERMILLE_MIN: u64 = 50;

/// What the watchdog has to say of isolates, by their numbers.
#[derive(Debug)]
pub(crate) enum Notice {
    /// It does not yield.
    Stuck(u64),
    /// One call holds it for long, or does so no more.
    Held(u64, bool),
    /// The thousandths of a core that each used which used any.
    Usage(Vec<(u64, u32)>),
}

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
    /// The reading of the thread's CPU clock when the code was entered.
    began_ns: u64,
    /// The reading at which the code is ended; 0 while none runs.
    deadline_ns: u64,
    /// What the code had used when it was last looked at.
    ran_ns: u64,
    /// Whether the thread has given way.
    sunk: bool,
    /// The limit on CPU time was passed, and this call into the isolate has not come back.
    stuck: Option<u64>,
}

impl Watch {
    /// Lets code run for `left_ns` from when the thread's CPU clock read `began_ns`.
    pub(crate) fn arm(&self, began_ns: u64, left_ns: u64) {
        let deadline_ns = began_ns.saturating_add(left_ns).max(1);
        *self.armed() = Armed { began_ns, deadline_ns, ..Armed::default() };
        wake();
    }

    /// The code has come back. After this the watchdog does not touch the isolate.
    pub(crate) fn disarm(&self) {
        let former = std::mem::take(&mut *self.armed());
        if former.sunk {
            priority::rise();
        }
    }

    /// Called on the isolate's thread while code runs there: gives way to others if it is time.
    pub(crate) fn give_way(&self) {
        let mut armed = self.armed();
        if armed.ran_ns >= SINK_FOR_GOOD_NS {
            priority::sink_for_good();
        }
        if armed.ran_ns >= SINK_NS && !std::mem::replace(&mut armed.sunk, true) {
            priority::sink();
        }
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

    /// Looks at the isolate.
    fn look(&self) -> Seen {
        let mut armed = self.armed();
        if armed.deadline_ns == 0 {
            return Seen::default();
        }
        let now = self.clock.now_ns();
        let ran_ns = now.saturating_sub(armed.began_ns);
        armed.ran_ns = ran_ns;
        let seen = Seen { runs: true, held: ran_ns >= HELD_NS, newly_stuck: false };
        if now >= armed.deadline_ns {
            self.condemn(Verdict::Cpu);
        } else if self.verdict.load(Ordering::Relaxed) != 0 {
            self.isolate.terminate_execution();
        } else {
            crate::sys::watch_memory(&self.isolate);
            return seen;
        }
        let since = *armed.stuck.get_or_insert(now);
        let newly_stuck = since != u64::MAX && now.saturating_sub(since) >= STUCK_NS;
        if newly_stuck {
            armed.stuck = Some(u64::MAX);
        }
        Seen { newly_stuck, ..seen }
    }
}

/// What a look at one isolate found.
#[derive(Clone, Copy, Default)]
struct Seen {
    runs: bool,
    held: bool,
    newly_stuck: bool,
}

/// An isolate of this process, with what was said of it.
struct Watched {
    number: u64,
    watch: Weak<Watch>,
    held: bool,
    /// The reading of its thread's CPU clock at the last report of usage.
    reported_ns: u64,
}

/// What the watchdog watches.
static WATCHED: Mutex<Vec<Watched>> = Mutex::new(Vec::new());
static ASLEEP: AtomicBool = AtomicBool::new(false);
/// Whether code ran since the last look.
static RAN: AtomicBool = AtomicBool::new(false);
static WATCHDOG: OnceLock<Thread> = OnceLock::new();

fn watched() -> MutexGuard<'static, Vec<Watched>> {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has the isolate of the calling thread watched for as long as the result lives.
pub(crate) fn watch(number: u64, isolate: v8::IsolateHandle) -> Option<Arc<Watch>> {
    let clock = CpuClock::of_this_thread()?;
    let armed = Mutex::new(Armed::default());
    let watch = Arc::new(Watch { clock, isolate, armed, verdict: AtomicU8::new(0) });
    let reported_ns = clock.now_ns();
    let weak = Arc::downgrade(&watch);
    watched().push(Watched { number, watch: weak, held: false, reported_ns });
    Some(watch)
}

/// Starts the watchdog, once per process. `tell` is told what there is to say.
pub(crate) fn start(tell: impl Fn(Notice) + Send + 'static) -> std::io::Result<()> {
    let thread = std::thread::Builder::new().name("watchdog".into()).spawn(move || run(&tell))?;
    let _ = WATCHDOG.set(thread.thread().clone());
    Ok(())
}

fn run(tell: &impl Fn(Notice)) {
    let mut quiet = 0;
    let mut usage = Usage { since: Instant::now(), any: false };
    loop {
        std::thread::park_timeout(TICK);
        let ran = RAN.swap(false, Ordering::Relaxed) | look_at_all(tell);
        quiet = if ran { 0 } else { quiet + 1 };
        usage.report(quiet >= QUIET_TICKS, tell);
        if quiet < QUIET_TICKS {
            continue;
        }
        ASLEEP.store(true, Ordering::SeqCst);
        // An isolate that was armed before the store above is seen by this look, one armed
        // after it sees the store and wakes this thread.
        if !look_at_all(tell) {
            std::thread::park();
        }
        ASLEEP.store(false, Ordering::SeqCst);
        quiet = 0;
        usage.since = Instant::now();
    }
}

fn look_at_all(tell: &impl Fn(Notice)) -> bool {
    let mut running = false;
    let mut notices = Vec::new();
    watched().retain_mut(|watched| {
        let Some(watch) = watched.watch.upgrade() else { return false };
        let seen = watch.look();
        running |= seen.runs;
        if seen.newly_stuck {
            notices.push(Notice::Stuck(watched.number));
        }
        if seen.held != watched.held {
            watched.held = seen.held;
            notices.push(Notice::Held(watched.number, seen.held));
        }
        true
    });
    notices.into_iter().for_each(tell);
    running
}

/// When usage was reported last, and whether there was any.
struct Usage {
    since: Instant,
    any: bool,
}

impl Usage {
    /// Reports if it is time to. `quiet` says that none is to be expected for a while: then what
    /// was reported last is taken back.
    fn report(&mut self, quiet: bool, tell: &impl Fn(Notice)) {
        let elapsed = self.since.elapsed();
        if elapsed < USAGE_EVERY && !(quiet && self.any) {
            return;
        }
        self.since = Instant::now();
        let mut busy = used(elapsed);
        if quiet {
            busy.clear();
        }
        if self.any || !busy.is_empty() {
            self.any = !busy.is_empty();
            tell(Notice::Usage(busy));
        }
    }
}

/// The thousandths of a core that each isolate used since the last report, `elapsed` ago.
fn used(elapsed: Duration) -> Vec<(u64, u32)> {
    let elapsed_ns = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX).max(1);
    let share = |watched: &mut Watched| {
        let now = watched.watch.upgrade()?.clock.now_ns();
        let used = now.saturating_sub(std::mem::replace(&mut watched.reported_ns, now));
        let permille = used.saturating_mul(1_000) / elapsed_ns;
        let said = u32::try_from(permille).unwrap_or(u32::MAX);
        (permille >= USAGE_PERMILLE_MIN).then_some((watched.number, said))
    };
    watched().iter_mut().filter_map(share).collect()
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
