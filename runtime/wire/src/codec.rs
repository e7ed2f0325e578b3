//! Frames to bytes and back: a length of four bytes, little end first, then the frame.

use serde::{Deserialize, Serialize};

/// Bytes of the length before each frame.
pub const PREFIX_BYTES: usize = 4;
/// Bytes of one frame from the dispatcher: a start with all modules is the longest.
pub const DOWN_BYTES_MAX: usize = 160 << 20;
/// Bytes of one frame from an isolate: compiled code is the longest.
pub const UP_BYTES_MAX: usize = 16 << 20;

/// Why bytes are not a frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Longer than this side takes.
    #[error("a frame of {got} bytes; the limit is {max}")]
    TooLong {
        /// Its length.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// Not a frame of this direction.
    #[error("the frame does not parse: {0}")]
    Malformed(#[from] postcard::Error),
}

/// Appends one frame with its length to `out`. On an error `out` is as it was.
pub fn write(out: &mut Vec<u8>, frame: &impl Serialize, max: usize) -> Result<(), Error> {
    let start = out.len();
    let written = write_unchecked(out, frame).and_then(|()| {
        let got = out.len() - start - PREFIX_BYTES;
        let length = u32::try_from(got).ok().filter(|_| got <= max);
        length.ok_or(Error::TooLong { got, max })
    });
    match written {
        Ok(length) => {
            if let Some(prefix) = out.get_mut(start..start + PREFIX_BYTES) {
                prefix.copy_from_slice(&length.to_le_bytes());
            }
            Ok(())
        }
        Err(error) => {
            out.truncate(start);
            Err(error)
        }
    }
}

fn write_unchecked(out: &mut Vec<u8>, frame: &impl Serialize) -> Result<(), Error> {
    out.extend_from_slice(&[0; PREFIX_BYTES]);
    postcard::serialize_with_flavor(frame, Tail(out))?;
    Ok(())
}

/// Lets postcard write behind what a buffer already holds.
struct Tail<'a>(&'a mut Vec<u8>);

impl postcard::ser_flavors::Flavor for Tail<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Where the first frame of `bytes` ends, if all of it is there.
pub fn split(bytes: &[u8], max: usize) -> Result<Option<(&[u8], usize)>, Error> {
    let Some(prefix) = bytes.first_chunk::<PREFIX_BYTES>() else {
        return Ok(None);
    };
    let end = PREFIX_BYTES + length(prefix, max)?;
    Ok(bytes.get(PREFIX_BYTES..end).map(|frame| (frame, end)))
}

/// How many more bytes it takes to know of the frame that `bytes` begin, or to have all of it.
pub fn missing(bytes: &[u8], max: usize) -> Result<usize, Error> {
    let Some(prefix) = bytes.first_chunk::<PREFIX_BYTES>() else {
        return Ok(PREFIX_BYTES - bytes.len());
    };
    Ok((PREFIX_BYTES + length(prefix, max)?).saturating_sub(bytes.len()))
}

fn length(prefix: &[u8; PREFIX_BYTES], max: usize) -> Result<usize, Error> {
    let got = u32::from_le_bytes(*prefix) as usize;
    if got > max { Err(Error::TooLong { got, max }) } else { Ok(got) }
}

/// Reads one frame, which must be all of `bytes`.
pub fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Error> {
    let (frame, rest) = postcard::take_from_bytes(bytes)?;
    if rest.is_empty() { Ok(frame) } else { Err(postcard::Error::DeserializeBadEncoding.into()) }
}

/// Writes a message of the control socket, whose packets need no length.
pub fn packet(message: &impl Serialize) -> Result<Vec<u8>, Error> {
    Ok(postcard::to_stdvec(message)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::frame::{Body, Down, Event, EventKind, Head, Request, Up};
    use crate::value::Props;

    fn fetch<'a>(url: &'a str, headers: &'a [u8], body: &'a [u8]) -> Down<'a> {
        let request = Request { method: "GET", url, headers, cf: "{}", body: Body::Inline(body) };
        Down::Event(Event {
            cpu_ms_max: None,
            event: 7,
            entrypoint: None,
            props: Props::None,
            kind: EventKind::Fetch(request),
        })
    }

    #[test]
    fn the_bytes_of_the_hot_frames_are_frozen() {
        let mut out = Vec::new();
        write(&mut out, &fetch("http://a.b/", b"a\nb\n", b"x"), DOWN_BYTES_MAX).expect("fits");
        let head = Head { event: 7, status: 200, headers: b"", body: Body::None };
        write(&mut out, &Up::Head(head), UP_BYTES_MAX).expect("fits");
        let hex: Vec<String> = out.iter().map(|byte| format!("{byte:02x}")).collect();
        expect_test::expect_file!["../golden/frames.hex"].assert_eq(&hex.join(" "));
    }

    #[test]
    fn a_frame_over_the_limit_leaves_no_trace_and_is_not_read() {
        let mut out = vec![1, 2, 3];
        let error = write(&mut out, &fetch("", b"", &[0; 100]), 50);
        assert!(matches!(error, Err(Error::TooLong { max: 50, .. })));
        assert_eq!(out, [1, 2, 3]);
        assert!(matches!(split(&[255, 255, 255, 255], 50), Err(Error::TooLong { .. })));
    }

    proptest! {
        #[test]
        fn frames_come_back_whole_and_prefixes_are_not_frames(
            url in ".{0,40}",
            headers in proptest::collection::vec(any::<u8>(), 0..60),
            body in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut out = Vec::new();
            write(&mut out, &fetch(&url, &headers, &body), DOWN_BYTES_MAX).expect("fits");
            for cut in 0..out.len() {
                prop_assert!(matches!(split(&out[..cut], DOWN_BYTES_MAX), Ok(None)));
                let missing = missing(&out[..cut], DOWN_BYTES_MAX).expect("of this length");
                let wanted = if cut < PREFIX_BYTES { PREFIX_BYTES } else { out.len() };
                prop_assert_eq!(cut + missing, wanted);
            }
            let (frame, end) = split(&out, DOWN_BYTES_MAX).expect("splits").expect("whole");
            prop_assert_eq!(end, out.len());
            prop_assert_eq!(read::<Down<'_>>(frame).expect("reads"), fetch(&url, &headers, &body));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read::<Up<'_>>(&bytes);
            let _ = read::<Down<'_>>(&bytes);
        }
    }
}
