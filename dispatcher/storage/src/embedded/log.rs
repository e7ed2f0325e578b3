//! A log: one file that records are appended to, each synced before the next is written.
//!
//! It grows by whole steps of zeroes, and is written over from its beginning at its next use, so
//! that nearly every sync finds its bytes allocated. What is read stops at the first record that is
//! not whole or not the next one.

use std::io;
use std::sync::Arc;

use super::disk::Disk;
use super::record::{self, BLOCK_BYTES, HEAD_BYTES, HEADER_BYTES, Head, Header, Tag};
use crate::engine::Result;
use crate::plan::Change;
use crate::redb::unavailable;

/// Zeroes that are written behind a record that reaches the end of what was written before.
const STEP_BYTES: u64 = 1 << 20;

/// A log that is written.
#[derive(Debug)]
pub(super) struct Log {
    disk: Arc<dyn Disk>,
    header: Header,
    /// Where the next record begins.
    end: u64,
    /// Its number.
    next: u64,
    /// The tag before it.
    tag: Tag,
    /// Up to where the file has bytes.
    length: u64,
    length_max: u64,
}

impl Log {
    /// Begins a log in a file whose former records are of no use any more.
    pub(super) fn begin(disk: Arc<dyn Disk>, header: Header, length_max: u64) -> io::Result<Self> {
        let mut block = header.to_bytes().to_vec();
        block.resize(BLOCK_BYTES as usize, 0);
        disk.write_at(0, &block)?;
        disk.sync()?;
        let length = disk.length()?;
        Ok(Self::at_start(disk, header, length, length_max))
    }

    fn at_start(disk: Arc<dyn Disk>, header: Header, length: u64, length_max: u64) -> Self {
        let (next, tag) = (header.first, header.tag());
        Self { disk, header, end: BLOCK_BYTES, next, tag, length, length_max }
    }

    /// The header in a file, if it holds a whole one.
    pub(super) fn header(disk: &dyn Disk) -> io::Result<Option<Header>> {
        if disk.length()? < BLOCK_BYTES {
            return Ok(None);
        }
        let mut bytes = [0; HEADER_BYTES];
        disk.read_at(0, &mut bytes)?;
        Ok(Header::from_bytes(&bytes))
    }

    /// Makes a file hold no header.
    pub(super) fn blank(disk: &dyn Disk) -> io::Result<()> {
        disk.write_at(0, &[0; HEADER_BYTES])?;
        disk.sync()
    }

    /// Opens a log behind the last of its records, and hands over the changes of each.
    pub(super) fn replay(
        disk: Arc<dyn Disk>,
        header: Header,
        length_max: u64,
        mut each: impl FnMut(Vec<Change>) -> Result<()>,
    ) -> Result<Self> {
        let length = disk.length().map_err(unavailable)?;
        let mut log = Self::at_start(disk, header, length, length_max);
        while let Some((payload, tag)) = log.read().map_err(unavailable)? {
            // The tag says that this program's kind wrote it, so it is no torn record.
            let changes = record::decode(&payload);
            each(changes.ok_or_else(|| unavailable("a record of the log does not decode"))?)?;
            log.advance(payload.len(), tag);
        }
        Ok(log)
    }

    /// The payload of the next record and its tag, if it is there and whole.
    fn read(&self) -> io::Result<Option<(Vec<u8>, Tag)>> {
        let room = self.length.saturating_sub(self.end);
        if room < HEAD_BYTES as u64 {
            return Ok(None);
        }
        let mut bytes = [0; HEAD_BYTES];
        self.disk.read_at(self.end, &mut bytes)?;
        let Some(head) = Head::from_bytes(&bytes) else { return Ok(None) };
        let is_next = head.epoch == self.header.epoch && head.sequence == self.next;
        if !is_next || u64::from(head.length) > room - HEAD_BYTES as u64 {
            return Ok(None);
        }
        let mut payload = vec![0; head.length as usize];
        self.disk.read_at(self.end + HEAD_BYTES as u64, &mut payload)?;
        let whole = Head::of(&self.header, self.next, &self.tag, &payload) == head;
        Ok(whole.then_some((payload, head.tag)))
    }

    /// Appends a record. It is durable when this returns; after an error nobody knows.
    pub(super) fn append(&mut self, payload: &[u8]) -> io::Result<()> {
        let head = Head::of(&self.header, self.next, &self.tag, payload);
        let size = size_of_record(payload.len());
        let mut bytes = Vec::with_capacity(size as usize);
        bytes.extend_from_slice(&head.to_bytes());
        bytes.extend_from_slice(payload);
        bytes.resize(size as usize, 0);
        self.disk.write_at(self.end, &bytes)?;
        self.grow(self.end + size)?;
        self.disk.sync()?;
        self.advance(payload.len(), head.tag);
        Ok(())
    }

    /// Writes zeroes behind a record, if nothing was written there before.
    fn grow(&mut self, end: u64) -> io::Result<()> {
        if end <= self.length {
            return Ok(());
        }
        let length = end.next_multiple_of(STEP_BYTES).min(self.length_max).max(end);
        self.disk.write_at(end, &vec![0; (length - end) as usize])?;
        self.length = length;
        Ok(())
    }

    fn advance(&mut self, payload: usize, tag: Tag) {
        self.end += size_of_record(payload);
        self.next += 1;
        self.tag = tag;
    }

    /// Whether a payload of this size finds room.
    pub(super) fn has_room(&self, payload: usize) -> bool {
        self.end + size_of_record(payload) <= self.length_max
    }

    /// Bytes of it that are used.
    pub(super) fn used(&self) -> u64 {
        self.end
    }

    /// Which use of the two files it is.
    pub(super) fn epoch(&self) -> u64 {
        self.header.epoch
    }

    /// The number of the record that comes next.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Ends its use.
    pub(super) fn into_disk(self) -> Arc<dyn Disk> {
        self.disk
    }
}

fn size_of_record(payload: usize) -> u64 {
    ((HEAD_BYTES + payload) as u64).next_multiple_of(BLOCK_BYTES)
}

/// The largest payload that an empty log of this length takes.
pub(super) fn payload_max(length_max: u64) -> usize {
    let room = length_max.saturating_sub(BLOCK_BYTES + HEAD_BYTES as u64);
    usize::try_from(room).unwrap_or(usize::MAX)
}
