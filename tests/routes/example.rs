//! `examples/api`, deployed as its README says.

use super::{TENANT, grant};
use crate::host::Host;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_share_a_host_by_their_routes() {
    let host = Host::new().start().await;
    let printed = deploy(&host, "site").await;
    assert!(printed.contains("route   shop.example.com/*\n"), "{printed}");
    assert!(printed.contains("tenants domains put demo shop.example.com"), "{printed}");
    grant(&host, TENANT, "shop.example.com").await;
    let printed = deploy(&host, "api").await;
    assert!(printed.contains("route   shop.example.com/api/*\n"), "{printed}");
    assert!(!printed.contains("warning"), "{printed}");
    let shop = async |path: &str| host.request_as("shop.example.com", "GET", path).send().await;
    let page = shop("/").await.expect_status(200);
    assert!(page.text().starts_with("<!doctype html>"), "{page}");
    shop("/api").await.expect_status(404);
    let items = shop("/api/items").await.expect_status(200).json();
    assert_eq!(items["items"].as_array().map(Vec::len), Some(3));
    assert_eq!(shop("/api/items/2").await.expect_status(200).json()["title"], "Thread");
    let none = shop("/api/items/9").await.expect_status(404).json();
    assert_eq!(none["error"], "there is no item 9");
    host.get("api.demo", "/api/items/1").await.expect_status(200);
    host.shutdown().await;
}

/// Deploys a worker of the example. Gives all that was printed.
async fn deploy(host: &Host, worker: &str) -> String {
    host.deploy_example(&format!("api/{worker}")).await
}
