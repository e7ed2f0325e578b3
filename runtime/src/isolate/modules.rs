//! The modules of one version: names to sources, sources to compiled modules, imports to names.
//!
//! All sources are in memory, so an import is answered at once: nothing is loaded later, from
//! anywhere. The graph is ours rather than the engine crate's because that one keeps no thrown
//! value of a failed import, and ends the process on some of them.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use bindery_js_api::door::MODULE_ROOT;
use bindery_wire::manifest::ModuleKind;
use deno_core::v8;

use super::common_js;
use crate::sys;

/// The name of the module that we make.
const WORKERS: &str = "cloudflare:workers";

/// One module as it came.
pub(crate) struct Source {
    /// How an import of it reads.
    pub(crate) kind: ModuleKind,
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// Compiled code of an earlier start.
    pub(crate) compiled: Option<Vec<u8>>,
}

/// The modules of this thread's isolate.
#[derive(Default)]
struct Modules {
    sources: HashMap<String, Source>,
    compiled: HashMap<String, v8::Global<v8::Module>>,
    names: HashMap<i32, Vec<(v8::Global<v8::Module>, String)>>,
    workers: Option<v8::Global<v8::Object>>,
    main: String,
    /// Modules that were compiled without the help of an earlier start.
    fresh: Vec<String>,
}

thread_local! {
    static HERE: RefCell<Modules> = RefCell::new(Modules::default());
    static STARTING: Cell<bool> = const { Cell::new(false) };
}

/// Gives this thread's isolate what the module `cloudflare:workers` exports.
pub(crate) fn set_workers(exports: v8::Global<v8::Object>) {
    HERE.with_borrow_mut(|modules| modules.workers = Some(exports));
}

/// Gives this thread's isolate its modules.
pub(crate) fn set_sources(main: &str, sources: HashMap<String, Source>) {
    HERE.with_borrow_mut(|modules| {
        modules.main = main.into();
        modules.sources = sources;
    });
}

/// Drops every handle into the isolate, before it goes.
pub(crate) fn clear() {
    common_js::clear();
    HERE.set(Modules::default());
}

/// Whether modules are being evaluated for the first time: code may be made from strings and
/// bytes then, and not later.
pub(crate) fn is_starting() -> bool {
    STARTING.get()
}

/// Says whether modules are being evaluated for the first time.
pub(crate) fn set_starting(starting: bool) {
    STARTING.set(starting);
}

/// Compiles and links the main module. `None` if something was thrown.
pub(crate) fn link_main<'s>(scope: &mut v8::PinScope<'s, '_>) -> Option<v8::Local<'s, v8::Module>> {
    let main = HERE.with_borrow(|modules| modules.main.clone());
    let module = module_named(scope, &main)?;
    module.instantiate_module(scope, sys::resolve_module)?;
    Some(module)
}

/// The module that `specifier` names in `referrer`. `None` if something was thrown.
pub(crate) fn resolve_static<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    specifier: v8::Local<'s, v8::String>,
    referrer: v8::Local<'s, v8::Module>,
) -> Option<v8::Local<'s, v8::Module>> {
    let specifier = specifier.to_rust_string_lossy(scope);
    let from = name_of(scope, referrer);
    module_imported(scope, &specifier, &from)
}

/// The export of a module that is made of a value. `None` if something was thrown.
pub(crate) fn set_exports<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    module: v8::Local<'s, v8::Module>,
) -> Option<v8::Local<'s, v8::Value>> {
    let name = name_of(scope, module);
    if name == WORKERS {
        set_workers_exports(scope, module)?;
    } else {
        let key = v8::String::new(scope, "default")?;
        let value = value_of(scope, &name)?;
        module.set_synthetic_module_export(scope, key, value)?;
    }
    let resolver = v8::PromiseResolver::new(scope)?;
    let undefined = v8::undefined(scope).into();
    resolver.resolve(scope, undefined)?;
    Some(resolver.get_promise(scope).into())
}

fn set_workers_exports<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    module: v8::Local<'s, v8::Module>,
) -> Option<()> {
    let exports = workers_exports(scope)?;
    for key in keys_of(scope, exports)? {
        let value = exports.get(scope, key.into())?;
        module.set_synthetic_module_export(scope, key, value)?;
    }
    Some(())
}

fn workers_exports<'s>(scope: &mut v8::PinScope<'s, '_>) -> Option<v8::Local<'s, v8::Object>> {
    let exports = HERE.with_borrow(|modules| modules.workers.clone())?;
    Some(v8::Local::new(scope, exports))
}

fn keys_of<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    object: v8::Local<'s, v8::Object>,
) -> Option<Vec<v8::Local<'s, v8::String>>> {
    let names = object.get_own_property_names(scope, v8::GetPropertyNamesArgs::default())?;
    (0..names.length())
        .map(|at| v8::Local::<v8::String>::try_from(names.get_index(scope, at)?).ok())
        .collect()
}

/// The value that an import of a module that is no code reads.
fn value_of<'s>(scope: &mut v8::PinScope<'s, '_>, name: &str) -> Option<v8::Local<'s, v8::Value>> {
    if kind_of(name) == Some(ModuleKind::CommonJs) {
        return common_js::exports_of(scope, name);
    }
    let (kind, bytes) = HERE.with_borrow(|modules| {
        modules.sources.get(name).map(|source| (source.kind, source.bytes.clone()))
    })?;
    match kind {
        ModuleKind::Json => {
            let text = string(scope, &bytes)?;
            v8::json::parse(scope, text)
        }
        ModuleKind::Data => {
            let store = v8::ArrayBuffer::new(scope, bytes.len());
            let view = v8::Uint8Array::new(scope, store, 0, bytes.len())?;
            fill(view, &bytes);
            Some(store.into())
        }
        ModuleKind::Wasm => v8::WasmModuleObject::compile(scope, &bytes).map(Into::into),
        ModuleKind::Text | ModuleKind::Es | ModuleKind::CommonJs | ModuleKind::SourceMap => {
            string(scope, &bytes).map(Into::into)
        }
    }
}

/// Copies bytes into a typed array of the same length.
pub(crate) fn fill(view: v8::Local<'_, v8::Uint8Array>, bytes: &[u8]) {
    let Some(store) = v8::Local::<v8::ArrayBufferView>::from(view).get_backing_store() else {
        return;
    };
    for (cell, byte) in store.iter().zip(bytes) {
        cell.set(*byte);
    }
}

/// Fills `import.meta`.
pub(crate) fn fill_import_meta(
    scope: &mut v8::PinScope<'_, '_>,
    module: v8::Local<'_, v8::Module>,
    meta: v8::Local<'_, v8::Object>,
) {
    let name = name_of(scope, module);
    let is_main = HERE.with_borrow(|modules| modules.main == name);
    let is_main = v8::Boolean::new(scope, is_main).into();
    let url = v8::String::new(scope, &url_of(&name)).map(Into::into);
    for (key, value) in [("main", Some(is_main)), ("url", url)] {
        if let (Some(key), Some(value)) = (v8::String::new(scope, key), value) {
            let _ = meta.create_data_property(scope, key.into(), value);
        }
    }
}

/// Compiled code of the modules that were compiled without any, as it stands now: functions that
/// have run are in it.
pub(crate) fn take_fresh(scope: &mut v8::PinScope<'_, '_>) -> Vec<(String, Vec<u8>)> {
    let fresh = HERE.with_borrow_mut(|modules| std::mem::take(&mut modules.fresh));
    let mut made = Vec::new();
    for name in fresh {
        if let Some(code) = compiled(scope, &name) {
            made.push((name, code));
        }
    }
    made
}

fn compiled(scope: &mut v8::PinScope<'_, '_>, name: &str) -> Option<Vec<u8>> {
    if kind_of(name) == Some(ModuleKind::CommonJs) {
        return common_js::compiled(scope, name);
    }
    let module = HERE.with_borrow(|modules| modules.compiled.get(name).cloned())?;
    let script = v8::Local::new(scope, module).get_unbound_module_script(scope);
    Some(script.create_code_cache()?.to_vec())
}

fn module_imported<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    specifier: &str,
    from: &str,
) -> Option<v8::Local<'s, v8::Module>> {
    let name = name_imported(scope, specifier, from)?;
    module_named(scope, &name)
}

/// The name of the module that `specifier` means in the module `from`. `None` if something was
/// thrown.
pub(super) fn name_imported(
    scope: &mut v8::PinScope<'_, '_>,
    specifier: &str,
    from: &str,
) -> Option<String> {
    let name = HERE.with_borrow(|modules| resolve(&modules.sources, specifier, from));
    if name.is_none() {
        throw(scope, &no_such_module(specifier));
    }
    name
}

/// The module that `specifier` means in the module `from`, with its name, if it is compiled.
pub(super) fn compiled_import(
    specifier: &str,
    from: &str,
) -> Option<(String, v8::Global<v8::Module>)> {
    HERE.with_borrow(|modules| {
        let name = resolve(&modules.sources, specifier, from)?;
        let module = modules.compiled.get(&name)?.clone();
        Some((name, module))
    })
}

/// How an import of a module of the worker's own reads.
pub(super) fn kind_of(name: &str) -> Option<ModuleKind> {
    HERE.with_borrow(|modules| modules.sources.get(name).map(|source| source.kind))
}

/// The source of a module, which goes with this, and compiled code of it if there is any.
pub(super) fn take_source(name: &str) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    HERE.with_borrow_mut(|modules| {
        let source = modules.sources.get_mut(name)?;
        Some((std::mem::take(&mut source.bytes), source.compiled.take()))
    })
}

/// A module was compiled without the help of an earlier start.
pub(super) fn was_compiled_afresh(name: &str) {
    HERE.with_borrow_mut(|modules| modules.fresh.push(name.into()));
}

pub(super) fn module_named<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    name: &str,
) -> Option<v8::Local<'s, v8::Module>> {
    if let Some(known) = HERE.with_borrow(|modules| modules.compiled.get(name).cloned()) {
        return Some(v8::Local::new(scope, known));
    }
    let module = match kind_of(name) {
        Some(ModuleKind::Es) => compile(scope, name)?,
        Some(_) => {
            let key = v8::String::new(scope, "default")?;
            synthetic(scope, name, &[key])?
        }
        None if name == WORKERS => {
            let exports = workers_exports(scope)?;
            let keys = keys_of(scope, exports)?;
            synthetic(scope, name, &keys)?
        }
        None => {
            throw(scope, &no_such_module(name));
            return None;
        }
    };
    let handle = v8::Global::new(scope, module);
    HERE.with_borrow_mut(|modules| {
        let hash = module.get_identity_hash().get();
        modules.names.entry(hash).or_default().push((handle.clone(), name.into()));
        modules.compiled.insert(name.into(), handle);
    });
    Some(module)
}

fn synthetic<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    name: &str,
    keys: &[v8::Local<'s, v8::String>],
) -> Option<v8::Local<'s, v8::Module>> {
    let name = v8::String::new(scope, name)?;
    Some(v8::Module::create_synthetic_module(scope, name, keys, sys::evaluate_synthetic))
}

fn compile<'s>(scope: &mut v8::PinScope<'s, '_>, name: &str) -> Option<v8::Local<'s, v8::Module>> {
    use v8::script_compiler::{CompileOptions, NoCacheReason, Source as Code, compile_module2};

    let (bytes, compiled) = take_source(name)?;
    let url = v8::String::new(scope, &url_of(name))?.into();
    let origin = v8::ScriptOrigin::new(scope, url, 0, 0, false, -1, None, false, false, true, None);
    let text = string(scope, &bytes)?;
    let reason = NoCacheReason::NoReason;
    let (module, used) = match &compiled {
        None => {
            let mut code = Code::new(text, Some(&origin));
            (compile_module2(scope, &mut code, CompileOptions::NoCompileOptions, reason)?, false)
        }
        Some(compiled) => {
            let cached = v8::CachedData::new(compiled);
            let mut code = Code::new_with_cached_data(text, Some(&origin), cached);
            let options = CompileOptions::ConsumeCodeCache;
            let module = compile_module2(scope, &mut code, options, reason)?;
            (module, code.get_cached_data().is_some_and(|data| !data.rejected()))
        }
    };
    if !used {
        was_compiled_afresh(name);
    }
    Some(module)
}

/// A string of the engine's; what is ASCII is not decoded.
pub(crate) fn string<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    bytes: &[u8],
) -> Option<v8::Local<'s, v8::String>> {
    if bytes.is_ascii() {
        v8::String::new_from_one_byte(scope, bytes, v8::NewStringType::Normal)
    } else {
        v8::String::new_from_utf8(scope, bytes, v8::NewStringType::Normal)
    }
}

fn name_of(scope: &mut v8::PinScope<'_, '_>, module: v8::Local<'_, v8::Module>) -> String {
    let handle = v8::Global::new(scope, module);
    HERE.with_borrow(|modules| {
        let same_hash = modules.names.get(&module.get_identity_hash().get());
        let found = same_hash.and_then(|list| list.iter().find(|(known, _)| *known == handle));
        found.map(|(_, name)| name.clone()).unwrap_or_default()
    })
}

/// Which module `specifier` names in the module `from`: a path from there, or, if it does not
/// begin with `/` or a dot, one from the root too.
fn resolve(sources: &HashMap<String, Source>, specifier: &str, from: &str) -> Option<String> {
    if specifier == WORKERS {
        return Some(WORKERS.into());
    }
    let importable = |name: &String| {
        sources.get(name).is_some_and(|source| source.kind != ModuleKind::SourceMap)
    };
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let beside = join(folder, specifier).filter(importable);
    beside
        .or_else(|| join("", specifier).filter(|_| !specifier.starts_with('.')).filter(importable))
}

fn join(folder: &str, specifier: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    if !specifier.starts_with('/') {
        parts.extend(folder.split('/').filter(|part| !part.is_empty()));
    }
    for part in specifier.trim_start_matches('/').split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn no_such_module(specifier: &str) -> String {
    let shown: String = specifier.chars().take(200).collect();
    let scheme = shown.split_once(':').map(|(scheme, _)| scheme);
    match scheme {
        Some("node") => {
            format!("No such module \"{shown}\". The modules of Node are not supported yet.")
        }
        Some(_) => format!(
            "No such module \"{shown}\". A worker imports its own modules and \"{WORKERS}\" only."
        ),
        None => format!("No such module \"{shown}\"."),
    }
}

pub(super) fn throw(scope: &mut v8::PinScope<'_, '_>, message: &str) {
    if let Some(message) = v8::String::new(scope, message) {
        let error = v8::Exception::error(scope, message);
        scope.throw_exception(error);
    }
}

pub(super) fn url_of(name: &str) -> String {
    format!("{MODULE_ROOT}{name}")
}

pub(super) fn name_from_url(url: &str) -> String {
    url.strip_prefix(MODULE_ROOT).unwrap_or_default().into()
}
