//! From a target to a connection: the one function that opens a socket.
//!
//! Resolves the name once, checks every address that came out, and connects to those very
//! addresses: what the name means a moment later does not matter.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bindery_wire::TenantId;
use rustix::io::Errno;
use tokio::net::TcpStream;

use super::Inner;
use super::connection::Connection;
use super::error::Error;
use super::target::{Scheme, Target};

/// Addresses of a name that are tried.
const ADDRESS_COUNT_MAX: usize = 4;

impl Inner {
    /// A new connection, within the time that is configured for one.
    pub(super) async fn connect(
        &self,
        tenant: TenantId,
        target: &Target,
    ) -> Result<Connection, Error> {
        let max_ms = self.config.connect_ms;
        tokio::select! {
            connected = self.connect_to(tenant, target) => connected,
            () = self.clock.sleep(Duration::from_millis(max_ms.into())) => {
                Err(Error::ConnectTimeout { host: target.origin.host.to_string(), max_ms })
            }
        }
    }

    async fn connect_to(&self, tenant: TenantId, target: &Target) -> Result<Connection, Error> {
        let addresses = match target.address {
            Some(address) => vec![address],
            None => self.resolve(tenant, &target.origin.host).await?,
        };
        self.reach.check(&target.origin.host, &addresses)?;
        let stream = self.reach_any(target, &addresses).await?;
        self.check_own(target, &stream)?;
        let failed = |source| connect_error(target, source);
        stream.set_nodelay(true).map_err(failed)?;
        let spoken = match target.origin.scheme {
            Scheme::Http => Connection::new(stream).await,
            Scheme::Https => {
                Connection::new(self.tls.secure(stream, &target.origin.host).await?).await
            }
        };
        spoken.map_err(|error| failed(std::io::Error::other(error)))
    }

    async fn resolve(&self, tenant: TenantId, host: &str) -> Result<Vec<IpAddr>, Error> {
        let failed = |source| Error::Resolve { host: host.to_owned(), source };
        let permit = self.pool.lookup(tenant).await;
        let permit = permit.ok_or_else(|| failed(std::io::ErrorKind::Interrupted.into()))?;
        let addresses = self.resolver.resolve(host.to_owned(), permit).await.map_err(failed)?;
        if addresses.is_empty() {
            return Err(failed(std::io::ErrorKind::NotFound.into()));
        }
        Ok(addresses)
    }

    /// Tries one address after the other, each for its share of the time.
    async fn reach_any(&self, target: &Target, addresses: &[IpAddr]) -> Result<TcpStream, Error> {
        let count = addresses.len().clamp(1, ADDRESS_COUNT_MAX);
        let share_ms = self.config.connect_ms / u32::try_from(count).unwrap_or(u32::MAX);
        let mut last = std::io::ErrorKind::NotFound.into();
        for address in addresses.iter().take(ADDRESS_COUNT_MAX) {
            let address = SocketAddr::new(*address, target.origin.port);
            let tried = tokio::select! {
                tried = TcpStream::connect(address) => tried,
                () = self.clock.sleep(Duration::from_millis(share_ms.into())) => {
                    Err(std::io::ErrorKind::TimedOut.into())
                }
            };
            match tried {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(connect_error(target, last))
    }

    /// Refuses this server's own admin port behind whichever public address the machine has. One
    /// that connects to itself has the same address at both ends.
    fn check_own(&self, target: &Target, stream: &TcpStream) -> Result<(), Error> {
        let port = target.origin.port;
        if self.reach.is_all() || self.own_port.get() != Some(&port) {
            return Ok(());
        }
        let ends = stream.local_addr().and_then(|local| Ok((local, stream.peer_addr()?)));
        match ends {
            Ok((local, peer)) if local.ip() != peer.ip() => Ok(()),
            _ => {
                let host = target.origin.host.to_string();
                Err(Error::Port { host, port, why: "it is this server's own" })
            }
        }
    }
}

fn connect_error(target: &Target, source: std::io::Error) -> Error {
    let os = source.raw_os_error();
    if os == Some(Errno::MFILE.raw_os_error()) || os == Some(Errno::NFILE.raw_os_error()) {
        return Error::Overloaded;
    }
    Error::Connect { host: target.origin.host.to_string(), source }
}
