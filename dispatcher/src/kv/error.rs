//! Why something is not done with a key.

use bindery_logic::kv::Refusal;
use bindery_storage::tables::OverQuota;
use bindery_storage::{blob, engine, tables};

/// Why something is not done with a key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was asked for is not possible.
    #[error("{}", message(.0))]
    Refused(Refusal),
    /// The tenant keeps as much as it may.
    #[error(transparent)]
    Quota(#[from] OverQuota),
    /// The cursor was not given out for this namespace.
    #[error("Invalid cursor.")]
    Cursor,
    /// The metadata is not the text of JSON.
    #[error("the metadata is not JSON")]
    Metadata,
    /// The tenant is deleted.
    #[error("the tenant is deleted")]
    Gone,
    /// The value broke off.
    #[error("the value broke off")]
    Cut,
    /// The value did not come in time.
    #[error("the value took too long to come")]
    Slow,
    /// Others changed the key, or the tenant, again and again meanwhile.
    #[error("the key was changed by others meanwhile")]
    Busy,
    /// A row can not be read.
    #[error(transparent)]
    Table(#[from] tables::Error),
    /// A large value can not be written or read.
    #[error(transparent)]
    Blob(#[from] blob::Error),
}

/// The result of what is done with keys.
pub type Result<T> = std::result::Result<T, Error>;

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<engine::Error> for Error {
    fn from(error: engine::Error) -> Self {
        Self::Table(error.into())
    }
}

fn message(refusal: &Refusal) -> &str {
    match refusal {
        Refusal::Wrong(message) | Refusal::Status(_, message) => message,
    }
}
