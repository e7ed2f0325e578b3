//! Files and directories as this crate makes them: for the server's user alone, whole or absent.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The mode of every file.
pub(crate) const FILE_MODE: u32 = 0o600;
/// The mode of every directory.
const DIRECTORY_MODE: u32 = 0o700;

/// Whether a file is on disk before its writer goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// It is, but for its directory's entry.
    Synced,
    /// Whenever the kernel comes to it.
    Later,
}

/// Where files are written before they get their names. Emptied when it is opened.
#[derive(Debug)]
pub(crate) struct Drafts {
    directory: PathBuf,
    count: AtomicU64,
}

impl Drafts {
    /// Opens the directory and removes what a killed process left there.
    pub(crate) fn open(directory: PathBuf) -> io::Result<Self> {
        remove_directory(&directory)?;
        make_directory(&directory)?;
        Ok(Self { directory, count: AtomicU64::new(0) })
    }

    /// Writes a file that is seen under `path` whole or not at all.
    pub(crate) fn write(
        &self,
        path: &Path,
        parts: &[&[u8]],
        durability: Durability,
    ) -> io::Result<()> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let draft = self.directory.join(number.to_string());
        let written = fill(&draft, parts, durability).and_then(|()| fs::rename(&draft, path));
        if written.is_err() {
            // The first failure is the one to report; what stays is removed at the next start.
            let _ = fs::remove_file(&draft);
        }
        written
    }
}

fn fill(draft: &Path, parts: &[&[u8]], durability: Durability) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(FILE_MODE).open(draft)?;
    for part in parts {
        file.write_all(part)?;
    }
    if durability == Durability::Synced { file.sync_all() } else { Ok(()) }
}

/// Makes a directory and those above it, where they are missing.
pub(crate) fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(path)
}

/// Makes the entries of a directory durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes a file's entry in its directory durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    sync_directory(parent.unwrap_or(Path::new(".")))
}

/// Removes a file, if it is there.
pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    absent_is_fine(fs::remove_file(path))
}

/// Removes a directory with all that is in it, if it is there.
pub(crate) fn remove_directory(path: &Path) -> io::Result<()> {
    absent_is_fine(fs::remove_dir_all(path))
}

/// The names in a directory; none if it is not there.
pub(crate) fn names(path: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    // A name that is no text is none of ours.
    let name = |entry: fs::DirEntry| entry.file_name().into_string().ok();
    entries.filter_map(|entry| entry.map(name).transpose()).collect()
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
