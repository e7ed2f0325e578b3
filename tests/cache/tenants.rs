//! What one tenant keeps is nobody else's, and what it does to its caches is its own affair.

use std::time::Duration;

use serde_json::json;

use super::{KEEPER, TENANT, deploy, figure, get, keep};
use crate::host::{Host, Origin, Worker};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_with_the_same_names_never_meet_and_a_tenants_workers_do() {
    let host = Host::new().start().await;
    deploy(&host, &["one", "two"]).await;
    host.deploy("one", &Worker::new(KEEPER).name("other")).await;
    let paths = ["/x", "/x?cache=a", "/x?cache=", "/..%2fx?cache=..%2f..", "/x?cache=%00", "/%F0"];
    for path in paths {
        keep(&host, "one", path, format!("one {path}")).await;
        let answer = get(&host, "two", path).await;
        assert_eq!((answer.status, answer.text().as_str()), (404, "none"), "{path}");
        keep(&host, "two", path, format!("two {path}")).await;
    }
    for path in paths {
        for tenant in ["one", "two"] {
            let answer = get(&host, tenant, path).await.expect_status(200);
            assert_eq!(answer.text(), format!("{tenant} {path}"));
            assert_eq!(answer.header("cf-cache-status"), Some("HIT"));
        }
    }
    let answer = host.get("other.one", "/x").await.expect_status(200);
    assert_eq!(answer.text(), "one /x");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_that_floods_its_caches_loses_only_its_own() {
    let host = Host::new().config(|config| config.cache.memory_bytes_max = 1 << 20).start().await;
    deploy(&host, &["quiet", "loud"]).await;
    for n in 0..10 {
        keep(&host, "quiet", &format!("/{n}"), vec![b'q'; 20_000]).await;
    }
    for n in 0..60 {
        keep(&host, "loud", &format!("/{n}"), vec![b'l'; 60_000]).await;
    }
    assert!(figure(&host, "bindery_cache_evictions_total").await >= 40.0);
    assert!(figure(&host, "bindery_cache_memory_bytes").await <= f64::from(1 << 20));
    for n in 0..10 {
        get(&host, "quiet", &format!("/{n}")).await.expect_status(200);
    }
    get(&host, "loud", "/59").await.expect_status(200);
    get(&host, "loud", "/0").await.expect_status(404);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_tenant_leaves_nothing_and_its_name_starts_afresh() {
    let host = Host::new().start().await;
    deploy(&host, &["gone", "stays"]).await;
    for tenant in ["gone", "stays"] {
        keep(&host, tenant, "/small", "s").await;
        keep(&host, tenant, "/large", vec![b'l'; 300_000]).await;
    }
    let files = || std::fs::read_dir(host.data().join("cache")).expect("listed").count();
    assert_eq!((figure(&host, "bindery_cache_entries").await, files()), (4.0, 2));
    let deleted = host.admin("DELETE", "/v1/tenants/gone").send().await;
    assert!(matches!(deleted.status, 200 | 204), "{deleted}");
    assert_eq!(figure(&host, "bindery_cache_entries").await, 2.0);
    deploy(&host, &["gone"]).await;
    get(&host, "gone", "/small").await.expect_status(404);
    let large = get(&host, "stays", "/large").await.expect_status(200);
    assert_eq!(large.body.len(), 300_000);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_stale_or_of_an_earlier_start_is_not_given_out() {
    let mut host = Host::new().still_clock().start().await;
    deploy(&host, &[TENANT]).await;
    keep(&host, TENANT, "/x", "x").await;
    host.clock().advance(Duration::from_secs(59));
    let answer = get(&host, TENANT, "/x").await.expect_status(200);
    assert_eq!(answer.header("age"), Some("59"));
    host.clock().advance(Duration::from_secs(1));
    get(&host, TENANT, "/x").await.expect_status(404);
    keep(&host, TENANT, "/x", vec![b'x'; 200_000]).await;
    host.restart().await;
    get(&host, TENANT, "/x").await.expect_status(404);
    let files = std::fs::read_dir(host.data().join("cache")).expect("listed").count();
    assert_eq!(files, 0);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_event_reaches_the_same_caches() {
    let host = Host::new().start().await;
    let source = "const put = (key, body) => caches.default.put('http://kept/' + key, \
            new Response(body, { headers: { 'cache-control': 'max-age=60' } })); \
        export default { \
            scheduled: (controller) => put('scheduled', controller.cron), \
            queue: (batch, env, ctx) => { ctx.waitUntil(put('queue', batch.queue)); }, \
            async fetch({ url }) { \
                const kept = await caches.default.match('http://kept' + new URL(url).pathname); \
                return kept ?? new Response('none', { status: 404 }); } };";
    host.deploy(TENANT, &Worker::new(source)).await;
    for event in [
        json!({ "type": "scheduled", "cron": "*/5 * * * *" }),
        json!({ "type": "queue", "queue": "jobs", "messages": [{ "id": "a", "body": 1 }] }),
    ] {
        let path = format!("/v1/tenants/{TENANT}/workers/main/events");
        let begun = host.admin("POST", &path).body(event.to_string()).send().await;
        assert_eq!(begun.expect_status(200).json()["outcome"], "ok");
    }
    assert_eq!(get(&host, TENANT, "/scheduled").await.expect_status(200).text(), "*/5 * * * *");
    assert_eq!(get(&host, TENANT, "/queue").await.expect_status(200).text(), "jobs");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_of_the_internet_goes_into_a_cache_as_what_it_says() {
    let host = Host::new().config(|config| config.allow_private_egress = true).start().await;
    let mut origin = Origin::start().await;
    let source = "export default { async fetch(request, { ORIGIN }) { \
        const kept = await caches.default.match(ORIGIN); \
        if (kept !== undefined) return kept; \
        await caches.default.put(ORIGIN, await fetch(ORIGIN)); \
        return new Response('put'); } };";
    host.deploy(TENANT, &Worker::new(source).text("ORIGIN", &origin.url("/"))).await;
    let sending = host.request(TENANT, "GET", "/").sent().await;
    let mut arrived = origin.next().await;
    let head = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncache-control: max-age=60\r\n\
        content-length: 26\r\n\r\n";
    arrived.say([head.as_bytes(), PACKED].concat()).await;
    assert_eq!(sending.head().await.whole().await.expect_status(200).text(), "put");
    let answer = get(&host, TENANT, "/").await.expect_status(200);
    assert_eq!(answer.text(), "packed");
    assert_eq!(answer.header("content-encoding"), None);
    assert_eq!(answer.header("content-length"), Some("6"));
    host.shutdown().await;
}

/// `packed`, in gzip.
const PACKED: &[u8] =
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x2b\x48\x4c\xce\x4e\x4d\x01\x00\x10\xb4\
    \xf6\x21\x06\x00\x00\x00";
