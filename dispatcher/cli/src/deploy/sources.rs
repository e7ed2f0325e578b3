//! What was read to make an upload: whoever wants to know when it changes looks there.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

/// Where a change may change the upload.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    files: BTreeSet<PathBuf>,
    dirs: BTreeSet<PathBuf>,
}

impl Sources {
    /// A file was read, or looked for.
    pub(crate) fn file(&mut self, file: &Path) {
        self.files.insert(plain(file));
    }

    /// A directory was listed, or files were looked for there.
    pub(crate) fn dir(&mut self, dir: &Path) {
        self.dirs.insert(plain(dir));
    }

    /// Adds what others have read.
    pub(crate) fn add(&mut self, other: Self) {
        self.files.extend(other.files);
        self.dirs.extend(other.dirs);
    }

    /// Every directory to look at. The current one is the empty path.
    pub(crate) fn places(&self) -> BTreeSet<&Path> {
        let parents = self.files.iter().filter_map(|file| file.parent());
        parents.chain(self.dirs.iter().map(PathBuf::as_path)).collect()
    }

    /// Whether a change of this file may matter.
    pub(crate) fn holds(&self, file: &Path) -> bool {
        let listed = || file.parent().is_some_and(|dir| self.dirs.contains(dir));
        self.files.contains(file) || (!is_scratch(file) && listed())
    }

    /// Whether it may matter that this directory came or went.
    pub(crate) fn holds_dir(&self, dir: &Path) -> bool {
        let inside = |path: &PathBuf| path.starts_with(dir);
        self.holds(dir) || self.files.iter().any(inside) || self.dirs.iter().any(inside)
    }
}

/// Whether a file is an editor's own, written beside the one that is edited.
fn is_scratch(file: &Path) -> bool {
    let name = file.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    name.starts_with('.')
        || name.ends_with(['~', '#'])
        || [".swp", ".tmp", ".bak"].iter().any(|end| name.ends_with(end))
        || name.bytes().all(|byte| byte.is_ascii_digit())
}

/// A path without `.` parts, and without `..` as far as it goes.
pub(crate) fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        let normal = matches!(plain.components().next_back(), Some(Component::Normal(_)));
        match part {
            Component::CurDir => {}
            Component::ParentDir if normal => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}
