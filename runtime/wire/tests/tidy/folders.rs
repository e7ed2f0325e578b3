//! The rule about folders of `js-api`: one folder is one API, and it is whole.

use std::collections::BTreeSet;

use crate::tree::{Finding, Tree, holds, refuses};

/// Folders whose JavaScript no tenant calls, and why they have neither typings nor cases.
const INNER: &[(&str, &str)] = &[
    ("binding", "is called by the folder of each kind of binding"),
    ("bootstrap", "puts the others in place before the snapshot is made"),
    ("door", "is called by the other folders only"),
];

fn complete(tree: &Tree) -> Vec<Finding> {
    let scripts = tree.ending_in(&["js"]);
    let inside = scripts.filter_map(|file| file.path.strip_prefix("js-api/src/"));
    let folders = inside.filter_map(|path| path.split_once('/')).map(|(folder, _)| folder);
    let mut found = Vec::new();
    for folder in folders.collect::<BTreeSet<_>>() {
        if INNER.iter().any(|(inner, _)| *inner == folder) {
            continue;
        }
        let cases = format!("tests/cases/{folder}/");
        for (path, what) in [
            (format!("js-api/src/{folder}/mod.rs"), "what the API promises"),
            (format!("js-api/types/{folder}.d.ts"), "its public shape"),
        ] {
            if tree.file(&path).is_none() {
                found.push(Finding::missing(path, format!("write {what}")));
            }
        }
        if !tree.files.iter().any(|file| file.path.starts_with(&cases)) {
            found.push(Finding::missing(cases, "write at least one case"));
        }
    }
    found
}

#[test]
fn every_api_folder_has_its_module_typings_and_cases() {
    let sample = [
        ("js-api/src/bootstrap/main.js", ""),
        ("js-api/src/error/ops.rs", ""),
        ("js-api/src/kv/kv.js", ""),
        ("js-api/src/queue/mod.rs", ""),
        ("js-api/src/queue/queue.js", ""),
        ("js-api/types/queue.d.ts", ""),
        ("tests/cases/queue/send.js", ""),
    ];
    let places = ["js-api/src/kv/mod.rs:1", "js-api/types/kv.d.ts:1", "tests/cases/kv/:1"];
    refuses(complete, &sample, &places);
    holds(complete);
}
