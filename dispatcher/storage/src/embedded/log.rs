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
        // Block by block: what is written at once the kernel may keep as one page, and then take all
        // of it for changed with every record that is written into it.
        for block in (end..length).step_by(BLOCK_BYTES as usize) {
            self.disk.write_at(block, &[0; BLOCK_BYTES as usize])?;
        }
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

    /// Whether something was appended to it.
    pub(super) fn has_records(&self) -> bool {
        self.next > self.header.first
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

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH_MAX: u64 = 4 << 20;

    fn disk() -> Arc<dyn Disk> {
        Arc::new(tempfile::tempfile().expect("a file"))
    }

    fn begin(disk: &Arc<dyn Disk>, epoch: u64) -> Log {
        let header = Header::next(epoch, 1).expect("random");
        Log::begin(Arc::clone(disk), header, LENGTH_MAX).expect("begun")
    }

    fn put(value: &[u8]) -> Vec<u8> {
        let mut payload = Vec::new();
        let change = Change::Put { key: b"k".into(), value: value.into() };
        record::encode(&change, &mut payload);
        payload
    }

    /// The log behind its first `count_max` records, and the values that they set.
    fn replay(disk: &Arc<dyn Disk>, count_max: usize) -> (Log, Vec<Vec<u8>>) {
        let header = Log::header(disk.as_ref()).expect("read").expect("whole");
        let mut log = Log::at_start(Arc::clone(disk), header, LENGTH_MAX, LENGTH_MAX);
        log.length = disk.length().expect("read");
        let mut values = Vec::new();
        while values.len() < count_max {
            let Some((payload, tag)) = log.read().expect("read") else { break };
            let changes = record::decode(&payload).expect("decodes");
            values.extend(changes.into_iter().map(|change| match change {
                Change::Put { value, .. } => value,
                other => panic!("{other:?}"),
            }));
            log.advance(payload.len(), tag);
        }
        (log, values)
    }

    #[test]
    fn records_come_back_in_order_and_the_log_goes_on_behind_them() {
        let disk = disk();
        let mut log = begin(&disk, 1);
        let large = vec![7; 70_000];
        for value in [&b"one"[..], b"", &large] {
            log.append(&put(value)).expect("appended");
        }
        let (mut again, values) = replay(&disk, usize::MAX);
        assert_eq!(values, [b"one".to_vec(), vec![], large]);
        assert_eq!((again.used(), again.next()), (log.used(), 4));
        again.append(&put(b"four")).expect("appended");
        assert_eq!(replay(&disk, usize::MAX).1.len(), 4);
    }

    /// Had the power failed under the second record, and had the third been written before, the
    /// third would still stand behind whatever is written in the place of the second.
    #[test]
    fn a_record_that_followed_another_than_the_one_before_it_is_not_read() {
        let disk = disk();
        let mut log = begin(&disk, 1);
        for value in [b"one", b"two", b"3rd"] {
            log.append(&put(value)).expect("appended");
        }
        let (mut again, _) = replay(&disk, 1);
        again.append(&put(b"TWO")).expect("appended");
        assert_eq!(replay(&disk, usize::MAX).1, [b"one", b"TWO"]);
    }

    #[test]
    fn records_of_an_earlier_use_of_the_file_are_not_read() {
        let disk = disk();
        let mut log = begin(&disk, 1);
        for value in [b"one", b"two"] {
            log.append(&put(value)).expect("appended");
        }
        // With the very same epoch and numbers, too.
        let mut log = begin(&disk, 1);
        assert!(replay(&disk, usize::MAX).1.is_empty());
        log.append(&put(b"new")).expect("appended");
        assert_eq!(replay(&disk, usize::MAX).1, [b"new"]);
    }

    /// A tenant writes a value that holds, at the beginning of a block, what looks like the next
    /// record; then its own record is lost, and a shorter one written in its place.
    #[test]
    fn bytes_that_a_tenant_made_to_look_like_a_record_are_not_read() {
        let disk = disk();
        let mut log = begin(&disk, 1);
        let guess = Header { epoch: 1, first: 1, salt: [0; 16] };
        let forged = put(b"forged");
        let head = Head::of(&guess, 2, &guess.tag(), &forged);
        // In front of the value stand the record's head, and kind, lengths and key of the change.
        let mut value = vec![0; BLOCK_BYTES as usize - HEAD_BYTES - 8];
        value.extend_from_slice(&head.to_bytes());
        value.extend_from_slice(&forged);
        log.append(&put(&value)).expect("appended");
        let mut bytes = [0; HEAD_BYTES];
        disk.read_at(2 * BLOCK_BYTES, &mut bytes).expect("read");
        assert_eq!(Head::from_bytes(&bytes), Some(head), "it is where it would be read");
        let (mut again, _) = replay(&disk, 0);
        again.append(&put(b"short")).expect("appended");
        assert_eq!(replay(&disk, usize::MAX).1, [b"short"]);
    }

    #[test]
    fn a_log_grows_by_whole_steps_and_never_over_its_limit() {
        let disk = disk();
        let mut log = begin(&disk, 1);
        log.append(&put(b"x")).expect("appended");
        assert_eq!(disk.length().expect("read"), STEP_BYTES);
        while log.has_room(100_000) {
            log.append(&put(&[1; 60_000])).expect("appended");
        }
        assert_eq!(disk.length().expect("read"), LENGTH_MAX);
        assert!(log.used() <= LENGTH_MAX);
    }

    #[test]
    fn the_largest_payload_of_an_empty_log_fits_and_no_larger_one() {
        let log = begin(&disk(), 1);
        assert!(log.has_room(payload_max(LENGTH_MAX)));
        assert!(!log.has_room(payload_max(LENGTH_MAX) + 1));
    }
}
