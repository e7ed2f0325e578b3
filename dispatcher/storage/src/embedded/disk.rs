//! What the engine asks of a disk: three files, read and written at places, and synced.
//!
//! Tests put a disk under the engine that forgets, tears and reorders what was not synced.

use std::fmt::Debug;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use crate::disk;

/// One file.
pub trait Disk: Debug + Send + Sync + 'static {
    /// Its length in bytes.
    fn length(&self) -> io::Result<u64>;
    /// Makes it this long. New bytes are zero.
    fn set_length(&self, length: u64) -> io::Result<()>;
    /// Fills `bytes` from this place on; an error if the file ends before.
    fn read_at(&self, place: u64, bytes: &mut [u8]) -> io::Result<()>;
    /// Writes all of `bytes` from this place on. A longer file is made where it ends before.
    fn write_at(&self, place: u64, bytes: &[u8]) -> io::Result<()>;
    /// Returns when everything that was written, and the length, outlive the loss of power.
    fn sync(&self) -> io::Result<()>;
}

/// The files of one store.
#[derive(Clone, Debug)]
pub struct Disks {
    /// The folded rows.
    pub rows: Arc<dyn Disk>,
    /// The two logs.
    pub logs: [Arc<dyn Disk>; 2],
}

impl Disks {
    /// Opens the files in `directory`, or makes them. One process can hold them at a time.
    pub fn open(directory: &Path) -> io::Result<Self> {
        disk::make_directory(directory)?;
        let rows = open(&directory.join("store.redb"))?;
        // The rows' file is there in the oldest directory too, so that it is the one to lock.
        match rows.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let reason = format!("{} is open in another process", directory.display());
                return Err(io::Error::new(io::ErrorKind::WouldBlock, reason));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let logs = [open(&directory.join("log-0"))?, open(&directory.join("log-1"))?];
        disk::sync_directory(directory)?;
        disk::sync_parent(directory)?;
        Ok(Self { rows: Arc::new(rows), logs: logs.map(|log| Arc::new(log) as Arc<dyn Disk>) })
    }
}

/// Files hold sealed secrets and hashed tokens, so they are the server's user's own.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(disk::FILE_MODE).open(path)
}

impl Disk for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn read_at(&self, place: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(bytes, place)
    }

    fn write_at(&self, place: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, place)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}
