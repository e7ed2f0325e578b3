//! Which files of a directory are a worker's modules.
//!
//! Nothing is bundled: a module is uploaded as it stands, under its path from the base directory.
//! Every file that could be a module is one, so what the main module imports is there.

use std::fs;
use std::path::Path;

use bindery_wire::limits::{MODULE_COUNT_MAX, MODULES_BYTES_MAX};
use bindery_wire::name;
use glob::{MatchOptions, Pattern};

use crate::error::Error;

/// Files and directories that are looked at.
const ENTRY_COUNT_MAX: usize = 100_000;
/// Directories within directories.
const DEPTH_MAX: usize = 64;

/// The media type of ECMAScript modules.
pub(crate) const ES_MODULE: &str = "application/javascript+module";
const SOURCE_MAP: &str = "application/source-map";
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
        "CommonJS" => Err("CommonJS modules are not supported: bundle them".to_owned()),
        other => {
            Err(format!("`{other}` is not a module type: use ESModule, Text, Data or CompiledWasm"))
        }
    }
}

/// The modules of a directory: the main one, and with `others` every file that could be one.
pub(crate) fn find(
    base: &Path,
    main: &str,
    rules: &[Rule],
    others: bool,
) -> Result<Vec<Module>, Error> {
    let mut found = Found { rules, modules: Vec::new(), bytes: 0, entries: 0 };
    found.add(&base.join(main), main, ES_MODULE)?;
    if others {
        found.walk(base, "", main, 0)?;
    }
    Ok(found.modules)
}

struct Found<'a> {
    rules: &'a [Rule],
    modules: Vec<Module>,
    bytes: u64,
    entries: usize,
}

impl Found<'_> {
    fn walk(&mut self, dir: &Path, prefix: &str, main: &str, depth: usize) -> Result<(), Error> {
        let unreadable =
            |error| Error::os(format_args!("{} can not be read", dir.display()), error);
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
                self.walk(&path, &format!("{name}/"), main, depth + 1)?;
            } else if name != main
                && path.is_file()
                && let Some(content_type) = self.type_of(&name)
            {
                self.add(&path, &name, content_type)?;
            }
        }
        Ok(())
    }

    fn type_of(&self, name: &str) -> Option<&'static str> {
        let options = MatchOptions { require_literal_separator: true, ..MatchOptions::new() };
        let rule = self.rules.iter().find(|rule| rule.pattern.matches_with(name, options));
        rule.map(|rule| rule.content_type).or_else(|| {
            let (_, extension) = name.rsplit_once('.')?;
            TYPES.iter().find(|(known, _)| known.contains(&extension)).map(|(_, kind)| *kind)
        })
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
    file.starts_with('.') || file.starts_with("wrangler.") || file == "node_modules"
}
