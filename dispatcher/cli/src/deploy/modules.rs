//! Which files of a directory are a worker's modules.
//!
//! A module is uploaded under its path from the base directory. Every file that could be a module is
//! one, so what the main module asks for by a name that nobody can foresee is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use bindery_wire::limits::{MODULE_COUNT_MAX, MODULES_BYTES_MAX};
use bindery_wire::name;
use glob::{MatchOptions, Pattern};

use super::sources::Sources;
use crate::error::Error;

/// Files and directories that are looked at.
const ENTRY_COUNT_MAX: usize = 100_000;
/// Directories within directories.
const DEPTH_MAX: usize = 64;

/// The media type of ECMAScript modules.
pub(crate) const ES_MODULE: &str = "application/javascript+module";
/// The media type of CommonJS modules.
const COMMON_JS: &str = "application/javascript";
/// The media type of source maps.
pub(crate) const SOURCE_MAP: &str = "application/source-map";
const TYPES: &[(&[&str], &str)] = &[
    (&["js", "mjs"], ES_MODULE),
    (&["txt", "html", "sql"], "text/plain"),
    (&["bin", "data"], "application/octet-stream"),
    (&["json"], "application/json"),
    (&["wasm"], "application/wasm"),
    (&["map"], SOURCE_MAP),
];

/// A module as it is uploaded.
pub(crate) struct Module {
    /// Its name: the path from the base directory.
    pub(crate) name: String,
    /// Its media type.
    pub(crate) content_type: &'static str,
    /// The file's bytes.
    pub(crate) bytes: Vec<u8>,
}

/// Says that files of some names are modules of a type.
pub(crate) struct Rule {
    /// What the path from the base directory must match.
    pub(crate) pattern: Pattern,
    /// The media type.
    pub(crate) content_type: &'static str,
}

/// The media type that a rule's `type` stands for.
pub(crate) fn type_of_rule(kind: &str) -> Result<&'static str, String> {
    match kind {
        "ESModule" => Ok(ES_MODULE),
        "Text" => Ok("text/plain"),
        "Data" => Ok("application/octet-stream"),
        "CompiledWasm" => Ok("application/wasm"),
        "CommonJS" => Ok(COMMON_JS),
        other => Err(format!(
            "`{other}` is not a module type: use ESModule, CommonJS, Text, Data or CompiledWasm"
        )),
    }
}

/// Adds every other file of a directory that could be a module.
pub(crate) fn add_others(
    base: &Path,
    rules: &[Rule],
    modules: &mut Vec<Module>,
    sources: &mut Sources,
) -> Result<(), Error> {
    let reached = modules.iter().map(|module| module.name.clone()).collect();
    let bytes = modules.iter().map(|module| module.bytes.len() as u64).sum();
    let mut found = Found { rules, reached, modules, sources, bytes, entries: 0 };
    found.walk(base, "", 0)
}

/// The media type of a file's module by its name, if it can be one as it stands.
pub(crate) fn type_of(name: &str, rules: &[Rule]) -> Option<&'static str> {
    let options = MatchOptions { require_literal_separator: true, ..MatchOptions::new() };
    let rule = rules.iter().find(|rule| rule.pattern.matches_with(name, options));
    rule.map(|rule| rule.content_type).or_else(|| {
        let (_, extension) = name.rsplit_once('.')?;
        TYPES.iter().find(|(known, _)| known.contains(&extension)).map(|(_, kind)| *kind)
    })
}

struct Found<'a> {
    rules: &'a [Rule],
    reached: BTreeSet<String>,
    modules: &'a mut Vec<Module>,
    sources: &'a mut Sources,
    bytes: u64,
    entries: usize,
}

impl Found<'_> {
    fn walk(&mut self, dir: &Path, prefix: &str, depth: usize) -> Result<(), Error> {
        let unreadable =
            |error| Error::os(format_args!("{} can not be read", dir.display()), error);
        self.sources.dir(dir);
        let mut entries = fs::read_dir(dir)
            .and_then(|entries| entries.take(ENTRY_COUNT_MAX + 1).collect::<Result<Vec<_>, _>>())
            .map_err(unreadable)?;
        self.entries += entries.len();
        if self.entries > ENTRY_COUNT_MAX || depth > DEPTH_MAX {
            return Err(Error::Failed(format!(
                "{} holds more than {ENTRY_COUNT_MAX} files or {DEPTH_MAX} levels: deploy the \
                 directory of the bundled worker",
                dir.display()
            )));
        }
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let Some(file) = entry.file_name().to_str().map(str::to_owned) else { continue };
            if is_skipped(&file) {
                continue;
            }
            let (path, name) = (entry.path(), format!("{prefix}{file}"));
            // A link to a directory is not followed, so that the walk ends.
            if entry.file_type().map_err(unreadable)?.is_dir() {
                self.walk(&path, &format!("{name}/"), depth + 1)?;
            } else if !self.reached.contains(&name)
                && path.is_file()
                && let Some(content_type) = type_of(&name, self.rules)
            {
                self.add(&path, &name, content_type)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, path: &Path, name: &str, content_type: &'static str) -> Result<(), Error> {
        name::check_module(name).map_err(|error| Error::Failed(error.to_string()))?;
        let unreadable =
            |error| Error::os(format_args!("{} can not be read", path.display()), error);
        // The size is asked first, so that a huge file is refused rather than read.
        self.bytes += fs::metadata(path).map_err(unreadable)?.len();
        if self.bytes > MODULES_BYTES_MAX || self.modules.len() >= MODULE_COUNT_MAX {
            return Err(Error::Failed(format!(
                "at {}: the modules are more than {MODULE_COUNT_MAX} files or {} MiB; deploy the \
                 directory of the bundled worker",
                path.display(),
                MODULES_BYTES_MAX >> 20
            )));
        }
        let bytes = fs::read(path).map_err(unreadable)?;
        self.modules.push(Module { name: name.to_owned(), content_type, bytes });
        Ok(())
    }
}

/// Whether a file or directory never holds modules of the worker.
fn is_skipped(file: &str) -> bool {
    file.starts_with('.')
        || file.starts_with("wrangler.")
        || matches!(file, "node_modules" | "bindery-data")
}
