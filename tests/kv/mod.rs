//! Namespaces of whole servers: what is kept, for whom, and for how long.

mod events;
mod example;
mod keep;
mod tenants;

use serde_json::json;

use crate::host::{SOON, Worker, moment, within};

const TENANT: &str = "demo";

/// A worker whose handler has this body, with `env.KV` and `env.KVS`.
fn handler(body: &str) -> Worker {
    bound(&format!("export default {{ async fetch(request, env, ctx) {{ {body} }} }};"))
}

/// A worker of this module, with `env.KV` and `env.KVS`.
fn bound(source: &str) -> Worker {
    let kv = json!({ "type": "kv_namespace", "name": "KV", "namespace_id": "notes" });
    Worker::new(source).binding(kv).binding(json!({ "type": "dynamic_kv", "name": "KVS" }))
}

/// A worker that writes and reads over HTTP: the path is the key, `ns` another namespace.
fn store() -> Worker {
    handler(
        "const url = new URL(request.url), ns = url.searchParams.get('ns');
         const kv = ns === null ? env.KV : env.KVS.get(ns);
         const key = decodeURIComponent(url.pathname.slice(1));
         if (request.method === 'PUT') {
           const ttl = url.searchParams.get('ttl');
           const options = ttl === null ? {} : { expirationTtl: Number(ttl) };
           try { await kv.put(key, request.body ?? '', options); }
           catch (error) { return new Response(error.message, { status: 400 }); }
           return new Response(null, { status: 204 });
         }
         if (key === '') return Response.json(await kv.list({
           cursor: url.searchParams.get('cursor'), limit: url.searchParams.get('limit') ?? 1000 }));
         const value = await kv.get(key, 'stream');
         return value === null ? new Response(null, { status: 404 }) : new Response(value);",
    )
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
