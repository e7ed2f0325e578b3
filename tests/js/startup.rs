//! What may happen while modules are evaluated, and versions that do not start.

use serde_json::Value;

use crate::host::{Host, Worker};
use crate::js::ask;

const GOOD: &str = "export default { fetch() { return new Response('good'); } };";
const DISALLOWED: &str = "Disallowed operation called within global scope. Asynchronous I/O (ex: \
    fetch() or connect()), setting a timeout, and generating random values are not allowed within \
    global scope. To fix this error, perform this operation within a handler. \
    https://developers.cloudflare.com/workers/runtime-apis/handlers/";

/// Uploads a version that must not start over one that serves. Gives the refusal's message.
async fn refused(host: &Host, worker: &Worker) -> String {
    host.deploy("demo", &Worker::new(GOOD)).await;
    let answer = host.upload("demo", worker).await.expect_failure(422, "INVALID");
    assert_eq!(host.get("demo", "/").await.text(), "good", "what served before goes on serving");
    let versions = host.admin("GET", "/v1/tenants/demo/workers/main").send().await;
    let shown = versions.expect_status(200).json();
    assert!(shown.is_object(), "{shown}");
    answer.json()["error"].to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn io_in_global_scope_is_refused_and_a_worker_that_catches_that_starts() {
    let host = Host::new().start().await;
    let source = r#"
        const tries = {
            setTimeout: () => setTimeout(() => {}, 1),
            setInterval: () => setInterval(() => {}, 1),
            wait: () => scheduler.wait(1),
            uuid: () => crypto.randomUUID(),
            random: () => crypto.getRandomValues(new Uint8Array(1)),
            key: () => crypto.subtle.generateKey({ name: "AES-GCM", length: 128 }, true, ["encrypt"]),
            digest: () => crypto.subtle.digest("SHA-1", new Uint8Array(1)),
        };
        const seen = [];
        for (const name of Object.keys(tries)) {
            try { await tries[name](); seen.push(name + ": allowed"); }
            catch (error) { seen.push(`${name}: ${error.name}: ${error.message}`); }
        }
        export default { fetch() { return new Response(seen.join("\n")); } };"#;
    let text = ask(&host, "demo", &Worker::new(source)).await;
    for line in text.lines() {
        assert!(line.ends_with(&format!(": Error: {DISALLOWED}")), "{line}");
    }
    assert_eq!(text.lines().count(), 7);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_throws_at_its_start_is_refused_with_the_position() {
    let host = Host::new().start().await;
    let source = format!("import './lib/bad.js';\n{GOOD}");
    let worker = Worker::new(source).js("lib/bad.js", "\n\n  throw new RangeError('at start');");
    let error = refused(&host, &worker).await;
    assert!(error.contains("RangeError: at start"), "{error}");
    assert!(error.contains(r#"modules[\"lib/bad.js\"]:3:9"#), "{error}");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_syntax_error_is_refused_with_the_position() {
    let host = Host::new().start().await;
    let error = refused(&host, &Worker::new(format!("{GOOD}\nconst const = 1;"))).await;
    assert!(error.contains("SyntaxError: "), "{error}");
    assert!(error.contains(r#"modules[\"index.js\"]:2:7"#), "{error}");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_static_import_of_what_is_not_there_is_refused_by_name() {
    let host = Host::new().start().await;
    let error = refused(&host, &Worker::new(format!("import './none.js';\n{GOOD}"))).await;
    assert!(error.contains("none.js"), "{error}");
    let error = refused(&host, &Worker::new(format!("import 'node:fs';\n{GOOD}"))).await;
    assert!(error.contains("node:fs") && error.contains("not supported yet"), "{error}");
    let error = refused(
        &host,
        &Worker::new(format!("import {{ x }} from './a.js';\n{GOOD}"))
            .js("a.js", "export const y = 1;"),
    )
    .await;
    assert!(error.contains("SyntaxError: ") && error.contains('x'), "{error}");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_top_level_await_that_never_settles_is_refused() {
    let host = Host::new().start().await;
    let error =
        refused(&host, &Worker::new(format!("await new Promise(() => {{}});\n{GOOD}"))).await;
    assert!(error.contains("never settle"), "{error}");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_never_ends_is_refused() {
    let host = Host::new().start().await;
    for endless in [
        "while (true) {}",
        "for (;;) await 0;",
        "const f = async () => { await 0; return f(); }; await f();",
    ] {
        let error = refused(&host, &Worker::new(format!("{endless}\n{GOOD}"))).await;
        assert!(error.contains("CPU time limit"), "{endless}: {error}");
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_takes_too_much_memory_is_refused() {
    let host = Host::new().start().await;
    let worker = format!("const all = []; for (;;) all.push(new Array(1e5).fill(1.5));\n{GOOD}");
    let error = refused(&host, &Worker::new(worker)).await;
    assert!(error.contains("memory limit"), "{error}");
    assert_eq!(host.cordon_death_count(), 0);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_export_of_the_main_module_is_an_entrypoint() {
    let host = Host::new().start().await;
    for wrong in ["export const a = 1;", "export let a = 'text';", "export const a = null;"] {
        let error = refused(&host, &Worker::new(format!("{GOOD}\n{wrong}"))).await;
        let wanted = "Incorrect type for map entry 'a': the provided value is not of type 'function or ExportedHandler'.";
        assert!(error.contains(wanted), "{wrong}: {error}");
    }
    host.deploy(
        "demo",
        &Worker::new(format!("{GOOD}\nexport class A {{}}\nexport const b = {{}};")),
    )
    .await;
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_says_how_long_the_start_took() {
    let host = Host::new().start().await;
    let deployed = host.deploy("demo", &Worker::new(GOOD)).await;
    assert!(deployed["startup"]["ms"].is_number(), "{deployed}");
    assert!(
        matches!(&deployed["startup"]["warnings"], Value::Array(list) if list.is_empty()),
        "{deployed}"
    );
    host.shutdown().await;
}
