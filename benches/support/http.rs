//! Reading HTTP/1.1 responses with as little work as possible: status, length and the end.
//!
//! It reads what the two servers of a bench send (`content-length` or chunked, no pipelining) and
//! refuses everything else.

use super::Result;

/// The most bytes of a response's head.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Where in a response the next byte belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Head,
    /// So many bytes of a body of known length.
    Length(u64),
    ChunkSize,
    /// So many bytes of a chunk.
    Chunk(u64),
    /// The line end after a chunk.
    ChunkEnd,
    /// The empty line after the last chunk.
    Trailer,
}

/// What becomes of a body's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// Counted.
    Count,
    /// Counted and kept.
    Keep,
}

/// Reads one response after the other from one connection.
#[derive(Debug)]
pub(crate) struct Reader {
    place: Place,
    line: Vec<u8>,
    keep: Body,
    /// The status of the response being read or read last.
    pub(crate) status: u16,
    /// Its body's bytes so far.
    pub(crate) body_bytes: u64,
    /// The body, if it is kept.
    pub(crate) body: Vec<u8>,
}

impl Reader {
    /// A reader before its first response.
    pub(crate) fn new(keep: Body) -> Self {
        Self {
            place: Place::Head,
            line: Vec::new(),
            keep,
            status: 0,
            body_bytes: 0,
            body: Vec::new(),
        }
    }

    /// Takes what arrived; true once the response is complete.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> Result<bool> {
        loop {
            let ended = match self.place {
                Place::Head => self.head(&mut bytes)?,
                Place::Length(left) => {
                    let left = self.data(left, &mut bytes);
                    self.place = Place::Length(left);
                    left == 0
                }
                Place::ChunkSize => self.chunk_size(&mut bytes)?,
                Place::Chunk(left) => {
                    let left = self.data(left, &mut bytes);
                    self.place = if left == 0 { Place::ChunkEnd } else { Place::Chunk(left) };
                    false
                }
                Place::ChunkEnd => {
                    if self.take_line(&mut bytes)?.is_some() {
                        self.place = Place::ChunkSize;
                    }
                    false
                }
                Place::Trailer => self.take_line(&mut bytes)?.is_some_and(|line| line.is_empty()),
            };
            if ended {
                self.place = Place::Head;
                return if bytes.is_empty() {
                    Ok(true)
                } else {
                    Err("bytes after a response".into())
                };
            }
            if bytes.is_empty() {
                return Ok(false);
            }
        }
    }

    /// Reads the head; true if no body follows.
    fn head(&mut self, bytes: &mut &[u8]) -> Result<bool> {
        let before = self.line.len();
        self.line.extend_from_slice(bytes);
        let from = before.saturating_sub(3);
        let Some(at) = self.line[from..].windows(4).position(|w| w == b"\r\n\r\n") else {
            *bytes = &[];
            if self.line.len() > HEAD_BYTES_MAX {
                return Err("the head of a response does not end".into());
            }
            return Ok(false);
        };
        let end = from + at + 4;
        *bytes = &bytes[end - before..];
        self.line.truncate(end);
        let head = std::mem::take(&mut self.line);
        let ended = self.parse_head(&head);
        self.line = head;
        self.line.clear();
        ended
    }

    fn parse_head(&mut self, head: &[u8]) -> Result<bool> {
        self.status = head
            .get(9..12)
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| digits.parse().ok())
            .ok_or("a response without a status")?;
        self.body_bytes = 0;
        self.body.clear();
        let no_body = matches!(self.status, 204 | 304);
        let mut length = no_body.then_some(0);
        let mut chunked = false;
        for line in head.split(|byte| *byte == b'\n').skip(1) {
            if let Some(value) = header(line, b"content-length") {
                length = Some(value.parse()?);
            } else if let Some(value) = header(line, b"transfer-encoding") {
                chunked = value.eq_ignore_ascii_case("chunked");
            }
        }
        self.place = match (chunked, length) {
            (true, _) => Place::ChunkSize,
            (false, Some(length)) => Place::Length(length),
            (false, None) => return Err("a response of unknown length".into()),
        };
        Ok(self.place == Place::Length(0))
    }

    fn chunk_size(&mut self, bytes: &mut &[u8]) -> Result<bool> {
        let Some(line) = self.take_line(bytes)? else { return Ok(false) };
        let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
        let size = u64::from_str_radix(std::str::from_utf8(digits)?.trim(), 16)?;
        self.place = if size == 0 { Place::Trailer } else { Place::Chunk(size) };
        Ok(false)
    }

    /// Takes up to `left` bytes of a body and returns how many are missing.
    fn data(&mut self, left: u64, bytes: &mut &[u8]) -> u64 {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        if self.keep == Body::Keep {
            self.body.extend_from_slice(&bytes[..count]);
        }
        *bytes = &bytes[count..];
        self.body_bytes += count as u64;
        left - count as u64
    }

    /// Takes bytes up to a line end; the line without it once it is complete.
    fn take_line(&mut self, bytes: &mut &[u8]) -> Result<Option<Vec<u8>>> {
        let Some(at) = bytes.iter().position(|byte| *byte == b'\n') else {
            self.line.extend_from_slice(bytes);
            *bytes = &[];
            return if self.line.len() > HEAD_BYTES_MAX {
                Err("a line of a response does not end".into())
            } else {
                Ok(None)
            };
        };
        self.line.extend_from_slice(&bytes[..at]);
        *bytes = &bytes[at + 1..];
        let mut line = std::mem::take(&mut self.line);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(Some(line))
    }
}

/// The value of a header line if it is that header.
fn header<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a str> {
    let (start, value) = line.split_at_checked(name.len())?;
    let value = value.strip_prefix(b":")?;
    start.eq_ignore_ascii_case(name).then(|| std::str::from_utf8(value).ok().map(str::trim))?
}

/// A GET of `path` from `host`, on a connection that stays open.
pub(crate) fn get(host: &str, path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes()
}
