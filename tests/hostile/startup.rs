//! Modules that do not start: the upload is refused, and what served before goes on serving.

use serde_json::json;

use super::{EVIL, HELLO, Scene};
use crate::host::{Host, Worker};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_module_that_does_not_start_is_refused_and_replaces_nothing() {
    let scene = Scene::start().await;
    let deep = |open: &str, close: &str| open.repeat(200_000) + &close.repeat(200_000);
    let cases = [
        ("throw new TypeError('not today');", "STARTUP_FAILED: TypeError: not today"),
        ("throw null;", "STARTUP_FAILED"),
        ("while (true) {}", "EXCEEDED_CPU"),
        ("try { for (;;); } finally { for (;;); }", "EXCEEDED_CPU"),
        ("const f = () => f(); f();", "Maximum call stack size exceeded"),
        ("await new Promise(() => {});", "a top-level await can never settle"),
        ("for (;;) await null;", "EXCEEDED_CPU"),
        ("setTimeout(() => {}, 0);", "global scope"),
        ("fetch('http://localhost/');", ""),
        ("import 'ext:core/ops';", "No such module"),
        ("import 'node:fs';", "No such module"),
        ("import 'file:///etc/passwd';", "No such module"),
        ("import './absent.js';", "No such module"),
        ("const list = []; for (;;) list.push(new Array(1e5).fill(1));", "EXCEEDED_MEMORY"),
        ("const = 1;", "SyntaxError"),
        ("x = 1;", "ReferenceError: x is not defined"),
    ];
    for (source, expected) in cases {
        let answer = scene.host.upload(EVIL, &Worker::new(format!("{source}\n{HELLO}"))).await;
        if expected.is_empty() {
            continue;
        }
        assert!(answer.text().contains(expected), "{source}: {answer}");
        answer.expect_failure(422, "INVALID");
        assert_eq!(scene.host.get(EVIL, "/").await.expect_status(200).text(), "hello");
    }
    for (open, close) in [("[", "]"), ("(", ")"), ("{", "}"), ("a?", ":1"), ("`${", "}`")] {
        let source = format!("export default {};", deep(open, close));
        let answer = scene.host.upload(EVIL, &Worker::new(source)).await;
        answer.expect_failure(422, "INVALID");
    }
    assert_eq!(scene.host.get(EVIL, "/").await.expect_status(200).text(), "hello");
    assert_eq!(scene.host.cordon_death_count(), 0);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_starts_no_more_is_said_to_the_client_without_details() {
    let host = Host::new().start().await;
    let source = "import { env } from 'cloudflare:workers';
        if (env.KEY === 'bad') throw new Error('the inner reason');
        export default { fetch() { return new Response('up'); } };";
    host.deploy(EVIL, &Worker::new(source).secret("KEY", "good")).await;
    host.get(EVIL, "/").await.expect_status(200);
    let path = format!("/v1/tenants/{EVIL}/workers/main/secrets/KEY");
    let put = host.put(&path, &json!({ "text": "bad" })).await;
    assert!(matches!(put.status, 200 | 201 | 204), "{put}");
    let answer = host.get(EVIL, "/").await.expect_failure(500, "STARTUP_FAILED");
    assert_eq!(answer.outcome(), None);
    assert!(!answer.text().contains("inner"), "{answer}");
    let record = host.record(EVIL, "exception").await;
    assert_eq!(record["message"], "the inner reason");
    assert!(record["stack"].as_str().expect("a stack").contains("index.js:2"), "{record}");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_cycle_of_a_thousand_modules_starts() {
    let host = Host::new().start().await;
    let mut worker = Worker::new(format!("import './m0.js';\n{HELLO}"));
    for number in 0..1000 {
        let next = (number + 1) % 1000;
        worker = worker.js(&format!("m{number}.js"), format!("import './m{next}.js';"));
    }
    host.deploy(EVIL, &worker).await;
    assert_eq!(host.get(EVIL, "/").await.expect_status(200).text(), "hello");
    host.shutdown().await;
}
