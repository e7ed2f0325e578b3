//! `bindery store`: looks at what a server keeps, copies it while it serves, and makes it anew.

use super::{TENANT, says};
use crate::host::Program;

/// Runs `bindery store`, and gives its exit code and all that it printed.
async fn store(program: &Program, arguments: &[&str]) -> (Option<i32>, String) {
    program.run(&[&["store"], arguments].concat()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_made_while_serving_is_a_server_of_its_own() {
    let mut program = Program::start_with(&["--cordons", "2"]).await;
    program.deploy(TENANT, &says("kept")).await;
    let file = program.dir().join("copy");
    let again = program.dir().join("again");
    let [data, file, again] =
        [&program.data(), &file, &again].map(|path| path.display().to_string());
    let (code, said) = store(&program, &["stats", "--json"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("\"failure\": null"), "{said}");
    let (code, said) = store(&program, &["backup", &file]).await;
    assert_eq!(code, Some(0), "{said}");
    // What a server has open is left alone.
    for refused in [&["check", "--data", &data][..], &["restore", &file, "--data", &data]] {
        let (code, said) = store(&program, refused).await;
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("open in another process") || said.contains("not empty"), "{said}");
    }
    let (code, said) = store(&program, &["restore", &file, "--data", &again]).await;
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = store(&program, &["check", "--data", &again]).await;
    assert_eq!(code, Some(0), "{said}");
    program.deploy(TENANT, &says("later")).await;
    // The copy under the old name is what a server serves from then on.
    assert_eq!(program.terminate().await, Some(0));
    for name in ["secrets.key", "operator.token"] {
        let there = std::path::Path::new(&data).join(name);
        if there.exists() {
            std::fs::copy(there, std::path::Path::new(&again).join(name)).expect("copied");
        }
    }
    std::fs::remove_dir_all(&data).expect("removed");
    std::fs::rename(&again, &data).expect("renamed");
    program.again().await;
    assert_eq!(program.get(TENANT, "/").await.expect_status(200).text(), "kept");
    assert_eq!(program.terminate().await, Some(0));
}
