//! Which requests a worker's route takes.
//!
//! A pattern is `HOST/PATH`, with `http://` or `https://` before it to take one scheme only. A
//! `*` may stand first in HOST, for whatever a name begins with, and last in PATH, for whatever a
//! path ends with. A path is compared as the client sent it, its query included.
//!
//! Where several patterns take a request, the most specific wins: a whole host before one with
//! `*`, a longer rest of a host before a shorter; then a whole path before one with `*`, and a
//! longer beginning before a shorter; then one scheme before both. That is a total order, so the
//! answer never depends on which was deployed first.

use std::cmp::Reverse;
use std::fmt;

use bindery_wire::limits::ROUTE_BYTES_MAX;

use crate::route::HOST_BYTES_MAX;

/// How a client reached the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Through a proxy that took it by TLS.
    Https,
}

impl Scheme {
    /// As a URL has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// A route's pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    scheme: Option<Scheme>,
    host: Part,
    path: Part,
}

/// A host or a path: all of it, or what stands behind or before a `*`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Part {
    Whole(Box<str>),
    Some(Box<str>),
}

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Over the limit.
    #[error("{0} bytes; {told}", told = bindery_wire::limit::ROUTE.fixed())]
    TooLong(usize),
    /// A scheme that is none of the web.
    #[error("`{0}://`: use http:// or https:// for one scheme, or none for both")]
    Scheme(String),
    /// Not the name of a host.
    #[error("the host is not one: use labels of a-z, 0-9 and `-`, as xn--... for other letters")]
    Host,
    /// A port.
    #[error("a route has no port: it takes requests on every port that the server listens on")]
    Port,
    /// A query or a fragment.
    #[error("a route has no query and no fragment: end the path with `*` to take every query")]
    Query,
    /// A `*` in the middle.
    #[error("a `*` stands first in the host or last in the path, and nowhere else")]
    Wildcard,
    /// A byte that no URL has.
    #[error("the path holds what stands percent-encoded in a URL")]
    Path,
}

impl Pattern {
    /// Reads a pattern. Without a path it is the path `/`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > ROUTE_BYTES_MAX {
            return Err(Error::TooLong(text.len()));
        }
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Some(read_scheme(scheme)?), rest),
            None => (None, text),
        };
        if rest.contains(['?', '#']) {
            return Err(Error::Query);
        }
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let path = if path.is_empty() { "/" } else { path };
        Ok(Self { scheme, host: read_host(host)?, path: read_path(path)? })
    }

    /// The host, if the pattern names one.
    pub fn host(&self) -> Option<&str> {
        match &self.host {
            Part::Whole(host) => Some(host),
            Part::Some(_) => None,
        }
    }

    /// Whether requests to a host, a plain name, may be taken.
    pub fn takes_host(&self, host: &str) -> bool {
        match &self.host {
            Part::Whole(whole) => host == &**whole,
            Part::Some(end) => host.ends_with(&**end),
        }
    }

    /// Whether every host that may be taken is `domain` or a name under it.
    pub fn is_under(&self, domain: &str) -> bool {
        let (Part::Whole(host) | Part::Some(host)) = &self.host;
        host.strip_suffix(domain).is_some_and(|rest| {
            rest.ends_with('.') || (rest.is_empty() && matches!(self.host, Part::Whole(_)))
        })
    }

    /// Whether a request to a host that is taken is one for this route; `target` is its path and
    /// query.
    pub fn takes(&self, scheme: Scheme, target: &str) -> bool {
        let path = match &self.path {
            Part::Whole(whole) => target == &**whole,
            Part::Some(start) => target.starts_with(&**start),
        };
        path && self.scheme.is_none_or(|only| only == scheme)
    }

    /// What sorts the most specific first, among patterns that take the same host.
    pub fn rank(&self) -> impl Ord + use<> {
        let of = |part: &Part| match part {
            Part::Whole(text) => Reverse((true, text.len())),
            Part::Some(text) => Reverse((false, text.len())),
        };
        (of(&self.host), of(&self.path), Reverse(self.scheme))
    }
}

/// The pattern as it is kept and shown: two that mean the same read the same.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = self.scheme {
            write!(f, "{}://", scheme.as_str())?;
        }
        match &self.host {
            Part::Whole(host) => f.write_str(host)?,
            Part::Some(end) => write!(f, "*{end}")?,
        }
        match &self.path {
            Part::Whole(path) => f.write_str(path),
            Part::Some(start) => write!(f, "{start}*"),
        }
    }
}

fn read_scheme(text: &str) -> Result<Scheme, Error> {
    match text.to_ascii_lowercase().as_str() {
        "http" => Ok(Scheme::Http),
        "https" => Ok(Scheme::Https),
        _ => Err(Error::Scheme(text.chars().take(40).flat_map(char::escape_debug).collect())),
    }
}

fn read_host(text: &str) -> Result<Part, Error> {
    let host = text.to_ascii_lowercase();
    let end = host.strip_prefix('*');
    let name = end.unwrap_or(&host);
    if name.contains('*') {
        return Err(Error::Wildcard);
    }
    if name.contains(':') {
        return Err(Error::Port);
    }
    let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    let begins = end.is_some() || (!name.is_empty() && !name.starts_with('.'));
    let dots = name.ends_with('.') || name.contains("..");
    if !begins || dots || name.len() > HOST_BYTES_MAX || !name.bytes().all(known) {
        return Err(Error::Host);
    }
    Ok(if end.is_some() { Part::Some(name.into()) } else { Part::Whole(name.into()) })
}

fn read_path(text: &str) -> Result<Part, Error> {
    let start = text.strip_suffix('*');
    let path = start.unwrap_or(text);
    if path.contains('*') {
        return Err(Error::Wildcard);
    }
    let encoded = |b: u8| !b.is_ascii_graphic() || matches!(b, b'"' | b'<' | b'>' | b'\\' | b'`');
    if path.bytes().any(encoded) {
        return Err(Error::Path);
    }
    Ok(if start.is_some() { Part::Some(path.into()) } else { Part::Whole(path.into()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// The pattern that takes a URL, among these in any order.
    fn winner<'a>(patterns: &[&'a str], url: &str) -> Option<&'a str> {
        let (scheme, rest) = url.split_once("://").expect("a URL");
        let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
        let (host, target) = rest.split_at(rest.find('/').expect("a path"));
        let find = |order: Vec<&'a str>| {
            let mut order: Vec<(Pattern, &str)> = order.iter().map(|t| (pattern(t), *t)).collect();
            order.sort_by_key(|(pattern, _)| pattern.rank());
            let takes = |p: &Pattern| p.takes_host(host) && p.takes(scheme, target);
            order.iter().find(|(pattern, _)| takes(pattern)).map(|(_, text)| *text)
        };
        let found = find(patterns.to_vec());
        assert_eq!(found, find(patterns.iter().rev().copied().collect()), "the order matters");
        found
    }

    #[test]
    fn a_pattern_takes_what_it_says() {
        for (text, takes, leaves) in [
            ("a.b/", &["http://a.b/", "https://a.b/"][..], &["http://a.b/x", "http://c.a.b/"][..]),
            ("a.b", &["http://a.b/"], &["http://a.b/x"]),
            ("a.b/x", &["http://a.b/x"], &["http://a.b/x/", "http://a.b/x?q", "http://a.b/X"]),
            ("a.b/x*", &["http://a.b/x", "http://a.b/xy/z", "http://a.b/x?q"], &["http://a.b/y"]),
            ("a.b/x/*", &["http://a.b/x/", "http://a.b/x/y?q"], &["http://a.b/x"]),
            ("*.a.b/*", &["http://c.a.b/", "http://d.c.a.b/x"], &["http://a.b/", "http://xa.b/"]),
            ("*a.b/*", &["http://a.b/", "http://c.a.b/", "http://xa.b/"], &["http://a.b.c/"]),
            ("*/*", &["http://a.b/", "https://c.d/e"], &[]),
            ("https://a.b/*", &["https://a.b/x"], &["http://a.b/x"]),
        ] {
            for url in takes {
                assert_eq!(winner(&[text], url), Some(text), "{url}");
            }
            for url in leaves {
                assert_eq!(winner(&[text], url), None, "{text} {url}");
            }
        }
    }

    #[test]
    fn the_most_specific_pattern_wins_in_any_order() {
        let all = [
            "*/*",
            "*.b/*",
            "*.a.b/*",
            "*.a.b/x/y/z/*",
            "w.a.b/*",
            "w.a.b/x*",
            "w.a.b/x/*",
            "w.a.b/x/y",
            "https://w.a.b/x/*",
        ];
        for (url, wins) in [
            ("http://c.d/x", "*/*"),
            ("http://c.b/x", "*.b/*"),
            ("http://c.a.b/x", "*.a.b/*"),
            ("http://c.a.b/x/y/z/1", "*.a.b/x/y/z/*"),
            ("http://w.a.b/", "w.a.b/*"),
            ("http://w.a.b/x/y/z/1", "w.a.b/x/*"),
            ("http://w.a.b/xy", "w.a.b/x*"),
            ("http://w.a.b/x/y", "w.a.b/x/y"),
            ("https://w.a.b/x/y", "w.a.b/x/y"),
            ("https://w.a.b/x/z", "https://w.a.b/x/*"),
        ] {
            assert_eq!(winner(&all, url), Some(wins), "{url}");
        }
    }

    #[test]
    fn a_pattern_is_shown_in_one_form() {
        for (text, shown) in [
            ("Shop.Example.COM", "shop.example.com/"),
            ("HTTPS://Shop.example.com/A*", "https://shop.example.com/A*"),
            ("*.example.com/*", "*.example.com/*"),
            ("*/*", "*/*"),
        ] {
            assert_eq!(pattern(text).to_string(), shown);
            assert_eq!(pattern(shown), pattern(text));
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_the_reason() {
        let long = format!("a.b/{}", "x".repeat(ROUTE_BYTES_MAX));
        for (text, why) in [
            ("", Error::Host),
            ("/x", Error::Host),
            (".a.b/", Error::Host),
            ("a..b/", Error::Host),
            ("a.b./", Error::Host),
            ("a_b.c/", Error::Host),
            ("b\u{fc}cher.de/*", Error::Host),
            ("user@a.b/", Error::Host),
            ("a.b:80/", Error::Port),
            ("[::1]/", Error::Port),
            ("a.*.b/", Error::Wildcard),
            ("**.a.b/", Error::Wildcard),
            ("a.b/*/c", Error::Wildcard),
            ("a.b/**", Error::Wildcard),
            ("a.b/x?y", Error::Query),
            ("a.b?*", Error::Query),
            ("a.b/#x", Error::Query),
            ("a.b/x y", Error::Path),
            ("a.b/\u{e4}", Error::Path),
            ("a.b/\"", Error::Path),
            ("ftp://a.b/", Error::Scheme("ftp".into())),
            (&long, Error::TooLong(4 + ROUTE_BYTES_MAX)),
        ] {
            assert_eq!(Pattern::parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn a_pattern_that_only_names_of_the_server_could_match_is_known() {
        for text in ["workers.dev/*", "a.workers.dev/*", "*.workers.dev/*", "*.a.workers.dev/"] {
            assert!(pattern(text).is_under("workers.dev"), "{text}");
        }
        for text in ["notworkers.dev/*", "*workers.dev/*", "*.dev/*", "*/*", "a.dev/"] {
            assert!(!pattern(text).is_under("workers.dev"), "{text}");
        }
    }
}
