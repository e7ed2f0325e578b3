//! The body of an upload: `multipart/form-data`, read as it is sent.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use bindery_wire::ContentHash;
use serde_json::Value;

use super::modules::Module;
use crate::output;

/// Between two reports of progress.
const REPORT_EVERY: Duration = Duration::from_millis(200);

/// The body of an upload.
pub(crate) struct Form {
    boundary: String,
    bytes: Vec<u8>,
}

impl Form {
    /// A form with the metadata and a part for each module.
    pub(crate) fn new(metadata: &Value, modules: &[Module]) -> Self {
        let metadata = metadata.to_string();
        let modules = modules.iter().map(|module| {
            let name = module.name.replace('"', "%22");
            let disposition = format!("name=\"{name}\"; filename=\"{name}\"");
            (disposition, module.content_type, &*module.bytes)
        });
        let metadata = ("name=\"metadata\"".to_owned(), "application/json", metadata.as_bytes());
        let parts: Vec<_> = std::iter::once(metadata).chain(modules).collect();
        // The boundary is a hash of everything between the boundaries, so it does not occur there.
        let contents: Vec<&[u8]> = parts.iter().map(|(_, _, content)| *content).collect();
        let boundary = ContentHash::of(&contents.concat()).hex();
        let mut bytes = Vec::new();
        for (disposition, content_type, content) in parts {
            let head = format!(
                "--{boundary}\r\ncontent-disposition: form-data; {disposition}\r\n\
                 content-type: {content_type}\r\n\r\n"
            );
            bytes.extend_from_slice(head.as_bytes());
            bytes.extend_from_slice(content);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        Self { boundary, bytes }
    }

    /// The value of `content-type`.
    pub(crate) fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    /// The hash of all of it.
    pub(crate) fn hash(&self) -> ContentHash {
        ContentHash::of(&self.bytes)
    }

    /// How many bytes it has.
    pub(crate) fn length(&self) -> usize {
        self.bytes.len()
    }

    /// Its bytes, with progress on a terminal if it takes long.
    pub(crate) fn reader(&self) -> impl Read {
        let reports = output::watched();
        Reader { bytes: &self.bytes, length: self.bytes.len(), reported: Instant::now(), reports }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    length: usize,
    reported: Instant,
    reports: bool,
}

impl Read for Reader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read(into)?;
        if self.reports && count > 0 && self.reported.elapsed() > REPORT_EVERY {
            self.reported = Instant::now();
            let sent = self.length - self.bytes.len();
            output::progress(format_args!(
                "sent {} of {} KiB{}",
                sent >> 10,
                self.length >> 10,
                if self.bytes.is_empty() { "; the server starts it once\n" } else { "" }
            ));
        }
        Ok(count)
    }
}
