//! One cordon: its process, the isolates in it, and its death.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use bindery_logic::blame::{self, Blame};
use bindery_logic::place::Load;
use bindery_wire::IsolateNumber;
use bindery_wire::control::{FromCordon, Sandbox, ToCordon};
use rustix::pipe::PipeFlags;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::{Notify, oneshot};

use super::control::{Control, Inbox};
use super::memory::Resident;
use super::{Config, Error, Status};
use crate::line::Line;

/// How long a cordon may take to be ready.
const READY_IN: Duration = Duration::from_secs(30);
/// How long the notes of a dead cordon are waited for.
const NOTES_IN: Duration = Duration::from_millis(500);
/// How readily the kernel ends a cordon when memory is short.
const OOM_SCORE: &str = "500";
const NOTE_BYTES: usize = 8;
const NOTES_BYTES_MAX: u64 = 4 << 10;

/// A process that hosts isolates.
#[derive(Debug)]
pub struct Cordon {
    id: u64,
    pid: u32,
    engine: Arc<str>,
    control: Control,
    guests: Mutex<Guests>,
    waiting: AtomicU32,
    /// What it held before it had any isolate, and when that was last measured.
    pub(super) base_bytes: u64,
    memory_bytes: AtomicU64,
    /// The engine keeps some bytes of each isolate ever made: after so many it is replaced.
    start_count_max: u32,
    closed: AtomicBool,
    /// Whom the dispatcher itself found guilty.
    convicted: OnceLock<IsolateNumber>,
    kill: Notify,
    pub(super) retire: Notify,
}

#[derive(Debug, Default)]
struct Guests {
    isolates: HashMap<IsolateNumber, Guest>,
    starts: u32,
    dead: bool,
}

/// An isolate in a cordon, as its cordon knows it.
#[derive(Debug)]
pub struct Guest {
    line: Weak<Line>,
    ended: oneshot::Sender<Blame>,
}

/// A cordon with what its supervisor needs.
pub(super) struct Running {
    pub(super) cordon: Arc<Cordon>,
    child: Child,
    inbox: Inbox,
    notes: Receiver,
}

/// How a cordon ended.
pub(super) struct Death {
    pub(super) culprit: Option<IsolateNumber>,
    /// What ran in it.
    pub(super) losses: Vec<Loss>,
    /// Whether it was told to end.
    pub(super) told: bool,
}

/// An isolate that died with its cordon.
pub(super) struct Loss {
    /// Its line, if anybody still has it.
    pub(super) line: Option<Arc<Line>>,
    /// Whose fault the death is, for this one.
    pub(super) blame: Blame,
    /// Who waits to hear that.
    pub(super) ended: oneshot::Sender<Blame>,
}

impl Running {
    /// Starts a cordon and waits until it is ready.
    pub(super) async fn start(config: &Config, id: u64) -> Result<Self, Error> {
        let (control, theirs) = super::control::pair()?;
        let (notes, note) =
            rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(std::io::Error::from)?;
        let mut child = command(config, theirs, note).spawn()?;
        let pid = child.id().ok_or_else(|| Error::NotReady("it ended at once".into()))?;
        if let Err(error) = std::fs::write(format!("/proc/{pid}/oom_score_adj"), OOM_SCORE) {
            tracing::debug!(%error, pid, "a cordon's memory score stays as it is");
        }
        if let Some(stderr) = child.stderr.take() {
            tokio::task::spawn_local(log_lines(stderr, id));
        }
        let mut inbox = control.inbox()?;
        let first = tokio::time::timeout(READY_IN, inbox.next()).await;
        let engine = ready(config, first)?;
        let base_bytes = Resident::of(pid).own_bytes;
        let cordon = Arc::new(Cordon {
            id,
            pid,
            engine: engine.into(),
            control,
            guests: Mutex::default(),
            waiting: AtomicU32::new(0),
            base_bytes,
            memory_bytes: AtomicU64::new(base_bytes),
            start_count_max: config.start_count_max,
            closed: AtomicBool::new(false),
            convicted: OnceLock::new(),
            kill: Notify::new(),
            retire: Notify::new(),
        });
        let notes = Receiver::from_owned_fd(notes)?;
        Ok(Self { cordon, child, inbox, notes })
    }

    /// Serves the cordon until its process has ended.
    pub(super) async fn run(mut self) -> Death {
        let mut told = false;
        loop {
            tokio::select! {
                _ = self.child.wait() => break,
                () = self.cordon.kill.notified() => {
                    told = true;
                    let _ = self.child.start_kill();
                }
                message = self.inbox.next() => {
                    let lives = match message {
                        Ok(Some(message)) => self.cordon.hear(message),
                        Ok(None) | Err(_) => false,
                    };
                    if !lives {
                        let _ = self.child.start_kill();
                        let _ = self.child.wait().await;
                        break;
                    }
                }
            }
        }
        let notes = self.notes().await;
        self.cordon.died(&notes, told)
    }

    /// What the cordon's handlers wrote before it died.
    async fn notes(&mut self) -> Vec<u64> {
        let mut bytes = Vec::new();
        let mut notes = (&mut self.notes).take(NOTES_BYTES_MAX);
        let _ = tokio::time::timeout(NOTES_IN, notes.read_to_end(&mut bytes)).await;
        let (notes, _) = bytes.as_chunks::<NOTE_BYTES>();
        notes.iter().map(|note| u64::from_le_bytes(*note)).collect()
    }
}

fn command(config: &Config, control: OwnedFd, note: OwnedFd) -> Command {
    let mut command = Command::new(&config.program);
    command.arg("cordon");
    command.env_clear().current_dir("/").kill_on_drop(true);
    command.stdin(Stdio::from(control)).stdout(Stdio::from(note)).stderr(Stdio::piped());
    command
}

type First = Result<std::io::Result<Option<FromCordon>>, tokio::time::error::Elapsed>;

/// The engine that a cordon's first message names, if the sandbox is good enough.
fn ready(config: &Config, first: First) -> Result<String, Error> {
    let not_ready = |why: &str| Err(Error::NotReady(why.into()));
    match first {
        Ok(Ok(Some(FromCordon::Ready { engine, sandbox }))) => {
            admit(&sandbox, config.unsandboxed).map(|()| engine)
        }
        Ok(Ok(Some(_))) => not_ready("it said something else first"),
        Ok(Ok(None)) => not_ready("it ended"),
        Ok(Err(error)) => not_ready(&error.to_string()),
        Err(_) => not_ready("it took too long"),
    }
}

/// Whether tenants' code may run in this sandbox: a part that has a stand-in may be missing.
fn admit(sandbox: &Sandbox, unsandboxed: bool) -> Result<(), Error> {
    for (part, why) in sandbox.missing() {
        tracing::warn!(part, why, "the sandbox of a cordon lacks a part");
    }
    let missing = sandbox.required_missing();
    if missing.is_empty() || unsandboxed {
        return Ok(());
    }
    Err(Error::Sandbox(missing.join("; ")))
}

impl Cordon {
    /// Names the engine's build.
    pub fn engine(&self) -> &Arc<str> {
        &self.engine
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Hands the cordon the other end of a line. The receiver tells when the isolate has ended,
    /// and whose fault it was.
    pub fn admit(
        &self,
        line: &Arc<Line>,
        descriptor: OwnedFd,
    ) -> Result<oneshot::Receiver<Blame>, Error> {
        let number = line.number();
        let (ended, has_ended) = oneshot::channel();
        {
            let mut guests = self.guests();
            if guests.dead || !self.is_open() {
                return Err(Error::Closed { after_ms: 100 });
            }
            guests.isolates.insert(number, Guest { line: Arc::downgrade(line), ended });
            guests.starts += 1;
            if guests.starts == self.start_count_max {
                self.retire.notify_one();
            }
        }
        let memory_bytes_max = line.code().limits.memory_bytes_max;
        let message = ToCordon::Isolate { number, memory_bytes_max };
        if let Err(error) = self.control.send(&message, Some(descriptor.as_fd())) {
            self.guests().isolates.remove(&number);
            tracing::warn!(cordon = self.id, %error, "a cordon takes no isolate");
            return Err(Error::Closed { after_ms: 100 });
        }
        Ok(has_ended)
    }

    /// Ends the cordon because of what an isolate in it did.
    pub fn convict(&self, culprit: IsolateNumber) {
        let _ = self.convicted.set(culprit);
        self.kill.notify_one();
    }

    /// Whether an isolate is in this cordon.
    pub fn hosts(&self, number: IsolateNumber) -> bool {
        self.guests().isolates.contains_key(&number)
    }

    pub(super) fn kill(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.kill.notify_one();
    }

    /// Takes no more isolates.
    pub(super) fn close(&self) {
        // Behind the lock, so that whoever was let in before is seen by those who look next.
        let _guests = self.guests();
        self.closed.store(true, Ordering::Relaxed);
    }

    /// Lets the isolates end that are there: those that are idle at once, the others after what
    /// runs in them. `all` has those take no new events either.
    pub(super) fn empty(&self, all: bool) {
        let lines: Vec<_> =
            self.guests().isolates.values().filter_map(|guest| guest.line.upgrade()).collect();
        for line in lines {
            if all {
                line.condemn();
            } else {
                line.stop_if_idle();
            }
        }
    }

    pub(super) fn is_open(&self) -> bool {
        !self.closed.load(Ordering::Relaxed)
    }

    pub(super) fn isolate_count(&self) -> u32 {
        u32::try_from(self.guests().isolates.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn waiting_count(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(super) fn is_dead(&self) -> bool {
        self.guests().dead
    }

    pub(super) fn load(&self) -> Load {
        let memory_bytes = self.memory_bytes.load(Ordering::Relaxed);
        Load { open: self.is_open(), isolate_count: self.isolate_count(), memory_bytes }
    }

    /// Measures what it holds.
    pub(super) fn measure(&self) -> Resident {
        let resident = Resident::of(self.pid);
        self.memory_bytes.store(resident.own_bytes, Ordering::Relaxed);
        resident
    }

    pub(super) fn trim(&self) {
        if let Err(error) = self.control.send(&ToCordon::Trim, None) {
            tracing::debug!(cordon = self.id, %error, "a cordon was not told to trim");
        }
    }

    /// Whether it had an isolate and has none any more.
    pub(super) fn is_spent(&self) -> bool {
        let guests = self.guests();
        guests.starts > 0 && guests.isolates.is_empty()
    }

    pub(super) fn keep_waiting(&self, waiting_count: u32) {
        if let Err(error) = self.control.send(&ToCordon::Pool { waiting_count }, None) {
            tracing::debug!(cordon = self.id, %error, "a cordon was not told its pool");
        }
    }

    pub(super) fn status(&self) -> Status {
        let mut isolates: Vec<IsolateNumber> = self.guests().isolates.keys().copied().collect();
        isolates.sort_unstable();
        Status { pid: self.pid, isolates, waiting: self.waiting.load(Ordering::Relaxed) }
    }

    /// Takes in a message; false if the cordon has to end for it.
    fn hear(&self, message: FromCordon) -> bool {
        match message {
            FromCordon::Ready { .. } => return false,
            FromCordon::Waiting { count } => self.waiting.store(count, Ordering::Relaxed),
            FromCordon::Ended { number } => {
                let guest = self.guests().isolates.remove(&number);
                if let Some(guest) = guest {
                    let _ = guest.ended.send(Blame::Itself);
                }
            }
            FromCordon::Stuck { number } => {
                tracing::warn!(cordon = self.id, isolate = %number, "an isolate is stuck");
                let _ = self.convicted.set(number);
                return false;
            }
            FromCordon::Held { number, held } => {
                if let Some(line) = self.line_of(number) {
                    line.set_held(held);
                }
            }
            FromCordon::Usage { busy } => self.hear_usage(&busy),
            FromCordon::Probed { attempts } => {
                tracing::info!(cordon = self.id, ?attempts, "a cordon was probed");
            }
        }
        true
    }

    fn line_of(&self, number: IsolateNumber) -> Option<Arc<Line>> {
        self.guests().isolates.get(&number)?.line.upgrade()
    }

    fn hear_usage(&self, busy: &[(IsolateNumber, u32)]) {
        let lines: Vec<_> =
            self.guests().isolates.values().filter_map(|guest| guest.line.upgrade()).collect();
        let busy: HashMap<_, _> = busy.iter().copied().collect();
        for line in lines {
            line.set_busy_permille(busy.get(&line.number()).copied().unwrap_or(0));
        }
    }

    fn died(&self, notes: &[u64], told: bool) -> Death {
        self.closed.store(true, Ordering::Relaxed);
        let guests = {
            let mut guests = self.guests();
            guests.dead = true;
            std::mem::take(&mut guests.isolates)
        };
        // A note is only as good as its cordon: it can name nobody who is elsewhere.
        let named = self.convicted.get().copied().or_else(|| blame::culprit(notes));
        let culprit = named.filter(|number| guests.contains_key(number));
        let told = told && self.convicted.get().is_none();
        let loss = |(number, guest): (IsolateNumber, Guest)| Loss {
            line: guest.line.upgrade(),
            blame: blame::of(number, culprit),
            ended: guest.ended,
        };
        Death { culprit, losses: guests.into_iter().map(loss).collect(), told }
    }

    fn guests(&self) -> MutexGuard<'_, Guests> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes of one line of a cordon's standard error that are logged.
const LOG_BYTES_MAX: usize = 1 << 10;
/// Lines of one cordon that are logged.
const LOG_LINES_MAX: u32 = 10_000;

/// Logs what a cordon writes to its standard error, shortened: it may be a tenant's doing.
async fn log_lines(mut stderr: ChildStderr, cordon: u64) {
    let mut buffer = vec![0; 4 << 10];
    let mut line = Vec::new();
    let mut count = 0;
    while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
        for byte in buffer.get(..read).unwrap_or_default() {
            if *byte == b'\n' {
                if count < LOG_LINES_MAX && !line.is_empty() {
                    count += 1;
                    let text = String::from_utf8_lossy(&line);
                    tracing::warn!(cordon, text = %text.escape_debug(), "a cordon says");
                }
                line.clear();
            } else if line.len() < LOG_BYTES_MAX {
                line.push(*byte);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bindery_wire::control::part;

    use super::*;

    #[test]
    fn a_sandbox_without_what_is_required_is_refused_with_what_to_do() {
        let refused = admit(&Sandbox::default(), false).expect_err("refused").to_string();
        assert!(refused.contains(part::SECCOMP) && refused.contains("doctor"), "{refused}");
        assert!(admit(&Sandbox::default(), true).is_ok());
    }
}
