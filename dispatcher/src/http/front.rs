//! The threads of the front door: listeners, connections, and their end.

use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot, watch};

use super::CONNECTION_COUNT_MAX;
use super::figures::Figures;
use super::request::Peer;
use super::serve::Place;
use crate::config::Cidr;
use crate::line::RequestId;
use crate::placement::Placement;
use crate::registry::Registry;
use crate::tasks::Tasks;
use crate::trace;

/// How long a client may take to send a head, and a connection may be still.
const HEAD_IN: Duration = Duration::from_secs(60);
/// Bytes of a head that are read before the limits of a request are looked at.
const HEAD_BYTES: usize = 192 << 10;
/// Headers that are read before the limits of a request are looked at.
const HEAD_COUNT: usize = 256;
/// Requests at once on one connection of HTTP/2.
const STREAM_COUNT_MAX: u32 = 200;
/// How long after a failed accept the next one is tried.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why the front door does not open.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address can not be listened on.
    #[error("{address} can not be listened on")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A thread or its runtime could not be made.
    #[error("a thread of the front door could not be started")]
    Thread(#[from] std::io::Error),
}

/// What every request needs.
pub struct Front {
    /// The domain under which tenants have their names.
    pub domain: Box<str>,
    /// Whose word about clients is believed.
    pub trusted: Vec<Cidr>,
    /// What host names mean.
    pub registry: Registry,
    /// Where code runs.
    pub placement: Placement,
    /// What is counted here.
    pub figures: Figures,
    ids: Ids,
}

/// Makes ids of requests: all different, and none that tells how many there were.
struct Ids {
    seed: u64,
    next: AtomicU64,
}

impl Front {
    /// What every request needs.
    pub fn new(domain: &str, trusted: Vec<Cidr>, registry: Registry, placement: Placement) -> Self {
        let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0);
        let ids = Ids { seed, next: AtomicU64::new(0) };
        let domain = domain.to_ascii_lowercase().into();
        let figures = Figures::default();
        Self { domain, trusted, registry, placement, figures, ids }
    }

    pub(super) fn request_id(&self) -> RequestId {
        let count = self.ids.next.fetch_add(1, Ordering::Relaxed);
        // Two counts never give the same id.
        let step = count.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        RequestId(trace::mix(self.ids.seed.wrapping_add(step)))
    }
}

/// The threads of the front door.
///
/// They are started before anything can be served, because lines live on them; [`Fronts::open`]
/// lets the clients in.
pub struct Fronts {
    threads: Vec<Thread>,
    closing: watch::Sender<bool>,
    ending: watch::Sender<bool>,
}

struct Thread {
    tasks: Tasks,
    connections: Tasks,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Fronts {
    /// Starts `count` threads.
    pub async fn start(count: usize) -> Result<Self, Error> {
        let ending = watch::Sender::new(false);
        let mut threads = Vec::new();
        for number in 0..count.max(1) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let mut ended = ending.subscribe();
            let (ready, is_ready) = oneshot::channel();
            let work = move || {
                runtime.block_on(async move {
                    let _ = ready.send(Handle::current());
                    tokio::select! {
                        () = keep_a_timer() => {}
                        _ = ended.wait_for(|ended| *ended) => {}
                    }
                });
            };
            let thread = std::thread::Builder::new().name(format!("front-{number}")).spawn(work)?;
            let gone = |_| Error::Thread(std::io::ErrorKind::BrokenPipe.into());
            let runtime = is_ready.await.map_err(gone)?;
            let (tasks, connections) = (Tasks::new(runtime.clone()), Tasks::new(runtime));
            threads.push(Thread { tasks, connections, thread: Some(thread) });
        }
        Ok(Self { threads, closing: watch::Sender::new(false), ending })
    }

    /// The tasks of one of the threads, for work that no connection brought.
    pub fn tasks(&self) -> Tasks {
        match self.threads.first() {
            Some(thread) => thread.tasks.clone(),
            None => Tasks::new(Handle::current()),
        }
    }

    /// Listens on `address` and serves. Returns the address that it got.
    pub fn open(&self, address: SocketAddr, front: &Arc<Front>) -> Result<SocketAddr, Error> {
        let shared = self.threads.len() > 1;
        let mut bound = address;
        for thread in &self.threads {
            let failed = |source| Error::Listen { address, source };
            let listener = listen(bound, shared).map_err(failed)?;
            bound = listener.local_addr().map_err(failed)?;
            let place = Place {
                front: front.clone(),
                peer: Arc::new(Peer::new((Ipv4Addr::UNSPECIFIED, 0).into(), &[])),
                tasks: thread.tasks.clone(),
            };
            let closing = self.closing.subscribe();
            let accept = accept(listener, place, thread.connections.clone(), closing);
            thread.connections.spawn("accept", accept);
        }
        Ok(bound)
    }

    /// Accepts nobody any more, and waits, at most for `wait`, until the requests that run are
    /// answered.
    pub async fn close(&self, wait: Duration) {
        self.closing.send_replace(true);
        let answered = async {
            for thread in &self.threads {
                thread.connections.join().await;
            }
        };
        if tokio::time::timeout(wait, answered).await.is_err() {
            tracing::warn!("connections were still open when the server ended");
        }
    }

    /// Ends the threads, with whatever still runs on them.
    pub async fn end(mut self) {
        self.ending.send_replace(true);
        for thread in &mut self.threads {
            if let Some(thread) = thread.thread.take() {
                let _ = tokio::task::spawn_blocking(move || thread.join()).await;
            }
        }
    }
}

/// Keeps a timer that is due before any connection's. A runtime whose new timer is the next one
/// wakes itself, which would be a system call for each request.
async fn keep_a_timer() {
    loop {
        tokio::time::sleep(HEAD_IN / 60).await;
    }
}

fn listen(address: SocketAddr, shared: bool) -> std::io::Result<StdListener> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if shared {
        sockopt::set_socket_reuseport(&socket, true)?;
    }
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, 4096)?;
    Ok(socket.into())
}

async fn accept(
    listener: StdListener,
    place: Place,
    connections: Tasks,
    mut closing: watch::Receiver<bool>,
) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        tracing::error!("a listener could not be used");
        return;
    };
    let room = Arc::new(Semaphore::new(CONNECTION_COUNT_MAX));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = set(&mut closing) => return,
        };
        match accepted {
            Ok((socket, address)) => {
                let mut place = place.clone();
                place.peer = Arc::new(Peer::new(address, &place.front.trusted));
                let closing = closing.clone();
                let streams = connections.clone();
                connections.spawn("connection", async move {
                    converse(socket, place, streams, closing).await;
                    drop(permit);
                });
            }
            Err(error) => {
                // Out of descriptors, for instance: others may be closed meanwhile.
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Waits until it is true, or can not become so any more.
async fn set(flag: &mut watch::Receiver<bool>) {
    let _ = flag.wait_for(|flag| *flag).await;
}

/// Serves one connection to its end.
async fn converse(
    socket: TcpStream,
    place: Place,
    streams: Tasks,
    mut closing: watch::Receiver<bool>,
) {
    let _ = socket.set_nodelay(true);
    let mut builder = auto::Builder::new(streams);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_IN)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEAD_COUNT)
        // A head and a short body leave as one buffer: two cost more than the copy.
        .writev(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAM_COUNT_MAX)
        .max_header_list_size(u32::try_from(HEAD_BYTES).unwrap_or(u32::MAX))
        .keep_alive_interval(Some(HEAD_IN))
        .keep_alive_timeout(HEAD_IN);
    let service = hyper::service::service_fn(move |request| {
        let answer = place.clone().serve(request);
        async move { Ok::<_, std::convert::Infallible>(answer.await) }
    });
    let connection = builder.serve_connection(TokioIo::new(socket), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = set(&mut closing) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}
