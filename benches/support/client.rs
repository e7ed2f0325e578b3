//! One connection and one request at a time: for uploads, first requests and bodies.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::Result;
use super::http::{self, Body, Reader};

/// The longest wait for one read or write.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// A connection that stays open.
pub(crate) struct Client {
    stream: TcpStream,
    reader: Reader,
    buffer: Vec<u8>,
}

impl Client {
    /// Connects. Bodies are kept or counted as `keep` says.
    pub(crate) fn connect(address: SocketAddr, keep: Body) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(WAIT_MAX))?;
        stream.set_write_timeout(Some(WAIT_MAX))?;
        Ok(Self { stream, reader: Reader::new(keep), buffer: vec![0; 256 << 10] })
    }

    /// Sends a GET and reads the whole response; how long that took.
    pub(crate) fn get(&mut self, host: &str, path: &str) -> Result<Duration> {
        let request = http::get(host, path);
        let begun = Instant::now();
        self.stream.write_all(&request)?;
        self.read()?;
        let took = begun.elapsed();
        self.expect(200)?;
        Ok(took)
    }

    /// Sends a request with a body that is in memory and returns the response's status.
    pub(crate) fn send(&mut self, head: &str, body: &[u8]) -> Result<u16> {
        let length = body.len();
        self.stream.write_all(format!("{head}Content-Length: {length}\r\n\r\n").as_bytes())?;
        self.stream.write_all(body)?;
        self.read()?;
        Ok(self.reader.status)
    }

    /// Posts `length` bytes while reading what comes back; how long that took.
    pub(crate) fn echo(&mut self, host: &str, length: u64) -> Result<Duration> {
        let head =
            format!("POST /echo HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n");
        let mut out = self.stream.try_clone()?;
        let begun = Instant::now();
        let writer = std::thread::spawn(move || {
            let piece = vec![b'x'; 64 << 10];
            out.write_all(head.as_bytes())?;
            let mut left = length;
            while left > 0 {
                let count = left.min(piece.len() as u64);
                out.write_all(&piece[..count as usize])?;
                left -= count;
            }
            std::io::Result::Ok(())
        });
        let read = self.read();
        if read.is_err() {
            // A writer that waits for a server which stopped reading ends with the connection.
            self.stream.shutdown(std::net::Shutdown::Both)?;
        }
        let written = writer.join().map_err(|_| "the writing thread panicked")?;
        read?;
        written?;
        let took = begun.elapsed();
        self.expect(200)?;
        if self.reader.body_bytes != length {
            return Err(format!("{} of {length} bytes came back", self.reader.body_bytes).into());
        }
        Ok(took)
    }

    /// The body of the last response, if bodies are kept.
    pub(crate) fn body(&self) -> &[u8] {
        &self.reader.body
    }

    /// The bytes of the last response's body.
    pub(crate) fn body_bytes(&self) -> u64 {
        self.reader.body_bytes
    }

    fn read(&mut self) -> Result<()> {
        loop {
            let count = self.stream.read(&mut self.buffer)?;
            if count == 0 {
                return Err("the server closed the connection".into());
            }
            if self.reader.feed(&self.buffer[..count])? {
                return Ok(());
            }
        }
    }

    fn expect(&self, status: u16) -> Result<()> {
        if self.reader.status == status {
            return Ok(());
        }
        let body = String::from_utf8_lossy(&self.reader.body);
        Err(format!("status {} instead of {status}: {body}", self.reader.status).into())
    }
}
