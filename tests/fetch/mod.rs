//! Outgoing requests of workers, to servers on the loopback and from worker to worker.

mod body;
mod example;
mod failure;
mod service;

use crate::host::{Host, Worker};

const TENANT: &str = "demo";

/// A server whose workers reach the loopback.
async fn start() -> Host {
    Host::new().config(|config| config.allow_private_egress = true).start().await
}

/// A worker whose handler has this body, and which finds the origin in `env.ORIGIN`.
fn handler(origin: &str, body: &str) -> Worker {
    let source = format!("export default {{ async fetch(request, env, ctx) {{ {body} }} }};");
    Worker::new(source).text("ORIGIN", origin)
}
