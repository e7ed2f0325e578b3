//! From a host name to addresses. What comes out is not yet checked.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};

use futures_util::future::BoxFuture;
use tokio::sync::OwnedSemaphorePermit;

/// Looks names up.
pub trait Resolver: Send + Sync + 'static {
    /// The addresses of a name, the best first. The permit is held for as long as the lookup takes
    /// up a resource, even if the future is dropped before.
    fn resolve(
        &self,
        name: String,
        permit: OwnedSemaphorePermit,
    ) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The system's resolver, with its configuration and its order of addresses.
#[derive(Debug)]
pub struct System;

impl Resolver for System {
    fn resolve(
        &self,
        name: String,
        permit: OwnedSemaphorePermit,
    ) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let lookup = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let addresses = (name.as_str(), 0).to_socket_addrs()?;
            Ok(addresses.map(|address| address.ip()).collect())
        });
        Box::pin(async move { lookup.await.unwrap_or_else(|ended| Err(io::Error::other(ended))) })
    }
}
