//! Why a server does not start.

use std::net::SocketAddr;

use bindery_storage::tables;

use crate::{cordon, http, registry, store};

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data directory can not be used.
    #[error("the data directory can not be used")]
    Store(#[from] store::Error),
    /// The rows can not be brought to the format of this program.
    #[error("the stored rows can not be used")]
    Format(#[from] tables::Error),
    /// The registry, a key or a token can not be opened.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// There is no cordon.
    #[error(transparent)]
    Cordon(#[from] cordon::Error),
    /// The front door does not open.
    #[error(transparent)]
    Http(#[from] http::Error),
    /// The admin address can not be listened on.
    #[error("{address} can not be listened on")]
    Admin {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The certificates of the configuration can not be read.
    #[error("the certificates of `egress` can not be read")]
    Certificates(#[source] std::io::Error),
    /// The folder of the caches can not be made or emptied.
    #[error("the folder `cache` of the data directory can not be used")]
    Cache(#[source] std::io::Error),
    /// Work in the background was given up.
    #[error("the server was stopped while it started")]
    Stopped,
}
