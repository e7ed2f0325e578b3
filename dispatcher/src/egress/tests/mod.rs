//! The egress against real servers on this machine.

mod bodies;
mod decode;
mod heads;
mod kept;
mod redirects;
mod refused;
mod tls;

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bindery_wire::TenantId;
use bytes::Bytes;
use futures_util::future::{BoxFuture, pending, ready};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming as Received;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;

use super::*;
use crate::clock::Millis;

const A: TenantId = TenantId(1);
const B: TenantId = TenantId(2);

type Body = UnsyncBoxBody<Bytes, BoxError>;

/// Nothing here takes longer, unless it hangs.
async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), work).await.expect("ends in time")
}

/// An egress that is asked by a test.
struct Asked {
    egress: Egress,
    clock: Clock,
    names: Arc<Names>,
}

/// Names and what each lookup of them gives: the last answer stays.
#[derive(Default)]
struct Names {
    known: Mutex<HashMap<String, Vec<Vec<IpAddr>>>>,
    lookups: AtomicUsize,
}

impl Names {
    fn set(&self, name: &str, answers: &[&[&str]]) {
        let ip = |text: &&str| text.parse().expect("an address");
        let answers = answers.iter().map(|answer| answer.iter().map(ip).collect()).collect();
        self.known.lock().expect("no panic").insert(name.into(), answers);
    }

    fn lookup_count(&self) -> usize {
        self.lookups.load(Ordering::SeqCst)
    }
}

impl Resolver for Names {
    fn resolve(
        &self,
        name: String,
        _: OwnedSemaphorePermit,
    ) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        self.lookups.fetch_add(1, Ordering::SeqCst);
        if name == "never.test" {
            return Box::pin(pending());
        }
        let mut known = self.known.lock().expect("no panic");
        let found = known.get_mut(&name).map(|answers| match answers.len() {
            1 => answers[0].clone(),
            _ => answers.remove(0),
        });
        Box::pin(ready(found.ok_or_else(|| io::ErrorKind::NotFound.into())))
    }
}

impl Asked {
    /// One that reaches everything.
    fn open() -> Self {
        Self::with(EgressConfig::default(), true)
    }

    /// One that reaches the public internet, and these.
    fn public(networks: &[&str]) -> Self {
        let reachable = networks.iter().map(|text| text.parse().expect("a network")).collect();
        Self::with(EgressConfig { reachable, ..EgressConfig::default() }, false)
    }

    fn with(config: EgressConfig, allow_private: bool) -> Self {
        let names = Arc::<Names>::default();
        let clock = Clock::test(Millis(0));
        let egress = Egress::open(Parts {
            config,
            allow_private,
            resolver: names.clone(),
            tasks: Tasks::new(Handle::current()),
            clock: clock.clone(),
        });
        Self { egress: egress.expect("certificates"), clock, names }
    }

    async fn send(&self, outgoing: Outgoing) -> Result<Incoming, Error> {
        within(self.egress.fetch(outgoing)).await
    }

    async fn get(&self, url: &str) -> Result<Incoming, Error> {
        self.send(get(url)).await
    }

    /// The text of a GET's response.
    async fn text(&self, url: &str) -> String {
        text(self.get(url).await.expect("a response")).await
    }

    /// Why a GET got no response.
    async fn error(&self, url: &str) -> Error {
        self.get(url).await.expect_err("no response")
    }
}

fn get(url: &str) -> Outgoing {
    Outgoing {
        tenant: A,
        method: Method::GET,
        url: url.into(),
        headers: HeaderMap::new(),
        body: None,
        redirect: Redirect::Follow,
        hops_max: 100,
    }
}

fn post(url: &str, body: &'static str) -> Outgoing {
    let body = Some(OutgoingBody::Bytes(Bytes::from_static(body.as_bytes())));
    Outgoing { method: Method::POST, body, ..get(url) }
}

async fn text(incoming: Incoming) -> String {
    let bytes = within(incoming.body.collect()).await.expect("a body").to_bytes();
    String::from_utf8(bytes.into()).expect("text")
}

/// A server that answers by HTTP.
struct Origin {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

/// A request that an origin got, and over which of its connections.
struct Got {
    request: Request<Received>,
    connection: usize,
}

impl Origin {
    async fn start<F>(answer: impl Fn(Got) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let answer = Arc::new(answer);
        Self::listen("127.0.0.1:0", move |stream, connection| {
            let answer = answer.clone();
            async move {
                let service = service_fn(move |request| {
                    let answered = answer(Got { request, connection });
                    async move { Ok::<_, io::Error>(answered.await) }
                });
                let served = http1::Builder::new();
                let _ = served.serve_connection(TokioIo::new(stream), service).await;
            }
        })
        .await
    }

    /// A server that does with its connections, which it counts from 1, what it likes.
    async fn listen<F>(
        address: &str,
        serve: impl Fn(TcpStream, usize) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let connections = Arc::<AtomicUsize>::default();
        let tasks = Tasks::new(Handle::current());
        let (counted, serving) = (connections.clone(), tasks.clone());
        tasks.spawn("origin", async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
                serving.spawn("origin connection", serve(stream, number));
            }
        });
        Self { address, connections }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn connection_count(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).map_err(|never| match never {}).boxed_unsync()
}

fn with_headers(headers: &[(&'static str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &str)| {
        (name.parse().expect("a name"), HeaderValue::from_str(value).expect("a value"))
    };
    headers.iter().map(pair).collect()
}
