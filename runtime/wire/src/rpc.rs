//! Calls of methods, as they stand in frames.
//!
//! A caller names what it calls by a slot, or as what a call of its own will result in; the
//! dispatcher names it to the callee as an export of one of its events, as the entrypoint of that
//! event, or as the result of an invocation. So a call can be made of a result that is not there yet.

use serde::{Deserialize, Serialize};

use crate::frame::Body;
use crate::value::{Attached, Handed};

/// Names between what is called and the method.
pub const PATH_COUNT_MAX: usize = 65;
/// Bytes of those names together.
pub const PATH_BYTES_MAX: usize = 64 << 10;
/// Bytes of the arguments or the result of one call.
pub const VALUE_BYTES_MAX: usize = 32 << 20;
/// Calls of one event that have no answer yet; and invocations of one event that have not returned.
pub const CALL_COUNT_MAX: usize = 1_000;

/// What a caller asks for.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Invoke<'a> {
    /// A call of the same event, of whose result this is; absent if it is of the call's slot.
    pub of: Option<u32>,
    /// Names that lead from there to what is meant.
    pub path: Vec<&'a str>,
    /// Whether it is called, or only read.
    pub calls: bool,
    /// The arguments, a value that is an array: see [`crate::value`].
    #[serde(borrow)]
    pub arguments: Body<'a>,
}

/// What an event is to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Invocation<'a> {
    /// Its number, never used again in the event.
    pub invocation: u32,
    /// What it is made of.
    pub target: Target,
    /// Names that lead from there to what is meant.
    pub path: Vec<&'a str>,
    /// Whether it is called, or only read.
    pub calls: bool,
    /// The arguments.
    #[serde(borrow)]
    pub arguments: Body<'a>,
    /// What goes with them.
    pub handed: Vec<Handed<'a>>,
}

/// What an invocation is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// The entrypoint of the event.
    Entrypoint,
    /// What it has handed over under this number.
    Export(u32),
    /// What this invocation of it results in.
    Result(u32),
}

/// What came of an invocation.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Returned<'a> {
    /// The event.
    pub event: u32,
    /// The invocation.
    pub invocation: u32,
    /// What.
    pub how: How,
    /// The value.
    #[serde(borrow)]
    pub value: Body<'a>,
    /// What goes with it.
    pub attached: Vec<Attached<'a>>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum How {
    /// With this value.
    Returned,
    /// With this exception.
    Threw,
    /// It came too late: the result that it was to be made of has gone to the caller, who can make
    /// it there.
    Late,
}

/// What a call of a method was answered with.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Result<'a> {
    /// How it ended.
    pub how: How,
    /// The value.
    #[serde(borrow)]
    pub value: Body<'a>,
}

/// Something of the worker's own that the isolate is to hold: one of its exports, with the `props`
/// that it will see.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Loopback<'a> {
    /// The slot in which it will be, chosen by the isolate among [`crate::value::OWN_SLOTS`] and
    /// never used again.
    pub slot: u32,
    /// The event with which it goes; absent if it stays.
    pub event: Option<u32>,
    /// The export; absent for `default`.
    pub entrypoint: Option<&'a str>,
    /// The bytes of the props; absent if there are none.
    #[serde(with = "serde_bytes")]
    pub props: Option<&'a [u8]>,
    /// What goes with them.
    #[serde(borrow)]
    pub attached: Vec<Attached<'a>>,
}
