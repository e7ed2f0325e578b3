//! A response as it comes in: its head first, then its body at the test's own pace.

use tokio::io::{AsyncRead, AsyncReadExt};

use super::client::{Answer, header};
use super::{SOON, within};

/// Bytes that one read asks for.
const READ_BYTES: usize = 64 << 10;

/// A response whose body is still to come. Dropped, it closes the connection.
pub(crate) struct Incoming {
    /// The status.
    pub(crate) status: u16,
    /// The headers in order, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    reader: Reader,
    left: Left,
}

/// What came next of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Chunk {
    /// These bytes; their borders say nothing.
    Bytes(Vec<u8>),
    /// The body ended as it should.
    End,
    /// The connection ended before the body did.
    Cut,
}

/// How the rest of a body is told from what follows it.
enum Left {
    /// So many bytes.
    Bytes(usize),
    /// Chunks; so many bytes of the current one.
    Chunks(usize),
    /// All until the connection ends.
    All,
    /// Nothing.
    Ended,
}

/// A connection with what was read too far.
pub(super) struct Reader {
    stream: Box<dyn AsyncRead + Send + Unpin>,
    buffer: Vec<u8>,
}

impl Reader {
    pub(super) fn new(stream: impl AsyncRead + Send + Unpin + 'static) -> Self {
        Self { stream: Box::new(stream), buffer: Vec::new() }
    }

    /// Reads more. False at the end.
    async fn fill(&mut self) -> bool {
        let mut bytes = vec![0; READ_BYTES];
        let read = within(SOON, "more of a response", self.stream.read(&mut bytes)).await;
        let count = read.unwrap_or(0);
        self.buffer.extend_from_slice(&bytes[..count]);
        count > 0
    }

    /// A line without its end, or `None` if the connection ended first.
    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.buffer.windows(2).position(|two| two == b"\r\n") {
                let line = String::from_utf8_lossy(&self.buffer[..at]).into_owned();
                self.buffer.drain(..at + 2);
                return Some(line);
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    /// At most so many bytes, or `None` if the connection ended first.
    async fn bytes(&mut self, max: usize) -> Option<Vec<u8>> {
        if self.buffer.is_empty() && !self.fill().await {
            return None;
        }
        let count = self.buffer.len().min(max);
        Some(self.buffer.drain(..count).collect())
    }
}

impl Incoming {
    pub(super) async fn read(reader: Reader) -> Self {
        let read = Self::try_read(reader).await;
        read.unwrap_or_else(|| panic!("the connection ended before the head of a response"))
    }

    /// The response, or `None` if the connection ends before its head has come.
    pub(super) async fn try_read(mut reader: Reader) -> Option<Self> {
        loop {
            let first = reader.line().await?;
            let status: u16 = first.split(' ').nth(1)?.parse().ok()?;
            let mut headers = Vec::new();
            loop {
                let line = reader.line().await?;
                let Some((name, value)) = line.split_once(':') else { break };
                headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
            }
            if status >= 200 {
                let left = Left::of(status, &headers);
                return Some(Self { status, headers, reader, left });
            }
        }
    }

    /// A request as it comes in, with its first line; `None` if the connection ends before. Its
    /// status is 0.
    pub(super) async fn request(mut reader: Reader) -> Option<(String, Self)> {
        let first = reader.line().await?;
        let mut headers = Vec::new();
        loop {
            let line = reader.line().await?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let has_body = ["transfer-encoding", "content-length"];
        let has_body = has_body.iter().any(|name| header(&headers, name).is_some());
        let left = if has_body { Left::of(0, &headers) } else { Left::Ended };
        Some((first, Self { status: 0, headers, reader, left }))
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// What comes next of the body.
    pub(crate) async fn chunk(&mut self) -> Chunk {
        match self.left {
            Left::Ended | Left::Bytes(0) => Chunk::End,
            Left::All => self.reader.bytes(usize::MAX).await.map_or(Chunk::End, Chunk::Bytes),
            Left::Bytes(left) => {
                let Some(bytes) = self.reader.bytes(left).await else { return Chunk::Cut };
                self.left = Left::Bytes(left - bytes.len());
                Chunk::Bytes(bytes)
            }
            Left::Chunks(left) => self.of_chunk(left).await.unwrap_or(Chunk::Cut),
        }
    }

    async fn of_chunk(&mut self, mut left: usize) -> Option<Chunk> {
        if left == 0 {
            let line = self.reader.line().await?;
            left = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
            if left == 0 {
                while !self.reader.line().await?.is_empty() {}
                self.left = Left::Ended;
                return Some(Chunk::End);
            }
        }
        let bytes = self.reader.bytes(left).await?;
        left -= bytes.len();
        if left == 0 {
            self.reader.line().await?;
        }
        self.left = Left::Chunks(left);
        Some(Chunk::Bytes(bytes))
    }

    /// The next bytes of the body as text, which must come before it ends.
    pub(crate) async fn text(&mut self) -> String {
        match self.chunk().await {
            Chunk::Bytes(bytes) => String::from_utf8(bytes).expect("UTF-8"),
            other => panic!("the body ended: {other:?}"),
        }
    }

    /// The rest of the body, and whether it ended as it should.
    pub(crate) async fn rest(&mut self) -> (Vec<u8>, Chunk) {
        let mut body = Vec::new();
        loop {
            match self.chunk().await {
                Chunk::Bytes(bytes) => body.extend_from_slice(&bytes),
                end => return (body, end),
            }
        }
    }

    /// Waits until the connection is closed by the peer; whatever still comes is dropped.
    pub(super) async fn closed(&mut self) {
        while self.reader.fill().await {
            self.reader.buffer.clear();
        }
    }

    /// The whole response, which must end as it should.
    pub(crate) async fn whole(mut self) -> Answer {
        let (body, end) = self.rest().await;
        let answer = Answer { status: self.status, headers: self.headers, body };
        assert_eq!(end, Chunk::End, "a response that was cut: {answer}");
        answer
    }
}

impl Left {
    fn of(status: u16, headers: &[(String, String)]) -> Self {
        if matches!(status, 204 | 304) {
            return Self::Ended;
        }
        if header(headers, "transfer-encoding").is_some() {
            return Self::Chunks(0);
        }
        match header(headers, "content-length") {
            Some(length) => Self::Bytes(length.parse().expect("a length")),
            None => Self::All,
        }
    }
}
