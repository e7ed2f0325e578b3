//! Whether a response is kept, and for how long.
//!
//! The rules of RFC 9111 are those of a crate. It takes headers by their letter, so what reaches it
//! is in one form: directives in lower case, numbers that are numbers, ages that can be added up.

use std::time::{Duration, SystemTime};

use http::header::{
    AGE, AUTHORIZATION, CACHE_CONTROL, CONNECTION, DATE, EXPIRES, HeaderName, PRAGMA, SET_COOKIE,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_cache_semantics::{CacheOptions, CachePolicy};

use super::control::{self, Directive};
use super::select;
use crate::header;

/// A response that may be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its headers, without those that are not for everybody or of one connection only.
    pub headers: HeaderMap,
    /// How long it was fresh from then on.
    pub fresh: Duration,
    /// How old it was.
    pub age: Duration,
}

/// What is kept of the response to a GET request that came at this time, if anything may be. What
/// the request says of caches does not matter; whether it names a user does.
pub fn keep(
    request: &HeaderMap,
    status: u16,
    headers: &HeaderMap,
    now: SystemTime,
) -> Option<Kept> {
    let directives = control::directives(headers);
    let headers = shared(headers, &directives);
    // A part is not the whole, and what was not modified is not there.
    let is_whole = status != 206 && status != 304;
    if !is_whole || headers.contains_key(SET_COOKIE) || select::is_by_everything(&headers) {
        return None;
    }
    let canonical = canonical(&directives);
    let understood = directives.iter().any(|directive| directive.name == "must-understand");
    // What says that it is fresh is kept whatever it is, unless it asks to be understood.
    let status = if understood { StatusCode::from_u16(status).ok()? } else { StatusCode::OK };
    let policy = policy(request, status, (&headers, canonical), now)?;
    let fresh = if policy.is_storable() { policy.time_to_live(now) } else { Duration::ZERO };
    (fresh > Duration::ZERO).then(|| Kept { age: policy.age(now), headers, fresh })
}

/// The headers that may be given to anybody: without those that `private` and `no-cache` name.
fn shared(headers: &HeaderMap, directives: &[Directive]) -> HeaderMap {
    let mut shared = headers.clone();
    let names = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    for name in names.flat_map(control::fields) {
        shared.remove(name);
    }
    let dropped: Vec<HeaderName> =
        shared.keys().filter(|name| header::is_hop_by_hop(name.as_str())).cloned().collect();
    for name in dropped {
        shared.remove(name);
    }
    for directive in directives {
        let Some(argument) = named(directive) else { continue };
        for name in control::fields(argument) {
            shared.remove(name);
        }
    }
    shared
}

/// The headers that a directive speaks of, if it does not speak of the whole response.
fn named(Directive { name, argument }: &Directive) -> Option<&str> {
    let argument = argument.as_deref()?;
    let is_of_some = matches!(&**name, "private" | "no-cache");
    (is_of_some && control::fields(argument).next().is_some()).then_some(argument)
}

/// The directives as the crate reads them. Those that contradict each other count as stale.
fn canonical(directives: &[Directive]) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut lifetimes: [(&str, Option<u64>); 2] = [("s-maxage", None), ("max-age", None)];
    for directive in directives {
        let Directive { name, argument } = directive;
        if let Some((_, seconds)) = lifetimes.iter_mut().find(|(known, _)| known == name) {
            let said = control::seconds(argument.as_deref()).unwrap_or(0);
            *seconds = Some(seconds.map_or(said, |before| if before == said { said } else { 0 }));
        } else if named(directive).is_none() && name != "proxy-revalidate" {
            // Nothing stale is given out, so what forbids only that forbids nothing; and what would
            // not be a token is nothing that is known.
            let is_token = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            words.extend(is_token.then(|| name.clone()));
        }
    }
    words.sort_unstable();
    words.dedup();
    let lifetimes = lifetimes.iter().filter_map(|(name, s)| s.map(|s| format!("{name}={s}")));
    words.extend(lifetimes);
    words.join(",")
}

fn policy(
    request: &HeaderMap,
    status: StatusCode,
    (headers, control): (&HeaderMap, String),
    now: SystemTime,
) -> Option<CachePolicy> {
    let mut read = HeaderMap::new();
    let had_control = headers.contains_key(CACHE_CONTROL);
    if had_control {
        read.insert(CACHE_CONTROL, HeaderValue::try_from(control).ok()?);
    }
    for name in [DATE, EXPIRES, PRAGMA] {
        if let Some(value) = headers.get(&name) {
            read.insert(name, value.clone());
        }
    }
    let age = headers.get(AGE).and_then(|age| control::seconds(age.to_str().ok()));
    if let Some(age) = age {
        read.insert(AGE, age.into());
    }
    let mut asked = Request::new(());
    *asked.method_mut() = Method::GET;
    if let Some(user) = request.get(AUTHORIZATION) {
        asked.headers_mut().insert(AUTHORIZATION, user.clone());
    }
    let mut answered = Response::new(());
    *answered.status_mut() = status;
    *answered.headers_mut() = read;
    let options = CacheOptions {
        shared: true,
        // Only what says how long it is fresh is.
        cache_heuristic: 0.0,
        immutable_min_time_to_live: Duration::ZERO,
        ignore_cargo_cult: false,
    };
    Some(CachePolicy::new_options(&asked, &answered, now, options))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_S: u64 = 784_111_777; // Sun, 06 Nov 1994 08:49:37 GMT

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(NOW_S)
    }

    fn map(text: &str) -> HeaderMap {
        let lines = text.split('\n').filter_map(|line| line.split_once(": "));
        HeaderMap::from_iter(lines.map(|(name, value)| {
            (name.parse::<HeaderName>().expect("a name"), value.parse().expect("a value"))
        }))
    }

    fn fresh_s(request: &str, status: u16, headers: &str) -> Option<u64> {
        keep(&map(request), status, &map(headers), now()).map(|kept| kept.fresh.as_secs())
    }

    #[test]
    fn a_response_is_kept_for_as_long_as_it_says() {
        for (headers, wanted) in [
            ("cache-control: max-age=60", Some(60)),
            ("cache-control: Public, Max-Age=60", Some(60)),
            ("cache-control: max-age=\"60\"", Some(60)),
            ("cache-control: max-age=60, s-maxage=10", Some(10)),
            ("cache-control: s-maxage=0, max-age=60", None),
            ("cache-control: max-age=60\ncache-control: s-maxage=7", Some(7)),
            ("cache-control: max-age=60\nexpires: Sun, 06 Nov 1994 08:49:38 GMT", Some(60)),
            ("expires: Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            (
                "date: Sun, 06 Nov 1994 08:49:27 GMT\nexpires: Sun, 06 Nov 1994 08:50:37 GMT",
                Some(70),
            ),
            ("expires: Sun, 06 Nov 1994 08:49:37 GMT", None),
            ("expires: 0", None),
            ("expires: soon", None),
            ("cache-control: max-age=60\nage: 20", Some(40)),
            ("cache-control: max-age=60\nage: 60", None),
            ("cache-control: max-age=60\nage: 18446744073709551615", None),
            ("cache-control: max-age=60\nage: old", Some(60)),
            ("cache-control: max-age=99999999999999999999", Some(1 << 31)),
            ("cache-control: max-age=60, max-age=60", Some(60)),
            ("cache-control: max-age=60, max-age=61", None),
            ("cache-control: max-age=1.5", None),
            ("cache-control: max-age", None),
            ("cache-control: max-age=60, immutable", Some(60)),
            ("cache-control: max-age=60, must-revalidate, proxy-revalidate", Some(60)),
            ("cache-control: max-age=60, stale-while-revalidate=30", Some(60)),
            ("cache-control: max-age=60\npragma: no-cache", Some(60)),
            // Nothing says for how long.
            ("", None),
            ("cache-control: public", None),
            ("cache-control: immutable", None),
            ("last-modified: Sun, 06 Nov 1984 08:49:37 GMT", None),
            ("etag: \"x\"", None),
        ] {
            assert_eq!(fresh_s("", 200, headers), wanted, "{headers}");
        }
    }

    #[test]
    fn what_is_not_for_everybody_is_not_kept() {
        for headers in [
            "cache-control: no-store, max-age=60",
            "cache-control: NO-STORE, max-age=60",
            "cache-control: max-age=60\ncache-control: no-store",
            "cache-control: private, max-age=60",
            "cache-control: Private, max-age=60",
            "cache-control: private=, max-age=60",
            "cache-control: no-cache, max-age=60",
            "cache-control: max-age=60\nset-cookie: a=b",
            "cache-control: public, max-age=60\nset-cookie: a=b",
            "cache-control: private=x-a, max-age=60\nset-cookie: a=b",
            "cache-control: max-age=60\nvary: *",
            "cache-control: max-age=60\nvary: accept, *",
        ] {
            assert_eq!(fresh_s("", 200, headers), None, "{headers}");
        }
    }

    #[test]
    fn headers_that_are_not_for_everybody_are_left_out() {
        for (headers, left) in [
            ("cache-control: private=set-cookie, max-age=60\nset-cookie: a=b", "cache-control"),
            ("cache-control: Private=Set-Cookie, max-age=60\nset-cookie: a=b", "cache-control"),
            (
                "cache-control: no-cache=\"set-cookie, x-a\", max-age=60\nset-cookie: a\nx-a: b",
                "cache-control",
            ),
            (
                "cache-control: max-age=60\nconnection: x-hop\nx-hop: 1\nkeep-alive: 5\nx-b: c",
                "cache-control x-b",
            ),
        ] {
            let kept = keep(&HeaderMap::new(), 200, &map(headers), now()).expect(headers);
            let mut names: Vec<_> = kept.headers.keys().map(HeaderName::as_str).collect();
            names.sort_unstable();
            assert_eq!(names.join(" "), left, "{headers}");
        }
    }

    #[test]
    fn a_user_s_response_is_kept_only_if_it_says_that_it_may_be() {
        let user = "authorization: Bearer x";
        assert_eq!(fresh_s(user, 200, "cache-control: max-age=60"), None);
        for word in ["public", "must-revalidate", "s-maxage=60", "Public"] {
            let headers = format!("cache-control: max-age=60, {word}");
            assert_eq!(fresh_s(user, 200, &headers), Some(60), "{word}");
        }
        let caches = "cache-control: no-store\npragma: no-cache";
        assert_eq!(fresh_s(caches, 200, "cache-control: max-age=60"), Some(60));
    }

    #[test]
    fn any_whole_response_is_kept_that_says_it_may_be() {
        for status in [200, 201, 203, 204, 301, 302, 403, 404, 418, 500, 503] {
            assert_eq!(fresh_s("", status, "cache-control: max-age=60"), Some(60), "{status}");
        }
        for status in [206, 304] {
            assert_eq!(fresh_s("", status, "cache-control: max-age=60"), None, "{status}");
        }
        let understood = "cache-control: max-age=60, must-understand";
        assert_eq!(fresh_s("", 404, understood), Some(60));
        assert_eq!(fresh_s("", 418, understood), None);
    }

    #[test]
    fn an_age_counts_from_when_it_was_sent() {
        let headers = map("cache-control: max-age=60\nage: 20");
        let kept = keep(&HeaderMap::new(), 200, &headers, now()).expect("kept");
        assert_eq!((kept.age.as_secs(), kept.fresh.as_secs()), (20, 40));
    }
}
