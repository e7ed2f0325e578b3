//! `bindery dev` as a child of the test, and the files that it watches.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::host::{Answer, Doors, SOON, children, signal, within};

/// A project's directory that no session watches yet.
pub(super) struct Project {
    dir: TempDir,
}

/// A session that runs. Dropped, it is killed.
pub(super) struct Session {
    dir: TempDir,
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    doors: Doors,
}

impl Project {
    /// An empty directory.
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join("tmp")).expect("a directory for temporary files");
        Self { dir }
    }

    /// A directory with a worker whose file names `src/index.js`, and this source of it.
    pub(super) fn of(source: &str) -> Self {
        Self::new()
            .file(
                "wrangler.jsonc",
                r#"{"main": "src/index.js", "compatibility_date": "2026-08-01"}"#,
            )
            .file("src/index.js", source)
    }

    /// With a file.
    pub(super) fn file(self, path: &str, text: &str) -> Self {
        save(self.dir.path(), path, text);
        self
    }

    /// Its path.
    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bindery"));
        command.arg("dev").args(arguments);
        command.current_dir(self.dir.path()).env_clear().kill_on_drop(true);
        command.env("TMPDIR", self.dir.path().join("tmp"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a session that ends by itself: its exit code and what it said on stderr.
    pub(super) async fn ends_on(self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut child = self.command(arguments).spawn().expect("the program starts");
        let mut said = String::new();
        let mut stderr = child.stderr.take().expect("a pipe");
        within(SOON, "the end", stderr.read_to_string(&mut said)).await.expect("text");
        let status = within(SOON, "the end", child.wait()).await.expect("a child");
        (status.code(), said)
    }

    /// Starts a session whose output is JSON.
    pub(super) async fn start(self, arguments: &[&str]) -> Session {
        let mut command = self.command(arguments);
        let mut child = command
            .args(["--port", "0", "--json"])
            .stderr(Stdio::inherit())
            .spawn()
            .expect("a start");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
        let doors = Doors { listen: nowhere, admin: nowhere, token: String::new() };
        let mut session = Session { dir: self.dir, child, lines, doors };
        let ready = session.next("ready").await;
        let address = |name: &str| ready[name].as_str().and_then(|text| text.parse().ok());
        session.doors.listen = address("listen").expect("an address");
        session.doors.admin = address("admin").expect("an address");
        session
    }
}

impl Session {
    /// Waits for the next line of a kind.
    pub(super) async fn next(&mut self, kind: &str) -> Value {
        let mut others = Vec::new();
        loop {
            let line =
                tokio::time::timeout(std::time::Duration::from_secs(SOON), self.lines.next_line());
            let Ok(Ok(Some(line))) = line.await else {
                panic!("there is no line `{kind}` within {SOON} seconds; there are {others:#?}");
            };
            let line: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
            if line["kind"] == kind {
                return line;
            }
            others.push(line);
        }
    }

    /// Saves a file.
    pub(super) fn save(&self, path: &str, text: &str) {
        save(self.dir.path(), path, text);
    }

    /// The session's directory.
    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Asks a worker for `/`: `dev` is the only one, `api.dev` one of several.
    pub(super) async fn get(&self, to: &str) -> Answer {
        self.doors.get(to, "/").await
    }

    /// Asks a worker for a path.
    pub(super) async fn get_path(&self, to: &str, path: &str) -> Answer {
        self.doors.get(to, path).await
    }

    /// The processes of its cordons.
    pub(super) fn cordons(&self) -> Vec<u32> {
        children(self.child.id().expect("it runs"))
    }

    /// Its temporary files.
    pub(super) fn temporary(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.dir.path().join("tmp")).expect("a directory");
        entries.map(|entry| entry.expect("an entry").path()).collect()
    }

    /// Ends it with a signal and waits for that. Gives the exit code, and what is left of it.
    pub(super) async fn end(mut self, with: Signal) -> (Option<i32>, Vec<PathBuf>) {
        signal(self.child.id().expect("it runs"), with);
        let status = within(SOON, "the session's end", self.child.wait()).await;
        (status.expect("a child").code(), self.temporary())
    }
}

fn save(dir: &Path, path: &str, text: &str) {
    let path = dir.join(path);
    fs::create_dir_all(path.parent().expect("a file has a directory")).expect("directories");
    fs::write(path, text).expect("a file");
}
