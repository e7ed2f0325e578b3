//! The file of the folded rows, on a disk of ours.

use std::io;
use std::sync::Arc;

use ::redb::StorageBackend;

use crate::embedded::disk::Disk;

/// One process has the disk, which whoever opened it has seen to, so nothing is locked here.
#[derive(Debug)]
pub(super) struct Backend(pub(super) Arc<dyn Disk>);

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.0.length()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_length(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_at(offset, data)
    }
}
