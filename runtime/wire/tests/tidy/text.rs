//! Rules about the text of files: size, module docs, ASCII, nothing left to do.

use crate::tree::{File, Finding, Tree, holds, refuses};

/// Files that others wrote and that are kept as they came, and why.
const FOREIGN: &[(&str, &str)] =
    &[("examples/router/dist/index.js", "bundled once from npm and kept")];

/// Files of ours that need bytes beyond ASCII, and why.
const BEYOND_ASCII: &[(&str, &str)] = &[];

fn is_listed(list: &[(&str, &str)], file: &File) -> bool {
    list.iter().any(|(path, _)| file.path == *path)
}

fn ours<'a>(tree: &'a Tree, extensions: &'static [&str]) -> impl Iterator<Item = &'a File> {
    tree.ending_in(extensions).filter(|file| !is_listed(FOREIGN, file))
}

fn lines_max(file: &File) -> usize {
    match file.name() {
        name if file.is_under("tests") || name == "tests.rs" => 800,
        "mod.rs" | "lib.rs" => 250,
        _ => 600,
    }
}

fn sizes(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in ours(tree, &["js", "mjs", "rs"]) {
        let (lines, max) = (file.text.lines().count(), lines_max(file));
        if lines > max {
            let advice = format!("{lines} lines, the limit is {max}; split by noun");
            found.push(file.at(max + 1, advice));
        }
    }
    found
}

#[test]
fn files_stay_within_their_sizes() {
    let lines = |count: usize| "//\n".repeat(count);
    let sample = [
        ("a/src/lib.rs", lines(251)),
        ("a/src/x.js", lines(601)),
        ("a/src/x.rs", lines(600)),
        ("a/src/y.rs", lines(601)),
        ("examples/router/dist/index.js", lines(9000)),
        ("tests/cases/x.js", lines(800)),
        ("tests/x.rs", lines(801)),
    ];
    let sample: Vec<(&str, &str)> = sample.iter().map(|(path, text)| (*path, &**text)).collect();
    let places = ["a/src/lib.rs:251", "a/src/x.js:601", "a/src/y.rs:601", "tests/x.rs:801"];
    refuses(sizes, &sample, &places);
    holds(sizes);
}

fn docs(tree: &Tree) -> Vec<Finding> {
    let opens = |text: &str| text.starts_with("//! ") || text.starts_with("#![doc = include_str!(");
    tree.ending_in(&["rs"])
        .filter(|file| !opens(&file.text))
        .map(|file| file.at(1, "open with `//!`: what it is, guarantees and leaves out"))
        .collect()
}

#[test]
fn every_rust_file_opens_with_what_it_is() {
    let sample = [
        ("a.rs", "//! Rows.\n"),
        ("b.rs", "#![doc = include_str!(\"../README.md\")]\n"),
        ("c.rs", "use std::io;\n//! Too late.\n"),
        ("d.rs", ""),
    ];
    refuses(docs, &sample, &["c.rs:1", "d.rs:1"]);
    holds(docs);
}

fn ascii(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in ours(tree, &["d.ts", "js", "mjs", "rs"]) {
        if is_listed(BEYOND_ASCII, file) {
            continue;
        }
        for (index, line) in file.text.lines().enumerate() {
            if let Some(c) = line.chars().find(|c| !c.is_ascii()) {
                found.push(file.at(index + 1, format!("write `{}`", c.escape_unicode())));
            }
        }
    }
    found
}

#[test]
fn code_is_ascii() {
    let sample = [("a.js", "x\n// \u{e9}\n"), ("b.rs", "\u{2192}"), ("c.md", "\u{e9}")];
    refuses(ascii, &sample, &["a.js:2", "b.rs:1"]);
    holds(ascii);
}

fn unfinished(tree: &Tree) -> Vec<Finding> {
    // In two parts each, so that this file passes its own rule.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("todo", "!(")];
    let mut found = Vec::new();
    for file in ours(tree, &["d.ts", "js", "md", "mjs", "rs", "sh", "toml", "yaml"]) {
        for (index, line) in file.text.lines().enumerate() {
            if let Some(mark) = marks.iter().find(|mark| line.contains(**mark)) {
                found.push(file.at(index + 1, format!("finish it, or delete `{mark}`")));
            }
        }
    }
    found
}

#[test]
fn nothing_is_left_to_do() {
    let (first, second) = (concat!("x\n// TO", "DO: y\n"), concat!("fn f() { todo", "!() }\n"));
    refuses(unfinished, &[("a.js", first), ("b.rs", second), ("c.rs", "")], &["a.js:2", "b.rs:1"]);
    holds(unfinished);
}

fn exceptions(tree: &Tree) -> Vec<Finding> {
    let listed = FOREIGN.iter().chain(BEYOND_ASCII);
    listed
        .filter(|(path, _)| tree.file(path).is_none())
        .map(|(path, _)| Finding::missing(*path, "take it off the list in tidy/text.rs"))
        .collect()
}

#[test]
fn every_exception_is_a_file() {
    refuses(exceptions, &[], &["examples/router/dist/index.js:1"]);
    holds(exceptions);
}
