//! What `deploy` reads, uploads and refuses.

use expect_test::expect;
use serde_json::{Value, json};

use super::fake::{Asked, Fake};
use super::program::{NOBODY, Program};

pub(super) const WORKER: &str = "export default { fetch() { return new Response('hi') } }";
pub(super) const DEPLOYED: (&str, &str) = (
    "200 OK",
    r#"{"version":"ver_1","url":"http://acme.localhost/","startup":{"ms":3,"warnings":["w"]}}"#,
);

/// One part of an upload.
#[derive(Debug, PartialEq)]
pub(super) struct Part {
    /// Its name, as a form has it.
    pub(super) disposition: String,
    /// Its media type.
    pub(super) content_type: String,
    /// What it holds.
    pub(super) content: String,
}

/// The parts of an upload.
pub(super) fn parts(asked: &Asked) -> Vec<Part> {
    let content_type = asked.header("content-type").expect("a type");
    let boundary = content_type.strip_prefix("multipart/form-data; boundary=").expect("a form");
    let body = String::from_utf8(asked.body.clone()).expect("text");
    let body = body.strip_suffix(&format!("--{boundary}--\r\n")).expect("an end");
    let between = format!("--{boundary}\r\n");
    let part = |part: &str| {
        let (head, content) = part.split_once("\r\n\r\n").expect("a head");
        let (disposition, content_type) = head.split_once("\r\n").expect("two lines");
        Part {
            disposition: disposition.replace("content-disposition: form-data; ", ""),
            content_type: content_type.replace("content-type: ", ""),
            content: content.strip_suffix("\r\n").expect("an end").to_owned(),
        }
    };
    body.split(&between).skip(1).map(part).collect()
}

fn metadata(asked: &Asked) -> Value {
    serde_json::from_str(&parts(asked).first().expect("a part").content).expect("JSON")
}

/// What is said of a directory with this file and a main module.
fn refused(file: &str, content: &str) -> String {
    let program = Program::new().api(NOBODY).file(file, content).file("src/index.js", WORKER);
    program.run(&["deploy", ".", "--tenant", "acme"]).refused(1)
}

#[test]
fn a_main_file_is_uploaded_with_the_modules_beside_it() {
    let api = Fake::answering(&[DEPLOYED]);
    let program = Program::new()
        .api(api.url())
        .file("w/main.mjs", WORKER)
        .file("w/lib/a.js", "1")
        .file("w/lib/page.html", "<p>")
        .file("w/data.json", "{}")
        .file("w/wrangler.json", "{}")
        .file("w/.env.json", "{}")
        .file("w/.git/x.js", "no")
        .file("w/node_modules/x/x.js", "no")
        .file("w/README.md", "no");
    let ran = program.run(&["deploy", "w", "--tenant", "acme", "--main", "./main.mjs"]);
    assert_eq!(ran.stderr, "warning: w\n");
    assert_eq!(ran.ok(), "version ver_1\nurl     http://acme.localhost/\n");
    let asked = api.asked();
    assert_eq!(asked.line, "PUT /v1/tenants/acme/workers/main");
    assert_eq!(
        metadata(&asked),
        json!({"compatibility_date": "2026-08-01", "main_module": "main.mjs"})
    );
    let found: Vec<String> = parts(&asked)
        .into_iter()
        .map(|part| format!("{} {} {}", part.disposition, part.content_type, part.content))
        .skip(1)
        .collect();
    let main =
        format!("name=\"main.mjs\"; filename=\"main.mjs\" application/javascript+module {WORKER}");
    assert_eq!(
        found,
        [
            main.as_str(),
            "name=\"data.json\"; filename=\"data.json\" application/json {}",
            "name=\"lib/a.js\"; filename=\"lib/a.js\" application/javascript+module 1",
            "name=\"lib/page.html\"; filename=\"lib/page.html\" text/plain <p>",
        ]
    );
}

const JSONC: &str = r#"{
  // what a worker is
  "$schema": "x", "name": "api", "main": "./src/index.js",
  "compatibility_date": "2026-01-01", "compatibility_flags": ["enable_request_signal"],
  "vars": { "GREETING": "hi", "CFG": { "a": [1, null] }, "N": 1.5 },
  "rules": [{ "type": "Text", "globs": ["**/*.md"], "fallthrough": true }],
  "limits": { "cpu_ms": 50 }, "preview_urls": false,
  "kv_namespaces": [{ "binding": "NOTES", "id": "notes", "preview_id": "x" }],
  "queues": { "producers": [{ "binding": "OUT", "queue": "jobs", "delivery_delay": 5 }],
              "consumers": [{ "queue": "jobs", "type": "worker", "max_retries": 0 }] },
  "triggers": { "crons": ["*/5 * * * *"] },
  "unsafe": { "bindings": [{ "type": "dynamic_kv", "name": "KV" }],
              "metadata": { "outbound": "none" } },
  "observability": { "enabled": true },
}"#;
const TOML: &str = r#"
name = "api"
main = "src/index.js"
compatibility_date = "2026-01-01"
compatibility_flags = ["enable_request_signal"]
preview_urls = false
kv_namespaces = [{ binding = "NOTES", id = "notes" }]
triggers.crons = ["*/5 * * * *"]
observability.enabled = true
rules = [{ type = "Text", globs = ["**/*.md"], fallthrough = true }]
[vars]
GREETING = "hi"
N = 1.5
CFG = { a = [1] }
[limits]
cpu_ms = 50
[unsafe.metadata]
outbound = "none"
[[queues.producers]]
binding = "OUT"
queue = "jobs"
delivery_delay = 5
[[queues.consumers]]
queue = "jobs"
max_retries = 0
[[unsafe.bindings]]
type = "dynamic_kv"
name = "KV"
"#;

#[test]
fn both_syntaxes_of_a_description_mean_the_same() {
    for (file, text, cfg) in [
        ("wrangler.jsonc", JSONC, json!({"a": [1, null]})),
        ("wrangler.toml", TOML, json!({"a": [1]})),
    ] {
        let api = Fake::answering(&[DEPLOYED]);
        let program = Program::new()
            .api(api.url())
            .file(file, text)
            .file("src/index.js", WORKER)
            .file("src/page.md", "# hi")
            .file("outside.js", "no");
        let ran = program.run(&["deploy", ".", "--tenant", "acme", "--no-deploy", "--json"]);
        assert!(ran.stderr.contains("`observability` is ignored"), "{}", ran.stderr);
        let answer: Value = serde_json::from_str(&ran.ok()).expect("JSON");
        assert_eq!(answer["version"], "ver_1");
        let asked = api.asked();
        assert_eq!(asked.line, "PUT /v1/tenants/acme/workers/api?deploy=false");
        let mut metadata = metadata(&asked);
        let bindings = metadata["bindings"].as_array_mut().expect("a list");
        bindings.sort_by_key(|binding| binding["name"].as_str().map(str::to_owned));
        assert_eq!(
            metadata,
            json!({
                "main_module": "index.js",
                "compatibility_date": "2026-01-01",
                "compatibility_flags": ["enable_request_signal"],
                "bindings": [
                    {"type": "json", "name": "CFG", "json": cfg},
                    {"type": "plain_text", "name": "GREETING", "text": "hi"},
                    {"type": "dynamic_kv", "name": "KV"},
                    {"type": "json", "name": "N", "json": 1.5},
                    {"type": "kv_namespace", "name": "NOTES", "namespace_id": "notes"},
                    {
                        "type": "queue", "name": "OUT", "queue_name": "jobs",
                        "delivery_delay": 5,
                    },
                ],
                "queue_consumers": [{"queue": "jobs", "max_retries": 0}],
                "crons": ["*/5 * * * *"],
                "limits": {"cpu_ms": 50}, "outbound": "none", "previews": false,
            })
        );
        let parts = parts(&asked);
        let names: Vec<&str> = parts.iter().skip(1).map(|part| &*part.disposition).collect();
        assert_eq!(
            names,
            ["name=\"index.js\"; filename=\"index.js\"", "name=\"page.md\"; filename=\"page.md\""]
        );
        assert_eq!(parts.last().map(|part| &*part.content_type), Some("text/plain"));
    }
}

#[test]
fn all_problems_of_a_description_are_reported_at_once_with_their_places() {
    let stderr = refused(
        "wrangler.jsonc",
        r#"{
  "name": 7, "main": "src/none.js",
  "kv_namespaces": [{ "binding": "KV" }],
  "durable_objects": { "bindings": [] }, "compatability_date": "2026-01-01",
  "queues": { "producers": [{}], "consumers": [{ "queue": "q", "type": "http_pull", "max": 1 }] },
  "d1_databases": [{}], "triggers": { "cron": [] },
  "rules": [{ "type": "Python", "globs": ["*.py"] }, { "type": "Text", "globs": ["*.{a,b}"] }],
  "vars": [], "account_id": "x"
}"#,
    );
    expect![[r#"
        error: . can not be deployed
          ./wrangler.jsonc:2:3: `name` must be a string
          ./wrangler.jsonc:2:14: there is no file `src/none.js`
          ./wrangler.jsonc:3:21: `id` is missing
          ./wrangler.jsonc:4:42: `compatability_date` is not a known key: did you mean `compatibility_date`?
          ./wrangler.jsonc:5:29: `binding` is missing
          ./wrangler.jsonc:5:29: `queue` is missing
          ./wrangler.jsonc:5:64: only a consumer of type "worker" is declared: any queue can be pulled from over the admin API
          ./wrangler.jsonc:5:85: `queues.consumers.max` is not a known key
          ./wrangler.jsonc:6:3: d1_databases is not supported yet
          ./wrangler.jsonc:6:39: `triggers.cron` is not a known key: did you mean `crons`?
          ./wrangler.jsonc:7:13: `Python` is not a module type: use ESModule, CommonJS, Text, Data or CompiledWasm
          ./wrangler.jsonc:7:82: `*.{a,b}`: write one glob for each alternative
          ./wrangler.jsonc:8:3: `vars` must be an object
    "#]]
    .assert_eq(&stderr);
}

#[test]
fn a_description_that_does_not_parse_is_refused_with_its_place() {
    for (file, content, said) in [
        (
            "wrangler.jsonc",
            "{ \"name\": \"a\"\n \"main\": 1 }",
            "./wrangler.jsonc:1:14: Expected comma",
        ),
        ("wrangler.json", "", "./wrangler.json:1:1: the file is empty"),
        ("wrangler.json", "[]", "./wrangler.json:1:1: the file does not hold an object"),
        ("wrangler.toml", "name = \"a\"\nmain = \n", "./wrangler.toml:2:8: "),
        ("wrangler.toml", "name = \"a\"\n", "./wrangler.toml:1:1: there is no `main`"),
        ("wrangler.toml", "main = \"../x.js\"\nbase_dir = \"src\"", "does not lie in `base_dir`"),
    ] {
        let stderr = refused(file, content);
        assert!(stderr.contains(said), "{content}: {stderr}");
    }
}

#[test]
fn a_directory_or_main_file_that_is_not_there_is_named() {
    let program = Program::new().api(NOBODY);
    let stderr = program.run(&["deploy", "none", "--tenant", "a"]).refused(1);
    assert_eq!(stderr, "error: none is not a directory\n");
    let stderr = program.run(&["deploy", ".", "--tenant", "a", "--main", "x.js"]).refused(1);
    assert_eq!(stderr, "error: there is no file ./x.js\n");
    let stderr = program.run(&["deploy", ".", "--tenant", "a", "--main", "../x.js"]).refused(2);
    assert!(stderr.contains("give a path below DIR"), "{stderr}");
}

#[test]
fn modules_over_the_limit_are_refused_without_being_read() {
    let program = Program::new().api(NOBODY).file("main.js", WORKER);
    let big = std::fs::File::create(program.dir().join("big.bin")).expect("a file");
    big.set_len(65 << 20).expect("a sparse file");
    let stderr = program.run(&["deploy", ".", "--tenant", "a", "--main", "main.js"]).refused(1);
    assert!(stderr.contains("at ./big.bin: the modules are more than"), "{stderr}");
    assert!(stderr.contains("64 MiB"), "{stderr}");
}

#[test]
fn every_problem_that_the_server_finds_is_a_line() {
    let refusal = r#"{"error":{"code":"INVALID","message":"2 problems","requestId":"r","problems":[
        {"path":"bindings[0].type","message":"unknown"},{"path":"","message":"no"}]}}"#;
    let api = Fake::answering(&[("422 Unprocessable Content", refusal)]);
    let program = Program::new().api(api.url()).file("main.js", WORKER);
    let stderr = program.run(&["deploy", ".", "--tenant", "a", "--main", "main.js"]).refused(1);
    assert_eq!(
        stderr.replace(&api.url(), "URL"),
        "error: 2 problems (422 INVALID, URL)\n  bindings[0].type: unknown\n  no\n"
    );
}
