//! The process that hosts isolates: what `bindery cordon` runs.
//!
//! Standard input is the control socket, standard output the pipe for death notes, standard
//! error the log. The process ends when the dispatcher closes the control socket, and does
//! nothing that the dispatcher did not ask for.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use bindery_wire::control::{FromCordon, ToCordon, USAGE_COUNT_MAX};
use bindery_wire::{IsolateNumber, limits};
use deno_core::JsRuntime;
use deno_core::v8::V8;
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use crate::isolate::blank;
use crate::isolate::watchdog::{self, Notice};
use crate::sandbox;
use crate::sys;

mod control;
mod pool;

use control::Control;
use pool::{Job, Pool};

/// The engine's flags, fixed before it starts.
const FLAGS: &str = " --disallow-code-generation-from-strings \
    --enable-sharedarraybuffer-per-context \
    --stack-size=864 \
    --wasm-max-mem-pages=2048 \
    --no-flush-bytecode \
    --single-threaded-gc";

/// Why a cordon ends other than by the dispatcher's will.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the sandbox does not close: {0}")]
    Sandbox(#[from] sandbox::Error),
    #[error("the control socket fails: {0}")]
    Control(#[from] io::Error),
    #[error("a message of the control socket does not parse: {0}")]
    Message(#[from] bindery_wire::codec::Error),
}

/// Runs a cordon until the dispatcher ends it. Call it first of all in the process, before any
/// thread exists. Returns the exit code.
pub fn run() -> u8 {
    match serve() {
        Ok(()) => sys::exit_now(0),
        Err(error) => {
            say(&error);
            1
        }
    }
}

#[expect(clippy::print_stderr, reason = "a cordon's standard error is its log")]
fn say(error: &Error) {
    eprintln!("cordon: {error}");
}

fn serve() -> Result<(), Error> {
    let enclosed = sandbox::enclose()?;
    sys::note_deaths(io::stdout().as_raw_fd());
    V8::set_flags_from_string(FLAGS);
    // The engine would open a file for it, which the closed process can not.
    V8::set_entropy_source(|bytes: &mut [u8]| fill_random(bytes));
    JsRuntime::init_platform(None);
    let control = Arc::new(Control::new());
    let told = control.clone();
    watchdog::start(move |notice| {
        // The dispatcher may be gone; then this process ends anyway.
        let _ = told.send(&message(notice));
    })?;
    let sandbox = enclosed.seal();
    control.send(&FromCordon::Ready { engine: blank::engine_build(), sandbox })?;
    listen(&control)
}

fn message(notice: Notice) -> FromCordon {
    match notice {
        Notice::Stuck(number) => FromCordon::Stuck { number: IsolateNumber(number) },
        Notice::Held(number, held) => FromCordon::Held { number: IsolateNumber(number), held },
        Notice::Usage(mut busy) => {
            busy.sort_by_key(|(_, permille)| std::cmp::Reverse(*permille));
            busy.truncate(USAGE_COUNT_MAX);
            let number = |(number, permille)| (IsolateNumber(number), permille);
            FromCordon::Usage { busy: busy.into_iter().map(number).collect() }
        }
    }
}

fn fill_random(mut bytes: &mut [u8]) -> bool {
    while !bytes.is_empty() {
        match getrandom(&mut *bytes, GetRandomFlags::empty()) {
            Ok(filled) => bytes = bytes.get_mut(filled..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    }
    true
}

fn listen(control: &Arc<Control>) -> Result<(), Error> {
    let pool = Pool::new(control.clone());
    loop {
        let timeout = pool.is_short().then_some(pool::QUIET);
        match control.receive(timeout)? {
            control::Received::Nothing => pool.make_one()?,
            control::Received::End => return Ok(()),
            control::Received::Message(message, line) => act(control, &pool, message, line)?,
        }
    }
}

fn act(
    control: &Control,
    pool: &Pool,
    message: ToCordon,
    line: Option<OwnedFd>,
) -> Result<(), Error> {
    match (message, line) {
        (ToCordon::Pool { waiting_count }, _) => pool.set_target(waiting_count),
        (ToCordon::Isolate { number, memory_bytes_max }, Some(socket)) => {
            let job = Job { number, socket };
            if memory_bytes_max == limits::DEFAULT.memory_bytes_max {
                pool.assign(job)?;
            } else {
                pool.make_for(job, memory_bytes_max)?;
            }
        }
        // A line that was lost on the way can not be served: closing it tells the dispatcher.
        (ToCordon::Isolate { number, .. }, None) => control.send(&FromCordon::Ended { number })?,
        (ToCordon::Trim, _) => sys::trim(),
        (ToCordon::Probe { path, port }, _) => {
            let attempts = sandbox::probe::probe(path.as_ref(), port);
            control.send(&FromCordon::Probed { attempts })?;
        }
    }
    Ok(())
}

/// The control socket's descriptor.
fn stdin() -> BorrowedFd<'static> {
    rustix::stdio::stdin()
}
