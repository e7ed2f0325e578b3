//! The front door: HTTP in, an event on a line, HTTP out.
//!
//! It runs on threads of its own, each with a runtime that serves its connections and the lines
//! that were started from there, so that a request normally stays on one thread. What a client
//! sends is checked and bounded here; what a worker answers is checked again before it leaves.

mod body;
mod figures;
mod front;
mod request;
mod response;
mod serve;

pub use figures::Figures;
pub use front::{Error, Front, Fronts};

/// Bytes of a request's URL.
pub const URL_BYTES_MAX: usize = 16 << 10;
/// Connections of one front thread.
pub const CONNECTION_COUNT_MAX: usize = 16 << 10;
