//! A server on the loopback that workers fetch from: each request is the test's to answer.

use std::net::SocketAddr;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::body::{Incoming, Reader};
use super::{SOON, within};

/// Connections that wait for the test.
const WAITING_COUNT_MAX: usize = 256;

/// A server whose requests are handed to the test. Dropped, it accepts nobody.
pub(crate) struct Origin {
    address: SocketAddr,
    arrived: mpsc::Receiver<Arrived>,
    task: JoinHandle<()>,
}

/// The first request of a connection. Dropped, it closes the connection.
pub(crate) struct Arrived {
    /// Method, path and version.
    pub(crate) first: String,
    /// Its headers and its body.
    pub(crate) request: Incoming,
    write: OwnedWriteHalf,
}

impl Origin {
    /// Listens.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (sender, arrived) = mpsc::channel(WAITING_COUNT_MAX);
        #[expect(clippy::disallowed_methods, reason = "the origin ends the task")]
        let task = tokio::spawn(accept(listener, sender));
        Self { address, arrived, task }
    }

    /// Has a task answer every request with these bytes once its body has come.
    pub(crate) async fn answering(response: &'static str) -> Self {
        let mut origin = Self::start().await;
        let (_none, nothing) = mpsc::channel(1);
        let mut arrived = std::mem::replace(&mut origin.arrived, nothing);
        let accepts = std::mem::replace(
            &mut origin.task,
            #[expect(clippy::disallowed_methods, reason = "the origin ends the task")]
            tokio::spawn(async move {
                while let Some(mut one) = arrived.recv().await {
                    one.request.rest().await;
                    one.say(response).await;
                }
            }),
        );
        // Accepting ends with the one that it sends to.
        drop(accepts);
        origin
    }

    /// Where a path of it is.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The next request.
    pub(crate) async fn next(&mut self) -> Arrived {
        within(SOON, "a request", self.arrived.recv()).await.expect("the origin accepts")
    }

    /// Whether no request has arrived that the test has not taken.
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.arrived.try_recv().is_err()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, sender: mpsc::Sender<Arrived>) {
    while let Ok((socket, _)) = listener.accept().await {
        let sender = sender.clone();
        #[expect(clippy::disallowed_methods, reason = "it ends with its connection")]
        tokio::spawn(async move {
            let (read, write) = socket.into_split();
            if let Some((first, request)) = Incoming::request(Reader::new(read)).await {
                let _ = sender.send(Arrived { first, request, write }).await;
            }
        });
    }
}

impl Arrived {
    /// Sends bytes as they are. A peer that has closed is left for the test to find.
    pub(crate) async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = within(SOON, "room to send", self.write.write_all(bytes.as_ref())).await;
    }

    /// Answers with a text.
    pub(crate) async fn answer(&mut self, text: &str) {
        let length = text.len();
        self.say(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{text}")).await;
    }

    /// Sends bytes only as long as the peer takes them at once: how many it took.
    pub(crate) fn try_say(&self, bytes: &[u8]) -> usize {
        self.write.try_write(bytes).unwrap_or(0)
    }

    /// Waits until the peer has closed the connection.
    pub(crate) async fn closed(&mut self) {
        self.request.closed().await;
    }
}
