//! Which files changed, as the kernel tells it.
//!
//! Directories are watched, not files: an editor that replaces a file leaves the old one behind.
//! A file counts as changed when it is closed after writing, so what is read then is whole.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};

use super::Happening;
use crate::deploy::Sources;
use crate::error::Error;
use crate::output;

/// Bytes of changes that are read at once.
const READ_BYTES: usize = 64 << 10;
/// Directories that are watched.
const DIR_COUNT_MAX: usize = 8_192;

/// A change in a directory.
#[derive(Debug)]
pub(super) struct Change {
    /// The kernel's number of the directory; none if changes were lost.
    watch: Option<i32>,
    name: PathBuf,
    is_dir: bool,
    is_gone: bool,
}

/// The directories that are watched.
pub(super) struct Watcher {
    kernel: Arc<OwnedFd>,
    places: HashMap<i32, BTreeSet<PathBuf>>,
    watched: BTreeSet<PathBuf>,
}

impl Watcher {
    /// Begins to tell of changes.
    pub(super) fn start(happens: SyncSender<Happening>) -> Result<Self, Error> {
        let kernel = inotify::init(CreateFlags::CLOEXEC)
            .map_err(|error| Error::os("files can not be watched", error))?;
        let kernel = Arc::new(kernel);
        let reading = Arc::clone(&kernel);
        thread::spawn(move || read(&reading, &happens));
        Ok(Self { kernel, places: HashMap::new(), watched: BTreeSet::new() })
    }

    /// Watches where a worker was read from. Whether any of it was not watched before.
    pub(super) fn add(&mut self, sources: &Sources) -> bool {
        let mut is_new = false;
        for place in sources.places() {
            // What is not there yet appears in the nearest directory that is.
            let near = place.ancestors().find(|dir| named(dir).is_dir()).unwrap_or(place);
            is_new |= self.watch(near);
        }
        is_new
    }

    fn watch(&mut self, dir: &Path) -> bool {
        if self.watched.contains(dir) {
            return false;
        }
        if self.watched.len() >= DIR_COUNT_MAX {
            output::note(format_args!("{} is not watched: there are too many", dir.display()));
            return false;
        }
        let wanted = WatchFlags::CLOSE_WRITE
            | WatchFlags::MOVED_TO
            | WatchFlags::MOVED_FROM
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::ONLYDIR;
        match inotify::add_watch(&*self.kernel, named(dir), wanted) {
            Ok(number) => {
                self.places.entry(number).or_default().insert(dir.to_owned());
                self.watched.insert(dir.to_owned());
                true
            }
            Err(error) => {
                output::note(format_args!("{} is not watched: {error}", dir.display()));
                false
            }
        }
    }

    /// Forgets a directory that is gone.
    pub(super) fn forget(&mut self, change: &Change) {
        let number = change.watch.filter(|_| change.is_gone);
        for place in number.and_then(|number| self.places.remove(&number)).into_iter().flatten() {
            self.watched.remove(&place);
        }
    }

    /// Whether a change may matter to a worker that was read from these places.
    pub(super) fn matters(&self, change: &Change, sources: &Sources) -> bool {
        let Some(number) = change.watch else { return true };
        let places = self.places.get(&number).into_iter().flatten();
        places.into_iter().any(|dir| {
            let path = dir.join(&change.name);
            if change.is_dir { sources.holds_dir(&path) } else { sources.holds(&path) }
        })
    }
}

/// The empty path is the current directory.
fn named(dir: &Path) -> &Path {
    if dir.as_os_str().is_empty() { Path::new(".") } else { dir }
}

fn read(kernel: &OwnedFd, happens: &SyncSender<Happening>) {
    let mut buffer = vec![MaybeUninit::uninit(); READ_BYTES];
    let mut reader = inotify::Reader::new(kernel, &mut buffer);
    loop {
        let event = match reader.next() {
            Ok(event) => event,
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return output::note(format_args!("files are not watched: {error}")),
        };
        let flags = event.events();
        let is_dir = flags.contains(ReadFlags::ISDIR);
        // A new file is told of again when it is closed, with what was written.
        if flags.contains(ReadFlags::CREATE) && !is_dir {
            continue;
        }
        let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
        let change = Change {
            watch: (!flags.contains(ReadFlags::QUEUE_OVERFLOW)).then(|| event.wd()),
            name: name.map(PathBuf::from).unwrap_or_default(),
            is_dir,
            is_gone: flags.contains(ReadFlags::IGNORED),
        };
        if happens.send(Happening::Changed(change)).is_err() {
            return;
        }
    }
}
