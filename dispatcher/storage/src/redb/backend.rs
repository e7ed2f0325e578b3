//! The file of the folded rows, on a disk of ours.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ::redb::StorageBackend;

use crate::embedded::disk::Disk;

/// Bytes that are written before they are synced. A fold writes all of its pages at once: synced
/// together, they would stand before every commit of the log on the same device for that long.
const UNSYNCED_BYTES_MAX: usize = 128 << 10;

/// One process has the disk, which whoever opened it has seen to, so nothing is locked here.
#[derive(Debug)]
pub(super) struct Backend {
    disk: Arc<dyn Disk>,
    unsynced: AtomicUsize,
}

impl Backend {
    pub(super) fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk, unsynced: AtomicUsize::new(0) }
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.disk.length()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.disk.read_at(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.set_length(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.unsynced.store(0, Ordering::Relaxed);
        self.disk.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.disk.write_at(offset, data)?;
        let unsynced = self.unsynced.fetch_add(data.len(), Ordering::Relaxed) + data.len();
        if unsynced > UNSYNCED_BYTES_MAX { self.sync_data() } else { Ok(()) }
    }
}
