//! The files that `init` writes.

use std::fs;

use super::program::Program;

#[test]
fn a_worker_is_written_with_the_directory_s_name() {
    let program = Program::new();
    let ran = program.run(&["init", "My App"]);
    assert_eq!(ran.stderr, "next: bindery dev My App\n");
    let files = ran.ok();
    assert!(files.contains("My App/wrangler.jsonc\nMy App/src/index.js\n"), "{files}");
    let read = |file: &str| fs::read_to_string(program.dir().join(file)).expect("a file");
    let config = read("My App/wrangler.jsonc");
    assert!(config.contains("\"name\": \"my-app\",\n  \"main\": \"src/index.js\""), "{config}");
    assert!(read("My App/.gitignore").contains(".dev.vars"));
    assert!(read("My App/README.md").starts_with("# my-app\n"));
}

#[test]
fn nothing_is_written_over_a_file_that_is_there() {
    let program = Program::new().file("w/src/index.ts", "mine").file("w/tsconfig.json", "mine");
    let said = program.run(&["init", "w", "--typescript"]).refused(1);
    let there =
        "error: nothing was written, for these are there\n  w/src/index.ts\n  w/tsconfig.json\n";
    assert_eq!(said, there);
    assert!(!program.dir().join("w/wrangler.jsonc").exists());
    assert_eq!(fs::read_to_string(program.dir().join("w/src/index.ts")).expect("a file"), "mine");
}
