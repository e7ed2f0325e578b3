//! Positions in stacks: through source maps, as far as there are any.

use serde_json::Value;

use crate::host::{Host, Worker};

/// Line 3 of the module comes from line 11 of `src/fail.ts`, and its line 4 from line 21.
const MAP: &str =
    r#"{"version":3,"sources":["../src/fail.ts"],"names":[],"mappings":";;AAUA;AAUA"}"#;
const FAIL: &str = "// first\nexport function fail() {\nthrow new RangeError('text');\n}\n";
const INDEX: &str = "import { fail } from './dist/fail.js';\n\
    export default { fetch() { try { fail(); } catch (error) { console.log('caught', { error }); throw error; } } };";

fn worker(comment: &str, map: Option<&str>) -> Worker {
    let worker = Worker::new(INDEX).js("dist/fail.js", format!("{FAIL}{comment}"));
    match map {
        Some(map) => worker.module("dist/fail.js.map", "application/source-map", map),
        None => worker,
    }
}

/// Asks a worker that throws. The records of its log and of its exception.
async fn thrown(host: &Host, tenant: &str, worker: &Worker) -> (String, String) {
    host.deploy(tenant, worker).await;
    host.get(tenant, "/").await.expect_failure(500, "EXCEPTION");
    let log = host.record(tenant, "log").await["message"].to_string();
    let exception = host.record(tenant, "exception").await;
    // What is read without following says the same.
    let read = host.logs(tenant).await;
    assert!(read.iter().any(|record| record["stack"] == exception["stack"]), "{read:#?}");
    (log, exception["stack"].as_str().expect("a text").to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exceptions_and_logged_errors_show_the_positions_of_the_sources() {
    let host = Host::new().start().await;
    let named = worker("//# sourceMappingURL=fail.js.map", Some(MAP));
    let data = "eyJ2ZXJzaW9uIjozLCJzb3VyY2VzIjpbIi4uL3NyYy9mYWlsLnRzIl0sIm5hbWVzIjpbXSwibWFwcGluZ3MiOiI7O0FBVUE7QUFVQSJ9";
    let inline = format!("//# sourceMappingURL=data:application/json;base64,{data}");
    for (tenant, worker) in [("named", named), ("inline", worker(&inline, None))] {
        let (log, stack) = thrown(&host, tenant, &worker).await;
        assert!(stack.contains("at fail (src/fail.ts:11:1)"), "{tenant}: {stack}");
        assert!(stack.contains("index.js:2:"), "{tenant}: {stack}");
        assert!(log.contains("at fail (src/fail.ts:11:1)"), "{tenant}: {log}");
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_without_a_map_or_with_a_bad_one_shows_its_own_positions() {
    let host = Host::new().start().await;
    let (log, stack) = thrown(&host, "plain", &worker("", None)).await;
    assert!(stack.contains("at fail (dist/fail.js:3:7)"), "{stack}");
    assert!(log.contains("at fail (dist/fail.js:3:7)"), "{log}");
    let bad = worker("//# sourceMappingURL=fail.js.map", Some(r#"{"version":3,"mappings":"!"}"#));
    let deployed = host.deploy("bad", &bad).await;
    let warnings = deployed["startup"]["warnings"].to_string();
    let wanted = r#"modules[\"dist/fail.js.map\"]: its source map is not used: not a source map"#;
    assert!(warnings.contains(wanted), "{warnings}");
    let (_, stack) = thrown(&host, "bad", &bad).await;
    assert!(stack.contains("at fail (dist/fail.js:3:7)"), "{stack}");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_does_not_start_is_refused_with_the_position_of_its_source() {
    let host = Host::new().start().await;
    let source = format!("import {{ fail }} from './dist/fail.js';\nfail();\n{INDEX}");
    let worker = Worker::new(
        source
            .replacen("import { fail }", "import { fail as fail2 }", 1)
            .replacen("fail();", "fail2();", 1),
    )
    .js("dist/fail.js", format!("{FAIL}//# sourceMappingURL=fail.js.map"))
    .module("dist/fail.js.map", "application/source-map", MAP);
    let answer = host.upload("demo", &worker).await.expect_failure(422, "INVALID");
    let error: Value = answer.json()["error"].clone();
    assert_eq!(error["problems"][0]["path"], r#"modules["src/fail.ts"]:11:1"#, "{error}");
    host.shutdown().await;
}
