//! Why a queue did not do what was asked.

use bindery_storage::{engine, tables};
use bindery_wire::limit::Told;

use crate::registry;

/// Why a queue did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was asked is wrong.
    #[error("{0}")]
    Wrong(String),
    /// There is no such queue.
    #[error("there is no such queue")]
    NotFound,
    /// It does not fit what is there.
    #[error("{0}")]
    Conflict(String),
    /// The tenant keeps as much as it may.
    #[error(transparent)]
    OverQuota(#[from] tables::OverQuota),
    /// The tenant has as many queues as it may.
    #[error("the tenant has as many as it may; {0}")]
    Quota(Told),
    /// The tenant is gone.
    #[error("the tenant is deleted")]
    NoTenant,
    /// It changes faster than this could be done.
    #[error("the queue is changing; try again")]
    Busy,
    /// A table failed.
    #[error(transparent)]
    Table(#[from] tables::Error),
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] engine::Error),
    /// The code of a consumer can not be loaded.
    #[error(transparent)]
    Registry(#[from] registry::Error),
}

/// The result of a call to a queue.
pub(super) type Result<T> = std::result::Result<T, Error>;
