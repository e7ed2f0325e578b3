//! The bytes of a log: its header, its records, and the changes in them. `LAYOUT.md` draws them.
//!
//! A record's tag is a keyed hash of the tag before it, its own head and its payload; the key is the
//! salt in the log's header, drawn anew for each use of the file. So only bytes that this log
//! wrote here, after exactly the records before them, pass for a record: not what an earlier use
//! of the file left behind, not what an unfinished write left behind, and not what a tenant who
//! guesses that such bytes are read again puts into its values.

use std::hash::Hasher;
use std::io;

use rustix::rand::GetRandomFlags;
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::engine::{KeyRange, Write};
use crate::plan::Change;

/// Where a header and each record begin: at multiples of this. No sector that holds an
/// acknowledged record is ever written again.
pub(super) const BLOCK_BYTES: u64 = 4096;
/// Bytes of a record before its payload.
pub(super) const HEAD_BYTES: usize = 40;
/// Bytes of a header that mean something.
pub(super) const HEADER_BYTES: usize = 64;

const LOG_MAGIC: [u8; 8] = *b"bndrylog";
const LOG_FORMAT: u64 = 1;
const RECORD_MAGIC: [u8; 4] = *b"grup";
/// Bytes of a head that its tag covers: all before the tag.
const TAGGED_BYTES: usize = 24;

/// A hash over a record and all those before it.
pub(super) type Tag = [u8; 16];

/// What a log's first block says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Which use of the two files this is, counted from 1.
    pub(super) epoch: u64,
    /// The number of its first record, counted over all logs.
    pub(super) first: u64,
    /// The key of its tags.
    pub(super) salt: [u8; 16],
}

impl Header {
    /// A header with a salt that nobody knows.
    pub(super) fn next(epoch: u64, first: u64) -> io::Result<Self> {
        let mut salt = [0; 16];
        rustix::rand::getrandom(&mut salt, GetRandomFlags::empty())?;
        Ok(Self { epoch, first, salt })
    }

    pub(super) fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&LOG_MAGIC);
        bytes[8..16].copy_from_slice(&LOG_FORMAT.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.epoch.to_be_bytes());
        bytes[24..32].copy_from_slice(&self.first.to_be_bytes());
        bytes[32..48].copy_from_slice(&self.salt);
        let tag = tag(&self.salt, &[&bytes[..48]]);
        bytes[48..].copy_from_slice(&tag);
        bytes
    }

    /// The header that these bytes are, if they are one.
    pub(super) fn from_bytes(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let header = Self {
            epoch: number(bytes, 16)?,
            first: number(bytes, 24)?,
            salt: *bytes.get(32..)?.first_chunk()?,
        };
        (header.to_bytes() == *bytes).then_some(header)
    }

    /// What the first record's tag continues.
    pub(super) fn tag(&self) -> Tag {
        tag(&self.salt, &[&self.to_bytes()])
    }
}

/// What stands before a payload.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Bytes of the payload.
    pub(super) length: u32,
    /// The epoch of its log.
    pub(super) epoch: u64,
    /// Its number.
    pub(super) sequence: u64,
    /// What its tag has to be.
    pub(super) tag: Tag,
}

impl Head {
    /// The head of this payload with the tag that continues `previous`.
    pub(super) fn of(header: &Header, sequence: u64, previous: &Tag, payload: &[u8]) -> Self {
        // A payload is shorter than a log, and a log than this.
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        let mut head = Self { length, epoch: header.epoch, sequence, tag: [0; 16] };
        let tagged = &head.to_bytes()[..TAGGED_BYTES];
        head.tag = tag(&header.salt, &[previous, tagged, payload]);
        head
    }

    pub(super) fn to_bytes(&self) -> [u8; HEAD_BYTES] {
        let mut bytes = [0; HEAD_BYTES];
        bytes[..4].copy_from_slice(&RECORD_MAGIC);
        bytes[4..8].copy_from_slice(&self.length.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.epoch.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[24..].copy_from_slice(&self.tag);
        bytes
    }

    /// The head that these bytes are, if they look like one.
    pub(super) fn from_bytes(bytes: &[u8; HEAD_BYTES]) -> Option<Self> {
        let length = u32::from_be_bytes(*bytes.get(4..)?.first_chunk()?);
        let tag = *bytes.get(24..)?.first_chunk()?;
        let head = Self { length, epoch: number(bytes, 8)?, sequence: number(bytes, 16)?, tag };
        bytes.starts_with(&RECORD_MAGIC).then_some(head)
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn tag(salt: &[u8; 16], parts: &[&[u8]]) -> Tag {
    let mut hasher = SipHasher13::new_with_key(salt);
    parts.iter().for_each(|part| hasher.write(part));
    hasher.finish128().as_u128().to_be_bytes()
}

/// The first byte of a change.
mod kind {
    pub(super) const PUT: u8 = 1;
    pub(super) const DELETE: u8 = 2;
    pub(super) const DELETE_RANGE: u8 = 3;
    pub(super) const DELETE_FROM: u8 = 4;
}

/// Bytes of a change around its keys and its value, at most.
const AROUND_BYTES: usize = 1 + 2 + 4;

/// The most that these writes can take of a payload.
pub(super) fn cost(writes: &[Write]) -> usize {
    writes.iter().map(|write| AROUND_BYTES + write.bytes()).sum()
}

/// Appends a change to a payload.
pub(super) fn encode(change: &Change, payload: &mut Vec<u8>) {
    match change {
        Change::Put { key, value } => {
            payload.push(kind::PUT);
            push_key(key, payload);
            // A value is at most 64 KiB, which two bytes do not hold.
            let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
            payload.extend_from_slice(&length.to_be_bytes());
            payload.extend_from_slice(value);
        }
        Change::Delete { key } => {
            payload.push(kind::DELETE);
            push_key(key, payload);
        }
        Change::DeleteRange(KeyRange { start, end: Some(end) }) => {
            payload.push(kind::DELETE_RANGE);
            push_key(start, payload);
            push_key(end, payload);
        }
        Change::DeleteRange(KeyRange { start, end: None }) => {
            payload.push(kind::DELETE_FROM);
            push_key(start, payload);
        }
    }
}

/// Keys are at most 2 KiB.
fn push_key(key: &[u8], payload: &mut Vec<u8>) {
    let length = u16::try_from(key.len()).unwrap_or(u16::MAX);
    payload.extend_from_slice(&length.to_be_bytes());
    payload.extend_from_slice(key);
}

/// The changes of a payload; nothing if it is none that this program writes.
pub(super) fn decode(mut payload: &[u8]) -> Option<Vec<Change>> {
    let mut changes = Vec::new();
    while let Some(kind) = take(&mut payload, 1) {
        changes.push(match kind {
            [kind::PUT] => {
                let key = take_key(&mut payload)?;
                let length = u32::from_be_bytes(*take(&mut payload, 4)?.first_chunk()?);
                let value = take(&mut payload, usize::try_from(length).ok()?)?.to_vec();
                Change::Put { key, value }
            }
            [kind::DELETE] => Change::Delete { key: take_key(&mut payload)? },
            [kind::DELETE_RANGE] => {
                let (start, end) = (take_key(&mut payload)?, take_key(&mut payload)?);
                Change::DeleteRange(KeyRange { start, end: Some(end) })
            }
            [kind::DELETE_FROM] => {
                Change::DeleteRange(KeyRange { start: take_key(&mut payload)?, end: None })
            }
            _ => return None,
        });
    }
    Some(changes)
}

fn take_key(payload: &mut &[u8]) -> Option<Vec<u8>> {
    let length = u16::from_be_bytes(*take(payload, 2)?.first_chunk()?);
    Some(take(payload, usize::from(length))?.to_vec())
}

fn take<'a>(payload: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = payload.split_at_checked(count)?;
    *payload = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header { epoch: 7, first: 258, salt: *b"0123456789abcdef" }
    }

    fn changes() -> [Change; 4] {
        [
            Change::Put { key: b"k".into(), value: vec![0xff, 0] },
            Change::Delete { key: vec![] },
            Change::DeleteRange(KeyRange { start: b"a".into(), end: Some(b"b".into()) }),
            Change::DeleteRange(KeyRange { start: b"c".into(), end: None }),
        ]
    }

    fn payload() -> Vec<u8> {
        let mut payload = Vec::new();
        changes().iter().for_each(|change| encode(change, &mut payload));
        payload
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_bytes_of_a_log_are_frozen() {
        let head = Head::of(&header(), 259, &header().tag(), &payload());
        let lines = [
            hex(&header().to_bytes()),
            hex(&header().tag()),
            hex(&head.to_bytes()),
            hex(&payload()),
        ];
        expect_test::expect![[r#"
            626e6472796c6f670000000000000001000000000000000700000000000001023031323334353637383961626364656651ccbc26622ce4f487116c0d987bbb4e
            7111c28ec9da34034cd06b013b4c6237
            6772757000000018000000000000000700000000000001034f8ae52e098e9112142f303a7190046f
            0100016b00000002ff000200000300016100016204000163"#]].assert_eq(&lines.join("\n"));
    }

    #[test]
    fn what_is_written_is_read_again() {
        assert_eq!(Header::from_bytes(&header().to_bytes()), Some(header()));
        let head = Head::of(&header(), 259, &[1; 16], b"payload");
        assert_eq!(Head::from_bytes(&head.to_bytes()), Some(head));
        let decoded = decode(&payload()).expect("decodes");
        assert_eq!(format!("{decoded:?}"), format!("{:?}", changes()));
        assert!(decode(&[]).expect("decodes").is_empty());
    }

    #[test]
    fn a_header_with_any_bit_changed_is_none() {
        for bit in 0..HEADER_BYTES * 8 {
            let mut bytes = header().to_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::from_bytes(&bytes), None, "bit {bit}");
        }
    }

    #[test]
    fn a_tag_depends_on_salt_place_and_every_part() {
        let tag = |header: &Header, sequence, previous, payload: &[u8]| {
            Head::of(header, sequence, previous, payload).tag
        };
        let whole = tag(&header(), 1, &[1; 16], b"x");
        assert_ne!(whole, tag(&Header { salt: [0; 16], ..header() }, 1, &[1; 16], b"x"));
        assert_ne!(whole, tag(&Header { epoch: 8, ..header() }, 1, &[1; 16], b"x"));
        assert_ne!(whole, tag(&header(), 2, &[1; 16], b"x"));
        assert_ne!(whole, tag(&header(), 1, &[2; 16], b"x"));
        assert_ne!(whole, tag(&header(), 1, &[1; 16], b"y"));
    }

    #[test]
    fn a_payload_that_is_cut_does_not_decode() {
        for length in 1..payload().len() {
            let cut = &payload()[..length];
            if let Some(decoded) = decode(cut) {
                let mut again = Vec::new();
                decoded.iter().for_each(|change| encode(change, &mut again));
                assert_eq!(again, cut, "a cut between two changes");
            }
        }
    }

    #[test]
    fn no_change_takes_more_than_its_cost() {
        let writes = [
            Write::Put { key: vec![1; 2048], value: vec![1; 65_536] },
            Write::Delete { key: vec![1; 2048] },
            Write::DeleteRange(KeyRange { start: vec![1; 2049], end: Some(vec![2; 2049]) }),
            Write::Add { key: vec![], amount: 1 },
        ];
        let changes = [
            Change::Put { key: vec![1; 2048], value: vec![1; 65_536] },
            Change::Delete { key: vec![1; 2048] },
            Change::DeleteRange(KeyRange { start: vec![1; 2049], end: Some(vec![2; 2049]) }),
            Change::Put { key: vec![], value: vec![0; 8] },
        ];
        for (write, change) in writes.iter().zip(&changes) {
            let mut payload = Vec::new();
            encode(change, &mut payload);
            assert!(payload.len() <= cost(std::slice::from_ref(write)), "{}", payload.len());
        }
    }
}
