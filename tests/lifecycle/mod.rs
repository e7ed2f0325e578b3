//! Births and deaths: of isolates, cordons, servers, versions and tokens.

mod drain;
mod isolates;
mod kill;
mod restart;
mod store;
mod tenants;
mod usage;
mod versions;

use crate::host::{Host, SOON, Worker, moment, within};

const TENANT: &str = "demo";

/// A worker whose handler has this body.
fn handler(body: &str) -> Worker {
    Worker::new(format!("export default {{ async fetch(request, env, ctx) {{ {body} }} }};"))
}

/// A worker that answers with a text.
fn says(text: &str) -> Worker {
    handler(&format!("return new Response('{text}');"))
}

/// Waits until something that has no event of its own is so.
async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    within(SOON, what, async {
        while !is_so().await {
            moment().await;
        }
    })
    .await;
}

/// The process that hosts a tenant's worker `main`.
async fn cordon_of(host: &Host, tenant: &str) -> Option<u32> {
    let id = host.server().registry().tenant_id(tenant).await.expect("a tenant");
    host.server().placement().cordon_of(id, "main")
}
