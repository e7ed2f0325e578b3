//! Which worker a host name means.
//!
//! A name under the server's domain names a tenant, a worker and perhaps a version; any other
//! name is a custom host, which means what an operator granted. The text comes from a client, so
//! whatever is not a plain host name is refused before it is looked up.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use bindery_wire::name::check_label;

/// Digits of a version that a preview's host name carries.
pub const VERSION_DIGITS: usize = 8;
/// The worker that a tenant's own name reaches.
pub const MAIN_WORKER: &str = "main";

/// Bytes of a host name.
pub const HOST_BYTES_MAX: usize = 253;

/// What a host name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// A worker of a tenant, under the server's domain.
    Worker {
        /// The tenant's name.
        tenant: &'a str,
        /// The worker's name.
        worker: &'a str,
        /// The first digits of the version's hash; the deployed version if absent.
        version: Option<&'a str>,
    },
    /// A host name that is not under the server's domain.
    Custom(&'a str),
}

/// Why a host name means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a host name with an optional port.
    #[error("the Host header is not a host name")]
    Malformed,
    /// Under the server's domain, but of no form that names a worker.
    #[error("no worker has this host name")]
    Unknown,
}

/// A `Host` header as a plain name: lower case, without port and final dot.
pub fn host(raw: &str) -> Result<Cow<'_, str>, Error> {
    if let Some(address) = bracketed(raw) {
        return address.map(Cow::Borrowed);
    }
    let name = match raw.rsplit_once(':') {
        Some((name, port)) if is_port(port) => name,
        Some(_) => return Err(Error::Malformed),
        None => raw,
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let dots = name.starts_with('.') || name.ends_with('.') || name.contains("..");
    if name.is_empty() || name.len() > HOST_BYTES_MAX || dots || !name.bytes().all(plain) {
        return Err(Error::Malformed);
    }
    if name.bytes().any(|b| b.is_ascii_uppercase()) {
        return Ok(Cow::Owned(name.to_ascii_lowercase()));
    }
    Ok(Cow::Borrowed(name))
}

/// An IPv6 address in brackets, without the port.
fn bracketed(raw: &str) -> Option<Result<&str, Error>> {
    let (address, port) = raw.strip_prefix('[')?.split_once(']')?;
    let port = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
    let good = port && address.parse::<Ipv6Addr>().is_ok();
    Some(if good { Ok(&raw[..address.len() + 2]) } else { Err(Error::Malformed) })
}

/// Whether it can stand behind the colon of a host: nothing, or a number that is a port.
fn is_port(text: &str) -> bool {
    text.is_empty() || (text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok())
}

/// What a plain name means on a server whose domain is `domain`.
pub fn parse<'a>(host: &'a str, domain: &str) -> Result<Route<'a>, Error> {
    if host == domain {
        return Err(Error::Unknown);
    }
    let Some(labels) = host.strip_suffix(domain).and_then(|rest| rest.strip_suffix('.')) else {
        return Ok(Route::Custom(host));
    };
    let (tenant, worker, version) = match labels.split_once('.') {
        Some((worker, tenant)) => (tenant, worker, None),
        None => flat(labels).ok_or(Error::Unknown)?,
    };
    let named = check_label(tenant).is_ok() && check_label(worker).is_ok();
    let digit = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    let digits = version.is_none_or(|v| v.len() == VERSION_DIGITS && v.bytes().all(digit));
    if named && digits {
        Ok(Route::Worker { tenant, worker, version })
    } else {
        Err(Error::Unknown)
    }
}

/// `T`, `W--T` or `V--W--T`: one label, so that one wildcard certificate covers it.
fn flat(label: &str) -> Option<(&str, &str, Option<&str>)> {
    let mut parts = label.split("--");
    let parts = (parts.next()?, parts.next(), parts.next(), parts.next());
    match parts {
        (tenant, None, ..) => Some((tenant, MAIN_WORKER, None)),
        (worker, Some(tenant), None, _) => Some((tenant, worker, None)),
        (version, Some(worker), Some(tenant), None) => Some((tenant, worker, Some(version))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(raw: &str) -> Result<(String, String, Option<String>), Error> {
        let host = host(raw)?;
        match parse(&host, "example.com")? {
            Route::Worker { tenant, worker, version } => {
                Ok((tenant.into(), worker.into(), version.map(Into::into)))
            }
            Route::Custom(host) => Ok((host.into(), "custom".into(), None)),
        }
    }

    fn means(
        tenant: &str,
        worker: &str,
        version: Option<&str>,
    ) -> Result<(String, String, Option<String>), Error> {
        Ok((tenant.into(), worker.into(), version.map(Into::into)))
    }

    #[test]
    fn each_form_of_a_name_reaches_its_worker() {
        assert_eq!(route("acme.example.com"), means("acme", "main", None));
        assert_eq!(route("api.acme.example.com"), means("acme", "api", None));
        assert_eq!(route("api--acme.example.com"), means("acme", "api", None));
        let preview = route("0123abcd--api--acme.example.com");
        assert_eq!(preview, means("acme", "api", Some("0123abcd")));
        assert_eq!(route("shop.example.org"), means("shop.example.org", "custom", None));
        assert_eq!(route("notexample.com"), means("notexample.com", "custom", None));
    }

    #[test]
    fn case_port_and_final_dot_do_not_matter() {
        for raw in [
            "ACME.Example.COM",
            "acme.example.com.",
            "acme.example.com:8787",
            "acme.example.com:",
            "Acme.example.com.:1",
        ] {
            assert_eq!(route(raw), means("acme", "main", None), "{raw}");
        }
    }

    #[test]
    fn names_under_the_domain_of_no_known_form_reach_nobody() {
        for raw in [
            "example.com",
            "a.b.c.example.com",
            "a--b--c--d.example.com",
            "-a.example.com",
            "a---b.example.com",
            "a-.example.com",
            "0123abc--api--acme.example.com",
            "0123ABCG--api--acme.example.com",
            "a_b.example.com",
            "--.example.com",
            "x--y.acme.example.com",
        ] {
            assert_eq!(route(raw), Err(Error::Unknown), "{raw}");
        }
    }

    #[test]
    fn what_is_not_a_host_name_is_refused() {
        let long = format!("{}.example.com", "a".repeat(300));
        for raw in [
            "",
            ":80",
            ".",
            "..",
            "a..example.com",
            ".example.com",
            "acme.example.com..",
            "user@acme.example.com",
            "acme.example.com/x",
            "acme.example.com:80:80",
            "[::1",
            "[::1]x",
            "[::1]:x",
            "[acme.example.com]",
            "::1",
            "acme.example.com:65536",
            "acme.example.com:x",
            "acme.example.com:123456",
            "acme%2eexample.com",
            "a b.example.com",
            "acme\0.example.com",
            "\u{e4}.example.com",
            "acme.example.com?",
            &long,
        ] {
            assert_eq!(route(raw), Err(Error::Malformed), "{raw:?}");
        }
    }

    #[test]
    fn an_address_is_a_custom_host() {
        assert_eq!(route("127.0.0.1:8787"), means("127.0.0.1", "custom", None));
        assert_eq!(route("[::1]:8787"), means("[::1]", "custom", None));
        assert_eq!(route("[2001:db8::1]"), means("[2001:db8::1]", "custom", None));
    }
}
