//! The description of the admin API is true: every call that it lists is made here, and what the
//! server answers is what it says.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::host::{Answer, Host, SOON, Worker, moment, within};

/// A server, its description, and the calls that were made.
struct Api {
    host: Host,
    document: Value,
    made: BTreeSet<String>,
}

impl Api {
    async fn new() -> Self {
        let host = Host::new().start().await;
        let document = host.admin("GET", "/openapi.json").send().await.expect_status(200).json();
        Self { host, document, made: BTreeSet::new() }
    }

    /// Makes a call that must end well, with what is described.
    async fn call(&mut self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (template, operation) = self.operation(method, path);
        let mut request = self.host.admin(method, path);
        if let Some(body) = &body {
            let takes = &operation["requestBody"]["content"]["application/json"]["schema"];
            self.check(takes, body, &format!("{method} {path} takes"));
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await;
        self.made.insert(format!("{method} {template}"));
        self.answered(&operation, &answer, &format!("{method} {path}"));
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }

    /// Checks an answer with what is described of a call that ends well.
    fn answered(&self, operation: &Value, answer: &Answer, call: &str) {
        let described = &operation["responses"][answer.status.to_string()];
        assert!(described.is_object(), "{call} is not said to answer so: {answer}");
        let kind = answer.header("content-type").unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default();
        match &described["content"][kind]["schema"] {
            Value::Null => {
                let empty = answer.body.is_empty() && described["content"].is_null();
                assert!(empty, "{call} is not said to answer with that: {answer}");
            }
            schema if kind == "application/json" => self.check(schema, &answer.json(), call),
            schema => self.check(schema, &String::from_utf8_lossy(&answer.body).into(), call),
        }
    }

    /// Makes a call that must fail, as is described.
    async fn fails(&mut self, method: &str, path: &str, body: &str) {
        let (_, operation) = self.operation(method, path);
        let answer = self.host.admin(method, path).body(body).send().await;
        assert!(answer.status >= 400, "{answer}");
        let schema = &operation["responses"]["default"]["content"]["application/json"]["schema"];
        self.check(schema, &answer.json(), path);
    }

    /// The one call that is described with this method and path.
    fn operation(&self, method: &str, path: &str) -> (String, Value) {
        let path = path.split('?').next().unwrap_or_default();
        let is = |template: &str| {
            let same = |(a, b): (&str, &str)| a == b || b.starts_with('{');
            path.split('/').count() == template.split('/').count()
                && path.split('/').zip(template.split('/')).all(same)
        };
        let paths = self.document["paths"].as_object().expect("paths");
        let found = paths.iter().filter(|(template, _)| is(template));
        let found: Vec<_> =
            found.filter_map(|(t, calls)| Some((t, calls.get(method.to_lowercase())?))).collect();
        assert_eq!(found.len(), 1, "{method} {path} is described once");
        (found[0].0.clone(), found[0].1.clone())
    }

    #[track_caller]
    fn check(&self, schema: &Value, value: &Value, what: &str) {
        assert!(schema.is_object(), "{what}: no schema for {value}");
        let mut wrong = Vec::new();
        fits(&self.document, schema, (what, value), &mut wrong);
        assert!(wrong.is_empty(), "{wrong:#?}\n{value:#}");
    }
}

/// Says where a value is not as a schema has it. A word of a schema that is not known here fails.
fn fits(document: &Value, schema: &Value, (at, value): (&str, &Value), wrong: &mut Vec<String>) {
    for (word, meant) in schema.as_object().expect("a schema is an object") {
        let right = match word.as_str() {
            "description" | "format" => true,
            "$ref" => {
                let path = meant.as_str().and_then(|path| path.strip_prefix('#'));
                let named = path.and_then(|path| document.pointer(path)).expect("it is there");
                fits(document, named, (at, value), wrong);
                true
            }
            "type" => match meant {
                Value::Array(kinds) => kinds.iter().any(|kind| is(kind, value)),
                kind => is(kind, value),
            },
            "enum" => meant.as_array().expect("values").contains(value),
            "required" => {
                let names = meant.as_array().expect("names").iter().filter_map(Value::as_str);
                names.into_iter().all(|name| value.get(name).is_some())
            }
            "items" => {
                for (place, item) in value.as_array().into_iter().flatten().enumerate() {
                    fits(document, meant, (&format!("{at}[{place}]"), item), wrong);
                }
                true
            }
            "properties" => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    if let Some(schema) = meant.get(name) {
                        fits(document, schema, (&format!("{at}.{name}"), value), wrong);
                    }
                }
                true
            }
            "additionalProperties" => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    let more = schema["properties"].get(name).is_none();
                    if more && meant == false {
                        wrong.push(format!("{at}.{name} is not described"));
                    } else if more {
                        fits(document, meant, (&format!("{at}.{name}"), value), wrong);
                    }
                }
                true
            }
            other => panic!("{other} is a word that this test does not know"),
        };
        if !right {
            wrong.push(format!("{at}: {word} is {meant}"));
        }
    }
}

fn is(kind: &Value, value: &Value) -> bool {
    match kind.as_str().expect("a type") {
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        other => panic!("{other} is no type"),
    }
}

const SOURCE: &str = "export default { scheduled() {}, fetch(request) { \
    if (request.url.endsWith('/throw')) throw new TypeError('x'); \
    console.warn('said', { a: 1 }); return new Response('made'); } };";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_is_described_and_answers_what_is_described() {
    let mut api = Api::new().await;
    for path in ["/healthz", "/readyz", "/metrics", "/openapi.json", "/v1/capabilities"] {
        api.call("GET", path, None).await;
    }
    api.call("GET", "/v1/store", None).await;
    api.call("POST", "/v1/store/backup", None).await;
    let settings = json!({
        "tier": "gold", "quotas": { "workers": 5, "stored_bytes": 1000, "stored_rows": 9 }, "limits": { "cpu_ms": 900 },
        "suspended": false,
    });
    let tenant = "/v1/tenants/demo";
    api.call("PUT", tenant, Some(settings)).await;
    api.call("PUT", "/v1/tenants/other", Some(json!({}))).await;
    api.call("GET", tenant, None).await;
    api.call("GET", "/v1/tenants?limit=1", None).await;
    domains_and_tokens(&mut api, tenant).await;
    workers(&mut api, tenant).await;
    keys(&mut api, tenant).await;
    queues(&mut api, tenant).await;
    api.fails("GET", "/v1/tenants/absent", "").await;
    api.fails("PUT", tenant, r#"{"tier":1,"more":2}"#).await;
    api.call("DELETE", tenant, None).await;

    let paths = api.document["paths"].as_object().expect("paths").clone();
    for (path, calls) in paths {
        for method in calls.as_object().expect("calls").keys() {
            let call = format!("{} {path}", method.to_uppercase());
            assert!(api.made.contains(&call), "{call} is described and not made by this test");
        }
    }
    api.host.shutdown().await;
}

async fn domains_and_tokens(api: &mut Api, tenant: &str) {
    let domain = format!("{tenant}/domains/shop.example");
    api.call("PUT", &domain, None).await;
    api.call("GET", &domain, None).await;
    api.call("GET", &format!("{tenant}/domains"), None).await;
    api.call("DELETE", &domain, None).await;
    let tokens = format!("{tenant}/tokens");
    let made = api.call("POST", &tokens, None).await;
    api.call("GET", &tokens, None).await;
    let id = made["id"].as_str().expect("an id");
    api.call("DELETE", &format!("{tokens}/{id}"), None).await;
}

async fn workers(api: &mut Api, tenant: &str) {
    let worker = format!("{tenant}/workers/main");
    let (template, operation) = api.operation("PUT", &worker);
    let upload = Worker::new(SOURCE).text("A", "x").metadata("logpush", json!(true));
    let upload = upload.metadata("crons", json!(["* * * * *"]));
    let answer = api.host.upload("demo", &upload).await;
    api.answered(&operation, &answer, "an upload");
    api.made.insert(format!("PUT {template}"));
    let version = answer.json()["version"].clone();
    api.host.get("demo", "/").await.expect_status(200);
    api.host.get("demo", "/throw").await.expect_failure(500, "EXCEPTION");
    let followed = api.host.logs_until("demo", |record| record["outcome"] == "exception").await;
    let record = json!({ "$ref": "#/components/schemas/Record" });
    for one in &followed {
        api.check(&record, one, "a record that is followed");
    }
    api.call("GET", &format!("{tenant}/logs"), None).await;
    hours(api, tenant).await;
    api.call("GET", &format!("{worker}/crons"), None).await;
    let scheduled = json!({ "type": "scheduled", "cron": "0 0 * * *" });
    api.call("POST", &format!("{worker}/events"), Some(scheduled)).await;
    api.call("GET", &format!("{tenant}/audit"), None).await;
    api.call("GET", "/v1/audit?limit=1", None).await;
    api.call("GET", &format!("{tenant}/workers?limit=1"), None).await;
    api.call("GET", &worker, None).await;
    api.call("GET", &format!("{worker}/versions"), None).await;
    let deployment = Some(json!({ "version": version }));
    api.call("POST", &format!("{worker}/deployments"), deployment).await;
    let secret = format!("{worker}/secrets/KEY");
    api.call("PUT", &secret, Some(json!({ "text": "hush" }))).await;
    api.call("GET", &format!("{worker}/secrets"), None).await;
    api.call("DELETE", &secret, None).await;
    api.call("DELETE", &format!("{worker}?force=true"), None).await;
}

async fn keys(api: &mut Api, tenant: &str) {
    let key = format!("{tenant}/kv/notes/a%2Fb");
    api.call("PUT", &format!("{key}?expiration_ttl=60&metadata=%5B1%5D"), None).await;
    api.call("PUT", &format!("{tenant}/kv/notes/c"), None).await;
    let page = api.call("GET", &format!("{tenant}/kv/notes?prefix=a&limit=1"), None).await;
    assert_eq!(page["keys"][0]["metadata"], json!([1]));
    let first = api.call("GET", &format!("{tenant}/kv/notes?limit=1"), None).await;
    assert!(first["cursor"].is_string(), "{first}");
    api.call("GET", &key, None).await;
    api.call("DELETE", &key, None).await;
    api.fails("GET", &key, "").await;
}

async fn queues(api: &mut Api, tenant: &str) {
    let queue = format!("{tenant}/queues/dead%2Fletters");
    let messages = json!([{ "body": { "n": 1 } }, { "body": "x", "content_type": "text" },
        { "body": "AQI=", "content_type": "bytes", "delay_seconds": 60 }]);
    api.call("POST", &format!("{queue}/messages"), Some(json!({ "messages": messages }))).await;
    let pull = json!({ "batch_size": 2, "visibility_timeout_ms": 60_000 });
    let pulled = api.call("POST", &format!("{queue}/messages/pull"), Some(pull)).await;
    let lease = |at: usize| json!({ "lease_id": pulled["messages"][at]["lease_id"] });
    let settled = json!({ "acks": [lease(0)], "retries": [lease(1)] });
    api.call("POST", &format!("{queue}/messages/ack"), Some(settled)).await;
    let moved = json!({ "to": "jobs", "limit": 1 });
    api.call("POST", &format!("{queue}/redrive"), Some(moved)).await;
    api.call("GET", &format!("{tenant}/queues?limit=1"), None).await;
    api.call("GET", &queue, None).await;
    api.call("POST", &format!("{queue}/purge"), None).await;
    api.fails("GET", &format!("{tenant}/queues/absent"), "").await;
    api.call("DELETE", &queue, None).await;
}

/// Asks for what was used until there is something.
async fn hours(api: &mut Api, tenant: &str) {
    let written = async {
        while api.call("GET", &format!("{tenant}/usage"), None).await["usage"] == json!([]) {
            moment().await;
        }
    };
    within(SOON, "a written hour", written).await;
}
