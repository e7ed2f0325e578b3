//! What a redirect makes of a request, as the Fetch standard says.

/// Redirects that one request follows.
pub const REDIRECT_COUNT_MAX: u32 = 20;

/// What is sent to the next place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The same once more, body included.
    Same,
    /// A GET without a body, and without the headers that describe one.
    Get,
}

/// What an answer's status asks for; nothing if it is not a redirect.
pub fn next(status: u16, method: &str) -> Option<Next> {
    match (status, method) {
        (301 | 302, "POST") => Some(Next::Get),
        (303, "GET" | "HEAD") | (301 | 302 | 307 | 308, _) => Some(Next::Same),
        (303, _) => Some(Next::Get),
        _ => None,
    }
}

/// Whether a header describes a body, and goes when the body does.
pub fn describes_body(name: &str) -> bool {
    matches!(name, "content-encoding" | "content-language" | "content-location" | "content-type")
}

/// Whether a header is meant for one origin only.
pub fn is_of_origin(name: &str) -> bool {
    matches!(name, "authorization" | "cookie" | "cookie2")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_change_as_the_standard_says() {
        for (status, method, expected) in [
            (301, "GET", Some(Next::Same)),
            (301, "POST", Some(Next::Get)),
            (302, "POST", Some(Next::Get)),
            (302, "PUT", Some(Next::Same)),
            (303, "GET", Some(Next::Same)),
            (303, "HEAD", Some(Next::Same)),
            (303, "PUT", Some(Next::Get)),
            (307, "POST", Some(Next::Same)),
            (308, "POST", Some(Next::Same)),
            (200, "GET", None),
            (300, "GET", None),
            (304, "GET", None),
            (305, "GET", None),
        ] {
            assert_eq!(next(status, method), expected, "{status} {method}");
        }
    }
}
