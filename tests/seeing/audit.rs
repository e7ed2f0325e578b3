//! The audit log, as durable as the changes that it tells of.

use serde_json::{Value, json};

use crate::host::Program;

/// Entries as method, path and outcome, the newest first.
async fn entries(program: &Program) -> Vec<String> {
    let answer = program.admin("GET", "/v1/audit?limit=1000").send().await.expect_status(200);
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let list = answer.json()["entries"].as_array().cloned().expect("a list");
    list.iter().map(|e| format!("{} {} {}", e["method"], e["path"], text(&e["outcome"]))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_was_acknowledged_is_told_after_a_kill() {
    let mut program = Program::start_with(&["--cordons", "1"]).await;
    let mut expected = Vec::new();
    for round in 0..3 {
        for number in 0..5 {
            let path = format!("/v1/tenants/t{round}-{number}");
            program.put(&path, &json!({ "tier": "gold" })).await.expect_status(200);
            expected.insert(0, format!("\"PUT\" \"{path}\" done"));
        }
        program.put("/v1/tenants/t", &json!({ "tier": 1 })).await.expect_status(422);
        expected.insert(0, "\"PUT\" \"/v1/tenants/t\" INVALID".to_owned());
        program.kill().await;
        program.again().await;
        assert_eq!(entries(&program).await, expected);
    }
    assert_eq!(program.terminate().await, Some(0));
}
