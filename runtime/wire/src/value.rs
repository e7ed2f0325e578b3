//! Values that travel between isolates: bytes that the engine wrote, and beside them what bytes can
//! not carry.
//!
//! An isolate names what it hands over by its own numbers, and the dispatcher gives the receiver
//! numbers of its own: neither learns what the other side calls a thing, and what a number stands
//! for is known to the dispatcher alone. The bytes are nobody's word but the sender's.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::binding::Kind;
use crate::frame::Body;

/// The format of the bytes. A newer program reads every older one.
pub const FORMAT: u32 = 1;

/// The first slot that the dispatcher gives out while an isolate runs. Those that a version
/// declares are lower.
pub const DYNAMIC_SLOT: u32 = 1 << 16;
/// Slots whose numbers an isolate chooses for its own exports.
pub const OWN_SLOTS: std::ops::Range<u32> = 1 << 30..(1 << 31) - 1;
/// Exports of its own that an isolate holds at once.
pub const OWN_COUNT_MAX: usize = 10_000;
/// Bytes of the props of those.
pub const OWN_BYTES_MAX: usize = 16 << 20;
/// Things that go with one value.
pub const ATTACHED_COUNT_MAX: usize = 1_000;
/// Bytes of a value that is in a frame as a whole: `props`, or all of `env`.
pub const INLINE_BYTES_MAX: usize = 1 << 20;

/// What whoever holds a binding may do with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rights {
    /// All that its kind can.
    #[default]
    All,
    /// To read.
    Read,
    /// To send.
    Send,
}

impl Rights {
    /// What is left of these where only `other` are handed on. `None` if that is nothing.
    pub fn and(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::All, rights) | (rights, Self::All) => Some(rights),
            (one, other) => (one == other).then_some(one),
        }
    }

    /// Whether reading is among them.
    pub fn may_read(self) -> bool {
        matches!(self, Self::All | Self::Read)
    }

    /// Whether sending is among them.
    pub fn may_send(self) -> bool {
        matches!(self, Self::All | Self::Send)
    }

    /// Whether it is everything.
    pub fn is_all(self) -> bool {
        self == Self::All
    }
}

/// What an isolate hands over with a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Attached<'a> {
    /// What it holds in a slot.
    Slot {
        /// The slot.
        slot: u32,
        /// What the receiver may do with it, of what the sender may.
        rights: Rights,
    },
    /// One of those that a slot has by name.
    Part {
        /// The slot.
        slot: u32,
        /// The name.
        #[serde(borrow)]
        name: Cow<'a, str>,
        /// What the receiver may do with it, of what the sender may.
        rights: Rights,
    },
    /// Something of its own that is to be called: a number never used again by its event.
    Export {
        /// The number.
        export: u32,
    },
    /// A body.
    #[serde(borrow)]
    Body(Body<'a>),
}

/// What an isolate is handed with a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Handed<'a> {
    /// Something that it now holds in a slot.
    Slot {
        /// What stands for it.
        kind: Kind,
        /// The slot.
        slot: u32,
    },
    /// Something that the event itself has handed over, and that it now holds in a slot too.
    Own {
        /// The slot.
        slot: u32,
        /// The number under which it was handed over.
        export: u32,
    },
    /// A body.
    #[serde(borrow)]
    Body(Body<'a>),
}

/// A value that is in a frame as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Value<'a> {
    /// [`FORMAT`] of whoever wrote it.
    pub format: u32,
    /// The bytes.
    #[serde(with = "serde_bytes")]
    pub bytes: &'a [u8],
    /// What goes with them, in the order in which they name it.
    #[serde(borrow)]
    pub handed: Vec<Handed<'a>>,
}

/// What `ctx.props` is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Props<'a> {
    /// An object without properties.
    #[default]
    None,
    /// A value, as the text of its JSON.
    Json(&'a str),
    /// A value of another isolate.
    #[serde(borrow)]
    Value(Value<'a>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_only_ever_lost() {
        use Rights::{All, Read, Send};
        for rights in [All, Read, Send] {
            assert_eq!(rights.and(All), Some(rights));
            assert_eq!(All.and(rights), Some(rights));
            assert_eq!(rights.and(rights), Some(rights));
        }
        assert_eq!(Read.and(Send), None);
        assert_eq!(Send.and(Read), None);
    }
}
