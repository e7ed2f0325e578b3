//! The command that a project builds itself with, before anything of it is read.

use std::path::Path;
use std::process::{Command, Stdio};

use super::sources::Sources;
use crate::error::Error;

/// Files and directories below the watched directories.
const WATCHED_COUNT_MAX: usize = 10_000;

/// What `build` of a `wrangler` file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Build {
    /// The shell's command.
    pub(crate) command: String,
    /// Where it runs, relative to the project.
    pub(crate) cwd: Option<String>,
    /// Directories whose changes matter, relative to the project.
    pub(crate) watched: Vec<String>,
}

impl Build {
    /// Runs the command; its output is the person's.
    pub(crate) fn run(&self, dir: &Path, sources: &mut Sources) -> Result<(), Error> {
        for watched in &self.watched {
            watch(&dir.join(watched), sources, &mut 0);
        }
        let place = self.cwd.as_ref().map_or_else(|| dir.to_owned(), |cwd| dir.join(cwd));
        let mut command = Command::new("sh");
        command.arg("-c").arg(&self.command).current_dir(&place).stdin(Stdio::null());
        // Results of this program go to stdout, so what the command prints does not.
        let output = command.stderr(Stdio::inherit()).output();
        let output = output.map_err(|error| {
            Error::os(format_args!("`build.command` can not be run in {}", place.display()), error)
        })?;
        let said = String::from_utf8_lossy(&output.stdout);
        if !said.trim().is_empty() {
            crate::output::note(said.trim_end());
        }
        if output.status.success() {
            return Ok(());
        }
        let (command, status) = (&self.command, output.status);
        Err(Error::Failed(format!("`build.command` failed ({status}): {command}")))
    }
}

fn watch(dir: &Path, sources: &mut Sources, count: &mut usize) {
    sources.dir(dir);
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        *count += 1;
        let name = entry.file_name();
        let skipped = name == "node_modules" || name.to_string_lossy().starts_with('.');
        if *count < WATCHED_COUNT_MAX
            && !skipped
            && entry.file_type().is_ok_and(|kind| kind.is_dir())
        {
            watch(&entry.path(), sources, count);
        }
    }
}
