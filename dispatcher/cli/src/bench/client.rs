//! The smallest HTTP client that measures: one connection, kept, one request at a time.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::error::Error;
use crate::output;

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(30);
/// Bytes of an answer.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// A connection.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects.
    pub(crate) fn connect(to: SocketAddr) -> Result<Self, Error> {
        let connect = || {
            let stream = TcpStream::connect(to)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(ANSWER))?;
            Ok(stream)
        };
        let stream = connect().map_err(|error: std::io::Error| Error::os(to, error))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// `GET /` of a host, which must answer with 200 and this body.
    pub(crate) fn get(&mut self, host: &str, body: &str) -> Result<(), Error> {
        let (head, found) = self.exchange(host).map_err(|error| Error::os(host, error))?;
        if head.starts_with("HTTP/1.1 200 ") && found == body {
            return Ok(());
        }
        let shown = output::plain(&format!("{} {found}", head.trim()), 500);
        Err(Error::Failed(format!("{host} answered: {shown}")))
    }

    fn exchange(&mut self, host: &str) -> std::io::Result<(String, String)> {
        let request = format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n");
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut reader = (&mut self.stream).take(ANSWER_BYTES_MAX);
        let (mut head, mut length) = (String::new(), 0);
        reader.read_line(&mut head)?;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut body = String::new();
        reader.take(length).read_to_string(&mut body)?;
        Ok((head, body))
    }
}
