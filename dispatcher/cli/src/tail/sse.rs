//! Server-sent events, as they arrive.

use std::io::{self, BufRead, BufReader, Read};

/// Bytes of one line. The rest of a longer one is dropped.
const LINE_BYTES_MAX: usize = 1 << 20;

/// One event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// The number that a later connection names to go on behind it.
    pub(crate) id: Option<u64>,
    /// What it says.
    pub(crate) data: String,
}

/// The events of a stream.
pub(crate) struct Events<R> {
    reader: BufReader<R>,
}

impl<R: Read> Events<R> {
    /// Reads events from `reader`.
    pub(crate) fn new(reader: R) -> Self {
        Self { reader: BufReader::new(reader) }
    }

    /// Waits for the next event; `None` when the stream has ended.
    pub(crate) fn next(&mut self) -> io::Result<Option<Event>> {
        let mut event = Event::default();
        loop {
            let Some(line) = self.line()? else { return Ok(None) };
            if line.is_empty() {
                if !event.data.is_empty() {
                    return Ok(Some(event));
                }
                event = Event::default();
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "id" => event.id = value.parse().ok(),
                "data" if event.data.len() < LINE_BYTES_MAX => {
                    if !event.data.is_empty() {
                        event.data.push('\n');
                    }
                    event.data.push_str(value);
                }
                // A comment keeps the connection alive; other fields say nothing here.
                _ => {}
            }
        }
    }

    fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        let mut began = false;
        loop {
            let bytes = match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                bytes => bytes?,
            };
            if bytes.is_empty() {
                return Ok(began.then(|| text(line)));
            }
            began = true;
            let (part, ended) = match bytes.iter().position(|byte| *byte == b'\n') {
                Some(end) => (bytes.get(..end).unwrap_or_default(), true),
                None => (bytes, false),
            };
            let room = LINE_BYTES_MAX.saturating_sub(line.len());
            line.extend_from_slice(part.get(..room).unwrap_or(part));
            let taken = part.len() + usize::from(ended);
            self.reader.consume(taken);
            if ended {
                return Ok(Some(text(line)));
            }
        }
    }
}

fn text(mut line: Vec<u8>) -> String {
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    String::from_utf8_lossy(&line).into_owned()
}
