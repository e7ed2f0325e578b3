//! Tenants of the same names: what one keeps, no other finds, counts or loses.

use serde_json::{Value, json};

use super::{TENANT, handler, store};
use crate::host::{Doors, Host};

/// Names that try to be somebody else's, percent-encoded for a path.
const NAMES: [&str; 13] = [
    "%2F",
    "a%2F..%2Fb",
    "..%2F..%2Fdemo",
    "%00",
    "a",
    "a%00",
    "aa",
    "%00%00%00%00%00%00%00%02",
    "%C3%A9",
    "e%CC%81",
    "%EF%BF%BD",
    "%EF%BF%BF",
    "%F4%8F%BF%BF",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tenants_with_the_same_names_never_meet() {
    let host = Host::new().start().await;
    for tenant in [TENANT, "demo2"] {
        host.deploy(tenant, &store()).await;
        for name in NAMES {
            for space in ["", &format!("?ns={name}")] {
                let path = format!("/{name}{space}");
                let value = format!("{tenant} {path}");
                let put = host.request(tenant, "PUT", &path).body(value).send().await;
                put.expect_status(204);
            }
        }
    }
    for tenant in [TENANT, "demo2"] {
        for name in NAMES {
            for space in ["", &format!("?ns={name}")] {
                let path = format!("/{name}{space}");
                let got = host.get(tenant, &path).await.expect_status(200);
                assert_eq!(got.text(), format!("{tenant} {path}"));
            }
            let listed = host.get(tenant, &format!("/?ns={name}")).await.json();
            assert_eq!(listed["keys"].as_array().map(Vec::len), Some(1), "{tenant} {name}");
        }
        let listed = host.get(tenant, "/").await.json();
        assert_eq!(listed["keys"].as_array().map(Vec::len), Some(NAMES.len()));
    }
    let mine = host.get(TENANT, "/?limit=1").await.expect_status(200).json();
    let cursor = mine["cursor"].as_str().expect("a cursor");
    host.get(TENANT, &format!("/?cursor={cursor}")).await.expect_status(200);
    let refused = host.get("demo2", &format!("/?cursor={cursor}")).await;
    refused.expect_failure(500, "EXCEPTION");
    let thrown = host.record("demo2", "exception").await;
    assert!(thrown["message"].to_string().contains("400 Invalid cursor."), "{thrown}");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_that_is_deleted_leaves_nothing_and_its_name_starts_afresh() {
    let host = Host::new().start().await;
    for tenant in [TENANT, "other"] {
        host.deploy(tenant, &store()).await;
        for (path, length) in [("/a", 5), ("/b", 100_000), ("/c", 2 << 20)] {
            let put = host.request(tenant, "PUT", path).body(vec![1; length]).send().await;
            put.expect_status(204);
        }
    }
    let directories = || std::fs::read_dir(host.data().join("blobs")).expect("blobs").count();
    let before = directories();
    host.admin("DELETE", "/v1/tenants/demo").send().await.expect_status(204);
    assert_eq!(directories(), before - 1);
    host.deploy(TENANT, &store()).await;
    host.get(TENANT, "/a").await.expect_status(404);
    assert_eq!(host.get(TENANT, "/").await.json()["keys"], json!([]));
    assert_eq!(host.get("other", "/c").await.expect_status(200).body.len(), 2 << 20);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_stops_one_tenant_and_says_so() {
    let host = Host::new().start().await;
    host.deploy(TENANT, &store()).await;
    let settings = json!({ "quotas": { "stored_bytes": 1_000, "stored_rows": 3 } });
    host.put("/v1/tenants/demo", &settings).await.expect_status(200);
    let put = async |path: &str, length: usize| {
        host.request(TENANT, "PUT", path).body(vec![1; length]).send().await
    };
    put("/a", 900).await.expect_status(204);
    let over = put("/b", 200).await.expect_status(400).text();
    assert!(over.starts_with("KV PUT failed: 429 ") && over.contains("stored_bytes is 1000"));
    let over = put("/c", 3 << 20).await.expect_status(400).text();
    assert!(over.contains("stored_bytes is 1000"), "{over}");
    put("/d", 1).await.expect_status(204);
    put("/e", 1).await.expect_status(204);
    let over = put("/f", 1).await.expect_status(400).text();
    assert!(over.contains("stored_rows is 3"), "{over}");
    put("/a", 1).await.expect_status(204);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_over_the_admin_api_are_those_of_the_workers_and_of_the_token() {
    let host = Host::new().start().await;
    host.deploy(TENANT, &store()).await;
    host.deploy("other", &store()).await;
    let token = host.admin("POST", "/v1/tenants/demo/tokens").send().await.expect_status(201);
    let token = token.json()["token"].as_str().expect("a token").to_owned();
    let tenant = Doors { token, ..(*host).clone() };
    let path = "/v1/tenants/demo/kv/notes/a%2Fb";
    let put = format!("{path}?expiration_ttl=600&metadata=%7B%22a%22:%22%C3%A9%22%7D");
    tenant.admin("PUT", &put).body(vec![7; 200_000]).send().await.expect_status(204);
    assert!(host.get(TENANT, "/a%2Fb").await.expect_status(200).body == vec![7; 200_000]);
    let shown = tenant.admin("GET", path).send().await.expect_status(200);
    assert_eq!(shown.body.len(), 200_000);
    assert_eq!(shown.header("x-bindery-kv-metadata"), Some("{\"a\":\"\\u00e9\"}"));
    assert!(shown.header("x-bindery-kv-expiration").is_some());
    host.request(TENANT, "PUT", "/z").body("z").send().await.expect_status(204);
    let page = tenant.admin("GET", "/v1/tenants/demo/kv/notes?limit=1").send().await.json();
    assert_eq!(page["keys"][0]["metadata"], json!({ "a": "\u{e9}" }));
    let next =
        format!("/v1/tenants/demo/kv/notes?cursor={}", page["cursor"].as_str().expect("one"));
    let rest = tenant.admin("GET", &next).send().await.expect_status(200).json();
    let last = json!({ "keys": [{ "name": "z", "expiration": null, "metadata": null }],
        "cursor": null });
    assert_eq!(rest, last);
    let audited = host.admin("GET", "/v1/tenants/demo/audit").send().await.json();
    let entries = audited["entries"].as_array().expect("entries");
    assert!(entries.iter().any(|entry| entry["path"] == path && entry["method"] == "PUT"));

    let theirs = "/v1/tenants/other/kv/notes";
    for (method, path) in [("GET", theirs), ("PUT", "/v1/tenants/other/kv/notes/a")] {
        tenant.admin(method, path).send().await.expect_failure(403, "FORBIDDEN");
    }
    let stolen = next.replace("/demo/", "/other/");
    let refused = host.admin("GET", &stolen).send().await.expect_failure(422, "INVALID");
    assert_eq!(problem(&refused.json()), "query.cursor");
    let wrong = [
        ("PUT", format!("{path}?expiration_ttl=5"), 422, "INVALID"),
        ("PUT", format!("{path}?expiration=x"), 422, "INVALID"),
        ("PUT", format!("{path}?metadata=x"), 422, "INVALID"),
        ("PUT", format!("{path}?more=x"), 422, "INVALID"),
        ("GET", "/v1/tenants/demo/kv/notes?limit=1001".to_owned(), 422, "INVALID"),
        ("GET", format!("/v1/tenants/demo/kv/{}", "n".repeat(257)), 422, "INVALID"),
        ("PUT", format!("/v1/tenants/demo/kv/notes/{}", "k".repeat(513)), 413, "TOO_LARGE"),
        ("GET", "/v1/tenants/demo/kv/notes/none".to_owned(), 404, "NOT_FOUND"),
        ("GET", "/v1/tenants/nobody/kv/notes".to_owned(), 404, "NOT_FOUND"),
    ];
    for (method, path, status, code) in wrong {
        host.admin(method, &path).send().await.expect_failure(status, code);
    }
    let over = host.admin("PUT", path).body(vec![0; (25 << 20) + 1]).send().await;
    over.expect_failure(413, "TOO_LARGE");
    tenant.admin("DELETE", path).send().await.expect_status(204);
    host.get(TENANT, "/a%2Fb").await.expect_status(404);
    host.shutdown().await;
}

fn problem(body: &Value) -> &str {
    body["error"]["problems"][0]["path"].as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_five_hundred_keys_come_page_by_page() {
    let host = Host::new().start().await;
    let body = "const { searchParams } = new URL(request.url);
        const from = searchParams.get('from');
        if (from !== null) {
          const put = (at) => env.KV.put(`k${String(Number(from) + at).padStart(5, '0')}`, '');
          await Promise.all(Array.from({ length: 500 }, (_, at) => put(at)));
          return new Response();
        }
        const pages = []; const names = [];
        for (let cursor;;) {
          const page = await env.KV.list({ cursor });
          pages.push(page.keys.length); names.push(...page.keys.map((key) => key.name));
          if (page.list_complete) break;
          cursor = page.cursor;
        }
        const sorted = names.every((name, at) => name === `k${String(at).padStart(5, '0')}`);
        return Response.json({ pages, sorted });";
    host.deploy(TENANT, &handler(body)).await;
    for from in (0..2_500).step_by(500) {
        host.get(TENANT, &format!("/?from={from}")).await.expect_status(200);
    }
    let said = host.get(TENANT, "/").await.expect_status(200).json();
    assert_eq!(said, json!({ "pages": [1000, 1000, 500], "sorted": true }));
    host.shutdown().await;
}
