//! Versions: deployed, rolled back, reached by name.

use serde_json::json;

use super::{TENANT, says};
use crate::host::Host;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_serves_the_former_version_with_the_next_request() {
    let host = Host::new().start().await;
    let first = host.deploy(TENANT, &says("one")).await["version"].clone();
    let second = host.deploy(TENANT, &says("two")).await["version"].clone();
    assert_ne!(first, second);
    let deployments = "/v1/tenants/demo/workers/main/deployments";
    for (version, text) in [(&first, "one"), (&second, "two"), (&first, "one")] {
        let request = host.admin("POST", deployments).header("content-type", "application/json");
        let answer = request.body(json!({ "version": version }).to_string()).send().await;
        assert!(matches!(answer.status, 200 | 201), "{answer}");
        assert_eq!(host.get(TENANT, "/").await.expect_status(200).text(), text);
    }
    let unknown = json!({ "version": "ver_0000000000" }).to_string();
    let answer = host.admin("POST", deployments).body(unknown).send().await;
    assert!(matches!(answer.status, 404 | 422), "{answer}");
    assert_eq!(host.get(TENANT, "/").await.expect_status(200).text(), "one");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_is_reached_by_its_digits_if_its_worker_allows_it() {
    let host = Host::new().start().await;
    let digits = |answer: &serde_json::Value| {
        let version = answer["version"].as_str().expect("a version");
        version.trim_start_matches("ver_")[..8].to_owned()
    };
    let former = digits(&host.deploy(TENANT, &says("former").name("api")).await);
    host.deploy(TENANT, &says("latter").name("api")).await;
    let answer = host.get(&format!("{former}--api--demo"), "/").await.expect_status(200);
    assert_eq!(answer.text(), "former");
    for to in ["api.demo", "api--demo"] {
        assert_eq!(host.get(to, "/").await.expect_status(200).text(), "latter", "{to}");
    }
    let closed = says("closed").name("shut").metadata("previews", json!(false));
    let hidden = digits(&host.deploy(TENANT, &closed).await);
    host.deploy(TENANT, &says("open").name("shut").metadata("previews", json!(false))).await;
    for to in
        [format!("{hidden}--shut--demo"), "00000000--api--demo".into(), "1234--api--demo".into()]
    {
        host.get(&to, "/").await.expect_failure(404, "NO_WORKER");
    }
    // The former version of one tenant's worker is not another tenant's.
    host.deploy("other", &says("other").name("api")).await;
    host.get(&format!("{former}--api--other"), "/").await.expect_failure(404, "NO_WORKER");
    host.shutdown().await;
}
