//! Headers as one flat string: `name\nvalue\nname\nvalue\n`, bytes as they stand in HTTP.
//!
//! Neither a name nor a value of HTTP can hold a line feed, so nothing is escaped. The isolate
//! gets the bytes as one string and parses them only if the worker reads a header.

/// Why bytes are not flat headers that may be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The last name has no value, or the last value no end.
    #[error("the header list is cut off")]
    Cut,
    /// More than the limit of headers.
    #[error("{0} headers; {told}", told = crate::limit::HEADERS.fixed())]
    TooMany(usize),
    /// More than the limit of bytes.
    #[error("{0} bytes of headers; {told}", told = crate::limit::HEADERS_BYTES.fixed())]
    TooLong(usize),
}

/// Appends one header. The caller has checked that neither part holds a line feed.
pub fn push(flat: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    flat.reserve(name.len() + value.len() + 2);
    flat.extend_from_slice(name);
    flat.push(b'\n');
    flat.extend_from_slice(value);
    flat.push(b'\n');
}

/// The name and value of one entry.
pub type Pair<'a> = (&'a [u8], &'a [u8]);

/// The headers of a flat list, within the limits of one message.
pub fn parse(flat: &[u8]) -> Result<Vec<Pair<'_>>, Error> {
    if flat.len() > crate::limits::HEADERS_BYTES_MAX {
        return Err(Error::TooLong(flat.len()));
    }
    let Some(body) = flat.strip_suffix(b"\n") else {
        return if flat.is_empty() { Ok(Vec::new()) } else { Err(Error::Cut) };
    };
    let mut parts = body.split(|byte| *byte == b'\n');
    let mut headers = Vec::new();
    while let Some(name) = parts.next() {
        headers.push((name, parts.next().ok_or(Error::Cut)?));
    }
    if headers.len() > crate::limits::HEADER_COUNT_MAX {
        return Err(Error::TooMany(headers.len()));
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_pushed_is_parsed_and_a_cut_is_seen() {
        let mut flat = Vec::new();
        assert_eq!(parse(&flat), Ok(vec![]));
        push(&mut flat, b"a", b"");
        push(&mut flat, b"b", b"\xe4 x");
        assert_eq!(parse(&flat), Ok(vec![(&b"a"[..], &b""[..]), (b"b", b"\xe4 x")]));
        for cut in 1..flat.len() {
            let whole = parse(&flat[..cut]);
            assert!(whole == Err(Error::Cut) || cut == 3, "{cut}: {whole:?}");
        }
    }

    #[test]
    fn the_limits_hold() {
        let mut flat = Vec::new();
        for _ in 0..crate::limits::HEADER_COUNT_MAX {
            push(&mut flat, b"a", b"b");
        }
        assert!(parse(&flat).is_ok());
        push(&mut flat, b"a", b"b");
        assert_eq!(parse(&flat), Err(Error::TooMany(129)));
        let mut long = Vec::new();
        push(&mut long, b"a", &vec![b'x'; 70_000]);
        assert!(matches!(parse(&long), Err(Error::TooLong(_))));
    }
}
