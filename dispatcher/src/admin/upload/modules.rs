//! The modules of an upload: names, kinds, sizes, and what can be checked of their content.

use std::collections::{BTreeMap, HashMap};

use bindery_wire::limits::MODULES_BYTES_MAX;
use bindery_wire::manifest::{Module, ModuleKind};
use bindery_wire::name::check_module;
use bindery_wire::{ContentHash, limit};
use bytes::Bytes;
use serde::de::IgnoredAny;
use unicode_normalization::UnicodeNormalization;

use super::parts::{Part, Parts};
use crate::admin::fields::{Faults, shown};

/// The content type of each kind of module.
pub(in crate::admin) const CONTENT_TYPES: [(&str, ModuleKind); 7] = [
    ("application/javascript+module", ModuleKind::Es),
    ("application/javascript", ModuleKind::CommonJs),
    ("text/plain", ModuleKind::Text),
    ("application/json", ModuleKind::Json),
    ("application/octet-stream", ModuleKind::Data),
    ("application/wasm", ModuleKind::Wasm),
    ("application/source-map", ModuleKind::SourceMap),
];
/// Names that an error lists.
const LISTED_COUNT_MAX: usize = 10;

/// Modules that are good, with their bytes in the manifest's order.
pub(super) type Modules = BTreeMap<String, (Module, Bytes)>;

/// Checks every module, and that the main one is among them.
pub(super) fn check(parts: Parts, main_module: Option<&str>, faults: &mut Faults) -> Modules {
    if parts.modules.is_empty() {
        faults.add("modules", "Worker code must contain at least one module.");
    }
    if parts.bytes > MODULES_BYTES_MAX {
        let message = format!(
            "Worker code size ({} bytes) exceeds the maximum allowed size of \
             {MODULES_BYTES_MAX} bytes. ({})",
            parts.bytes,
            limit::MODULES.fixed()
        );
        faults.add("modules", message);
    }
    let mut modules = Modules::new();
    let mut names: HashMap<String, String> = HashMap::new();
    let within = parts.bytes <= MODULES_BYTES_MAX;
    for part in parts.modules {
        let path = format!("modules[\"{}\"]", shown(&part.name));
        check_name(&part.name, &path, &mut names, faults);
        let kind = kind(&part.content_type, &path, faults);
        // Over the limit, bytes are not held, and nothing can be said of them.
        if let Some(kind) = kind.filter(|_| within) {
            check_content(kind, &part, &path, faults);
            let hash = ContentHash::of(&part.bytes);
            let module = Module { kind, hash, bytes: part.bytes.len() as u64 };
            modules.insert(part.name, (module, part.bytes));
        }
    }
    if let Some(main) = main_module.filter(|_| within) {
        check_main(main, &modules, &names, faults);
    }
    modules
}

/// Names that differ only in how Unicode composes their characters look the same to people, and
/// are one name to some disks.
fn check_name(name: &str, path: &str, names: &mut HashMap<String, String>, faults: &mut Faults) {
    faults.check(path, check_module(name));
    match names.insert(name.nfc().collect(), name.to_owned()) {
        Some(other) if other == name => faults.add(path, "there are two modules of this name"),
        Some(_) => faults.add(path, "another module has this name in another Unicode form"),
        None => {}
    }
}

fn kind(content_type: &str, path: &str, faults: &mut Faults) -> Option<ModuleKind> {
    let content_type = content_type.split(';').next().unwrap_or_default().trim();
    let found = CONTENT_TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(content_type));
    if let Some((_, kind)) = found {
        return Some(*kind);
    }
    let known = CONTENT_TYPES.map(|(known, _)| known).join(", ");
    let message = format!("unknown content type \"{}\": use one of {known}", shown(content_type));
    faults.add(path, message);
    None
}

fn check_content(kind: ModuleKind, part: &Part, path: &str, faults: &mut Faults) {
    match kind {
        ModuleKind::Es | ModuleKind::CommonJs | ModuleKind::Text | ModuleKind::SourceMap => {
            if let Err(error) = std::str::from_utf8(&part.bytes) {
                faults.add(path, format!("not UTF-8 at byte {}", error.valid_up_to()));
            }
        }
        ModuleKind::Json => {
            if let Err(error) = serde_json::from_slice::<IgnoredAny>(&part.bytes) {
                faults.add(path, format!("not JSON: {error}"));
            }
        }
        ModuleKind::Wasm => {
            if !part.bytes.starts_with(b"\0asm") {
                faults.add(path, "not WebAssembly: it does not begin with `\\0asm`");
            }
        }
        ModuleKind::Data => {}
    }
}

fn check_main(main: &str, modules: &Modules, names: &HashMap<String, String>, faults: &mut Faults) {
    const PATH: &str = "metadata.main_module";
    match modules.get(main) {
        Some((module, _)) if module.kind == ModuleKind::Es => {}
        Some(_) => faults.add(PATH, "the main module must be application/javascript+module"),
        // One that is there but not good has a problem of its own.
        None if names.values().any(|name| name == main) => {}
        None => {
            let mut there: Vec<String> = names.values().map(|name| shown(name)).collect();
            there.sort();
            let more = if there.len() > LISTED_COUNT_MAX { ", ..." } else { "" };
            there.truncate(LISTED_COUNT_MAX);
            let there = there.join(", ");
            faults.add(PATH, format!("no such module: {}; there are: {there}{more}", shown(main)));
        }
    }
}
