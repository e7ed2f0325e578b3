//! The directives of `Cache-Control` headers, in one form: names in lower case, arguments without
//! their quotes, each directive once.

use http::HeaderMap;
use http::header::{CACHE_CONTROL, HeaderName};

/// What a number of seconds that does not fit counts as (RFC 9111, 1.2.2).
const SECONDS_MAX: u64 = 1 << 31;

/// One directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// Its name, in lower case.
    pub name: String,
    /// What stands behind the `=`, if something does.
    pub argument: Option<String>,
}

/// The directives of all `Cache-Control` headers, in their order.
pub fn directives(headers: &HeaderMap) -> Vec<Directive> {
    let mut all = Vec::new();
    for value in headers.get_all(CACHE_CONTROL) {
        all.extend(split(value.as_bytes()).iter().filter_map(|part| directive(part)));
    }
    all
}

/// The parts of a list between its commas; a comma in quotes is part of what it stands in.
fn split(value: &[u8]) -> Vec<String> {
    let mut parts = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for byte in value {
        match byte {
            b',' if !quoted => {
                parts.push(String::new());
                continue;
            }
            b'"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = quoted && !escaped && *byte == b'\\';
        if let Some(part) = parts.last_mut() {
            part.push(char::from(*byte));
        }
    }
    parts
}

fn directive(part: &str) -> Option<Directive> {
    let (name, argument) = match part.split_once('=') {
        Some((name, argument)) => (name, Some(unquoted(argument.trim()))),
        None => (part, None),
    };
    let name = name.trim().to_ascii_lowercase();
    (!name.is_empty()).then_some(Directive { name, argument })
}

fn unquoted(text: &str) -> String {
    let inner = text.strip_prefix('"').map(|rest| rest.strip_suffix('"').unwrap_or(rest));
    let Some(inner) = inner else { return text.to_owned() };
    let mut escaped = false;
    inner
        .chars()
        .filter(|c| {
            escaped = !escaped && *c == '\\';
            !escaped
        })
        .collect()
}

/// The headers that an argument names.
pub fn fields(argument: &str) -> impl Iterator<Item = HeaderName> {
    argument.split(',').filter_map(|name| name.trim().parse().ok())
}

/// A number of seconds; nothing if it is none.
pub fn seconds(argument: Option<&str>) -> Option<u64> {
    let text = argument?;
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // What is a number and does not parse has too many digits.
    is_number.then(|| text.parse().unwrap_or(SECONDS_MAX).min(SECONDS_MAX))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(values: &[&'static str]) -> Vec<(String, Option<String>)> {
        let values = values.iter().map(|value| (CACHE_CONTROL, HeaderValue::from_static(value)));
        let all = directives(&HeaderMap::from_iter(values));
        all.into_iter().map(|Directive { name, argument }| (name, argument)).collect()
    }

    #[test]
    fn directives_are_read_in_every_form_that_servers_write() {
        let pair = |name: &str, argument: &str| (name.to_owned(), Some(argument.to_owned()));
        let word = |name: &str| (name.to_owned(), None);
        for (values, wanted) in [
            (&["max-age=60"][..], vec![pair("max-age", "60")]),
            (&["Max-Age = \"60\" , PUBLIC"], vec![pair("max-age", "60"), word("public")]),
            (&["no-store", "public"], vec![word("no-store"), word("public")]),
            (
                &["private=\"set-cookie, x-b\", max-age=1"],
                vec![pair("private", "set-cookie, x-b"), pair("max-age", "1")],
            ),
            (&["a=\"x\\\"y,\\\\\",b"], vec![pair("a", "x\"y,\\"), word("b")]),
            (&["a=\"never ends, b"], vec![pair("a", "never ends, b")]),
            (&[",, ,=x"], vec![]),
            (&[""], vec![]),
        ] {
            assert_eq!(of(values), wanted, "{values:?}");
        }
    }

    #[test]
    fn seconds_are_digits_and_never_too_many() {
        for (text, wanted) in [
            (Some("0"), Some(0)),
            (Some("60"), Some(60)),
            (Some("99999999999999999999999"), Some(SECONDS_MAX)),
            (Some("18446744073709551615"), Some(SECONDS_MAX)),
            (Some("-1"), None),
            (Some("+1"), None),
            (Some("1.5"), None),
            (Some(""), None),
            (None, None),
        ] {
            assert_eq!(seconds(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_name_of_a_header_names_none() {
        let names: Vec<_> = fields("Set-Cookie, ,x y, X-A").collect();
        assert_eq!(names, ["set-cookie", "x-a"]);
    }
}
