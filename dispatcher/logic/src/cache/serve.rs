//! What a request gets of a response that is there: all of it, a part, or word that it has it
//! already (RFC 9110, 13 and 14).

use http::header::{
    CONTENT_ENCODING, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, RANGE,
};
use http::{HeaderMap, HeaderValue};

/// What is given of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// All of it.
    Whole,
    /// Nothing: whoever asks has it.
    NotModified,
    /// The bytes from `first` to `last`, that one included.
    Part {
        /// The first.
        first: u64,
        /// The last.
        last: u64,
    },
    /// It has no byte of those that were asked for.
    Unsatisfiable,
}

/// What a request gets of a response with this status, these headers and so many bytes.
pub fn given(request: &HeaderMap, status: u16, headers: &HeaderMap, length: u64) -> Given {
    if (200..300).contains(&status) && is_known(request, headers) {
        return Given::NotModified;
    }
    let Some(range) = single(request.get_all(RANGE).iter()) else { return Given::Whole };
    // The bytes of an encoding are nobody's: whoever reads them gets what they say.
    let has_parts = status == 200 && !headers.contains_key(CONTENT_ENCODING);
    if has_parts && is_same(request, headers) { part(range, length) } else { Given::Whole }
}

/// The text of a header that stands there once.
fn single<'a>(mut values: impl Iterator<Item = &'a HeaderValue>) -> Option<&'a str> {
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(first)
}

/// Whether whoever asks says that it has this response.
fn is_known(request: &HeaderMap, headers: &HeaderMap) -> bool {
    if request.contains_key(IF_NONE_MATCH) {
        let tag = single(headers.get_all(ETAG).iter()).map(weak);
        let values = request.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        return values.flat_map(tags).any(|known| known == "*" || Some(weak(known)) == tag);
    }
    let since = single(request.get_all(IF_MODIFIED_SINCE).iter()).and_then(date);
    let modified = single(headers.get_all(LAST_MODIFIED).iter()).and_then(date);
    modified.zip(since).is_some_and(|(modified, since)| modified <= since)
}

/// The entity tags of a list: a comma may stand in one.
fn tags(list: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let parts = list.split(move |c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    });
    parts.map(str::trim)
}

/// A tag without word of its weakness.
fn weak(tag: &str) -> &str {
    let tag = tag.trim();
    tag.strip_prefix("W/").unwrap_or(tag)
}

fn date(text: &str) -> Option<std::time::SystemTime> {
    httpdate::parse_http_date(text.trim()).ok()
}

/// Whether a part of this response fits to what whoever asks has of it.
fn is_same(request: &HeaderMap, headers: &HeaderMap) -> bool {
    if !request.contains_key(IF_RANGE) {
        return true;
    }
    let Some(wanted) = single(request.get_all(IF_RANGE).iter()).map(str::trim) else {
        return false;
    };
    if wanted.starts_with('"') {
        return single(headers.get_all(ETAG).iter()).map(str::trim) == Some(wanted);
    }
    // A weak tag is no date.
    let modified = single(headers.get_all(LAST_MODIFIED).iter()).and_then(date);
    modified.is_some() && modified == date(wanted)
}

/// One range of bytes. Several, and what is no range, are all of it.
fn part(range: &str, length: u64) -> Given {
    let Some((unit, range)) = range.split_once('=') else { return Given::Whole };
    let Some((first, last)) = range.trim().split_once('-') else { return Given::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") || !is_number(first) || !is_number(last) {
        return Given::Whole;
    }
    let number = |text: &str| text.parse().unwrap_or(u64::MAX);
    let (first, last) = match (first, last) {
        ("", "") => return Given::Whole,
        ("", last) => (length.saturating_sub(number(last)), u64::MAX),
        (first, "") => (number(first), u64::MAX),
        (first, last) if number(last) < number(first) => return Given::Whole,
        (first, last) => (number(first), number(last)),
    };
    if first >= length {
        return Given::Unsatisfiable;
    }
    Given::Part { first, last: last.min(length - 1) }
}

/// Whether a text is digits, or nothing.
fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
    const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";

    fn map(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            (http::HeaderName::from_static(name), value.parse().expect("a value"))
        });
        HeaderMap::from_iter(pairs)
    }

    fn of(request: &[(&'static str, &str)], headers: &[(&'static str, &str)]) -> Given {
        given(&map(request), 200, &map(headers), 10)
    }

    fn bytes(first: u64, last: u64) -> Given {
        Given::Part { first, last }
    }

    #[test]
    fn whoever_has_a_response_is_told_so() {
        use Given::{NotModified, Whole};
        for (tag, has, wanted) in [
            ("\"a\"", "\"a\"", NotModified),
            ("\"a\"", "W/\"a\"", NotModified),
            ("W/\"a\"", "\"a\"", NotModified),
            ("\"a\"", "\"b\", \"a\"", NotModified),
            ("\"a,b\"", "\"a,b\"", NotModified),
            ("\"a\"", "*", NotModified),
            ("\"a\"", "\"b\"", Whole),
            ("\"a\"", "\"x, \"a\"", Whole),
            ("\"a\"", "a", Whole),
            ("\"a\"", "", Whole),
        ] {
            assert_eq!(of(&[("if-none-match", has)], &[("etag", tag)]), wanted, "{tag} {has}");
        }
        let modified = [("last-modified", DATE)];
        for (since, wanted) in
            [(DATE, NotModified), (LATER, NotModified), (EARLIER, Whole), ("yesterday", Whole)]
        {
            assert_eq!(of(&[("if-modified-since", since)], &modified), wanted, "{since}");
        }
        assert_eq!(of(&[("if-modified-since", DATE)], &[]), Whole);
        // Who names tags is not asked for a time.
        let both = [("if-none-match", "\"b\""), ("if-modified-since", LATER)];
        assert_eq!(of(&both, &[("etag", "\"a\""), ("last-modified", DATE)]), Whole);
        let (asks, has) = (map(&[("if-none-match", "*")]), map(&[]));
        assert_eq!(given(&asks, 404, &has, 10), Whole);
    }

    #[test]
    fn one_range_is_a_part_and_several_are_the_whole() {
        for (range, wanted) in [
            ("bytes=0-0", bytes(0, 0)),
            ("bytes=2-4", bytes(2, 4)),
            ("Bytes = 2-", bytes(2, 9)),
            ("bytes=-3", bytes(7, 9)),
            ("bytes=-99", bytes(0, 9)),
            ("bytes=9-99999999999999999999999", bytes(9, 9)),
            ("bytes=0-9", bytes(0, 9)),
            ("bytes=10-", Given::Unsatisfiable),
            ("bytes=10-12", Given::Unsatisfiable),
            ("bytes=-0", Given::Unsatisfiable),
            ("bytes=99999999999999999999999-", Given::Unsatisfiable),
            ("bytes=0-1,3-4", Given::Whole),
            ("bytes=4-2", Given::Whole),
            ("bytes=-", Given::Whole),
            ("bytes=a-b", Given::Whole),
            ("bytes=--1", Given::Whole),
            ("bytes", Given::Whole),
            ("lines=0-1", Given::Whole),
        ] {
            assert_eq!(of(&[("range", range)], &[]), wanted, "{range}");
        }
        assert_eq!(given(&map(&[("range", "bytes=0-")]), 200, &map(&[]), 0), Given::Unsatisfiable);
        assert_eq!(given(&map(&[("range", "bytes=0-1")]), 404, &map(&[]), 10), Given::Whole);
        assert_eq!(of(&[("range", "bytes=0-1"), ("range", "bytes=2-3")], &[]), Given::Whole);
        assert_eq!(of(&[("range", "bytes=0-1")], &[("content-encoding", "br")]), Given::Whole);
    }

    #[test]
    fn a_part_is_given_only_of_what_somebody_has_the_rest_of() {
        let has = [("etag", "\"a\""), ("last-modified", DATE)];
        for (condition, wanted) in [
            ("\"a\"", bytes(0, 1)),
            (DATE, bytes(0, 1)),
            ("\"b\"", Given::Whole),
            ("W/\"a\"", Given::Whole),
            (LATER, Given::Whole),
            (EARLIER, Given::Whole),
            ("", Given::Whole),
        ] {
            let request = [("range", "bytes=0-1"), ("if-range", condition)];
            assert_eq!(of(&request, &has), wanted, "{condition}");
        }
        let weak = [("etag", "W/\"a\"")];
        assert_eq!(of(&[("range", "bytes=0-1"), ("if-range", "W/\"a\"")], &weak), Given::Whole);
        let known = [("range", "bytes=0-1"), ("if-none-match", "\"a\"")];
        assert_eq!(of(&known, &has), Given::NotModified);
    }
}
