//! Routes on hosts that an operator granted.

use serde_json::json;

use super::{TENANT, grant, says, who};
use crate::host::Host;

const SHOP: &str = "shop.example.com";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_most_specific_route_of_a_tenants_workers_takes_a_request() {
    let mut host = Host::new().start().await;
    let routed = |name: &str, routes: serde_json::Value| says(name).metadata("routes", routes);
    host.deploy(TENANT, &routed("any", json!(["*.example.com/*"]))).await;
    host.deploy(TENANT, &routed("site", json!([format!("{SHOP}/*")]))).await;
    host.deploy(TENANT, &routed("api", json!([format!("{SHOP}/api/*")]))).await;
    host.deploy(TENANT, &routed("health", json!([format!("{SHOP}/api/health")]))).await;
    assert_eq!(who(&host, SHOP, "/").await, "NO_WORKER", "nothing is granted yet");
    grant(&host, TENANT, SHOP).await;
    grant(&host, TENANT, "www.example.com").await;
    for (to, path, name) in [
        (SHOP, "/", "site"),
        ("Shop.Example.COM.:8080", "/x", "site"),
        (SHOP, "/api", "site"),
        (SHOP, "/api/", "api"),
        (SHOP, "/api/items?x=/api/health", "api"),
        (SHOP, "/api/health", "health"),
        (SHOP, "/api/health?x", "api"),
        ("www.example.com", "/api/health", "any"),
        ("other.example.com", "/", "NO_WORKER"),
        ("example.com", "/", "NO_WORKER"),
        ("site.demo.localhost", "/", "site"),
    ] {
        assert_eq!(who(&host, to, path).await, name, "{to}{path}");
    }
    host.restart().await;
    assert_eq!(who(&host, SHOP, "/api/").await, "api", "after a restart");
    host.admin("DELETE", "/v1/tenants/demo/workers/api").send().await.expect_status(204);
    assert_eq!(who(&host, SHOP, "/api/").await, "site", "its worker is deleted");
    let taken = format!("/v1/tenants/{TENANT}/domains/{SHOP}");
    host.admin("DELETE", &taken).send().await.expect_status(204);
    assert_eq!(who(&host, SHOP, "/").await, "NO_WORKER", "the host is taken back");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_belongs_to_one_tenant_whose_routes_alone_take_it() {
    let host = Host::new().start().await;
    let all = |name: &str| says(name).metadata("routes", json!(["*/*"]));
    host.deploy(TENANT, &all("mine")).await;
    host.deploy("other", &all("theirs")).await;
    grant(&host, TENANT, SHOP).await;
    let again = format!("/v1/tenants/other/domains/{SHOP}");
    host.admin("PUT", &again).send().await.expect_failure(409, "CONFLICT");
    assert_eq!(who(&host, SHOP, "/").await, "mine");
    host.put("/v1/tenants/demo", &json!({ "suspended": true })).await.expect_status(200);
    assert_eq!(who(&host, SHOP, "/").await, "FORBIDDEN");
    host.admin("DELETE", "/v1/tenants/demo").send().await.expect_status(204);
    assert_eq!(who(&host, SHOP, "/").await, "NO_WORKER");
    grant(&host, "other", SHOP).await;
    assert_eq!(who(&host, SHOP, "/").await, "theirs");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_brings_back_the_routes_of_its_version() {
    let host = Host::new().start().await;
    host.put("/v1/tenants/demo", &json!({})).await.expect_status(200);
    grant(&host, TENANT, SHOP).await;
    let routed = |text: &str| {
        says("site").metadata("routes", json!([format!("{SHOP}/{text}")])).text("V", text)
    };
    let first = host.deploy(TENANT, &routed("a")).await["version"].clone();
    assert_eq!(who(&host, SHOP, "/a").await, "site");
    host.deploy(TENANT, &routed("b")).await;
    assert_eq!(who(&host, SHOP, "/a").await, "NO_WORKER");
    assert_eq!(who(&host, SHOP, "/b").await, "site");
    let back = json!({ "version": first }).to_string();
    let deployments = "/v1/tenants/demo/workers/site/deployments";
    host.admin("POST", deployments).body(back).send().await.expect_status(200);
    assert_eq!(who(&host, SHOP, "/a").await, "site");
    assert_eq!(who(&host, SHOP, "/b").await, "NO_WORKER");
    host.shutdown().await;
}
