//! The admin API as its clients see it, called in this process.

use std::sync::Arc;

use axum::body::Body;
use bindery_storage::key::{Key, Space};
use bindery_storage::memory::Memory;
use bindery_wire::TenantId;
use bindery_wire::frame::EventKind;
use bindery_wire::log::{Level, Record};
use bindery_wire::manifest::Binding;
use futures_util::future::BoxFuture;
use http::{Request, Response, header};
use http_body_util::BodyExt;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::*;
use crate::clock::Millis;
use crate::code::Code;
use crate::config::Token;
use crate::event::{self, Ended};
use crate::kv;
use crate::metrics::Family;
use crate::queue::Queues;
use crate::registry::Vault;
use crate::registry::tests::Fixture;
use crate::tasks::Tasks;
use crate::usage::Usage;

const OPERATOR: &str = "the-operators-own-token";
const BOUNDARY: &str = "5d4f";
const ES: &str = "application/javascript+module";

struct Api {
    fixture: Fixture,
    service: TowerToHyperService<Router>,
    tail: Tail,
    serving: watch::Sender<bool>,
}

struct NoFigures;

impl Measured for NoFigures {
    fn measure(&self) -> Vec<Family> {
        vec![Family::gauge("bindery_isolates", "Live isolates.", 2.0)]
    }
}

/// Runs nothing: what an event does takes an isolate.
struct NoRunner;

impl Runner for NoRunner {
    fn run<'a>(
        &'a self,
        _code: Arc<Code>,
        _entrypoint: Option<&'a str>,
        _kind: EventKind<'a>,
    ) -> BoxFuture<'a, Result<Ended, event::Error>> {
        Box::pin(async { Err(event::Error::Full) })
    }

    fn now(&self) -> Millis {
        Millis(1)
    }
}

/// An answer with its body as JSON; `null` for none.
#[derive(Debug)]
struct Answered {
    status: u16,
    body: Value,
}

impl Answered {
    fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    /// The problems, each as `path: message`.
    fn problems(&self) -> Vec<String> {
        let problems = self.body["error"]["problems"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        problems.iter().map(|p| format!("{}: {}", text(&p["path"]), text(&p["message"]))).collect()
    }
}

impl Api {
    async fn new() -> Self {
        let fixture = Fixture::new().await;
        let given = Token(OPERATOR.into());
        let operator = Operator::open(Some(&given), fixture.directory.path()).expect("taken");
        let tail = Tail::new(fixture.clock.clone());
        let usage = Usage::new(Arc::new(Memory::new()), fixture.clock.clone());
        let (serving, watched) = watch::channel(true);
        let (store, blobs) =
            crate::store::open(&fixture.directory.path().join("data")).expect("opens");
        let kv = Kv::new(kv::Parts {
            engine: fixture.engine.clone(),
            blobs: blobs.clone(),
            clock: fixture.clock.clone(),
            tasks: Tasks::new(tokio::runtime::Handle::current()),
            vault: Vault::new(&[7; 32]),
        });
        let parts = Parts {
            registry: fixture.registry.clone(),
            store: Arc::new(store),
            blobs,
            kv,
            operator,
            audit: Audit::new(fixture.engine.clone(), fixture.clock.clone()),
            tail: tail.clone(),
            usage: usage.clone(),
            queues: Queues::new(crate::queue::Parts {
                engine: fixture.engine.clone(),
                clock: fixture.clock.clone(),
                scheduler: crate::scheduler::Handle::default(),
            }),
            measured: Arc::new(NoFigures),
            runner: Arc::new(NoRunner),
            serving: watched,
            domain: "localhost".into(),
            port: 8787,
        };
        let service = TowerToHyperService::new(router(parts));
        Self { fixture, service, tail, serving }
    }

    async fn raw(&self, request: Request<Body>) -> Response<axum::body::Body> {
        self.service.call(request).await.expect("a router can not fail")
    }

    async fn send(&self, token: &str, call: &str, body: impl Into<Body>) -> Answered {
        let (method, path) = call.split_once(' ').expect("a method and a path");
        let mut request = Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if path.contains("/workers/") && method == "PUT" && !path.contains("/secrets/") {
            let form = format!("multipart/form-data; boundary={BOUNDARY}");
            request = request.header(header::CONTENT_TYPE, form);
        }
        let response = self.raw(request.body(body.into()).expect("a request")).await;
        let id = response.headers()["x-bindery-request"].to_str().expect("text").to_owned();
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.expect("a body").to_bytes();
        let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if status >= 400 {
            assert_eq!(body["error"]["requestId"], id, "{call}");
        }
        Answered { status, body }
    }

    async fn operator(&self, call: &str, body: impl Into<Body>) -> Answered {
        self.send(OPERATOR, call, body).await
    }

    async fn done(&self, call: &str, body: impl Into<Body>) -> Value {
        let answered = self.operator(call, body).await;
        assert!(answered.status < 300, "{call}: {answered:?}");
        answered.body
    }

    async fn token(&self, tenant: &str) -> String {
        let made = self.done(&format!("POST /v1/tenants/{tenant}/tokens"), "").await;
        made["token"].as_str().expect("shown once").to_owned()
    }
}

fn form(metadata: &Value, modules: &[(&str, &str, &[u8])]) -> Vec<u8> {
    let mut form = Vec::new();
    let mut part = |name: &str, content_type: &str, bytes: &[u8]| {
        let disposition = format!("form-data; name=\"{name}\"; filename=\"{name}\"");
        let head = format!(
            "--{BOUNDARY}\r\ncontent-disposition: {disposition}\r\n\
             content-type: {content_type}\r\n\r\n"
        );
        form.extend_from_slice(head.as_bytes());
        form.extend_from_slice(bytes);
        form.extend_from_slice(b"\r\n");
    };
    part("metadata", "application/json", metadata.to_string().as_bytes());
    modules.iter().for_each(|(name, content_type, bytes)| part(name, content_type, bytes));
    form.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    form
}

fn metadata(more: Value) -> Value {
    let mut metadata = json!({ "main_module": "index.js", "compatibility_date": "2026-08-01" });
    let more = more.as_object().cloned().unwrap_or_default();
    metadata.as_object_mut().expect("an object").extend(more);
    metadata
}

fn hello(more: Value) -> Vec<u8> {
    form(&metadata(more), &[("index.js", ES, b"1")])
}

#[tokio::test]
async fn an_upload_makes_the_tenant_and_shows_where_it_is_reached() {
    let api = Api::new().await;
    let uploaded = api.done("PUT /v1/tenants/acme/workers/main", hello(json!({}))).await;
    assert_eq!(uploaded["url"], "http://acme.localhost:8787/");
    assert_eq!(uploaded["startup"], json!({ "ms": 3, "warnings": [] }));
    let version = uploaded["version"].as_str().expect("a version");
    let worker = api.done("GET /v1/tenants/acme/workers/main", "").await;
    assert_eq!(worker["version"], version);
    let other = api.done("PUT /v1/tenants/acme/workers/api?deploy=false", hello(json!({}))).await;
    assert_eq!(other["url"], "http://api.acme.localhost:8787/");
    let workers = api.done("GET /v1/tenants/acme/workers", "").await;
    let names: Vec<&Value> = workers["workers"].as_array().expect("a list").iter().collect();
    assert_eq!(names[0]["version"], Value::Null);
    assert_eq!((&names[0]["name"], &names[1]["name"]), (&json!("api"), &json!("main")));
    let deploy = "POST /v1/tenants/acme/workers/api/deployments";
    let deployed = api.done(deploy, json!({ "version": version }).to_string()).await;
    assert_eq!(deployed["version"], version);
    let versions = api.done("GET /v1/tenants/acme/workers/api/versions", "").await;
    assert_eq!(versions["versions"][0]["deployed"], true);
    assert_eq!(
        api.operator("DELETE /v1/tenants/acme/workers/api?force=true", "").await.status,
        204
    );
    let gone = api.operator("GET /v1/tenants/acme/workers/api", "").await;
    assert_eq!((gone.status, gone.code()), (404, "NOT_FOUND"));
}

#[tokio::test]
async fn every_problem_of_an_upload_is_reported_at_once() {
    let api = Api::new().await;
    let bad = json!({
        "main_module": "q.js", "compatibility_date": "2099-01-01", "colour": 1,
        "compatibility_flags": ["nope", "nodejs_compat"],
        "bindings": [
            { "type": "foo", "name": "A" },
            { "type": "kv_namespace", "name": "B", "namespace_id": "" },
            { "type": "plain_text", "name": "1C", "text": 3, "extra": true },
            { "type": "plain_text", "name": "A", "text": "x" },
            { "type": "secret_text", "name": "KEY" },
            { "type": "json", "name": "J" },
            7,
            { "type": "queue", "name": "Q", "delivery_delay": 86401 },
            { "type": "dynamic_kv", "name": "KVS", "quota": 1 },
            { "type": "r2_bucket", "name": "R" },
        ],
        "queue_consumers": [
            { "queue": "jobs", "max_batch_size": 0, "max_retries": -1, "dead_letter_queue": "" },
            { "queue": "jobs", "max_batch_timeout": 61, "visibility": 1 },
            "jobs",
        ],
        "crons": ["* * * * *", "* * * * *", "x".repeat(257)], "routes": [], "limits": { "cpu_ms": 0, "disk": 1 },
        "outbound": { "service": "X--y", "to": 1 }, "keep_bindings": ["d1"], "previews": "yes",
    });
    let modules: [(&str, &str, &[u8]); 9] = [
        ("a.js", ES, b"\xff"),
        ("b.json", "application/json", b"{"),
        ("c.wasm", "application/wasm", b"no"),
        ("d.js", "application/javascript", b""),
        ("../e", "text/plain; charset=utf-8", b"x"),
        ("f", "image/png", b"x"),
        ("g\u{e9}", "text/plain", b"x"),
        ("ge\u{301}", "text/plain", b"x"),
        ("b.json", "application/json", b"{}"),
    ];
    let answered = api.operator("PUT /v1/tenants/acme/workers/main", form(&bad, &modules)).await;
    assert_eq!((answered.status, answered.code()), (422, "INVALID"));
    let problems = answered.problems().join("\n") + "\n";
    expect_test::expect_file!["../../golden/upload-problems.txt"].assert_eq(&problems);
    // What is refused leaves not even the tenant.
    assert_eq!(api.operator("GET /v1/tenants/acme", "").await.status, 404);
}

#[tokio::test]
async fn an_upload_that_is_no_form_or_too_large_is_refused() {
    let api = Api::new().await;
    let put = "PUT /v1/tenants/acme/workers/main";
    let one = async |body: Vec<u8>| {
        let answered = api.operator(put, body).await;
        (answered.status, answered.problems().join("; "))
    };
    assert_eq!(api.operator(put, "not a form").await.code(), "BAD_REQUEST");
    let none = form(&metadata(json!({})), &[]);
    let (status, problems) = one(none).await;
    assert_eq!(status, 422);
    assert!(
        problems.contains("modules: Worker code must contain at least one module."),
        "{problems}"
    );
    let half = vec![b' '; 33 << 20];
    let large: [(&str, &str, &[u8]); 3] =
        [("index.js", ES, b"1"), ("a", "text/plain", &half), ("b", "text/plain", &half)];
    let (status, problems) = one(form(&metadata(json!({})), &large)).await;
    let text = "modules: Worker code size (69206017 bytes) exceeds the maximum allowed size of \
         67108864 bytes. (the limit modules_bytes_max is 67108864 bytes: leave out what the worker \
         does not import)";
    assert_eq!((status, problems.as_str()), (422, text));
    let text = "x".repeat((1 << 20) - 1);
    let env = json!({ "bindings": [{ "type": "plain_text", "name": "AB", "text": text }] });
    let (status, problems) = one(hello(env)).await;
    let text = "bindings: Worker env size (1048577 bytes) exceeds the maximum allowed size of \
         1048576 bytes. (the limit env_bytes_max is 1048576 bytes: put large values into modules)";
    assert_eq!((status, problems.as_str()), (422, text));
    let answered = api.operator("PUT /v1/tenants/a--b/workers/Main", hello(json!({}))).await;
    assert_eq!((answered.status, answered.problems().len()), (422, 2));
    let query = api.operator("PUT /v1/tenants/acme/workers/main?x=1", hello(json!({}))).await;
    assert_eq!(query.problems(), ["query.x: unknown parameter"]);
}

#[tokio::test]
async fn a_module_that_does_not_start_is_refused_with_its_position() {
    let api = Api::new().await;
    let put = "PUT /v1/tenants/acme/workers/main";
    let served = api.done(put, hello(json!({}))).await["version"].clone();
    let throws = form(&metadata(json!({})), &[("index.js", ES, b"throw 1")]);
    let answered = api.operator(put, throws).await;
    assert_eq!((answered.status, answered.code()), (422, "INVALID"));
    let expected = "modules[\"index.js\"]:1:7: STARTUP_FAILED: Error: thrown";
    assert_eq!(answered.problems(), [expected]);
    assert_eq!(api.done("GET /v1/tenants/acme/workers/main", "").await["version"], served);
}

#[tokio::test]
async fn values_pass_as_they_were_sent_and_fields_without_meaning_warn() {
    let api = Api::new().await;
    let put = "PUT /v1/tenants/acme/workers/main";
    let more = json!({
        "bindings": [
            { "type": "json", "name": "CFG", "json": { "a": [1, null] } },
            { "type": "plain_text", "name": "GREETING", "text": "hi" },
            { "type": "secret_text", "name": "KEY", "text": "hush" },
        ],
        "placement": { "mode": "smart" }, "logpush": false,
        "limits": { "cpu_ms": 50, "subrequests": 50 }, "outbound": "none",
    });
    let warnings = api.done(put, hello(more)).await["startup"]["warnings"].clone();
    assert_eq!(warnings.as_array().expect("a list").len(), 2);
    let code = api.fixture.registry.code("acme", "main", None).await.expect("code");
    assert_eq!(code.secrets, [("KEY".to_owned(), "hush".to_owned())]);
    assert_eq!(code.limits.cpu_ms_max, 50);
    // What is to be kept is taken from the version that serves; a secret is there anyway.
    let keep = json!({
        "bindings": [{ "type": "secret_text", "name": "KEY" }],
        "keep_bindings": ["plain_text", "secret_text"],
    });
    api.done(put, hello(keep)).await;
    let code = api.fixture.registry.code("acme", "main", None).await.expect("code");
    let names: Vec<&str> = code.manifest.bindings.keys().map(String::as_str).collect();
    assert_eq!(names, ["GREETING", "KEY"]);
}

#[tokio::test]
async fn a_limit_over_the_one_that_applies_is_kept_with_a_warning() {
    let api = Api::new().await;
    let set = json!({ "limits": { "cpu_ms": 100, "memory_mb": 4096 } }).to_string();
    let set = api.done("PUT /v1/tenants/acme", set).await;
    let warning = |name: &str, asked: u32, max: u32| {
        format!("`limits.{name}` is {asked}, which is over {max}: the lowest applies, {max}")
    };
    assert_eq!(set["warnings"], json!([warning("memory_mb", 4096, 128)]));
    let limits = json!({ "limits": { "cpu_ms": 200, "subrequests": 7, "wall_ms": 5_000_000 } });
    let uploaded = api.done("PUT /v1/tenants/acme/workers/main", hello(limits)).await;
    let warnings = [warning("cpu_ms", 200, 100), warning("wall_ms", 5_000_000, 900_000)];
    assert_eq!(uploaded["startup"]["warnings"], json!(warnings));
    let code = api.fixture.registry.code("acme", "main", None).await.expect("code");
    assert_eq!((code.limits.cpu_ms_max, code.limits.subrequest_count_max), (100, 7));
}

#[tokio::test]
async fn routes_are_read_in_each_form_and_one_without_its_host_warns() {
    let api = Api::new().await;
    let put = "PUT /v1/tenants/acme/workers/main";
    api.done("PUT /v1/tenants/acme", "").await;
    api.done("PUT /v1/tenants/acme/domains/shop.example", "").await;
    let routes = json!({ "routes": [
        "Shop.Example/*", "shop.example/*", "*.example/api/*", "later.example",
        { "pattern": "www.example", "custom_domain": true, "zone_name": "example" },
    ] });
    let uploaded = api.done(put, hello(routes)).await;
    let patterns = json!(["shop.example/*", "*.example/api/*", "later.example/", "www.example/*"]);
    assert_eq!(uploaded["routes"], patterns);
    expect_test::expect![[r#"
        [
          "route `later.example` takes the path / alone: write `later.example/*` to take every path",
          "`metadata.routes[4].zone_name` has no meaning here and is ignored",
          "route `later.example/` takes no request until the operator grants its host: bindery tenants domains put acme later.example",
          "route `www.example/*` takes no request until the operator grants its host: bindery tenants domains put acme www.example"
        ]"#]]
    .assert_eq(&serde_json::to_string_pretty(&uploaded["startup"]["warnings"]).expect("JSON"));
    assert_eq!(api.done("GET /v1/tenants/acme/workers/main", "").await["routes"], patterns);
    let taken = api.operator("PUT /v1/tenants/acme/workers/api", {
        hello(json!({ "routes": ["shop.example/*"] }))
    });
    let taken = taken.await;
    assert_eq!((taken.status, taken.code()), (409, "CONFLICT"), "{taken:?}");
}

#[tokio::test]
async fn every_problem_of_routes_is_reported_at_once() {
    let api = Api::new().await;
    let routes = json!({ "routes": [
        "shop.example:80/*", "acme.localhost/*", 7, { "patern": "a.b/*" }, "a.*.b/",
        { "pattern": "a.b/*", "custom_domain": true },
    ] });
    let refused = api.operator("PUT /v1/tenants/acme/workers/main", hello(routes)).await;
    expect_test::expect![[r#"
        metadata.routes[0]: a route has no port: it takes requests on every port that the server listens on
        metadata.routes[1]: names under localhost are the server's own: the worker is reached under its name there, and routes take hosts that the operator granted
        metadata.routes[2]: expected a pattern such as "shop.example.com/*", or {"pattern": "..."}
        metadata.routes[3].pattern: is missing: expected a string
        metadata.routes[3].patern: unknown field
        metadata.routes[4]: a `*` stands first in the host or last in the path, and nowhere else
        metadata.routes[5].pattern: a custom domain is a host name alone: it takes every path"#]].assert_eq(&refused.problems().join("\n"));
    let many: Vec<String> = (0..101).map(|number| format!("a.b/{number}")).collect();
    let refused =
        api.operator("PUT /v1/tenants/acme/workers/main", hello(json!({ "routes": many })));
    let told = "101 routes; the limit route_count_max is 100: take several paths by one pattern";
    assert_eq!(refused.await.problems(), [format!("metadata.routes: {told} with `*`")]);
}

#[tokio::test]
async fn the_value_of_a_json_binding_may_be_null_but_not_absent() {
    let api = Api::new().await;
    let put = "PUT /v1/tenants/acme/workers/main";
    let null = json!({ "bindings": [{ "type": "json", "name": "CFG", "json": null }] });
    api.done(put, hello(null)).await;
    let code = api.fixture.registry.code("acme", "main", None).await.expect("code");
    let expected = Binding::Json { json: "null".into() };
    assert_eq!(code.manifest.bindings.get("CFG"), Some(&expected));
    let absent = json!({ "bindings": [{ "type": "json", "name": "CFG" }] });
    let problems = api.operator(put, hello(absent)).await.problems();
    assert_eq!(problems, ["bindings[0].json: is missing: expected a value"]);
}

#[tokio::test]
async fn a_token_reaches_what_is_its_tenants_own_and_no_more() {
    let api = Api::new().await;
    for tenant in ["acme", "other"] {
        api.done(&format!("PUT /v1/tenants/{tenant}"), "").await;
    }
    let token = api.token("acme").await;
    let as_tenant = async |call: &str, body: Vec<u8>| api.send(&token, call, body).await.status;
    assert_eq!(as_tenant("PUT /v1/tenants/acme/workers/main", hello(json!({}))).await, 200);
    for call in [
        "GET /v1/tenants/acme",
        "GET /v1/tenants/%61cme",
        "GET /v1/tenants/acme/domains",
        "GET /v1/tenants/acme/tokens",
        "GET /v1/tenants/acme/logs",
        "GET /v1/tenants/acme/workers/main/versions",
        "GET /v1/capabilities",
        "GET /openapi.json",
    ] {
        assert_eq!(as_tenant(call, vec![]).await, 200, "{call}");
    }
    for call in [
        "PUT /v1/tenants/acme",
        "DELETE /v1/tenants/acme",
        "GET /v1/tenants",
        "PUT /v1/tenants/acme/domains/a.example",
        "DELETE /v1/tenants/acme/domains/a.example",
        "GET /v1/tenants/other",
        "GET /v1/tenants/absent",
        "GET /v1/tenants/other/workers",
        "PUT /v1/tenants/other/workers/main",
        "GET /v1/tenants/other/logs",
        "POST /v1/tenants/other/tokens",
        "GET /v1/tenants/oth%65r/secrets",
        "GET /metrics",
    ] {
        let expected = if call.ends_with("secrets") { 404 } else { 403 };
        assert_eq!(as_tenant(call, vec![]).await, expected, "{call}");
    }
}

#[tokio::test]
async fn without_a_valid_token_only_health_is_answered() {
    let api = Api::new().await;
    api.done("PUT /v1/tenants/acme", "").await;
    let token = api.token("acme").await;
    let forged = token.replace("bnd_1", "bnd_2");
    let cut = &token[..token.len() - 1];
    for token in ["", "wrong", cut, &forged, "bnd_1_", "bnd_zz_00", &OPERATOR[1..]] {
        for call in super::call::CALLS {
            let path = call.path.replace("{t}", "acme").replace("{w}", "main");
            let path = path.replace("{host}", "a.example").replace("{name}", "K");
            let answered = api.send(token, &format!("{} {path}", call.method), "").await;
            let open = matches!(call.path, "/healthz" | "/readyz");
            assert_eq!(answered.status, if open { 204 } else { 401 }, "{} {path}", call.method);
        }
    }
    let id = api.done("GET /v1/tenants/acme/tokens", "").await["tokens"][0]["id"].clone();
    let id = id.as_str().expect("an id");
    assert!(!token.contains(id));
    api.done(&format!("DELETE /v1/tenants/acme/tokens/{id}"), "").await;
    assert_eq!(api.send(&token, "GET /v1/tenants/acme", "").await.status, 401);
}

#[tokio::test]
async fn every_listed_call_exists_and_nothing_else_does() {
    let api = Api::new().await;
    for call in super::call::CALLS {
        let path = call.path.replace(['{', '}'], "");
        let answered = api.operator(&format!("{} {path}", call.method), "").await;
        let message = answered.body["error"]["message"].as_str().unwrap_or_default();
        assert!(!message.contains("no such call"), "{} {path}", call.method);
        assert_ne!(answered.status, 405, "{} {path}", call.method);
    }
    let absent = api.operator("GET /v2", "").await;
    assert_eq!((absent.status, absent.code()), (404, "NOT_FOUND"));
    let method = api.operator("PATCH /v1/tenants/acme", "").await;
    assert_eq!((method.status, method.code()), (405, "BAD_REQUEST"));
}

#[tokio::test]
async fn tenants_are_listed_by_prefix_and_page() {
    let api = Api::new().await;
    for name in ["a1", "a2", "a3", "b", "a"] {
        api.done(&format!("PUT /v1/tenants/{name}"), r#"{"tier":"gold"}"#).await;
    }
    let mut names = Vec::new();
    let mut call = "GET /v1/tenants?prefix=a&limit=2".to_owned();
    for _ in 0..5 {
        let page = api.done(&call, "").await;
        let tenants = page["tenants"].as_array().expect("a list");
        names.extend(tenants.iter().map(|t| t["name"].as_str().expect("a name").to_owned()));
        let Some(cursor) = page["cursor"].as_str() else { break };
        call = format!("GET /v1/tenants?prefix=a&limit=2&cursor={cursor}");
    }
    assert_eq!(names, ["a", "a1", "a2", "a3"]);
    for query in ["limit=0", "limit=1001", "cursor=..", "prefix=A", "x=1", "limit=1&limit=2"] {
        let answered = api.operator(&format!("GET /v1/tenants?{query}"), "").await;
        assert_eq!((answered.status, answered.problems().len()), (422, 1), "{query}");
    }
}

#[tokio::test]
async fn a_cursor_does_not_leave_its_tenant() {
    let api = Api::new().await;
    for (tenant, worker) in [("a", "x"), ("ab", "main"), ("b", "main"), ("b", "other")] {
        api.done(&format!("PUT /v1/tenants/{tenant}/workers/{worker}"), hello(json!({}))).await;
    }
    let token = api.token("a").await;
    for cursor in ["0", "w", "x", "zz", "main"] {
        let call = format!("GET /v1/tenants/a/workers?cursor={cursor}");
        let page = api.send(&token, &call, "").await;
        let workers = page.body["workers"].as_array().expect("a list").clone();
        assert!(workers.iter().all(|worker| worker["name"] == "x"), "{cursor}");
    }
    let other = api.send(&token, "GET /v1/tenants/a/workers?cursor=b%00main", "").await;
    assert_eq!(other.code(), "INVALID");
}

#[tokio::test]
async fn every_problem_of_settings_is_reported_and_an_empty_body_sets_the_defaults() {
    let api = Api::new().await;
    let body = r#"{"tier":"No","quotas":{"x":1},"limits":{"cpu_ms":"a"},"suspended":1,"y":{}}"#;
    let answered = api.operator("PUT /v1/tenants/A", body).await;
    let paths: Vec<String> = answered.problems();
    let starts = ["tenant", "tier", "quotas.x", "limits.cpu_ms", "suspended", "y"];
    assert_eq!(paths.len(), starts.len(), "{paths:?}");
    for (path, start) in paths.iter().zip(starts) {
        assert!(path.starts_with(&format!("{start}: ")), "{path}");
    }
    for body in ["[]", "{", "1"] {
        assert_eq!(api.operator("PUT /v1/tenants/acme", body).await.status, 422, "{body}");
    }
    let large = vec![b' '; 200 << 10];
    assert_eq!(api.operator("PUT /v1/tenants/acme", large).await.status, 413);
    let set = r#"{"quotas":{"workers":0},"suspended":true}"#;
    assert_eq!(api.done("PUT /v1/tenants/acme", set).await["suspended"], true);
    let reset = api.done("PUT /v1/tenants/acme", "").await;
    assert_eq!((&reset["suspended"], &reset["tier"]), (&json!(false), &json!("standard")));
    api.done("PUT /v1/tenants/acme", r#"{"quotas":{"workers":0}}"#).await;
    let over = api.operator("PUT /v1/tenants/acme/workers/main", hello(json!({}))).await;
    assert_eq!((over.status, over.code()), (429, "QUOTA"));
    assert_eq!(api.operator("DELETE /v1/tenants/acme", "").await.status, 204);
    assert_eq!(api.operator("DELETE /v1/tenants/acme", "").await.status, 404);
}

#[tokio::test]
async fn a_host_name_belongs_to_one_tenant() {
    let api = Api::new().await;
    for tenant in ["acme", "other"] {
        api.done(&format!("PUT /v1/tenants/{tenant}"), "").await;
    }
    api.done("PUT /v1/tenants/acme/domains/shop.example", "").await;
    api.done("PUT /v1/tenants/acme/domains/shop.example", "").await;
    let taken = api.operator("PUT /v1/tenants/other/domains/shop.example", "").await;
    assert_eq!((taken.status, taken.code()), (409, "CONFLICT"));
    for bad in ["x.localhost", "shop", "A.example"] {
        let answered = api.operator(&format!("PUT /v1/tenants/acme/domains/{bad}"), "").await;
        assert_eq!(answered.status, 422, "{bad}");
    }
    let listed = api.done("GET /v1/tenants/acme/domains", "").await;
    assert_eq!(listed["domains"][0]["host"], "shop.example");
    assert_eq!(api.operator("DELETE /v1/tenants/acme/domains/shop.example", "").await.status, 204);
    assert_eq!(api.operator("GET /v1/tenants/acme/domains/shop.example", "").await.status, 404);
    api.done("PUT /v1/tenants/other/domains/shop.example", "").await;
}

#[tokio::test]
async fn secrets_are_written_and_listed_but_never_shown() {
    let api = Api::new().await;
    let secret = "PUT /v1/tenants/acme/workers/main/secrets/KEY";
    assert_eq!(api.operator(secret, r#"{"text":"x"}"#).await.status, 404);
    api.done("PUT /v1/tenants/acme/workers/main", hello(json!({}))).await;
    assert_eq!(api.operator(secret, r#"{"text":"hush"}"#).await.status, 204);
    let listed = api.done("GET /v1/tenants/acme/workers/main/secrets", "").await;
    assert_eq!(listed, json!({ "secrets": [{ "name": "KEY" }] }));
    for (call, body) in [
        (secret, r#"{"text":1}"#),
        (secret, "{}"),
        (secret, r#"{"text":"x","y":1}"#),
        ("PUT /v1/tenants/acme/workers/main/secrets/1K", r#"{"text":"x"}"#),
    ] {
        assert_eq!(api.operator(call, body).await.status, 422, "{call} {body}");
    }
    let long = json!({ "text": "x".repeat(40 << 10) }).to_string();
    let answered = api.operator(secret, long).await;
    let told = "the limit secret_bytes_max is 32768 bytes: split it into several secrets";
    assert_eq!(answered.problems(), [format!("text: 40960 bytes; {told}")]);
    let delete = "DELETE /v1/tenants/acme/workers/main/secrets/KEY";
    assert_eq!(api.operator(delete, "").await.status, 204);
    assert_eq!(api.operator(delete, "").await.status, 404);
}

#[tokio::test]
async fn logs_are_read_and_followed_until_the_server_stops() {
    let api = Api::new().await;
    api.done("PUT /v1/tenants/acme/workers/main", hello(json!({}))).await;
    let code = api.fixture.registry.code("acme", "main", None).await.expect("code");
    let say = |text: &str| {
        let message = json!([text]).to_string();
        let record = Record::Console { level: Level::Log, message };
        api.tail.ring(code.tenant).record(api.fixture.clock.now(), &code, None, record);
    };
    say("before");
    let read = api.done("GET /v1/tenants/acme/logs?worker=main", "").await;
    assert_eq!(read["records"][0]["message"], json!(["before"]));
    let seq = read["records"][0]["seq"].as_u64().expect("a number");
    say("between");
    let request = Request::builder()
        .uri(format!("/v1/tenants/acme/logs?follow=1&after={seq}"))
        .header(header::AUTHORIZATION, format!("Bearer {OPERATOR}"));
    let response = api.raw(request.body(Body::empty()).expect("a request")).await;
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    say("after");
    let mut body = response.into_body();
    let mut text = String::new();
    while !text.contains("after") {
        let frame = body.frame().await.expect("more").expect("whole");
        text += std::str::from_utf8(&frame.into_data().expect("data")).expect("text");
    }
    assert!(text.contains("event: log\n") && text.contains("between") && !text.contains("before"));
    api.serving.send_replace(false);
    assert!(body.frame().await.is_none());
    let ready = api.operator("GET /readyz", "").await;
    assert_eq!((ready.status, ready.code()), (503, "OVERLOADED"));
    for query in ["worker=A", "after=x", "follow=maybe", "tail=1"] {
        let answered = api.operator(&format!("GET /v1/tenants/acme/logs?{query}"), "").await;
        assert_eq!(answered.status, 422, "{query}");
    }
}

#[tokio::test]
async fn figures_have_bounded_labels() {
    let api = Api::new().await;
    api.operator("GET /v1/tenants/absent", "").await;
    let request = Request::builder()
        .uri("/metrics")
        .header(header::AUTHORIZATION, format!("Bearer {OPERATOR}"));
    let response = api.raw(request.body(Body::empty()).expect("a request")).await;
    let bytes = response.into_body().collect().await.expect("a body").to_bytes();
    let text = String::from_utf8(bytes.into()).expect("text");
    assert!(text.contains("# TYPE bindery_isolates gauge\nbindery_isolates 2\n"), "{text}");
    assert!(text.contains("bindery_admin_answers_total{class=\"4xx\"} 1\n"), "{text}");
}

/// The entries of a list, each as who, method, path and outcome.
fn told(list: &Value) -> Vec<String> {
    let entries = list["entries"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let one = |e: &Value| {
        let who = text(&e["who"]);
        let who = if who.starts_with("token ") { "token" } else { &who };
        format!("{who} {} {} {}", text(&e["method"]), text(&e["path"]), text(&e["outcome"]))
    };
    entries.iter().map(one).collect()
}

#[tokio::test]
async fn every_change_is_told_with_who_asked_for_it_and_what_became_of_it() {
    let api = Api::new().await;
    let worker = "/v1/tenants/acme/workers/main";
    api.done(&format!("PUT {worker}"), hello(json!({}))).await;
    let token = api.token("acme").await;
    api.send(&token, &format!("PUT {worker}/secrets/KEY"), r#"{"text":"hush"}"#).await;
    api.send(&token, &format!("PUT {worker}/secrets/1K"), r#"{"text":"hush"}"#).await;
    api.send(&token, &format!("DELETE {worker}/secrets/NONE"), "").await;
    api.done(&format!("GET {worker}"), "").await;
    let expected = [
        format!("token DELETE {worker}/secrets/NONE NOT_FOUND"),
        format!("token PUT {worker}/secrets/1K INVALID"),
        format!("token PUT {worker}/secrets/KEY done"),
        "operator POST /v1/tenants/acme/tokens done".to_owned(),
        format!("operator PUT {worker} done"),
    ];
    let own = api.send(&token, "GET /v1/tenants/acme/audit", "").await;
    assert_eq!(told(&own.body), expected);
    let all = api.done("GET /v1/audit", "").await;
    assert_eq!(told(&all), expected);
    let text = all.to_string();
    assert!(!text.contains("hush") && !text.contains(&token), "{text}");
    let id = api.done("GET /v1/tenants/acme/tokens", "").await["tokens"][0]["id"].clone();
    let who = format!("token {}", id.as_str().expect("an id"));
    assert_eq!(all["entries"][0]["who"], who);
    assert!(all["entries"][0]["request"].as_str().is_some_and(|id| id.starts_with("req_")));
    assert_eq!(api.send(&token, "GET /v1/audit", "").await.status, 403);
}

#[tokio::test]
async fn a_tenants_entries_go_with_it_and_the_operator_keeps_them() {
    let api = Api::new().await;
    for name in ["acme", "other"] {
        api.done(&format!("PUT /v1/tenants/{name}"), "").await;
    }
    assert_eq!(api.operator("DELETE /v1/tenants/acme", "").await.status, 204);
    let own = Key::new(Space::TenantAudit).tenant(TenantId(1)).range();
    assert_eq!(api.fixture.engine.scan(own, 9).await.expect("scanned"), []);
    api.done("PUT /v1/tenants/acme", "").await;
    let put = "operator PUT /v1/tenants/acme done";
    assert_eq!(told(&api.done("GET /v1/tenants/acme/audit", "").await), [put]);
    let kept = api.done("GET /v1/audit?tenant=acme", "").await;
    assert_eq!(told(&kept), [put, "operator DELETE /v1/tenants/acme done", put]);
    let mut seen = Vec::new();
    let mut call = "GET /v1/audit?tenant=acme&limit=2".to_owned();
    for _ in 0..5 {
        let page = api.done(&call, "").await;
        seen.extend(told(&page));
        let Some(cursor) = page["cursor"].as_str() else { break };
        call = format!("GET /v1/audit?tenant=acme&limit=2&cursor={cursor}");
    }
    assert_eq!(seen, told(&kept));
    assert_eq!(api.operator("GET /v1/audit?cursor=x", "").await.status, 422);
}
