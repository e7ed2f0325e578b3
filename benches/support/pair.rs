//! Both contenders, each serving the same worker; only those that are measured.

use std::net::SocketAddr;

use super::Result;
use super::bindery::{self, Bindery};
use super::options::Options;
use super::worker::Worker;
use super::workerd::{self, Mode, Workerd};

/// The contenders that run. They are stopped when this is dropped.
pub(crate) struct Pair {
    ours: Option<Bindery>,
    theirs: Option<Workerd>,
}

impl Pair {
    /// Starts them: ours as `serve` does, workerd with the worker in its configuration.
    pub(crate) fn start(
        options: &Options,
        worker: &Worker,
        serve: impl FnOnce() -> Result<Bindery>,
    ) -> Result<Self> {
        let ours = options.runs(bindery::NAME).then(serve).transpose()?;
        let theirs = options.runs(workerd::NAME).then(|| Workerd::start(worker, Mode::Static));
        Ok(Self { ours, theirs: theirs.transpose()? })
    }

    /// What each is called, and where it accepts.
    pub(crate) fn addresses(&self) -> Vec<(&'static str, SocketAddr)> {
        let ours = self.ours.iter().map(|server| (bindery::NAME, server.address));
        let theirs = self.theirs.iter().map(|server| (workerd::NAME, server.address));
        ours.chain(theirs).collect()
    }
}
