//! The server's own log, for programs.

use serde_json::Value;

use crate::host::{Program, SOON, moment, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_line_of_a_json_log_is_an_object_with_its_fields() {
    let arguments = ["--cordons", "1", "--log", "debug", "--log-format", "json"];
    let mut program = Program::start_with(&arguments).await;
    within(SOON, "the first message", async {
        while !program.stderr().contains("made the operator's token") {
            moment().await;
        }
    })
    .await;
    let text = program.stderr();
    // The last line may not be whole yet.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let mut token = None;
    for line in whole.lines() {
        let entry: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        for field in ["timestamp", "level", "target", "message"] {
            assert!(entry[field].is_string(), "{field}: {line}");
        }
        if entry["message"] == "made the operator's token" {
            token = Some(entry);
        }
    }
    let token = token.expect("it was made at this start");
    assert_eq!(token["level"], "INFO");
    assert!(token["path"].as_str().is_some_and(|path| path.ends_with("operator.token")));
    assert_eq!(program.terminate().await, Some(0));
}
