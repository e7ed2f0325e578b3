//! What is saved is served.

use std::fs;
use std::time::Instant;

use rustix::process::Signal;

use super::session::Project;
use crate::host::runs;

/// Edits whose time is measured.
const EDIT_COUNT: usize = 50;

fn answering(text: &str) -> String {
    format!("export default {{ fetch() {{ return new Response('{text}'); }} }};\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_edit_is_served_without_a_new_server() {
    let mut session = Project::of(&answering("first")).start(&[]).await;
    let deployed = session.next("deployed").await;
    assert_eq!(deployed["worker"], "main");
    let url = deployed["url"].as_str().expect("an address");
    assert!(url.starts_with("http://dev.localhost:"), "{url}");
    assert_eq!(session.get("dev").await.text(), "first");
    let mut times = Vec::new();
    for edit in 0..EDIT_COUNT {
        let text = format!("edit {edit}");
        let saved = Instant::now();
        session.save("src/index.js", &answering(&text));
        session.next("deployed").await;
        assert_eq!(session.get("dev").await.text(), text);
        times.push(saved.elapsed().as_secs_f64() * 1e3);
    }
    print(times);
    session.end(Signal::INT).await;
}

#[expect(clippy::print_stdout, reason = "the figures are for whoever runs this with --nocapture")]
fn print(mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| times[(times.len() * percent).div_ceil(100).max(1) - 1];
    println!(
        "edit to served, {} times, in ms: p50 {:.1}, p90 {:.1}, p99 {:.1}, max {:.1}",
        times.len(),
        at(50),
        at(90),
        at(99),
        at(100)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_replaced_or_made_in_a_new_directory_is_seen() {
    let mut session = Project::of(&answering("first")).start(&[]).await;
    session.next("deployed").await;
    let (beside, file) = (session.dir().join("src/new.tmp"), session.dir().join("src/index.js"));
    fs::write(&beside, answering("replaced")).expect("a file");
    fs::rename(&beside, &file).expect("a file in the place of another");
    session.next("deployed").await;
    assert_eq!(session.get("dev").await.text(), "replaced");
    let main = "import { text } from './deep/er/text';\n\
        export default { fetch() { return new Response(text); } };";
    session.save("src/index.js", main);
    session.next("problem").await;
    session.save("src/deep/er/text.ts", "export const text: string = 'made';");
    session.next("deployed").await;
    assert_eq!(session.get("dev").await.text(), "made");
    session.end(Signal::INT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_for_development_come_before_those_of_the_file() {
    let source = "export default { fetch(_, env) { return Response.json(env); } };";
    let project = Project::of(source)
        .file("wrangler.toml", "")
        .file(
            "wrangler.jsonc",
            r#"{"main": "src/index.js", "compatibility_date": "2026-08-01",
            "vars": {"A": "file", "B": "file"}}"#,
        )
        .file(".dev.vars", "# secrets\nB=\"mine\"\nexport KEY='a b'\n");
    let mut session = project.start(&[]).await;
    session.next("deployed").await;
    let env = session.get("dev").await.json();
    assert_eq!(env, serde_json::json!({"A": "file", "B": "mine", "KEY": "a b"}));
    session.save(".dev.vars", "KEY=other\n");
    session.next("deployed").await;
    let env = session.get("dev").await.json();
    assert_eq!(env, serde_json::json!({"A": "file", "B": "file", "KEY": "other"}));
    session.save(".dev.vars", "KEY=same\nnot a pair\n");
    let problem = session.next("problem").await;
    let message = problem["message"].as_str().expect("a text");
    assert_eq!(message, "./.dev.vars:2:1: this is not NAME=VALUE");
    session.end(Signal::INT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_a_session() {
    for with in [Signal::INT, Signal::TERM, Signal::HUP] {
        let mut session = Project::of(&answering("hi")).start(&[]).await;
        session.next("deployed").await;
        session.get("dev").await.expect_status(200);
        let cordons = session.cordons();
        assert!(!cordons.is_empty() && !session.temporary().is_empty());
        let (code, left) = session.end(with).await;
        assert_eq!(code, Some(0));
        assert!(left.is_empty(), "{left:?}");
        assert!(!cordons.iter().any(|cordon| runs(*cordon)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_stored_is_kept_where_it_is_told() {
    let project = Project::of(&answering("hi"));
    let mut session = project.start(&["--data", "kept"]).await;
    session.next("deployed").await;
    assert!(session.dir().join("kept/operator.token").is_file());
    assert!(session.temporary().is_empty());
    session.end(Signal::INT).await;
}
