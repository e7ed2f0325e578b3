//! Bodies in motion: both ways at once, at the pace of whoever reads, to a truthful end.

mod cancel;
mod memory;
mod pace;
mod shape;

use crate::host::Worker;

const TENANT: &str = "demo";

/// A worker whose handler has this body.
fn handler(body: &str) -> Worker {
    Worker::new(format!("export default {{ async fetch(request, env, ctx) {{ {body} }} }};"))
}
