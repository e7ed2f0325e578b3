//! Which headers pass between a client and a worker. Names are in lower case.

/// Whether a header belongs to one connection only, and is therefore never passed on.
pub fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}

/// Whether a header of a client is kept from the worker, whoever the client is.
pub fn request_drops(name: &str) -> bool {
    name.starts_with("cf-")
        || name.starts_with("x-bindery-")
        || name == "expect"
        || is_hop_by_hop(name)
}

/// Whether a header tells where a request came from: only a trusted proxy may say so.
pub fn tells_origin(name: &str) -> bool {
    name.starts_with("x-forwarded-") || matches!(name, "forwarded" | "x-real-ip")
}

/// Whether a header of a worker's own request goes no further: the host's and the connection's
/// names, and what the URL and the body say.
pub fn call_drops(name: &str) -> bool {
    name.starts_with("x-bindery-")
        || matches!(name, "host" | "content-length" | "expect")
        || is_hop_by_hop(name)
}

/// Whether a header of a worker is kept from the client.
pub fn response_drops(name: &str) -> bool {
    name.starts_with("x-bindery-") || is_hop_by_hop(name)
}

/// Whether a worker may set this cookie: not for the server's domain or above, where it would
/// reach other tenants.
pub fn cookie_passes(set_cookie: &[u8], domain: &str) -> bool {
    set_cookie.split(|b| *b == b';').skip(1).all(|attribute| {
        let mut parts = attribute.splitn(2, |b| *b == b'=');
        let name = parts.next().unwrap_or_default().trim_ascii();
        !name.eq_ignore_ascii_case(b"domain")
            || !covers(parts.next().unwrap_or_default().trim_ascii(), domain.as_bytes())
    })
}

/// Whether `scope` is `domain` or an ancestor of it.
fn covers(scope: &[u8], domain: &[u8]) -> bool {
    let scope = scope.strip_prefix(b"\"").unwrap_or(scope);
    let scope = scope.strip_suffix(b"\"").unwrap_or(scope);
    let scope = scope.strip_prefix(b".").unwrap_or(scope);
    let scope = scope.strip_suffix(b".").unwrap_or(scope);
    if scope.is_empty() || scope.len() > domain.len() {
        return false;
    }
    let (above, tail) = domain.split_at(domain.len() - scope.len());
    tail.eq_ignore_ascii_case(scope) && (above.is_empty() || above.ends_with(b"."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_host_and_of_the_connection_do_not_reach_a_worker() {
        for name in ["cf-ray", "cf-connecting-ip", "x-bindery-auth", "te", "upgrade", "expect"] {
            assert!(request_drops(name), "{name}");
        }
        for name in ["host", "content-length", "cookie", "cfoo", "x-binder", "traceparent"] {
            assert!(!request_drops(name), "{name}");
        }
        assert!(tells_origin("x-forwarded-for") && tells_origin("forwarded"));
        assert!(!tells_origin("x-forward"));
    }

    #[test]
    fn a_worker_can_not_speak_for_the_host() {
        for name in ["x-bindery-request", "transfer-encoding", "connection"] {
            assert!(response_drops(name), "{name}");
        }
        assert!(!response_drops("content-encoding") && !response_drops("cf-cache"));
    }

    #[test]
    fn what_the_url_and_the_body_say_is_not_said_twice() {
        for name in ["host", "content-length", "x-bindery-hops", "connection", "upgrade", "te"] {
            assert!(call_drops(name), "{name}");
        }
        for name in ["accept-encoding", "cf-foo", "user-agent", "content-encoding", "traceparent"] {
            assert!(!call_drops(name), "{name}");
        }
    }

    #[test]
    fn a_cookie_for_the_domain_or_above_is_refused() {
        for bad in [
            "a=b; Domain=example.com",
            "a=b;domain=.EXAMPLE.com",
            "a=b; Path=/; Domain = com",
            "a=b; domain=x.example.com; domain=example.com",
            "a=b; Domain=example.com.",
            "a=b; Domain=\"example.com\"",
        ] {
            assert!(!cookie_passes(bad.as_bytes(), "example.com"), "{bad}");
        }
        for good in [
            "a=b",
            "domain=example.com",
            "a=b; Domain=t.example.com",
            "a=b; Domain=ample.com",
            "a=b; Domain=",
            "a=b; Domain",
            "a=b; xdomain=example.com",
        ] {
            assert!(cookie_passes(good.as_bytes(), "example.com"), "{good}");
        }
    }
}
