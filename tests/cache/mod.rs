//! Caches: whose they are, from which events they are reached, and what goes through them.

mod example;
mod tenants;

use crate::host::{Answer, Host, Worker};

const TENANT: &str = "demo";

/// A worker that keeps the body of a PUT under its path, and answers a GET with what is kept.
const KEEPER: &str = "export default { async fetch(request) { \
    const url = new URL(request.url); \
    const cache = url.searchParams.has('cache') \
        ? await caches.open(url.searchParams.get('cache')) : caches.default; \
    const key = 'http://kept' + url.pathname; \
    if (request.method === 'PUT') { \
        const headers = { 'cache-control': 'max-age=60' }; \
        await cache.put(key, new Response(request.body, { headers })); \
        return new Response('put'); \
    } \
    return await cache.match(key) ?? new Response('none', { status: 404 }); } };";

async fn keep(host: &Host, tenant: &str, path: &str, body: impl Into<Vec<u8>>) {
    host.request(tenant, "PUT", path).body(body).send().await.expect_status(200);
}

/// A figure of the server.
async fn figure(host: &Host, name: &str) -> f64 {
    let figures = host.figures().await;
    *figures.get(name).unwrap_or_else(|| panic!("no {name} in {figures:?}"))
}

async fn get(host: &Host, tenant: &str, path: &str) -> Answer {
    host.get(tenant, path).await
}

async fn deploy(host: &Host, tenants: &[&str]) {
    for tenant in tenants {
        host.deploy(tenant, &Worker::new(KEEPER)).await;
    }
}
