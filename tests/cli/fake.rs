//! A server that answers as it was told to, and keeps what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long a test waits for a request.
const REQUEST_IN: Duration = Duration::from_secs(30);

/// A request as it came.
#[derive(Debug)]
pub(super) struct Asked {
    /// Method and path.
    pub(super) line: String,
    /// The headers' lines, names in lower case.
    pub(super) headers: Vec<String>,
    /// The body.
    pub(super) body: Vec<u8>,
}

/// The server. It ends with this value.
pub(super) struct Fake {
    address: SocketAddr,
    asked: mpsc::Receiver<Asked>,
    thread: Option<JoinHandle<()>>,
}

impl Fake {
    /// Answers one request on each connection, in this order: a status line's end and a body. The
    /// body says what it is, and ends with the connection.
    pub(super) fn answering(answers: &[(&'static str, &str)]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let answers: Vec<_> =
            answers.iter().map(|(status, body)| (*status, (*body).to_owned())).collect();
        let (asking, asked) = mpsc::channel();
        let thread = thread::spawn(move || {
            for (status, body) in answers {
                let (stream, _) = listener.accept().expect("a connection");
                let Some(request) = read(&stream) else { return };
                // The test may have seen enough.
                let _ = asking.send(request);
                answer(stream, status, &body);
            }
        });
        Self { address, asked, thread: Some(thread) }
    }

    /// Its address.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next request that came.
    #[track_caller]
    pub(super) fn asked(&self) -> Asked {
        self.asked.recv_timeout(REQUEST_IN).expect("a request")
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        // Wakes the thread if it still waits; a connection without a request ends it.
        drop(TcpStream::connect(self.address));
        let ended = self.thread.take().expect("joined once").join();
        assert!(ended.is_ok() || thread::panicking());
    }
}

impl Asked {
    /// The body as JSON.
    #[track_caller]
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).expect("text") == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let line = lines.remove(0);
    let headers: Vec<String> = lines
        .iter()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| format!("{}: {}", name.to_ascii_lowercase(), value.trim()))
        .collect();
    let mut asked = Asked { line, headers, body: Vec::new() };
    let length = asked.header("content-length").map_or(0, |length| length.parse().expect("digits"));
    reader.take(length).read_to_end(&mut asked.body).expect("a body");
    asked.line = asked.line.trim_end_matches(" HTTP/1.1").to_owned();
    Some(asked)
}

fn answer(mut stream: TcpStream, status: &str, body: &str) {
    let kind = if body.starts_with('{') { "application/json" } else { "text/event-stream" };
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n");
    // The program may have seen enough and be gone.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
}
