//! Why the registry did not do what was asked.

use bindery_storage::{blob, engine, tables};
use bindery_wire::limit::Told;

use super::hook::StartFailure;
use crate::problem::Fault;

/// The result of a call to the registry.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the registry did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such tenant, worker or version to run.
    #[error("there is no such worker")]
    NoWorker,
    /// There is no such thing to show or change.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// Nothing of the tenant runs.
    #[error("the tenant is suspended")]
    Suspended,
    /// What was asked does not fit what is there.
    #[error("{0}")]
    Conflict(String),
    /// The tenant has as many as it may.
    #[error("the tenant has as many as it may; {0}")]
    Quota(Told),
    /// The tenant keeps as much as it may.
    #[error(transparent)]
    OverQuota(#[from] tables::OverQuota),
    /// What was sent is wrong.
    #[error("{} problems", .0.len())]
    Invalid(Vec<Fault>),
    /// An upload does not start.
    #[error("the worker does not start: {}", .0.message)]
    Start(StartFailure),
    /// The store's secrets were encrypted with another key.
    #[error("the key does not fit the secrets in this data directory")]
    WrongKey,
    /// A secret was changed by somebody who does not have the key.
    #[error("a secret does not decrypt")]
    Secret,
    /// A stored manifest does not parse.
    #[error(transparent)]
    Manifest(#[from] bindery_wire::manifest::Error),
    /// A table failed.
    #[error(transparent)]
    Table(#[from] tables::Error),
    /// The store of modules failed.
    #[error(transparent)]
    Blob(#[from] blob::Error),
    /// A file in the data directory could not be read or made.
    #[error("{path}")]
    File {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file in the data directory does not hold what it should.
    #[error("{path}: {problem}")]
    FileContent {
        /// Which.
        path: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The server is shutting down.
    #[error("the server is shutting down")]
    Stopped,
}

impl From<engine::Error> for Error {
    fn from(error: engine::Error) -> Self {
        Self::Table(error.into())
    }
}

impl Error {
    /// One thing that is wrong with what was sent.
    pub(crate) fn invalid(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![Fault::new(path, message)])
    }
}
