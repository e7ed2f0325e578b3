//! `examples/kv-notes`, deployed as its README says.

use crate::host::Host;

const TO: &str = "notes.demo";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notes_are_written_listed_shown_and_deleted() {
    let host = Host::new().start().await;
    deploy(&host).await;
    let put = async |path: &str, body: &[u8]| {
        let request = host.request(TO, "PUT", path).header("content-type", "text/x-note");
        request.body(body).send().await
    };
    put("/notes/milk", b"two litres").await.expect_status(204);
    put("/notes/a%2Fb?ttl=3600", b"row F").await.expect_status(204);
    let shown = host.get(TO, "/notes/milk").await.expect_status(200);
    assert_eq!(shown.text(), "two litres");
    assert_eq!(shown.header("content-type"), Some("text/x-note"));
    assert!(shown.header("last-modified").is_some());
    let listed = host.get(TO, "/notes").await.expect_status(200).json();
    assert_eq!(listed["notes"][0]["name"], "a/b");
    assert!(listed["notes"][0]["expires"].is_string() && listed["notes"][1]["expires"].is_null());
    assert_eq!(listed["notes"].as_array().map(Vec::len), Some(2));
    let some = host.get(TO, "/notes?prefix=m").await.expect_status(200).json();
    assert_eq!(some["notes"].as_array().map(Vec::len), Some(1));
    let refused = put("/notes/soon?ttl=5", b"x").await.expect_status(400).json();
    assert!(refused["error"].as_str().is_some_and(|e| e.contains("at least 60")), "{refused}");
    let long = vec![b'n'; 2 << 20];
    put("/notes/long", &long).await.expect_status(204);
    assert!(host.get(TO, "/notes/long").await.expect_status(200).body == long);
    let page = host.admin("GET", "/v1/tenants/demo/kv/notes").send().await.expect_status(200);
    assert_eq!(page.json()["keys"].as_array().map(Vec::len), Some(3));
    host.request(TO, "DELETE", "/notes/milk").send().await.expect_status(204);
    host.get(TO, "/notes/milk").await.expect_status(404);
    host.get(TO, "/").await.expect_status(404);
    host.request(TO, "PATCH", "/notes/a").send().await.expect_status(405);
    host.shutdown().await;
}

async fn deploy(host: &Host) {
    let printed = host.deploy_example("kv-notes").await;
    assert!(!printed.contains("warning"), "{printed}");
}
