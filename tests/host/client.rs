//! One HTTP/1.1 exchange on a connection of its own, byte by byte where a test wants that.

use std::net::SocketAddr;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::body::{Incoming, Reader};
use super::{SOON, within};

/// A request that has not been sent.
pub(crate) struct Request {
    address: SocketAddr,
    head: String,
    body: Vec<u8>,
}

/// A response that has come whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// The headers in order, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

/// A request whose body is being sent. Dropped, it closes the connection.
pub(crate) struct Sending {
    stream: TcpStream,
}

impl Request {
    pub(super) fn new(address: SocketAddr, method: &str, host: &str, path: &str) -> Self {
        let head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n");
        Self { address, head, body: Vec::new() }
    }

    /// With a header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.head.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    /// With a body.
    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it and reads the whole response.
    pub(crate) async fn send(self) -> Answer {
        self.open().await.whole().await
    }

    /// Sends it and reads the response's head only: the body is read as the test asks for it.
    pub(crate) async fn open(self) -> Incoming {
        self.sent().await.head().await
    }

    /// Sends it and does not wait for the response.
    pub(crate) async fn sent(self) -> Sending {
        let mut head = self.head;
        if !self.body.is_empty() {
            head.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        let mut sending = Sending::connect(self.address).await;
        sending.raw(head.as_bytes()).await;
        sending.raw(&self.body).await;
        sending
    }

    /// Sends the head; the body follows in chunks.
    pub(crate) async fn start(self) -> Sending {
        let head = format!("{}transfer-encoding: chunked\r\n\r\n", self.head);
        let mut sending = Sending::connect(self.address).await;
        sending.raw(head.as_bytes()).await;
        sending
    }
}

impl Sending {
    /// A connection on which nothing has been sent.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let connected = within(SOON, "a connection", TcpStream::connect(address)).await;
        let stream = connected.expect("the server accepts");
        stream.set_nodelay(true).expect("a socket");
        Self { stream }
    }

    /// Sends bytes as they are. A peer that has closed is left for the response to tell.
    pub(crate) async fn raw(&mut self, bytes: &[u8]) {
        let _ = within(SOON, "room to send", self.stream.write_all(bytes)).await;
    }

    /// Sends a chunk of the body.
    pub(crate) async fn chunk(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
        chunk.extend_from_slice(bytes);
        chunk.extend_from_slice(b"\r\n");
        self.raw(&chunk).await;
    }

    /// Sends bytes of a chunk only as long as the peer takes them at once: how many it took.
    /// For tests of back-pressure; the chunk must have been announced with [`Sending::raw`].
    pub(crate) fn try_raw(&self, bytes: &[u8]) -> usize {
        self.stream.try_write(bytes).unwrap_or(0)
    }

    /// Ends the body.
    pub(crate) async fn finish(&mut self) {
        self.raw(b"0\r\n\r\n").await;
    }

    /// Waits for the response's head. The body can not be sent any further.
    pub(crate) async fn head(self) -> Incoming {
        Incoming::read(Reader::new(self.stream)).await
    }

    /// The response's head, and the way to send the body meanwhile.
    pub(crate) fn both(self) -> (impl Future<Output = Incoming>, tokio::net::tcp::OwnedWriteHalf) {
        let (read, write) = self.stream.into_split();
        (Incoming::read(Reader::new(read)), write)
    }

    /// Waits for the response's head; the body can still be sent.
    pub(crate) async fn split(self) -> (Incoming, tokio::net::tcp::OwnedWriteHalf) {
        let (read, write) = self.stream.into_split();
        (Incoming::read(Reader::new(read)).await, write)
    }
}

impl Answer {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// The body as text.
    #[track_caller]
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("a body in UTF-8")
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// The code of a failure of the host's, or an empty text.
    pub(crate) fn code(&self) -> String {
        let body: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        body["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The outcome that the header names.
    pub(crate) fn outcome(&self) -> Option<&str> {
        self.header("x-bindery-outcome")
    }

    /// Itself, which must have this status.
    #[track_caller]
    pub(crate) fn expect_status(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self}");
        self
    }

    /// Itself, which must be a failure of the host's with this status and code.
    #[track_caller]
    pub(crate) fn expect_failure(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status, self.code().as_str()), (status, code), "{self}");
        self
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        write!(f, "{} {:?} {body:.2000}", self.status, self.headers)
    }
}

pub(super) fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
}
