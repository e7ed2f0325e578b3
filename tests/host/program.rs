//! The built program, serving as a child of the test.

use std::fs;
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use super::{Doors, SOON, within};

/// `bindery serve` on a directory of its own. Its requests are those of [`Doors`]. Dropped, it is
/// killed.
pub(crate) struct Program {
    dir: TempDir,
    arguments: Vec<String>,
    /// The soft limit on open files that it starts under.
    descriptors: Option<u32>,
    running: Option<Running>,
    doors: Doors,
    stderr: Arc<Mutex<Vec<u8>>>,
}

struct Running {
    child: Child,
    reading: JoinHandle<()>,
}

impl Program {
    /// Starts it with its defaults, but for the ports and these arguments.
    pub(crate) async fn start_with(arguments: &[&str]) -> Self {
        Self::start(arguments, None).await
    }

    /// Starts it where so many files may be open until it asks for more.
    pub(crate) async fn start_under(descriptors: u32) -> Self {
        Self::start(&[], Some(descriptors)).await
    }

    async fn start(arguments: &[&str], descriptors: Option<u32>) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
        let doors = Doors { listen: nowhere, admin: nowhere, token: String::new() };
        let arguments = arguments.iter().map(|&argument| argument.into()).collect();
        let stderr = Arc::default();
        let mut program = Self { dir, arguments, descriptors, running: None, doors, stderr };
        program.again().await;
        program
    }

    /// Starts it anew on the same directory, on other ports. It must have ended.
    pub(crate) async fn again(&mut self) {
        assert!(self.running.is_none(), "it still runs");
        let mut child = self.command().spawn().expect("the program starts");
        let reading = self.read_stderr(child.stderr.take().expect("a pipe"));
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        within(SOON, "the line `ready`", stdout.read_line(&mut line)).await.expect("text");
        self.running = Some(Running { child, reading });
        let place = |key: &str| line.split_once(key)?.1.split_whitespace().next()?.parse().ok();
        let places = (place("listen="), place("admin="));
        let (true, (Some(listen), Some(admin))) = (line.starts_with("ready "), places) else {
            panic!("the program did not become ready: {line:?} {}", self.stderr());
        };
        let token = fs::read_to_string(self.data().join("operator.token")).expect("a token");
        self.doors = Doors { listen, admin, token: token.trim().into() };
    }

    fn command(&self) -> Command {
        const PROGRAM: &str = env!("CARGO_BIN_EXE_bindery");
        let mut command = match self.descriptors {
            None => Command::new(PROGRAM),
            Some(count) => {
                let mut shell = Command::new("/bin/sh");
                let script = format!("ulimit -Sn {count} && exec \"$0\" \"$@\"");
                shell.args(["-c", &script, PROGRAM]);
                shell
            }
        };
        command.args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        command.arg("--data").arg(self.data()).args(&self.arguments);
        command.current_dir(self.dir.path()).env_clear().kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    #[expect(clippy::disallowed_methods, reason = "the server's tasks are not those of its tests")]
    fn read_stderr(&self, mut pipe: tokio::process::ChildStderr) -> JoinHandle<()> {
        let text = self.stderr.clone();
        tokio::task::spawn(async move {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = pipe.read(&mut bytes).await {
                let mut text = text.lock().unwrap_or_else(PoisonError::into_inner);
                text.extend_from_slice(&bytes[..count]);
            }
        })
    }

    /// Its directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A directory beside its own, for the test's files.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.running.as_ref().and_then(|running| running.child.id()).expect("it runs")
    }

    /// The processes of its cordons: all of its children.
    pub(crate) fn cordon_pids(&self) -> Vec<u32> {
        children(self.pid())
    }

    /// What it has printed to stderr so far, over all its runs.
    pub(crate) fn stderr(&self) -> String {
        let text = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, which: Signal) {
        signal(self.pid(), which);
    }

    /// Waits for its end. Gives the exit code, or `None` if a signal ended it.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        let mut running = self.running.take().expect("it runs");
        let status = within(SOON, "the program's end", running.child.wait()).await;
        // A cordon that outlives it holds the pipe: that is what other tests are about.
        running.reading.abort();
        status.expect("a child").code()
    }

    /// Asks it to end and waits for that. Gives the exit code.
    pub(crate) async fn terminate(&mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.ended().await
    }

    /// Kills it and waits for its end.
    pub(crate) async fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.ended().await;
    }
}

impl Deref for Program {
    type Target = Doors;

    fn deref(&self) -> &Doors {
        &self.doors
    }
}

/// Sends a signal to a process, which may be gone.
pub(crate) fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// Whether a process runs; one that has ended and was not waited for does not.
pub(crate) fn runs(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// The children of a process, of all its threads.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().flat_map(str::parse).collect::<Vec<_>>())
        .collect()
}
