//! Several workers in one session.

use rustix::process::Signal;

use super::session::Project;

fn answering(text: &str) -> String {
    format!("export default {{ fetch() {{ return new Response('{text}'); }} }};\n")
}

fn two() -> Project {
    let api = r#"{"name": "api", "main": "index.js", "compatibility_date": "2026-08-01"}"#;
    let date = "compatibility_date = \"2026-08-01\"\n";
    Project::new()
        .file("one/wrangler.jsonc", api)
        .file("one/index.js", &answering("one"))
        .file("site/wrangler.toml", &format!("main = \"index.js\"\n{date}"))
        .file("site/index.js", &answering("site"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_worker_has_its_name_and_is_deployed_when_its_own_files_change() {
    let mut session = two().start(&["one", "site", "--tenant", "us"]).await;
    assert_eq!(session.next("deployed").await["worker"], "api");
    assert_eq!(session.next("deployed").await["worker"], "site");
    assert_eq!(session.get("api.us").await.text(), "one");
    assert_eq!(session.get("site.us").await.text(), "site");
    session.save("site/index.js", &answering("new site"));
    assert_eq!(session.next("deployed").await["worker"], "site");
    assert_eq!(session.get("site.us").await.text(), "new site");
    session.save("one/index.js", &answering("new one"));
    assert_eq!(session.next("deployed").await["worker"], "api");
    assert_eq!(session.get("api.us").await.text(), "new one");
    session.end(Signal::INT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_gets_another_name_leaves_the_one_it_had() {
    let mut session = two().start(&["one", "site"]).await;
    session.next("deployed").await;
    session.next("deployed").await;
    let other = r#"{"name": "other", "main": "index.js", "compatibility_date": "2026-08-01"}"#;
    session.save("one/wrangler.jsonc", other);
    assert_eq!(session.next("deployed").await["worker"], "other");
    assert_eq!(session.get("other.dev").await.text(), "one");
    let taken = other.replace("other", "site");
    session.save("one/wrangler.jsonc", &taken);
    let problem = session.next("problem").await;
    let said = problem["message"].as_str().expect("a text");
    assert!(said.contains("two directories hold a worker `site`"), "{said}");
    session.get("api.dev").await.expect_failure(404, "NO_WORKER");
    session.end(Signal::INT).await;
}
