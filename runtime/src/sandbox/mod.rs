//! What encloses a cordon: its process sees no file, no network and no other process.
//!
//! [`enclose`] runs first of all, on the one thread that exists then; [`Enclosed::seal`] runs
//! after the engine has started and before the first byte of a tenant, on all threads. Each part
//! is tried by itself and says why it does not hold, so that the dispatcher decides on facts
//! ([`Sandbox::required_missing`]); no part trusts that another one holds.
//!
//! Absent on purpose: a process namespace, which would need a second process per cordon (the
//! filter of system calls denies signals instead), and a limit on file size, which would kill a
//! cordon whose log is a file, where nothing else can be written anyway.

use std::fmt::Display;

use bindery_wire::control::{Sandbox, part};
use rustix::net::sockopt::socket_peercred;
use rustix::process::{
    DumpableBehavior, Signal, getppid, set_dumpable_behavior, set_parent_process_death_signal,
    setpgid, umask,
};
use rustix::thread::set_no_new_privs;

use crate::isolate::priority;
use crate::sys;

mod disk;
mod filter;
pub mod host;
mod limits;
mod namespace;
pub mod probe;
mod user;

/// How far below the dispatcher a cordon is scheduled.
const NICE: i32 = 5;

/// Why a process cannot become a cordon at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The process that started this one has ended, or is not at the other end of its input.
    #[error("the dispatcher that started this cordon is gone")]
    Orphan,
}

/// Proof that [`enclose`] has run, with what it found.
#[derive(Debug)]
pub struct Enclosed {
    parts: Vec<(String, Option<String>)>,
}

/// Closes everything that can be closed before the engine starts.
///
/// Call it on the initial thread while no other exists: a user namespace is refused to a process
/// with several. From here on no file can be opened. The kernel ties this process to the thread
/// that started it, so that has to be one which lives as long as the dispatcher.
pub fn enclose() -> Result<Enclosed, Error> {
    let mut enclosed = Enclosed { parts: Vec::new() };
    enclosed.note(part::DESCRIPTORS, sys::close_inherited());
    detach();
    enclosed.note(part::NO_NEW_PRIVILEGES, set_no_new_privs(true));
    enclosed.note(part::LIMITS, limits::set());
    enclosed.note(part::USER, user::leave());
    for (part, outcome) in namespace::enter() {
        enclosed.note(part, outcome);
    }
    enclosed.note(part::EMPTY_ROOT, disk::empty_root());
    enclosed.note(part::CAPABILITIES, user::drop_capabilities());
    enclosed.note(part::LANDLOCK, disk::landlock());
    // Changed credentials reset these two, so they come last.
    enclosed.note(part::NOT_DUMPABLE, set_dumpable_behavior(DumpableBehavior::NotDumpable));
    enclosed.note(part::ENDS_WITH_PARENT, set_parent_process_death_signal(Some(Signal::KILL)));
    if has_parent() { Ok(enclosed) } else { Err(Error::Orphan) }
}

impl Enclosed {
    /// Lets all threads make only the system calls of the list, and says what encloses them.
    pub fn seal(mut self) -> Sandbox {
        self.note(part::SECCOMP, filter::install());
        Sandbox { parts: self.parts }
    }

    fn note<T>(&mut self, part: &str, outcome: Result<T, impl Display>) {
        self.parts.push((part.to_owned(), outcome.err().map(|why| why.to_string())));
    }
}

/// Leaves the terminal and its signals to the dispatcher, which drains before it ends a cordon.
fn detach() {
    // A group of its own, which the terminal's signals do not reach. Not a session of its own: the
    // kernel may give each session an equal share of the processor, whatever its priority.
    let _ = setpgid(None, None);
    for signal in [Signal::HUP, Signal::INT, Signal::TERM] {
        sys::ignore_signal(signal);
    }
    umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    priority::lower_process(NICE);
}

/// A parent that ended before the death signal was set leaves this process to another one, which
/// is not the process that made the control socket.
fn has_parent() -> bool {
    let maker = socket_peercred(std::io::stdin()).map(|credentials| credentials.pid);
    maker.is_ok_and(|maker| getppid() == Some(maker))
}
