//! What the benches share: the servers they start, the clients they load them with, and the report.

#![allow(dead_code, reason = "each bench is a program of its own and uses its part of this")]

pub(crate) mod bindery;
pub(crate) mod client;
pub(crate) mod flush;
pub(crate) mod histogram;
pub(crate) mod http;
pub(crate) mod load;
pub(crate) mod options;
pub(crate) mod origin;
pub(crate) mod pair;
pub(crate) mod process;
pub(crate) mod report;
pub(crate) mod worker;
pub(crate) mod workerd;

/// What may go wrong in a bench: it ends, says so, and everything it started is stopped.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;
