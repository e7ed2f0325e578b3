//! Where a request goes: the one place that reads a URL.
//!
//! The URL parser turns every notation of an address (decimal, octal, hexadecimal, shortened, with
//! a final dot, in full-width digits) into the address, so that what is checked is what is reached.

use std::net::IpAddr;

use bindery_logic::egress::{address, is_bad_port, is_local_name};
use bytes::Bytes;
use http::HeaderValue;
use http::uri::{PathAndQuery, Uri};
use url::{Host, Url};

use super::error::Error;
use crate::config::Cidr;

/// Bytes of a URL that is fetched.
const URL_BYTES_MAX: usize = 16 << 10;
/// Bytes of a URL that an error's text shows.
const URL_BYTES_SHOWN: usize = 100;

/// Whether a connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
}

/// What connections are made to, and kept by: scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) scheme: Scheme,
    pub(super) host: Box<str>,
    pub(super) port: u16,
}

/// Which addresses may be reached.
#[derive(Clone, Debug)]
pub(super) enum Reach {
    /// Public ones, and those of networks that the operator names.
    Public { and: Vec<Cidr> },
    /// All.
    All,
}

impl Reach {
    /// Refuses what is not public, if that is not allowed. Each address of a name counts: one that
    /// is private means that somebody plays with the name.
    pub(super) fn check(&self, host: &str, addresses: &[IpAddr]) -> Result<(), Error> {
        let Self::Public { and } = self else { return Ok(()) };
        for address in addresses {
            if let Some(range) = address::refused(*address)
                && !and.iter().any(|network| network.contains(*address))
            {
                return Err(Error::Refused { host: host.to_owned(), range });
            }
        }
        Ok(())
    }

    /// Whether private addresses are reached like any others.
    pub(super) fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }
}

/// A URL that can be fetched.
#[derive(Clone, Debug)]
pub(super) struct Target {
    url: Url,
    pub(super) origin: Origin,
    /// The address, if the host is one.
    pub(super) address: Option<IpAddr>,
}

impl Target {
    /// Reads an absolute URL, and refuses what can be refused without a lookup.
    pub(super) fn parse(text: &str, reach: &Reach) -> Result<Self, Error> {
        if text.len() > URL_BYTES_MAX {
            return Err(refused(text, "it is longer than 16 KiB"));
        }
        let url = Url::parse(text).map_err(|_| refused(text, "it is not an absolute URL"))?;
        Self::check(url, reach)
    }

    /// The place that a `Location` header names.
    pub(super) fn join(&self, location: &HeaderValue, reach: &Reach) -> Result<Self, Error> {
        let text = String::from_utf8_lossy(location.as_bytes());
        if text.len() > URL_BYTES_MAX {
            return Err(refused(&text, "it is longer than 16 KiB"));
        }
        let mut url = self.url.join(&text).map_err(|_| refused(&text, "it is not a URL"))?;
        if url.fragment().is_none() {
            url.set_fragment(self.url.fragment());
        }
        Self::check(url, reach)
    }

    fn check(url: Url, reach: &Reach) -> Result<Self, Error> {
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(refused(url.as_str(), "only http: and https: URLs can be")),
        };
        if url.as_str().len() > URL_BYTES_MAX {
            return Err(refused(url.as_str(), "it is longer than 16 KiB"));
        }
        let (address, host) = match url.host() {
            Some(Host::Ipv4(address)) => (Some(IpAddr::V4(address)), address.to_string()),
            Some(Host::Ipv6(address)) => (Some(IpAddr::V6(address)), address.to_string()),
            Some(Host::Domain(name)) => (None, name.to_owned()),
            None => return Err(refused(url.as_str(), "it names no host")),
        };
        reach.check(&host, address.as_slice())?;
        if !reach.is_all() && address.is_none() && is_local_name(&host) {
            return Err(Error::Refused { host, range: address::Range::Loopback });
        }
        let port = url.port_or_known_default().unwrap_or(0);
        if is_bad_port(port) {
            return Err(Error::Port { host, port, why: "other protocols than HTTP own it" });
        }
        Ok(Self { origin: Origin { scheme, host: host.into(), port }, url, address })
    }

    /// The URL without its fragment, as a response gives it.
    pub(super) fn into_url(mut self) -> String {
        self.url.set_fragment(None);
        self.url.into()
    }

    /// The target of the request line.
    pub(super) fn path(&self) -> Result<Uri, Error> {
        let path = &self.url[url::Position::BeforePath..url::Position::AfterQuery];
        PathAndQuery::from_maybe_shared(Bytes::copy_from_slice(path.as_bytes()))
            .map(Uri::from)
            .map_err(|_| refused(self.url.as_str(), "its path is not one of HTTP"))
    }

    /// The `Host` header.
    pub(super) fn host(&self) -> Result<HeaderValue, Error> {
        let host = &self.url[url::Position::BeforeHost..url::Position::AfterPort];
        HeaderValue::from_str(host)
            .map_err(|_| refused(self.url.as_str(), "its host is not one of HTTP"))
    }
}

fn refused(url: &str, why: &'static str) -> Error {
    let mut end = url.len().min(URL_BYTES_SHOWN);
    while !url.is_char_boundary(end) {
        end -= 1;
    }
    Error::Url { url: url[..end].to_owned(), why }
}
