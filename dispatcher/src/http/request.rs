//! From what a client sent to what a worker sees.

use std::cell::RefCell;
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use bindery_logic::header;
use bindery_logic::pattern::Scheme;
use bindery_wire::limits::{HEADER_COUNT_MAX, HEADERS_BYTES_MAX, Lower};
use bindery_wire::{flat, limit};
use http::header::{CONNECTION, HOST};
use http::request::Parts;
use http::{HeaderValue, Method, Version};

use super::URL_BYTES_MAX;
use crate::config::Cidr;
use crate::line::Event;
use crate::problem::{Code, Problem};
use crate::rpc::Props;

/// Whom a connection comes from.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    address: IpAddr,
    text: Box<str>,
    trusted: bool,
}

impl Peer {
    pub(super) fn new(address: SocketAddr, trusted: &[Cidr]) -> Self {
        let address = address.ip().to_canonical();
        let trusted = trusted.iter().any(|network| network.contains(address));
        Self { address, text: address.to_string().into(), trusted }
    }
}

/// The host that a request names, if the request is one that can be served.
pub(super) fn check(parts: &Parts) -> Result<&str, Problem> {
    let bad = |message: &str| Problem::new(Code::BadRequest, message);
    let long = |message: String| Problem::new(Code::TooLarge, message).with_status(431);
    if parts.headers.len() > HEADER_COUNT_MAX {
        let count = parts.headers.len();
        return Err(long(format!("{count} headers; {}", limit::HEADERS.fixed())));
    }
    let bytes: usize = parts.headers.iter().map(|(n, v)| n.as_str().len() + v.len() + 2).sum();
    if bytes > HEADERS_BYTES_MAX {
        let told = limit::HEADERS_BYTES.fixed();
        return Err(long(format!("{bytes} bytes of headers; {told}")));
    }
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    if path.len() > URL_BYTES_MAX {
        let told = crate::limit::URL.fixed();
        return Err(long(format!("a URL of {} bytes; {told}", path.len())));
    }
    if parts.method == Method::CONNECT || !path.starts_with('/') {
        return Err(bad("the request target is not a path"));
    }
    let mut hosts = parts.headers.get_all(HOST).iter();
    let header = match (hosts.next(), hosts.next()) {
        (_, Some(_)) => return Err(bad("more than one Host header")),
        (Some(host), None) => {
            Some(host.to_str().map_err(|_| bad("the Host header is not a host name"))?)
        }
        (None, None) => None,
    };
    match (parts.uri.authority().map(|authority| authority.as_str()), header) {
        (Some(target), Some(header)) if !target.eq_ignore_ascii_case(header) => {
            Err(bad("the request target and the Host header differ"))
        }
        (Some(host), _) | (None, Some(host)) => Ok(host),
        (None, None) => Err(bad("there is no Host header")),
    }
}

/// The host that the client asked for: what a trusted proxy says it was, else what the request
/// names.
pub(super) fn host<'a>(parts: &'a Parts, named: &'a str, peer: &Peer) -> &'a str {
    let told = parts.headers.get_all("x-forwarded-host").iter().next_back();
    let told = told.filter(|_| peer.trusted).and_then(last);
    told.unwrap_or(named)
}

/// The last item of a list: what the nearest proxy wrote.
fn last(list: &HeaderValue) -> Option<&str> {
    let last = list.to_str().ok()?.rsplit(',').next()?.trim();
    Some(last).filter(|last| !last.is_empty())
}

/// How the client reached the server, or the trusted proxy before it.
pub(super) fn scheme(parts: &Parts, peer: &Peer) -> Scheme {
    let told = parts.headers.get_all("x-forwarded-proto").iter().next_back();
    match told.filter(|_| peer.trusted).and_then(last) {
        Some(scheme) if scheme.eq_ignore_ascii_case("https") => Scheme::Https,
        _ => Scheme::Http,
    }
}

/// What is written anew for each request and read before the next.
#[derive(Default)]
struct Scratch {
    url: String,
    headers: Vec<u8>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Calls `with` with the request as the worker sees it.
pub(super) fn as_event<T>(
    (parts, host): (&Parts, &str),
    peer: &Peer,
    trusted: &[Cidr],
    with: impl FnOnce(Event<'_>) -> T,
) -> T {
    SCRATCH.with_borrow_mut(|scratch| {
        let Scratch { url, headers } = scratch;
        url.clear();
        headers.clear();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        // Writing to a string does not fail.
        let _ = write!(url, "{}://{host}{path}", scheme(parts, peer).as_str());
        write_headers(headers, (parts, host), peer, trusted);
        let method = parts.method.as_str();
        let (cf, props) = (cf(parts.version), &Props::None);
        let (entrypoint, limits) = (None, &Lower::NONE);
        with(Event { entrypoint, method, url, headers, cf, props, limits })
    })
}

fn write_headers(flat: &mut Vec<u8>, (parts, host): (&Parts, &str), peer: &Peer, trusted: &[Cidr]) {
    if !parts.headers.contains_key(HOST) {
        flat::push(flat, b"host", host.as_bytes());
    }
    for (name, value) in &parts.headers {
        let name = name.as_str();
        let dropped = header::request_drops(name)
            || (!peer.trusted && header::tells_origin(name))
            || is_nominated(parts, name);
        // The client's own, where a proxy has told it.
        let value = if name == "host" { host.as_bytes() } else { value.as_bytes() };
        // A line feed can stand in neither, but an isolate would read it as the next header.
        if !dropped && !value.contains(&b'\n') {
            flat::push(flat, name.as_bytes(), value);
        }
    }
    match client(parts, peer, trusted) {
        Some(client) => flat::push(flat, b"cf-connecting-ip", client.to_string().as_bytes()),
        None => flat::push(flat, b"cf-connecting-ip", peer.text.as_bytes()),
    }
}

/// Whether `Connection` names a header, which then belongs to the connection only.
fn is_nominated(parts: &Parts, name: &str) -> bool {
    parts.headers.get_all(CONNECTION).iter().any(|value| {
        let mut tokens = value.as_bytes().split(|byte| *byte == b',');
        tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
    })
}

/// The client that trusted proxies name: the last address that is not itself a trusted proxy's.
fn client(parts: &Parts, peer: &Peer, trusted: &[Cidr]) -> Option<IpAddr> {
    if !peer.trusted {
        return None;
    }
    let mut client = None;
    for value in parts.headers.get_all("x-forwarded-for").iter().rev() {
        for hop in value.to_str().ok()?.rsplit(',') {
            let Ok(address) = hop.trim().parse::<IpAddr>() else { return client };
            client = Some(address.to_canonical());
            if !trusted.iter().any(|network| network.contains(address)) {
                return client;
            }
        }
    }
    client.filter(|client| *client != peer.address)
}

fn cf(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => r#"{"httpProtocol":"HTTP/2"}"#,
        Version::HTTP_10 => r#"{"httpProtocol":"HTTP/1.0"}"#,
        _ => r#"{"httpProtocol":"HTTP/1.1"}"#,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    fn seen(parts: &Parts, peer: &str, trusted: &[Cidr]) -> (String, Vec<(String, String)>) {
        let peer = Peer::new((peer.parse::<IpAddr>().expect("address"), 1).into(), trusted);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let host = host(parts, "t.localhost", &peer);
        as_event((parts, host), &peer, trusted, |event| {
            let headers = flat::parse(event.headers).expect("headers");
            let headers = headers.into_iter().map(|(n, v)| (text(n), text(v))).collect();
            (event.url.to_owned(), headers)
        })
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.into(), value.into())
    }

    #[test]
    fn a_host_is_named_once_and_the_target_agrees_with_it() {
        assert_eq!(check(&parts("/", &[("host", "a.b")])), Ok("a.b"));
        assert_eq!(check(&parts("http://A.b/x", &[("host", "a.b")])), Ok("A.b"));
        assert_eq!(check(&parts("http://a.b/x", &[])), Ok("a.b"));
        for (uri, headers) in [
            ("/", vec![]),
            ("/", vec![("host", "a.b"), ("host", "a.b")]),
            ("http://c.b/x", vec![("host", "a.b")]),
            ("*", vec![("host", "a.b")]),
            ("a.b:80", vec![("host", "a.b")]),
        ] {
            let problem = check(&parts(uri, &headers)).expect_err("refused");
            assert_eq!((problem.code, problem.status), (Code::BadRequest, 400), "{uri}");
        }
    }

    #[test]
    fn too_many_and_too_long_headers_and_urls_are_refused() {
        let many: Vec<(&str, &str)> = (0..129).map(|_| ("a", "b")).collect();
        let big = "x".repeat(70_000);
        let long = format!("/{}", "x".repeat(17_000));
        for parts in [parts("/", &many), parts("/", &[("a", &big)]), parts(&long, &[])] {
            let problem = check(&parts).expect_err("refused");
            assert_eq!((problem.code, problem.status), (Code::TooLarge, 431));
        }
    }

    #[test]
    fn what_a_stranger_says_of_itself_does_not_reach_the_worker() {
        let sent = parts(
            "/p?q",
            &[
                ("host", "t.localhost"),
                ("x-forwarded-for", "9.9.9.9"),
                ("x-forwarded-proto", "https"),
                ("cf-connecting-ip", "9.9.9.9"),
                ("x-bindery-auth", "1"),
                ("connection", "close, X-Secret"),
                ("x-secret", "1"),
                ("accept", "*/*"),
            ],
        );
        let (url, headers) = seen(&sent, "1.2.3.4", &[]);
        assert_eq!(url, "http://t.localhost/p?q");
        let expected = [
            pair("host", "t.localhost"),
            pair("accept", "*/*"),
            pair("cf-connecting-ip", "1.2.3.4"),
        ];
        assert_eq!(headers, expected);
    }

    #[test]
    fn a_trusted_proxy_names_scheme_and_client() {
        let trusted = ["10.0.0.0/8".parse().expect("network")];
        let sent = parts(
            "/",
            &[
                ("host", "t.localhost"),
                ("x-forwarded-for", "6.6.6.6, 9.9.9.9, 10.0.0.7"),
                ("x-forwarded-proto", "https"),
            ],
        );
        let (url, headers) = seen(&sent, "10.0.0.1", &trusted);
        assert_eq!(url, "https://t.localhost/");
        assert_eq!(headers.last(), Some(&pair("cf-connecting-ip", "9.9.9.9")));
        assert!(headers.iter().any(|(name, _)| name == "x-forwarded-for"));
    }

    #[test]
    fn a_trusted_proxy_names_the_host_and_nobody_else_does() {
        let trusted = ["10.0.0.0/8".parse().expect("network")];
        for (told, host) in [
            (&["shop.example"][..], "shop.example"),
            (&["a.example, shop.example"], "shop.example"),
            (&["a.example", " shop.example "], "shop.example"),
            (&["a.example,"], "t.localhost"),
            (&[""], "t.localhost"),
        ] {
            let mut headers = vec![("host", "t.localhost")];
            headers.extend(told.iter().map(|told| ("x-forwarded-host", *told)));
            let sent = parts("/p", &headers);
            let (url, headers) = seen(&sent, "10.0.0.1", &trusted);
            assert_eq!(url, format!("http://{host}/p"), "{told:?}");
            assert_eq!(headers[0], pair("host", host), "{told:?}");
            let (url, headers) = seen(&sent, "11.0.0.1", &trusted);
            assert_eq!(url, "http://t.localhost/p", "{told:?}");
            assert!(headers.iter().all(|(name, _)| name != "x-forwarded-host"), "{told:?}");
        }
    }

    #[test]
    fn the_scheme_is_what_the_nearest_trusted_proxy_says() {
        let trusted = ["10.0.0.0/8".parse().expect("network")];
        for (told, scheme) in [
            (&["https"][..], "https"),
            (&["HTTPS"], "https"),
            (&["http, https"], "https"),
            (&["https, http"], "http"),
            (&["https", "http"], "http"),
            (&["ftp"], "http"),
        ] {
            let headers: Vec<_> = told.iter().map(|told| ("x-forwarded-proto", *told)).collect();
            let (url, _) = seen(&parts("/", &headers), "10.0.0.1", &trusted);
            assert_eq!(url, format!("{scheme}://t.localhost/"), "{told:?}");
            let (url, _) = seen(&parts("/", &headers), "10.0.0.1", &[]);
            assert_eq!(url, "http://t.localhost/", "{told:?}");
        }
    }

    #[test]
    fn the_client_is_the_last_address_that_is_no_trusted_proxys() {
        let trusted =
            ["10.0.0.0/8".parse().expect("network"), "fd00::/8".parse().expect("network")];
        for (told, client) in [
            (&["9.9.9.9"][..], "9.9.9.9"),
            (&["6.6.6.6, 9.9.9.9"], "9.9.9.9"),
            (&["9.9.9.9, 10.0.0.7"], "9.9.9.9"),
            (&["6.6.6.6", "9.9.9.9", "10.0.0.7, 10.0.0.8"], "9.9.9.9"),
            (&["9.9.9.9, nonsense, 10.0.0.7"], "10.0.0.7"),
            (&["10.0.0.9, 10.0.0.7"], "10.0.0.9"),
            (&["2001:db8::1, fd00::7"], "2001:db8::1"),
            (&["::ffff:9.9.9.9"], "9.9.9.9"),
            (&["9.9.9.9:80"], "10.0.0.1"),
            (&["unknown"], "10.0.0.1"),
            (&[""], "10.0.0.1"),
            (&[], "10.0.0.1"),
        ] {
            let headers: Vec<_> = told.iter().map(|told| ("x-forwarded-for", *told)).collect();
            let (_, headers) = seen(&parts("/", &headers), "10.0.0.1", &trusted);
            assert_eq!(headers.last(), Some(&pair("cf-connecting-ip", client)), "{told:?}");
        }
    }
}
