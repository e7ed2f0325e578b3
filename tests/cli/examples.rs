//! Every example, deployed with its own configuration by the built program, answers as its README
//! says. What an example does beyond that is tested where it belongs.

use std::fs;
use std::path::Path;

use crate::host::Program;

/// What is asked of a worker of the tenant, and what is in the answer.
const ASKED: &[(&str, &str, &str)] = &[
    ("hello", "/", "Hello, world!"),
    ("hello", "/Ada", "Hello, Ada!"),
    ("router", "/hello/Ada", "Hello, Ada!"),
    ("router", "/books/1", "{"),
    ("stream", "/?count=2&ms=1", "event: tick"),
    ("wasm", "/add?n=2&n=3", r#"{"result":5}"#),
    ("wasm", "/sum?n=1&n=2&n=3", r#"{"result":6,"bytes":65536}"#),
    ("typescript", "/books.json?shelf=science", "Charles Darwin"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_example_is_deployed_with_its_own_configuration() {
    let program = Program::start_with(&[]).await;
    let mut names = Vec::new();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    for example in fs::read_dir(examples).expect("examples") {
        let example = example.expect("an entry").path();
        let parts = fs::read_dir(&example).expect("a directory");
        let parts = parts.map(|part| part.expect("an entry").path()).filter(|part| part.is_dir());
        for folder in parts.chain([example.clone()]) {
            if folder.join("wrangler.jsonc").is_file() {
                let name = folder.strip_prefix(example.parent().expect("a parent"));
                names.push(name.expect("below it").to_str().expect("UTF-8").to_owned());
            }
        }
    }
    assert!(names.len() > 12, "{names:?}");
    for name in &names {
        program.deploy_example(name).await;
    }
    for (worker, path, wanted) in ASKED {
        let answer = program.get(&format!("{worker}.demo"), path).await.expect_status(200).text();
        assert!(answer.contains(wanted), "{worker} {path}: {answer}");
    }
}
