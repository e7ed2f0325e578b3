//! What a person begins with: `init`, and the example in TypeScript.

use std::path::Path;
use std::process::Command;

use rustix::process::Signal;

use super::session::Project;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_init_writes_is_served() {
    for arguments in [&["init", "made"][..], &["init", "made", "--typescript"]] {
        let project = Project::new();
        let written = Command::new(env!("CARGO_BIN_EXE_bindery"))
            .args(arguments)
            .current_dir(project.dir())
            .env_clear()
            .output()
            .expect("the program starts");
        assert!(written.status.success(), "{written:?}");
        let mut session = project.start(&["made"]).await;
        session.next("deployed").await;
        assert_eq!(session.get_path("dev", "/?name=Ada").await.text(), "Hello, Ada!\n");
        session.end(Signal::INT).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_in_typescript_is_served() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/typescript");
    let example = example.to_str().expect("a path in UTF-8");
    let mut session = Project::new().start(&[example]).await;
    session.next("deployed").await;
    let books = session.get_path("dev", "/books.json?shelf=science").await.json();
    assert_eq!(books[0]["author"], "Charles Darwin");
    assert_eq!(books.as_array().map(Vec::len), Some(1));
    let page = session.get("dev").await.text();
    assert!(
        page.starts_with("<!doctype html>\n<title>Books</title><h1>Books</h1><ul><li>"),
        "{page}"
    );
    assert!(page.contains("<li><b>Middlemarch</b>, George Eliot</li>"), "{page}");
    session.get_path("dev", "/?shelf=none").await.expect_status(404);
    session.end(Signal::INT).await;
}
