//! Rules about manifests: lints are inherited, dependencies are sorted, and each crate depends
//! only on what its place allows.

use crate::tree::{File, Finding, Tree, holds, refuses};

fn crates(tree: &Tree) -> impl Iterator<Item = &File> {
    tree.files.iter().filter(|file| file.name() == "Cargo.toml" && file.path != "Cargo.toml")
}

/// The lines of a manifest with their numbers and the name of their table.
fn lines(manifest: &File) -> impl Iterator<Item = (usize, &str, &str)> {
    let mut table = "";
    manifest.text.lines().enumerate().map(move |(index, line)| {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            table = name;
        }
        (index + 1, table, line)
    })
}

/// The name that a line of a table of dependencies declares.
fn dependency(line: &str) -> Option<&str> {
    let name = line.split(['.', '=']).next()?.trim();
    let is_name = !name.is_empty() && !name.starts_with(['#', '[', '{', '}', ']', '"']);
    (is_name && line.contains('=')).then_some(name)
}

fn lints(tree: &Tree) -> Vec<Finding> {
    let inherits = |file: &&File| {
        lines(file).any(|(_, table, line)| table == "lints" && line.trim() == "workspace = true")
    };
    crates(tree)
        .filter(|file| !inherits(file))
        .map(|file| file.at(1, "add `[lints]` with `workspace = true`"))
        .collect()
}

#[test]
fn every_crate_inherits_the_lints() {
    let sample = [
        ("Cargo.toml", ""),
        ("a/Cargo.toml", "[package]\n\n[lints]\nworkspace = true\n"),
        ("b/Cargo.toml", "[lints]\n[dependencies]\nworkspace = true\n"),
    ];
    refuses(lints, &sample, &["b/Cargo.toml:1"]);
    holds(lints);
}

fn sorted(tree: &Tree) -> Vec<Finding> {
    let manifests = tree.files.iter().filter(|file| file.name() == "Cargo.toml");
    let mut found = Vec::new();
    for file in manifests {
        let mut last = ("", "");
        for (number, table, line) in lines(file) {
            let Some(name) = dependency(line).filter(|_| table.ends_with("dependencies")) else {
                continue;
            };
            if last.0 == table && name <= last.1 {
                found.push(file.at(number, format!("move `{name}` before `{}`", last.1)));
            }
            last = (table, name);
        }
    }
    found
}

#[test]
fn dependencies_are_in_alphabetical_order() {
    let root = "[workspace.dependencies]\nb = \"1\"\n# Why.\nc = { path = \"c\" }\na = \"1\"\n";
    let member = "[dependencies]\nz.workspace = true\n\n[dev-dependencies]\na.workspace = true\n";
    refuses(sorted, &[("Cargo.toml", root), ("m/Cargo.toml", member)], &["Cargo.toml:5"]);
    holds(sorted);
}

fn inherited(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in crates(tree) {
        for (number, table, line) in lines(file) {
            let name = dependency(line).filter(|_| table.ends_with("dependencies"));
            let own_table = line.starts_with('[') && table.contains("dependencies.");
            if own_table || (name.is_some() && !line.contains("workspace = true")) {
                found.push(
                    file.at(number, "write `name.workspace = true`; the root has the version"),
                );
            }
        }
    }
    found
}

#[test]
fn versions_stand_in_the_root_manifest_only() {
    let text = "[package]\nname = \"m\"\n[dependencies]\na.workspace = true\nb = \"1\"\n\
                [dependencies.c]\nworkspace = true\n";
    refuses(inherited, &[("m/Cargo.toml", text)], &["m/Cargo.toml:5", "m/Cargo.toml:6"]);
    holds(inherited);
}

/// Which crates alone may depend on what: names of dependencies, folders of crates.
const RESERVED: &[(&[&str], &[&str])] = &[
    (&["v8", "deno_"], &["js-api", "runtime", "dispatcher/cli"]),
    (&["redb"], &["dispatcher/storage"]),
    (&["axum"], &["dispatcher"]),
    (&["bindery-runtime", "bindery-js-api"], &["js-api", "runtime", "dispatcher/cli"]),
    (&["bindery-dispatcher"], &["dispatcher/cli"]),
];

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|it| name == *it || (it.ends_with('_') && name.starts_with(it)))
}

fn reserved(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in crates(tree) {
        let folder = file.path.trim_end_matches("/Cargo.toml");
        for (number, table, line) in lines(file) {
            let Some(name) = dependency(line).filter(|_| table.ends_with("dependencies")) else {
                continue;
            };
            for (_, folders) in RESERVED.iter().filter(|(names, _)| is_one_of(name, names)) {
                if !folders.contains(&folder) {
                    let advice = format!("only {} may depend on `{name}`", folders.join(", "));
                    found.push(file.at(number, advice));
                }
            }
        }
    }
    found
}

#[test]
fn reserved_dependencies_stay_where_they_belong() {
    let text = "[dependencies]\naxum.workspace = true\ndeno_core.workspace = true\n\
                [build-dependencies]\nredb.workspace = true\n";
    let places = ["dispatcher/Cargo.toml:3", "dispatcher/Cargo.toml:5"];
    refuses(reserved, &[("dispatcher/Cargo.toml", text)], &places);
    refuses(reserved, &[("js-api/Cargo.toml", "[dependencies]\nv8.workspace = true\n")], &[]);
    holds(reserved);
}
