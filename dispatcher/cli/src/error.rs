//! What can go wrong in a command, and the exit code that it gives.

use std::io;
use std::process::ExitCode;

use crate::output;

/// Why a command did not do what it was asked. The text says what was wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The command can not mean anything.
    #[error("{0}")]
    Usage(String),
    /// The command failed.
    #[error("{0}")]
    Failed(String),
    /// The server is not there, or can not answer now.
    #[error("{0}")]
    Unavailable(String),
    /// The server has no such thing.
    #[error("{0}")]
    Absent(String),
    /// Several things are wrong; each is a line of its own.
    #[error("{heading}\n{}", lines.iter().map(|l| indented(l)).collect::<Vec<_>>().join("\n"))]
    Several {
        /// What they are about.
        heading: String,
        /// Each.
        lines: Vec<String>,
    },
    /// A check failed, which was already printed.
    #[error("a check failed")]
    Checked,
    /// What the command prints can not be written.
    #[error("the output can not be written: {0}")]
    Output(io::Error),
}

/// A problem, which may have several lines, as part of a list.
fn indented(problem: &str) -> String {
    format!("  {}", problem.replace('\n', "\n  "))
}

impl Error {
    /// A failure of the operating system: what was being done, and why it failed.
    pub(crate) fn os(doing: impl std::fmt::Display, error: impl std::fmt::Display) -> Self {
        Self::Failed(format!("{doing}: {error}"))
    }

    /// Tells the person at the terminal, and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        match self {
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                return ExitCode::SUCCESS;
            }
            Self::Checked => {}
            error => output::note(format_args!("error: {error}")),
        }
        ExitCode::from(if matches!(self, Self::Usage(_)) { 2 } else { 1 })
    }
}
