//! Runs the built program in a directory of its own, with an empty environment.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A port that refuses: nothing can listen on it without being told to.
pub(super) const NOBODY: &str = "http://127.0.0.1:1";

/// The program, in a directory of its own.
pub(super) struct Program {
    dir: TempDir,
    variables: Vec<(&'static str, String)>,
}

/// What a run printed.
#[derive(Debug)]
pub(super) struct Ran {
    /// The exit code.
    pub(super) code: i32,
    /// What was printed to stdout.
    pub(super) stdout: String,
    /// What was printed to stderr.
    pub(super) stderr: String,
}

impl Program {
    /// The program in an empty directory.
    pub(super) fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a directory"), variables: Vec::new() }
    }

    /// With a file in its directory.
    pub(super) fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().expect("a file has a directory")).expect("directories");
        fs::write(path, content).expect("a file");
        self
    }

    /// With a variable in its environment.
    pub(super) fn variable(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// With a server's address in its environment.
    pub(super) fn api(self, url: impl Into<String>) -> Self {
        self.variable("BINDERY_API", url)
    }

    /// Its directory.
    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Runs it until it ends.
    pub(super) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, "")
    }

    /// Runs it with something on stdin until it ends.
    pub(super) fn run_with(&self, arguments: &[&str], stdin: &str) -> Ran {
        let mut child = self.start(arguments);
        // A program that does not read its stdin may have closed it.
        let _ = child.stdin.take().expect("a pipe").write_all(stdin.as_bytes());
        ran(child)
    }

    /// Starts it.
    pub(super) fn start(&self, arguments: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_bindery"))
            .args(arguments)
            .current_dir(self.dir.path())
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts")
    }
}

/// What a started program printed, when it has ended.
pub(super) fn ran(child: Child) -> Ran {
    let output = child.wait_with_output().expect("the program ends");
    Ran {
        code: output.status.code().expect("an exit code"),
        stdout: String::from_utf8(output.stdout).expect("text"),
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}

impl Ran {
    /// What it printed, which must be a success.
    #[track_caller]
    pub(super) fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.stdout
    }

    /// What it printed to stderr, which must be a failure with this code and no result.
    #[track_caller]
    pub(super) fn refused(self, code: i32) -> String {
        assert_eq!((self.code, self.stdout.as_str()), (code, ""), "{self:?}");
        self.stderr
    }
}
