//! Which requests a response answers, of those to one URL: those that say the same in the headers
//! that its `Vary` names (RFC 9111, 4.1).

use http::HeaderMap;
use http::header::{HeaderName, VARY};

/// What a response was made for: the headers that its `Vary` names, and what they said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector(Vec<(HeaderName, Option<Vec<u8>>)>);

/// Whether a response depends on more than headers.
pub fn is_by_everything(headers: &HeaderMap) -> bool {
    named(headers).any(|name| name == "*")
}

fn named(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(VARY).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

/// What a request says in a header: all of its lines as one, or nothing.
fn said(request: &HeaderMap, name: &HeaderName) -> Option<Vec<u8>> {
    let lines: Vec<_> = request.get_all(name).iter().map(|v| v.as_bytes().trim_ascii()).collect();
    (!lines.is_empty()).then(|| lines.join(&b", "[..]))
}

impl Selector {
    /// What these headers of a response make of this request.
    pub fn new(request: &HeaderMap, response: &HeaderMap) -> Self {
        let mut names: Vec<HeaderName> =
            named(response).filter_map(|name| name.parse().ok()).collect();
        names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        names.dedup();
        Self(names.into_iter().map(|name| (name.clone(), said(request, &name))).collect())
    }

    /// Whether a request says the same.
    pub fn selects(&self, request: &HeaderMap) -> bool {
        self.0.iter().all(|(name, wanted)| said(request, name) == *wanted)
    }

    /// Whether the response is for every request.
    pub fn is_any(&self) -> bool {
        self.0.is_empty()
    }

    /// How much it holds.
    pub fn bytes(&self) -> usize {
        let one = |(name, value): &(HeaderName, Option<Vec<u8>>)| {
            name.as_str().len() + value.as_ref().map_or(0, Vec::len)
        };
        self.0.iter().map(one).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().expect("a value")));
        HeaderMap::from_iter(pairs)
    }

    #[test]
    fn a_response_answers_requests_that_say_what_the_first_said() {
        let vary = map(&[("vary", "Accept-Language, X-A"), ("vary", "x-a")]);
        let asked = map(&[("accept-language", "de"), ("cookie", "a")]);
        let selector = Selector::new(&asked, &vary);
        for (request, wanted) in [
            (map(&[("accept-language", "de")]), true),
            (map(&[("accept-language", " de "), ("cookie", "b")]), true),
            (map(&[("accept-language", "en")]), false),
            (map(&[("accept-language", "de"), ("x-a", "")]), false),
            (map(&[]), false),
        ] {
            assert_eq!(selector.selects(&request), wanted, "{request:?}");
        }
        assert!(!selector.is_any() && selector.bytes() > 0);
    }

    #[test]
    fn lines_of_one_header_are_one() {
        let vary = map(&[("vary", "accept")]);
        let selector = Selector::new(&map(&[("accept", "a"), ("accept", "b")]), &vary);
        assert!(selector.selects(&map(&[("accept", "a, b")])));
        assert!(!selector.selects(&map(&[("accept", "b"), ("accept", "a")])));
    }

    #[test]
    fn without_vary_every_request_is_answered() {
        let selector = Selector::new(&map(&[("accept", "a")]), &map(&[("vary", " , ")]));
        assert!(selector.is_any() && selector.selects(&map(&[])));
        assert!(is_by_everything(&map(&[("vary", "accept"), ("vary", "a, *")])));
        assert!(!is_by_everything(&map(&[("vary", "accept-*")])));
    }
}
