//! A server on the loopback for workers to fetch from, on a thread of the bench: `/bytes/N` answers
//! with N bytes, on connections that stay open. It can tell the bench what it is asked for.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::Result;

/// The most bytes of a request's head.
const HEAD_BYTES_MAX: usize = 64 << 10;
const PIECE_BYTES: usize = 256 << 10;

/// An origin that serves until it is dropped.
pub(crate) struct Origin {
    /// Where it accepts.
    pub(crate) address: SocketAddr,
    end: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Origin {
    /// Starts one on a free port.
    pub(crate) fn start() -> Result<Self> {
        Self::start_with(None)
    }

    /// Starts one that tells the path of every request as it arrives.
    pub(crate) fn start_with(told: Option<mpsc::Sender<String>>) -> Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let (end, ended) = oneshot::channel();
        let thread = thread::spawn(move || {
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime, async {
                tokio::select! {
                    () = accept(listener, told) => {}
                    _ = ended => {}
                }
            });
        });
        Ok(Self { address, end: Some(end), thread: Some(thread) })
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: std::net::TcpListener, told: Option<mpsc::Sender<String>>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    while let Ok((socket, _)) = listener.accept().await {
        let told = told.clone();
        // It ends with the runtime of its thread.
        tokio::task::spawn_local(async move {
            let _ = serve(socket, told).await;
        });
    }
}

/// Answers requests without a body, one after the other.
async fn serve(mut socket: TcpStream, told: Option<mpsc::Sender<String>>) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let piece = vec![b'x'; PIECE_BYTES];
    let mut head = Vec::with_capacity(4 << 10);
    loop {
        head.clear();
        while !head.ends_with(b"\r\n\r\n") {
            if socket.read_buf(&mut head).await? == 0 || head.len() > HEAD_BYTES_MAX {
                return Ok(());
            }
        }
        let text = String::from_utf8_lossy(&head);
        let path = text.split(' ').nth(1).unwrap_or_default();
        if let Some(told) = &told {
            // Nobody may listen any more.
            let _ = told.send(path.to_owned());
        }
        let mut left = asked(path);
        let mut response = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {left}\r\n\r\n"
        )
        .into_bytes();
        let first = left.min(1_000);
        response.resize(response.len() + first, b'x');
        left -= first;
        socket.write_all(&response).await?;
        while left > 0 {
            let count = left.min(PIECE_BYTES);
            socket.write_all(&piece[..count]).await?;
            left -= count;
        }
    }
}

/// The number at the end of a path.
fn asked(path: &str) -> usize {
    path.rsplit('/').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}
