//! Tenants from outside: their tokens, their secrets, their end.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::{TENANT, handler, says};
use crate::host::{Doors, Host, SOON, Worker, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenants_token_reaches_what_is_the_tenants_and_nothing_else() {
    let host = Host::new().start().await;
    host.deploy(TENANT, &says("mine")).await;
    host.deploy("other", &says("other")).await;
    let made = host.admin("POST", "/v1/tenants/demo/tokens").send().await.expect_status(201).json();
    let token = made["token"].as_str().expect("a token").to_owned();
    let tenant = Doors { token: token.clone(), ..(*host).clone() };
    tenant.deploy(TENANT, &says("by token")).await;
    assert_eq!(host.get(TENANT, "/").await.text(), "by token");
    for path in ["/v1/tenants/demo", "/v1/tenants/demo/workers", "/v1/tenants/demo/logs"] {
        tenant.admin("GET", path).send().await.expect_status(200);
    }
    for (method, path) in [
        ("GET", "/v1/tenants"),
        ("GET", "/v1/tenants/other"),
        ("GET", "/v1/tenants/other/workers"),
        ("GET", "/v1/tenants/other/logs"),
        ("GET", "/v1/tenants/nobody/workers"),
        ("DELETE", "/v1/tenants/other/workers/main"),
        ("POST", "/v1/tenants/other/tokens"),
        ("PUT", "/v1/tenants/demo"),
        ("DELETE", "/v1/tenants/demo"),
        ("PUT", "/v1/tenants/demo/domains/a.example"),
        ("GET", "/metrics"),
    ] {
        let answer = tenant.admin(method, path).body("{}").send().await;
        assert_eq!((answer.status, answer.code().as_str()), (403, "FORBIDDEN"), "{method} {path}");
    }
    tenant.upload("other", &says("stolen")).await.expect_failure(403, "FORBIDDEN");
    tenant.upload("brand-new", &says("made")).await.expect_failure(403, "FORBIDDEN");
    assert_eq!(host.get("other", "/").await.text(), "other");
    let id = made["id"].as_str().expect("an id");
    let gone = host.admin("DELETE", &format!("/v1/tenants/demo/tokens/{id}")).send().await;
    gone.expect_status(204);
    let answer = tenant.admin("GET", "/v1/tenants/demo/workers").send().await;
    answer.expect_failure(401, "UNAUTHORIZED");
    for token in ["", "x", "operator", &token[..token.len() - 1]] {
        let nobody = Doors { token: token.into(), ..(*host).clone() };
        let answer = nobody.admin("GET", "/v1/tenants/demo").send().await;
        answer.expect_failure(401, "UNAUTHORIZED");
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_stands_nowhere_in_plain_text() {
    const SECRETS: [&str; 3] = ["first-hush-7f3a", "second-hush-91c2", "third-hush-b04d"];
    let host = Host::new().start().await;
    let body = "return Response.json(Object.values(env));";
    host.deploy(TENANT, &handler(body).secret("A", SECRETS[0]).secret("B", SECRETS[1])).await;
    let path = "/v1/tenants/demo/workers/main/secrets/B";
    host.put(path, &json!({ "text": SECRETS[2] })).await.expect_status(204);
    let seen = host.get(TENANT, "/").await.expect_status(200).text();
    assert!(seen.contains(SECRETS[0]) && seen.contains(SECRETS[2]), "{seen}");
    let token = host.admin("POST", "/v1/tenants/demo/tokens").send().await.json();
    let token = token["token"].as_str().expect("a token").to_owned();
    let listed = host.admin("GET", "/v1/tenants/demo/workers/main/secrets").send().await;
    assert!(!SECRETS.iter().any(|secret| listed.text().contains(secret)), "{listed}");
    let data = host.data();
    assert!(occurrences(&data, TENANT.as_bytes()) > 0, "the search finds what is there");
    for secret in SECRETS.iter().copied().chain([token.as_str()]) {
        assert_eq!(occurrences(&data, secret.as_bytes()), 0, "{secret} is on disk");
    }
    host.shutdown().await;
}

/// In how many files under a directory some bytes stand.
fn occurrences(dir: &Path, bytes: &[u8]) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(dir).expect("a directory").flatten() {
        if entry.path().is_dir() {
            count += occurrences(&entry.path(), bytes);
        } else {
            let content = fs::read(entry.path()).expect("a file");
            count += usize::from(content.windows(bytes.len()).any(|window| window == bytes));
        }
    }
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_tenant_is_gone_and_its_name_starts_afresh() {
    let host = Host::new().start().await;
    host.deploy(TENANT, &handler("return Response.json(env);").secret("KEY", "old")).await;
    assert_eq!(host.get(TENANT, "/").await.json(), json!({ "KEY": "old" }));
    host.admin("DELETE", "/v1/tenants/demo").send().await.expect_status(204);
    host.get(TENANT, "/").await.expect_failure(404, "NO_WORKER");
    host.deploy(TENANT, &handler("return Response.json(env);")).await;
    assert_eq!(host.get(TENANT, "/").await.json(), json!({}));
    let versions = host.admin("GET", "/v1/tenants/demo/workers/main/versions").send().await;
    assert_eq!(versions.json()["versions"].as_array().map(Vec::len), Some(1));
    host.shutdown().await;
}

/// What was running once went on, and could start more of the tenant's code.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_runs_of_a_tenant_ends_when_it_is_suspended_or_deleted() {
    let host = Host::new().start().await;
    let source = "export default { async fetch(request, env, ctx) {
        console.log('begun');
        for (;;) await (await ctx.exports.Other.fetch(request.url)).text();
    } };
    import { WorkerEntrypoint } from 'cloudflare:workers';
    export class Other extends WorkerEntrypoint {
        async fetch() { await scheduler.wait(20); return new Response('x') }
    }";
    for (number, path) in ["/v1/tenants/demo", "/v1/tenants/gone"].into_iter().enumerate() {
        let tenant = path.rsplit('/').next().expect("a name");
        host.deploy(tenant, &Worker::new(source)).await;
        let runs = async { host.get(tenant, "/").await };
        let stops = async {
            host.logs_until(tenant, |record| record["message"][0] == "begun").await;
            if number == 0 {
                host.put(path, &json!({ "suspended": true })).await.expect_status(200);
            } else {
                host.admin("DELETE", path).send().await.expect_status(204);
            }
        };
        let (answer, ()) = within(SOON, "the end", async { tokio::join!(runs, stops) }).await;
        answer.expect_failure(503, "ISOLATE_LOST");
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_tenant_is_not_served_until_it_is_let_go() {
    let host = Host::new().start().await;
    host.deploy(TENANT, &says("ok")).await;
    host.put("/v1/tenants/demo", &json!({ "suspended": true })).await.expect_status(200);
    host.get(TENANT, "/").await.expect_failure(403, "FORBIDDEN");
    host.put("/v1/tenants/demo", &json!({ "suspended": false })).await.expect_status(200);
    host.get(TENANT, "/").await.expect_status(200);
    host.shutdown().await;
}
