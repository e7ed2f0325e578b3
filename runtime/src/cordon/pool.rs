//! Threads with blank isolates that wait for a line.

use std::io;
use std::os::fd::OwnedFd;
use std::panic::AssertUnwindSafe;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bindery_wire::control::FromCordon;
use bindery_wire::{IsolateNumber, limits};

use super::control::Control;
use crate::isolate::blank::{self, Blank, Wanted};
use crate::isolate::priority::Behind;
use crate::isolate::{host, memory};
use crate::sys;

/// How long the control socket is quiet before a blank isolate is made: making one must not
/// take the processor from a start that somebody waits for.
pub(super) const QUIET: Duration = Duration::from_millis(3);
/// Address space of a thread's stack. The engine uses the first 864 KiB; what runs below its
/// limit is native code.
const STACK_BYTES: usize = 4 << 20;

/// An isolate that the dispatcher asked for.
pub(super) struct Job {
    pub(super) number: IsolateNumber,
    pub(super) socket: OwnedFd,
}

/// Blank isolates, each on its thread.
pub(super) struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    control: Arc<Control>,
}

#[derive(Default)]
struct State {
    waiting: Vec<SyncSender<Job>>,
    making: usize,
    target: usize,
}

impl Pool {
    pub(super) fn new(control: Arc<Control>) -> Self {
        Self { shared: Arc::new(Shared { state: Mutex::new(State::default()), control }) }
    }

    /// Whether fewer wait than should, or are about to.
    pub(super) fn is_short(&self) -> bool {
        let state = self.shared.state();
        state.waiting.len() < state.target
    }

    /// Says how many should wait. Those that are too many end.
    pub(super) fn set_target(&self, count: u32) {
        let mut state = self.shared.state();
        state.target = usize::try_from(count).unwrap_or(usize::MAX);
        let target = state.target;
        state.waiting.truncate(target);
    }

    /// Makes one more, unless one is being made.
    pub(super) fn make_one(&self) -> io::Result<()> {
        let mut state = self.shared.state();
        if state.making > 0 || state.waiting.len() >= state.target {
            return Ok(());
        }
        state.making += 1;
        drop(state);
        let shared = self.shared.clone();
        spawn(move || {
            let (sender, receiver) = sync_channel(1);
            let make = || {
                let _behind = Behind::step();
                Blank::make(limits::DEFAULT.memory_bytes_max, Wanted::Later)
            };
            live(&shared, make, || shared.wait(sender, &receiver));
        })
    }

    /// Gives a job to an isolate that waits, or makes one for it.
    pub(super) fn assign(&self, mut job: Job) -> io::Result<()> {
        loop {
            let Some(waiting) = self.shared.state().waiting.pop() else { break };
            match waiting.send(job) {
                Ok(()) => return self.shared.say_waiting(),
                Err(back) => job = back.0,
            }
        }
        self.make_for(job, limits::DEFAULT.memory_bytes_max)
    }

    /// Makes an isolate for a job.
    pub(super) fn make_for(&self, job: Job, memory_bytes_max: u64) -> io::Result<()> {
        let shared = self.shared.clone();
        let make = move || Blank::make(memory_bytes_max, Wanted::Now);
        spawn(move || live(&shared, make, || Some(job)))
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say_waiting(&self) -> io::Result<()> {
        let count = u32::try_from(self.state().waiting.len()).unwrap_or(u32::MAX);
        self.control.send(&FromCordon::Waiting { count })
    }

    /// Waits for a job. `None` if the pool needs this one no more.
    fn wait(&self, sender: SyncSender<Job>, receiver: &Receiver<Job>) -> Option<Job> {
        {
            let mut state = self.state();
            state.making -= 1;
            if state.waiting.len() < state.target {
                state.waiting.push(sender);
            }
        }
        // The dispatcher may be gone; then this process ends anyway.
        let _ = self.say_waiting();
        receiver.recv().ok()
    }
}

fn spawn(life: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = std::thread::Builder::new().name("isolate".into()).stack_size(STACK_BYTES);
    thread.spawn(life).map(|_| ())
}

/// The life of a thread: a blank isolate, its job, and the end of both.
fn live(
    shared: &Shared,
    make: impl FnOnce() -> Result<Blank, blank::Error>,
    job: impl FnOnce() -> Option<Job>,
) {
    let built = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(2)
        .thread_keep_alive(Duration::from_secs(1))
        .build();
    let Ok(engine) = built else {
        return say("no runtime for an isolate");
    };
    let entered = engine.enter();
    let blank = match make() {
        Ok(blank) => blank,
        Err(error) => return say(&error.to_string()),
    };
    if let Some(Job { number, socket }) = job() {
        sys::set_thread_isolate(number.0);
        // The line's end is how an isolate ends; the dispatcher sees it. A panic is our fault
        // and ends this isolate only.
        let life = || host::run(blank, &engine, number.0, socket);
        if std::panic::catch_unwind(AssertUnwindSafe(life)).is_err() {
            say("an isolate's thread panicked");
        }
        sys::set_thread_isolate(0);
        let _ = shared.control.send(&FromCordon::Ended { number });
        // If it is too early, what this one leaves goes with what the next ones leave.
        memory::give_back(Instant::now());
    }
    drop(entered);
}

#[expect(clippy::print_stderr, reason = "a cordon's standard error is its log")]
fn say(message: &str) {
    eprintln!("cordon: {message}");
}
