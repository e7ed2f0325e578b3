//! The bytes of messages: of their ids, bodies, and of the rows that say who has them.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use super::TABLE;
use crate::tables::row::{self, Error, FORMAT, Result};

/// Bytes of a body that one row holds.
const PART_BYTES: usize = 65_000;
/// Bytes of a message in a lease.
const LEASED_BYTES: usize = 16 + 2 + 4;

/// Names a message in its queue. Ids sort as the messages were sent, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub [u8; 16]);

impl MessageId {
    /// The id of a message that is sent now, in this place among those of this millisecond.
    pub fn new(sent_ms: u64, place: u16, chance: u64) -> Self {
        let id = u128::from(sent_ms & ((1 << 48) - 1)) << 80 | u128::from(place) << 64;
        Self((id | u128::from(chance)).to_be_bytes())
    }

    /// When the message was sent, in milliseconds since 1970.
    pub fn sent_ms(&self) -> u64 {
        u64::try_from(u128::from_be_bytes(self.0) >> 80).unwrap_or(u64::MAX)
    }

    /// The id that a key has behind its first `skip` bytes.
    pub(super) fn from_key(key: &[u8], skip: usize) -> Result<Self> {
        let id = key.get(skip..).and_then(|rest| rest.first_chunk());
        id.copied().map(Self).ok_or(Error::Malformed(TABLE))
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// The text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the id of a message: expected 32 hexadecimal digits")]
pub struct NotAnId;

impl FromStr for MessageId {
    type Err = NotAnId;

    fn from_str(text: &str) -> std::result::Result<Self, NotAnId> {
        let digits = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let id = u128::from_str_radix(text, 16).ok().filter(|_| digits);
        id.map(|id| Self(id.to_be_bytes())).ok_or(NotAnId)
    }
}

/// What a body is. A byte, once given, is never given again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Content {
    /// A value, as the text of its JSON.
    Json = 0,
    /// A string.
    Text = 1,
    /// Bytes.
    Bytes = 2,
    /// A value as the engine serializes it.
    V8 = 3,
}

impl Content {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Json, Self::Text, Self::Bytes, Self::V8];

    /// The name, as a worker has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Text => "text",
            Self::Bytes => "bytes",
            Self::V8 => "v8",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|content| content.as_str() == name)
    }
}

/// What was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// What it is.
    pub content: Content,
    /// Its bytes; those of a text and of JSON are UTF-8.
    pub bytes: Bytes,
}

/// How many rows hold a body of so many bytes.
pub(super) fn part_count(bytes: usize) -> usize {
    bytes.div_ceil(PART_BYTES).max(1)
}

impl Body {
    pub(super) fn to_parts(&self) -> Vec<Vec<u8>> {
        let mut parts: Vec<Vec<u8>> =
            self.bytes.chunks(PART_BYTES).map(|part| [&[FORMAT][..], part].concat()).collect();
        match parts.first_mut() {
            Some(first) => first.insert(1, self.content as u8),
            None => parts.push(vec![FORMAT, self.content as u8]),
        }
        parts
    }

    pub(super) fn from_parts(parts: &[Bytes]) -> Result<Self> {
        let malformed = || Error::Malformed(TABLE);
        let (first, rest) = parts.split_first().ok_or_else(malformed)?;
        let kind = row::body(first, TABLE)?.first().ok_or_else(malformed)?;
        let content = Content::ALL.into_iter().find(|content| *content as u8 == *kind);
        let content = content.ok_or_else(malformed)?;
        if rest.is_empty() {
            return Ok(Self { content, bytes: first.slice(2..) });
        }
        let mut bytes = first.get(2..).unwrap_or_default().to_vec();
        for part in rest {
            bytes.extend_from_slice(row::body(part, TABLE)?);
        }
        Ok(Self { content, bytes: bytes.into() })
    }
}

/// A message that nobody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// From when on it may be delivered, in milliseconds since 1970.
    pub visible_ms: u64,
    /// Which one.
    pub id: MessageId,
    /// How often it was delivered.
    pub attempts: u16,
    /// Bytes of its body.
    pub bytes: u32,
}

impl Ready {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        bytes.extend_from_slice(&self.attempts.to_be_bytes());
        bytes.extend_from_slice(&self.bytes.to_be_bytes());
        bytes
    }

    /// Reads a row whose key has the time and the id behind its first `skip` bytes.
    pub(super) fn read(key: &[u8], skip: usize, value: &[u8]) -> Result<Self> {
        let id = MessageId::from_key(key, skip + 8)?;
        let read = || {
            let visible_ms = u64::from_be_bytes(*key.get(skip..)?.first_chunk()?);
            let (attempts, bytes) = numbers(row::body(value, TABLE).ok()?)?;
            Some(Self { visible_ms, id, attempts, bytes })
        };
        row::body(value, TABLE)?;
        read().ok_or(Error::Malformed(TABLE))
    }
}

/// How often a message was delivered, and how long it is.
fn numbers(bytes: &[u8]) -> Option<(u16, u32)> {
    let (attempts, bytes) = bytes.split_first_chunk()?;
    Some((u16::from_be_bytes(*attempts), u32::from_be_bytes(bytes.try_into().ok()?)))
}

/// A message that somebody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leased {
    /// Which one.
    pub id: MessageId,
    /// How often it was delivered, this time included.
    pub attempts: u16,
    /// Bytes of its body.
    pub bytes: u32,
}

/// Who has messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// The server, for as long as it runs the code that takes them.
    Server,
    /// Somebody else, until then: milliseconds since 1970.
    Other {
        /// When they are anybody's again.
        until_ms: u64,
    },
}

impl Holder {
    /// Until when they are his; absent for the server itself.
    pub fn until_ms(self) -> Option<u64> {
        match self {
            Self::Server => None,
            Self::Other { until_ms } => Some(until_ms.max(1)),
        }
    }

    fn from_until(until_ms: u64) -> Self {
        if until_ms == 0 { Self::Server } else { Self::Other { until_ms } }
    }
}

/// Messages that somebody has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Who.
    pub holder: Holder,
    /// Tells it from every other one.
    pub number: u64,
    /// Which ones.
    pub messages: Vec<Leased>,
}

impl Lease {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1 + self.messages.len() * LEASED_BYTES);
        bytes.push(FORMAT);
        for Leased { id, attempts, bytes: length } in &self.messages {
            bytes.extend_from_slice(&id.0);
            bytes.extend_from_slice(&attempts.to_be_bytes());
            bytes.extend_from_slice(&length.to_be_bytes());
        }
        bytes
    }

    pub(super) fn read(holder: Holder, number: u64, value: &[u8]) -> Result<Self> {
        let chunks = row::body(value, TABLE)?.chunks(LEASED_BYTES);
        let leased = |chunk: &[u8]| {
            let (id, rest) = chunk.split_first_chunk()?;
            let (attempts, bytes) = numbers(rest)?;
            Some(Leased { id: MessageId(*id), attempts, bytes })
        };
        let messages: Option<Vec<Leased>> = chunks.map(leased).collect();
        Ok(Self { holder, number, messages: messages.ok_or(Error::Malformed(TABLE))? })
    }

    /// Reads a row whose key has the time and the number behind its first `skip` bytes.
    pub(super) fn from_row(key: &[u8], skip: usize, value: &[u8]) -> Result<Self> {
        let read = |at: usize| key.get(at..)?.first_chunk().map(|n| u64::from_be_bytes(*n));
        let malformed = || Error::Malformed(TABLE);
        let until_ms = read(skip).ok_or_else(malformed)?;
        Self::read(Holder::from_until(until_ms), read(skip + 8).ok_or_else(malformed)?, value)
    }
}
