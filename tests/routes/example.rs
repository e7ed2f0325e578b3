//! `examples/api`, deployed as its README says.

use std::path::Path;

use tokio::process::Command;

use super::{TENANT, grant};
use crate::host::{Host, SOON, within};

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
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut command = Command::new(env!("CARGO_BIN_EXE_bindery"));
    command.arg("deploy").arg(root.join("examples/api").join(worker));
    command.args(["--tenant", TENANT, "--api", &format!("http://{}", host.admin)]);
    command.env_clear().env("BINDERY_TOKEN", &host.token).kill_on_drop(true);
    let output = within(SOON, "the deployment", command.output()).await.expect("it runs");
    assert!(output.status.success(), "{output:?}");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    text(output.stdout) + &text(output.stderr)
}
