//! The only way out of the machine for a worker's requests.
//!
//! Every connection is opened by one function, which resolves the name, checks *every* address that
//! came out and connects to the checked ones: a public name that points at a private address is
//! refused, and a name that points elsewhere a moment later changes nothing. Redirects go the same
//! way at each hop. Only `http:` and `https:` are spoken, as HTTP/1.1.
//!
//! Without `allow-private-egress` only public addresses are reached, and those of the networks that
//! the operator names; this server's admin port is not, whichever of this machine's addresses it is
//! asked for by. With it, everything that the operator's
//! network reaches is the operator's affair, these ports included.
//!
//! Connections are kept for their tenant's next request, never for another's. What is open, what
//! waits, how long a connection and a response may take, and a response's headers are bounded;
//! bodies stream both ways and are read as fast as somebody takes them. No proxy is taken from the
//! environment.
//!
//! Invariant: no other module opens an outbound connection. Absent on purpose: caching, and retries
//! but one: a kept connection that the server has closed meanwhile is replaced.

mod connect;
mod connection;
mod decode;
mod download;
mod error;
mod exchange;
mod pool;
mod resolve;
mod target;
mod tls;
mod upload;

use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};

use bindery_wire::TenantId;
use bytes::Bytes;
use http::{HeaderMap, Method};
use http_body_util::combinators::UnsyncBoxBody;
use rustix::process::{Resource, getrlimit};

use crate::clock::Clock;
use crate::config::EgressConfig;
use crate::tasks::Tasks;
use pool::Pool;
use target::Reach;
use tls::Tls;

pub use decode::{decode, is_encoded};
pub use error::{Error, Fault};
pub use resolve::{Resolver, System};
pub use tls::system_authority_count;
pub use upload::{BoxError, OutgoingBody};

/// Makes requests for workers. Clones are the same.
#[derive(Clone)]
pub struct Egress(Arc<Inner>);

/// What an egress is made of.
pub struct Parts {
    /// Its bounds.
    pub config: EgressConfig,
    /// Whether private addresses are reached too.
    pub allow_private: bool,
    /// Who looks names up.
    pub resolver: Arc<dyn Resolver>,
    /// Runs what outlives a caller's wait.
    pub tasks: Tasks,
    /// Tells when something took too long.
    pub clock: Clock,
}

struct Inner {
    pool: Pool,
    tls: Tls,
    reach: Reach,
    own_port: OnceLock<u16>,
    config: EgressConfig,
    resolver: Arc<dyn Resolver>,
    tasks: Tasks,
    clock: Clock,
}

/// What becomes of a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirect {
    /// It is followed.
    Follow,
    /// It is the response.
    Manual,
}

/// A request of a worker.
#[derive(Debug)]
pub struct Outgoing {
    /// Whose it is.
    pub tenant: TenantId,
    /// The method.
    pub method: Method,
    /// Where to: an absolute URL.
    pub url: String,
    /// The headers. Those that belong to the connection or the host are not sent.
    pub headers: HeaderMap,
    /// The body.
    pub body: Option<OutgoingBody>,
    /// What becomes of a redirect.
    pub redirect: Redirect,
    /// Redirects that may be followed: what the event has left of its subrequests after this one.
    pub hops_max: u32,
}

/// A response's body.
pub type IncomingBody = UnsyncBoxBody<Bytes, Error>;

/// A response.
#[derive(Debug)]
pub struct Incoming {
    /// The status.
    pub status: u16,
    /// Where it came from at last, without a fragment.
    pub url: String,
    /// Whether a redirect was followed.
    pub redirected: bool,
    /// How many were followed.
    pub hops: u32,
    /// The headers, without those that belong to the connection.
    pub headers: HeaderMap,
    /// The body, as it was sent. Dropped before its end, it closes the connection, unless the rest
    /// is short and there.
    pub body: IncomingBody,
}

impl Egress {
    /// Reads the operator's certificates, if there are any.
    pub fn open(parts: Parts) -> std::io::Result<Self> {
        let Parts { config, allow_private, resolver, tasks, clock } = parts;
        let config = within_descriptors(config, getrlimit(Resource::Nofile).current);
        Ok(Self(Arc::new(Inner {
            pool: Pool::new(config.clone()),
            tls: Tls::open(config.certificates.as_deref())?,
            reach: match allow_private {
                true => Reach::All,
                false => Reach::Public { and: config.reachable.clone() },
            },
            own_port: OnceLock::new(),
            config,
            resolver,
            tasks,
            clock,
        })))
    }

    /// Sends a request and waits for the head of its response. Cancel-safe: dropped before, or its
    /// body after, it closes the connection.
    pub async fn fetch(&self, outgoing: Outgoing) -> Result<Incoming, Error> {
        exchange::fetch(&self.0, outgoing).await
    }

    /// Keeps workers from a port of this machine, where the admin API listens.
    pub fn keep_from(&self, port: u16) {
        // Told once, by whoever opened the port.
        let _ = self.0.own_port.set(port);
    }

    /// Closes connections that nobody used for long. Called once in a while.
    pub fn sweep(&self) {
        self.0.pool.sweep(self.0.clock.elapsed());
    }

    /// How many connections wait for another request.
    pub fn idle_count(&self) -> usize {
        self.0.pool.idle_count()
    }
}

/// Leaves the better part of the process's descriptors to clients, isolates and storage.
fn within_descriptors(mut config: EgressConfig, descriptors: Option<u64>) -> EgressConfig {
    let part = |part: u64| u32::try_from(descriptors.unwrap_or(u64::MAX) / part);
    if let Ok(used_max) = part(4) {
        let used_max = NonZeroU32::new(used_max).unwrap_or(NonZeroU32::MIN);
        config.connection_total_max = config.connection_total_max.min(used_max);
    }
    if let Ok(idle_max) = part(8) {
        config.idle_total_max = config.idle_total_max.min(idle_max);
    }
    config
}

#[cfg(test)]
mod tests;
