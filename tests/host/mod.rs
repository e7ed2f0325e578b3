//! Servers for tests: [`Host`] runs in this process, [`Program`] is the built program as a child.
//!
//! Both are reached over their ports only, through [`Doors`]. Every wait is bounded by [`within`].

mod body;
mod client;
mod doors;
mod here;
mod origin;
mod program;
mod worker;

pub(crate) use body::Chunk;
pub(crate) use client::Answer;
pub(crate) use doors::Doors;
pub(crate) use here::{Host, moment};
pub(crate) use origin::Origin;
pub(crate) use program::{Program, children, runs, signal};
pub(crate) use worker::Worker;

use std::time::Duration;

/// Waits for so many seconds at most, and panics with what was waited for.
pub(crate) async fn within<T>(seconds: u64, what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(seconds), future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {seconds} seconds for {what}"),
    }
}

/// How long a test waits for what should come soon, in seconds: a busy machine is slow.
pub(crate) const SOON: u64 = 60;
