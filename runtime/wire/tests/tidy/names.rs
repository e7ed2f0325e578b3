//! Rules about names that code may use in some places only.

use crate::code::{bare, words};
use crate::tree::{File, Finding, Tree, holds, refuses};

/// The files that may contain `unsafe`.
const UNSAFE: &[&str] = &["runtime/src/sys.rs"];

/// Each line of a Rust file without comments and literals, with its number.
fn each_line(file: &File, mut see: impl FnMut(usize, &str)) {
    for (index, line) in bare(&file.text).lines().enumerate() {
        see(index + 1, line);
    }
}

fn unsafe_code(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in tree.ending_in(&["rs"]).filter(|file| !UNSAFE.contains(&&*file.path)) {
        each_line(file, |number, line| {
            if words(line).any(|word| word == "unsafe") {
                found.push(file.at(number, format!("only {} may say this", UNSAFE.join(", "))));
            }
        });
    }
    found
}

#[test]
fn only_one_file_contains_unsafe_code() {
    let sample = [
        ("a.rs", "#![forbid(unsafe_code)]\n// unsafe\nfn f() { unsafe { g() } }\n"),
        ("runtime/src/sys.rs", "unsafe fn f() {}\n"),
        ("b.rs", "const A: &str = \"unsafe\";\nunsafe impl Send for B {}\n"),
    ];
    refuses(unsafe_code, &sample, &["a.rs:3", "b.rs:2"]);
    holds(unsafe_code);
}

/// Crates that one part of another crate may name: the crate's name, where it could be named, and
/// the folders that may.
const WITHIN: &[(&str, &str, &[&str])] = &[
    ("redb", "dispatcher/storage/src/", &["dispatcher/storage/src/redb/"]),
    ("axum", "dispatcher/src/", &["dispatcher/src/http/", "dispatcher/src/admin/"]),
];

/// Whether `line` names the crate `name`, and not a module of ours that is called the same.
fn names_crate(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + name.len()..]);
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let is_word = !before.ends_with(is_part) && !after.starts_with(is_part);
        let is_global = before.trim_end_matches("::").ends_with([' ', '(', '<']);
        let is_ours = before.ends_with("mod ") || (before.ends_with("::") && !is_global);
        is_word && !is_ours
    })
}

fn within(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in tree.ending_in(&["rs"]) {
        for (name, place, folders) in WITHIN {
            let inside = folders.iter().any(|folder| file.path.starts_with(folder));
            if !file.path.starts_with(place) || inside {
                continue;
            }
            each_line(file, |number, line| {
                if names_crate(line, name) {
                    let advice = format!("only {} may name `{name}`", folders.join(", "));
                    found.push(file.at(number, advice));
                }
            });
        }
    }
    found
}

#[test]
fn the_database_and_the_http_framework_are_named_in_their_folders_only() {
    let sample = [
        ("dispatcher/storage/src/lib.rs", "pub mod redb;\npub use self::redb::Store;\n"),
        ("dispatcher/storage/src/memory.rs", "// redb\nuse redb::Database;\nuse ::redb::Key;\n"),
        ("dispatcher/storage/src/redb/mod.rs", "use redb::Database;\n"),
        ("dispatcher/src/code.rs", "fn f(a: axum::Router) {}\nlet axum_like = 1;\n"),
        ("dispatcher/src/http/mod.rs", "use axum::Router;\n"),
    ];
    let places = [
        "dispatcher/storage/src/memory.rs:2",
        "dispatcher/storage/src/memory.rs:3",
        "dispatcher/src/code.rs:1",
    ];
    refuses(within, &sample, &places);
    holds(within);
}

/// The file that reads the environment.
const CONFIG: &str = "dispatcher/cli/src/config.rs";

fn environment(tree: &Tree) -> Vec<Finding> {
    let reads = ["env::var", "env::var_os", "env::vars", "env::vars_os"];
    let may = |file: &File| {
        let aside = file.name() == "build.rs" || file.is_under("tests") || file.is_under("benches");
        aside || file.path == CONFIG
    };
    let mut found = Vec::new();
    for file in tree.ending_in(&["rs"]).filter(|file| !may(file)) {
        each_line(file, |number, line| {
            if line.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').any(|path| {
                reads.iter().any(|read| path == *read || path.ends_with(&format!("::{read}")))
            }) {
                found.push(file.at(number, format!("read it in {CONFIG} and pass it on")));
            }
        });
    }
    found
}

#[test]
fn one_file_reads_the_environment() {
    let sample = [
        ("a/build.rs", "std::env::var(\"X\")\n"),
        ("a/src/a.rs", "let a = env!(\"X\");\nlet b = std::env::var(\"X\");\nenv::args();\n"),
        ("a/src/b.rs", "use std::env;\nfor (k, v) in env::vars_os() {}\n// env::var\n"),
        ("dispatcher/cli/src/config.rs", "env::var(\"X\")\n"),
        ("tests/server/main.rs", "env::var(\"X\")\n"),
    ];
    refuses(environment, &sample, &["a/src/a.rs:2", "a/src/b.rs:2"]);
    holds(environment);
}
