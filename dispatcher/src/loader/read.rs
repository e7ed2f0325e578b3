//! Code as it comes from a worker: read, checked, and made into what an isolate starts from.

use std::collections::{BTreeMap, HashSet};

use bindery_wire::binding::loader::{INDEX_BYTES_MAX, Index, Outbound, TAIL_COUNT_MAX};
use bindery_wire::limits::{ENV_BYTES_MAX, MODULE_COUNT_MAX, MODULES_BYTES_MAX};
use bindery_wire::manifest::{self, Module, ModuleKind};
use bindery_wire::{ContentHash, Manifest, compat, limit, name};
use bytes::Bytes;
use serde::de::IgnoredAny;

use crate::admin::FLAG_COUNT_MAX;
use crate::code::Code;
use crate::line::Refused;

/// Bytes of a body of code: as much as each of its parts may have.
pub(super) const CODE_BYTES_MAX: usize =
    INDEX_BYTES_MAX + (MODULES_BYTES_MAX + ENV_BYTES_MAX) as usize;

/// Code that was checked.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) index: Index,
    pub(super) index_bytes: usize,
    /// What it is as a version. `env` is not part of it.
    pub(super) manifest: Manifest,
    /// The bytes of its modules, in the manifest's order.
    pub(super) modules: Vec<(String, Bytes)>,
    /// The value of `env`.
    pub(super) env: Option<Bytes>,
}

/// Reads code that a worker of `parent` sent. Takes as long as the code is.
pub(super) fn read(parent: &Code, index_bytes: usize, body: &Bytes) -> Result<Read, Refused> {
    if index_bytes > INDEX_BYTES_MAX || index_bytes > body.len() {
        return Err(malformed());
    }
    let index: Index = serde_json::from_slice(&body[..index_bytes]).map_err(|_| malformed())?;
    check(&index)?;
    let mut at = index_bytes;
    let mut take = |bytes: u64| {
        let bytes = usize::try_from(bytes).map_err(|_| malformed())?;
        let end = at.checked_add(bytes).filter(|end| *end <= body.len()).ok_or_else(malformed)?;
        // A part of the body would keep all of it.
        let part = body.get(std::mem::replace(&mut at, end)..end).ok_or_else(malformed)?;
        Ok(Bytes::copy_from_slice(part))
    };
    let mut modules = BTreeMap::new();
    for (name, kind, bytes) in &index.modules {
        let bytes = take(*bytes)?;
        check_content(name, *kind, &bytes)?;
        let module =
            Module { kind: *kind, hash: ContentHash::of(&bytes), bytes: bytes.len() as u64 };
        modules.insert(name.clone(), (module, bytes));
    }
    let env = index.env.map(take).transpose()?;
    if at != body.len() {
        return Err(malformed());
    }
    let manifest = manifest(parent, &index, &modules);
    let modules = modules.into_iter().map(|(name, (_, bytes))| (name, bytes)).collect();
    Ok(Read { index, index_bytes, manifest, modules, env })
}

/// What can be said without the bytes.
fn check(index: &Index) -> Result<(), Refused> {
    if index.modules.is_empty() {
        return Err(Refused::wrong("Dynamic Worker code must contain at least one module."));
    }
    if index.modules.len() > MODULE_COUNT_MAX {
        let count = index.modules.len();
        let told = limit::MODULE_COUNT.fixed();
        return Err(Refused::wrong(format!("Dynamic Worker code has {count} modules. ({told})")));
    }
    let code = index.modules.iter().fold(0_u64, |sum, (.., bytes)| sum.saturating_add(*bytes));
    if code > MODULES_BYTES_MAX {
        return Err(Refused::failed(format!(
            "Dynamic Worker code size ({code} bytes) exceeds the maximum allowed size of \
             {MODULES_BYTES_MAX} bytes."
        )));
    }
    if let Some(env) = index.env.filter(|bytes| *bytes > ENV_BYTES_MAX) {
        return Err(Refused::failed(format!(
            "Dynamic Worker env size ({env} bytes) exceeds the maximum allowed size of \
             {ENV_BYTES_MAX} bytes."
        )));
    }
    if index.tails > TAIL_COUNT_MAX {
        let message = format!("A dynamic Worker may have {TAIL_COUNT_MAX} tails.");
        return Err(Refused::wrong(message));
    }
    check_compat(index)?;
    let mut names = HashSet::new();
    for (name, kind, _) in &index.modules {
        name::check_module(name).map_err(|error| Refused::wrong(error.to_string()))?;
        if *kind == ModuleKind::SourceMap || !names.insert(name) {
            return Err(malformed());
        }
    }
    let main = &index.main_module;
    match index.modules.iter().find(|(name, ..)| name == main) {
        None => Err(not_started(&format!("Error: No such module: {}", shown(main)))),
        Some((_, ModuleKind::Es | ModuleKind::CommonJs, _)) => Ok(()),
        Some(_) => Err(not_started("TypeError: Main module must be an ES module.")),
    }
}

fn check_compat(index: &Index) -> Result<(), Refused> {
    let failed = |error: compat::Error| Refused::failed(error.to_string());
    compat::check_date(&index.compat_date).map_err(failed)?;
    if index.compat_flags.len() > FLAG_COUNT_MAX {
        return Err(Refused::wrong(format!(
            "A worker may have {FLAG_COUNT_MAX} compatibility flags."
        )));
    }
    index.compat_flags.iter().try_for_each(|flag| compat::check_flag(flag)).map_err(failed)
}

fn check_content(name: &str, kind: ModuleKind, bytes: &[u8]) -> Result<(), Refused> {
    let good = match kind {
        ModuleKind::Es | ModuleKind::CommonJs | ModuleKind::Text => {
            std::str::from_utf8(bytes).is_ok()
        }
        ModuleKind::Json => serde_json::from_slice::<IgnoredAny>(bytes).is_ok(),
        ModuleKind::Wasm => bytes.starts_with(b"\0asm"),
        ModuleKind::Data => true,
        ModuleKind::SourceMap => false,
    };
    if good {
        return Ok(());
    }
    Err(Refused::wrong(format!("Module '{}' is not of the kind that it says.", shown(name))))
}

fn manifest(parent: &Code, index: &Index, modules: &BTreeMap<String, (Module, Bytes)>) -> Manifest {
    let outbound = match index.outbound {
        Outbound::Inherit => parent.manifest.outbound.clone(),
        Outbound::None | Outbound::Attached => manifest::Outbound::None,
    };
    Manifest {
        format: manifest::FORMAT,
        main_module: index.main_module.clone(),
        modules: modules.iter().map(|(name, (module, _))| (name.clone(), module.clone())).collect(),
        bindings: BTreeMap::new(),
        compat: manifest::Compat {
            date: index.compat_date.clone(),
            flags: index.compat_flags.clone(),
        },
        limits: index.limits.clone(),
        outbound,
        previews: false,
        routes: vec![],
        queue_consumers: vec![],
        crons: vec![],
        given: None,
    }
}

/// What callers of a worker are told whose code does not start.
pub(crate) fn not_started(what: &str) -> Refused {
    Refused::failed(format!("Failed to start Worker:\nUncaught {what}"))
}

fn shown(name: &str) -> String {
    name.chars().take(80).flat_map(char::escape_debug).collect()
}

fn malformed() -> Refused {
    Refused::failed("internal error: the code is malformed")
}
