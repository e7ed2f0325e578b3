//! A closed loop of connections on one thread: each sends its next request when the response to
//! the one before is complete. It shares the cores with what it measures, so it does little:
//! requests are made beforehand, one epoll wait serves many connections, bodies are only counted.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use super::Result;
use super::histogram::Histogram;
use super::http::{Body, Reader};

/// Without any response for this long, a run is given up.
const SILENCE_MAX: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };

/// Which request a connection sends next, and when it stops.
pub(crate) enum Plan {
    /// Connection `i` repeats request `i` (modulo their number) until the time is over.
    Repeat(Duration),
    /// Each request is sent once, by whichever connection is free.
    Once,
}

/// What a run saw.
pub(crate) struct Seen {
    /// How long each response took.
    pub(crate) latency: Histogram,
    /// Responses that were not 200, or had another length than the first.
    pub(crate) failure_count: u64,
    /// From the first request to the last response.
    pub(crate) elapsed: Duration,
}

impl Seen {
    /// Responses per second.
    pub(crate) fn per_second(&self) -> f64 {
        self.latency.count() as f64 / self.elapsed.as_secs_f64()
    }
}

struct Connection {
    stream: TcpStream,
    reader: Reader,
    sent: Instant,
}

/// Sends `requests` over `connection_count` connections as the plan says.
pub(crate) fn run(
    address: SocketAddr,
    connection_count: usize,
    requests: &[Vec<u8>],
    plan: &Plan,
) -> Result<Seen> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut connections = connect(&epoll, address, connection_count)?;
    let mut seen = Seen { latency: Histogram::new(), failure_count: 0, elapsed: Duration::ZERO };
    let begun = Instant::now();
    let mut pick = Pick { plan, count: requests.len(), next: 0, begun };
    let mut open = 0;
    for (index, connection) in connections.iter_mut().enumerate() {
        open += usize::from(connection.start(pick.next(index, begun), requests)?);
    }
    let mut length = None;
    let mut buffer = vec![0; 64 << 10];
    let mut events = Vec::with_capacity(connection_count);
    while open > 0 {
        epoll::wait(&epoll, spare_capacity(&mut events), Some(&SILENCE_MAX))?;
        if events.is_empty() {
            return Err("no response for a minute".into());
        }
        for event in events.drain(..) {
            let index = event.data.u64() as usize;
            let connection = &mut connections[index];
            if !connection.read(&mut buffer)? {
                continue;
            }
            let now = Instant::now();
            seen.latency.record(now - connection.sent);
            let expected = *length.get_or_insert(connection.reader.body_bytes);
            let good = connection.reader.status == 200 && connection.reader.body_bytes == expected;
            seen.failure_count += u64::from(!good);
            open -= usize::from(!connection.start(pick.next(index, now), requests)?);
        }
    }
    seen.elapsed = begun.elapsed();
    Ok(seen)
}

struct Pick<'a> {
    plan: &'a Plan,
    count: usize,
    next: usize,
    begun: Instant,
}

impl Pick<'_> {
    fn next(&mut self, connection: usize, now: Instant) -> Option<usize> {
        match self.plan {
            Plan::Repeat(time) => (now - self.begun < *time).then_some(connection % self.count),
            Plan::Once => {
                self.next += 1;
                (self.next <= self.count).then(|| self.next - 1)
            }
        }
    }
}

impl Connection {
    /// Sends that request, if there is one; whether there was.
    fn start(&mut self, request: Option<usize>, requests: &[Vec<u8>]) -> Result<bool> {
        let Some(index) = request else { return Ok(false) };
        self.sent = Instant::now();
        self.stream.write_all(&requests[index])?;
        Ok(true)
    }

    /// Reads once; true if a response is complete.
    fn read(&mut self, buffer: &mut [u8]) -> Result<bool> {
        match self.stream.read(buffer) {
            Ok(0) => Err("the server closed a connection".into()),
            Ok(count) => self.reader.feed(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

fn connect(
    epoll: &impl rustix::fd::AsFd,
    address: SocketAddr,
    count: usize,
) -> Result<Vec<Connection>> {
    let mut connections = Vec::with_capacity(count);
    for index in 0..count {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        epoll::add(epoll, &stream, epoll::EventData::new_u64(index as u64), epoll::EventFlags::IN)?;
        let reader = Reader::new(Body::Count);
        connections.push(Connection { stream, reader, sent: Instant::now() });
    }
    Ok(connections)
}
