//! Rules about what stands where, and about documents that repeat what code says.

use std::collections::BTreeSet;

use crate::code::{bare, words};
use crate::tree::{File, Finding, Tree, holds, refuses};

/// The top level, exactly; files whose names begin with a dot may stand beside it.
const TOP: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "benches",
    "dispatcher",
    "examples",
    "js-api",
    "runtime",
    "rust-toolchain.toml",
    "tests",
];

fn top(path: &str) -> &str {
    path.split('/').next().unwrap_or(path)
}

fn top_level(tree: &Tree) -> Vec<Finding> {
    let there: BTreeSet<&str> = tree.files.iter().map(|file| top(&file.path)).collect();
    let extra = there.iter().filter(|name| !name.starts_with('.') && !TOP.contains(name));
    let extra =
        extra.map(|name| Finding::missing(*name, "move it below one of the agreed folders"));
    let absent = TOP.iter().filter(|name| !there.contains(**name));
    extra.chain(absent.map(|name| Finding::missing(*name, "this belongs here"))).collect()
}

#[test]
fn the_top_level_is_as_agreed() {
    let sample = TOP.iter().filter(|name| **name != "LICENSE").copied();
    let sample: Vec<(&str, &str)> =
        sample.chain([".ci/run", "scripts/x.sh"]).map(|path| (path, "")).collect();
    refuses(top_level, &sample, &["scripts:1", "LICENSE:1"]);
    holds(top_level);
}

const KEYS: &str = "dispatcher/storage/src/key.rs";
const LAYOUT: &str = "dispatcher/storage/LAYOUT.md";

/// Each `Name = 0x..,` of the keys: its line, name and byte.
fn spaces(keys: &File) -> Vec<(usize, String, String)> {
    let bare = bare(&keys.text);
    let space = |(index, line): (usize, &str)| {
        let (name, byte) = line.trim().strip_suffix(',')?.split_once(" = ")?;
        byte.starts_with("0x").then(|| (index + 1, name.to_owned(), byte.to_owned()))
    };
    bare.lines().enumerate().filter_map(space).collect()
}

fn storage_layout(tree: &Tree) -> Vec<Finding> {
    let Some(keys) = tree.file(KEYS) else {
        return vec![Finding::missing(KEYS, "the spaces of keys are declared here")];
    };
    let Some(layout) = tree.file(LAYOUT) else {
        return vec![Finding::missing(LAYOUT, "describe each space of key.rs in a row of a table")];
    };
    let spaces = spaces(keys);
    let says = |line: &str, name: &str, byte: &str| {
        let mut words = words(line);
        words.next() == Some(byte) && words.next() == Some(name)
    };
    let mut found = Vec::new();
    for (line, name, byte) in &spaces {
        if !layout.text.lines().any(|row| says(row, name, byte)) {
            found.push(keys.at(*line, format!("add a row `| {byte} | {name} |` to {LAYOUT}")));
        }
    }
    for (index, row) in layout.text.lines().enumerate() {
        let describes = words(row).next().is_some_and(|word| word.starts_with("0x"));
        let known = spaces.iter().any(|(_, name, byte)| says(row, name, byte));
        if describes && !known && !row.contains("retired") {
            found.push(layout.at(index + 1, "key.rs has no such space; say `retired` if it is"));
        }
    }
    if spaces.is_empty() {
        found.push(keys.at(1, "no space is declared in the form `Name = 0x01,`"));
    }
    found
}

#[test]
fn the_storage_layout_describes_each_space_of_keys() {
    let keys = "spaces! {\n    Meta = 0x01,\n    // Gone = 0x02,\n    Due = 0x30,\n}\n";
    let layout =
        "| byte | space |\n|---|---|\n| `0x01` | `Meta` |\n| 0x02 | retired |\n| 0x03 | X |\n";
    let places = ["dispatcher/storage/src/key.rs:4", "dispatcher/storage/LAYOUT.md:5"];
    refuses(storage_layout, &[(KEYS, keys), (LAYOUT, layout)], &places);
    refuses(storage_layout, &[(KEYS, "")], &["dispatcher/storage/LAYOUT.md:1"]);
    refuses(storage_layout, &[(KEYS, ""), (LAYOUT, "")], &["dispatcher/storage/src/key.rs:1"]);
    refuses(storage_layout, &[], &["dispatcher/storage/src/key.rs:1"]);
    holds(storage_layout);
}

const PROBLEMS: &str = "dispatcher/src/problem.rs";
const CODES: &str = "dispatcher/README.md";

fn is_code(text: &str) -> bool {
    text.len() > 3 && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

fn error_codes(tree: &Tree) -> Vec<Finding> {
    let (Some(problems), Some(readme)) = (tree.file(PROBLEMS), tree.file(CODES)) else {
        return vec![Finding::missing(PROBLEMS, format!("codes stand here and in {CODES}"))];
    };
    let mut found = Vec::new();
    let mut codes = BTreeSet::new();
    for (index, line) in problems.text.lines().enumerate() {
        for code in line.split('"').filter(|text| is_code(text)) {
            if codes.insert(code) && !readme.text.contains(&format!("| `{code}` |")) {
                found.push(problems.at(index + 1, format!("document `{code}` in {CODES}")));
            }
        }
    }
    for (index, line) in readme.text.lines().enumerate() {
        let cell = line.strip_prefix("| `").and_then(|rest| rest.split_once('`'));
        if cell.is_some_and(|(code, _)| is_code(code) && !codes.contains(code)) {
            found.push(readme.at(index + 1, format!("{PROBLEMS} has no such code")));
        }
    }
    if codes.is_empty() {
        found.push(problems.at(1, "no code is declared as an upper-case literal"));
    }
    found
}

#[test]
fn every_error_code_is_documented() {
    let problems = "//! Codes.\nA = \"NO_WORKER\", 404;\nB = \"HUNG\", 500;\n";
    let readme = "| code |\n|---|\n| `NO_WORKER` | 404 |\n| `GONE` | 410 |\n";
    let places = ["dispatcher/src/problem.rs:3", "dispatcher/README.md:4"];
    refuses(error_codes, &[(PROBLEMS, problems), (CODES, readme)], &places);
    refuses(error_codes, &[(PROBLEMS, ""), (CODES, "")], &["dispatcher/src/problem.rs:1"]);
    refuses(error_codes, &[], &["dispatcher/src/problem.rs:1"]);
    holds(error_codes);
}
