//! The row of a key. `LAYOUT.md` draws it.

use bindery_wire::ContentHash;
use bytes::Bytes;

use super::TABLE;
use crate::tables::row::{self, Error, FORMAT, Result};

const INLINE: u8 = 1;
const PARTS: u8 = 2;
const FILE: u8 = 3;

/// A key with its value, or where that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvRow {
    /// The second since 1970 from which on it is not seen.
    pub expires_s: Option<u64>,
    /// What was said of it: a JSON text.
    pub metadata: Option<String>,
    /// The value's length.
    pub length: u64,
    /// The value.
    pub value: KvValue,
}

/// A value, or where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KvValue {
    /// Here.
    Inline(Bytes),
    /// In the parts of this number.
    Parts(u64),
    /// In the file of this number.
    File {
        /// The number.
        number: u64,
        /// What is in it.
        hash: ContentHash,
    },
}

impl KvRow {
    /// The bytes of the row: the same for the same row, so that they can be compared.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let kind = match &self.value {
            KvValue::Inline(_) => INLINE,
            KvValue::Parts(_) => PARTS,
            KvValue::File { .. } => FILE,
        };
        let metadata = self.metadata.as_deref().unwrap_or_default();
        // Who sets a key has checked it; one that is longer would not be read again.
        let length = u16::try_from(metadata.len()).unwrap_or(u16::MAX);
        let mut bytes = vec![FORMAT, kind];
        bytes.extend_from_slice(&self.expires_s.unwrap_or(0).to_be_bytes());
        bytes.extend_from_slice(&self.length.to_be_bytes());
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(metadata.as_bytes());
        match &self.value {
            KvValue::Inline(value) => bytes.extend_from_slice(value),
            KvValue::Parts(number) => bytes.extend_from_slice(&number.to_be_bytes()),
            KvValue::File { number, hash } => {
                bytes.extend_from_slice(&number.to_be_bytes());
                bytes.extend_from_slice(&hash.0);
            }
        }
        bytes
    }

    pub(super) fn from_bytes(bytes: &Bytes) -> Result<Self> {
        let body = row::body(bytes, TABLE)?;
        let read = || {
            let (kind, rest) = body.split_first()?;
            let (expires_s, rest) = number(rest)?;
            let (length, rest) = number(rest)?;
            let (metadata, rest) = rest.split_first_chunk()?;
            let (metadata, rest) = rest.split_at_checked(u16::from_be_bytes(*metadata).into())?;
            let metadata = std::str::from_utf8(metadata).ok()?;
            let value = match *kind {
                INLINE => KvValue::Inline(bytes.slice_ref(rest)),
                PARTS => KvValue::Parts(number(rest).filter(|(_, rest)| rest.is_empty())?.0),
                FILE => {
                    let (number, hash) = number(rest)?;
                    KvValue::File { number, hash: ContentHash(hash.try_into().ok()?) }
                }
                _ => return None,
            };
            Some(Self {
                expires_s: Some(expires_s).filter(|second| *second > 0),
                metadata: (!metadata.is_empty()).then(|| metadata.to_owned()),
                length,
                value,
            })
        };
        let whole = |row: &Self| match &row.value {
            KvValue::Inline(value) => value.len() as u64 == row.length,
            _ => true,
        };
        read().filter(whole).ok_or(Error::Malformed(TABLE))
    }
}

/// Takes a number off the front.
pub(super) fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u64::from_be_bytes(*number), rest))
}
