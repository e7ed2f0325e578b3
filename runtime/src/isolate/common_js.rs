//! CommonJS modules: functions that are run once, when somebody first asks for what they export.
//!
//! `require` takes every kind of module that an import takes. Of an ECMAScript module it gives the
//! default export, or all exports where there is none; one that waits at its top level, or that is
//! being evaluated right now, can not be required. A module that throws is run again by the next
//! `require` of it.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use bindery_wire::manifest::ModuleKind;
use deno_core::v8;

use super::modules;

/// What a CommonJS module is a function of.
const PARAMETERS: [&str; 5] = ["exports", "require", "module", "__filename", "__dirname"];

const WAITS: &str = "Top-level await in module is not permitted at this time.";

/// One module, once it is compiled.
struct Known {
    function: v8::Global<v8::Function>,
    /// Its `module`, from the moment it runs.
    module: Option<v8::Global<v8::Object>>,
}

thread_local! {
    static HERE: RefCell<HashMap<String, Known>> = RefCell::new(HashMap::new());
}

/// Drops every handle into the isolate, before it goes.
pub(super) fn clear() {
    HERE.take();
}

/// What a module exports, once it has run. `None` if something was thrown.
pub(super) fn exports_of<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    name: &str,
) -> Option<v8::Local<'s, v8::Value>> {
    let begun = HERE.with_borrow(|known| known.get(name)?.module.clone());
    let module = match begun {
        Some(module) => v8::Local::new(scope, module),
        None => run(scope, name)?,
    };
    let key = modules::string(scope, b"exports")?;
    module.get(scope, key.into())
}

/// Compiled code of a module, with the functions that have run.
pub(super) fn compiled(scope: &mut v8::PinScope<'_, '_>, name: &str) -> Option<Vec<u8>> {
    let function = HERE.with_borrow(|known| Some(known.get(name)?.function.clone()))?;
    let code = v8::Local::new(scope, function).create_code_cache()?;
    Some(code.to_vec())
}

fn run<'s>(scope: &mut v8::PinScope<'s, '_>, name: &str) -> Option<v8::Local<'s, v8::Object>> {
    let function = function_of(scope, name)?;
    let (module, exports) = (v8::Object::new(scope), v8::Object::new(scope).into());
    let key = modules::string(scope, b"exports")?;
    module.set(scope, key.into(), exports)?;
    let key = modules::string(scope, b"id")?;
    let id = modules::string(scope, name.as_bytes())?.into();
    module.set(scope, key.into(), id)?;
    let require = v8::Function::builder(require).data(id).build(scope)?.into();
    let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
    let folder = modules::string(scope, folder.as_bytes())?.into();
    let began = Some(v8::Global::new(scope, module));
    set_module(name, began);
    let given = [exports, require, module.into(), id, folder];
    if function.call(scope, exports, &given).is_none() {
        set_module(name, None);
        return None;
    }
    Some(module)
}

fn set_module(name: &str, module: Option<v8::Global<v8::Object>>) {
    HERE.with_borrow_mut(|known| {
        if let Some(known) = known.get_mut(name) {
            known.module = module;
        }
    });
}

fn function_of<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    name: &str,
) -> Option<v8::Local<'s, v8::Function>> {
    let known = HERE.with_borrow(|known| Some(known.get(name)?.function.clone()));
    if let Some(function) = known {
        return Some(v8::Local::new(scope, function));
    }
    let function = compile(scope, name)?;
    let handle = v8::Global::new(scope, function);
    HERE.with_borrow_mut(|known| {
        known.insert(name.into(), Known { function: handle, module: None });
    });
    Some(function)
}

fn compile<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    name: &str,
) -> Option<v8::Local<'s, v8::Function>> {
    use v8::script_compiler::{CompileOptions, NoCacheReason, Source, compile_function};

    let (bytes, compiled) = modules::take_source(name)?;
    let url = modules::string(scope, modules::url_of(name).as_bytes())?.into();
    let origin =
        v8::ScriptOrigin::new(scope, url, 0, 0, false, -1, None, false, false, false, None);
    let text = modules::string(scope, &bytes)?;
    let mut parameters = Vec::with_capacity(PARAMETERS.len());
    for parameter in PARAMETERS {
        parameters.push(modules::string(scope, parameter.as_bytes())?);
    }
    let (mut code, options) = match &compiled {
        None => (Source::new(text, Some(&origin)), CompileOptions::NoCompileOptions),
        Some(compiled) => {
            let cached = v8::CachedData::new(compiled);
            let code = Source::new_with_cached_data(text, Some(&origin), cached);
            (code, CompileOptions::ConsumeCodeCache)
        }
    };
    let reason = NoCacheReason::NoReason;
    let function = compile_function(scope, &mut code, &parameters, &[], options, reason)?;
    if code.get_cached_data().is_none_or(|data| data.rejected()) {
        modules::was_compiled_afresh(name);
    }
    Some(function)
}

/// The function `require` of the module that its data names.
fn require(
    scope: &mut v8::PinScope<'_, '_>,
    arguments: v8::FunctionCallbackArguments<'_>,
    mut result: v8::ReturnValue<'_>,
) {
    let from = arguments.data().to_rust_string_lossy(scope);
    let specifier = arguments.get(0).to_rust_string_lossy(scope);
    if let Some(value) = required(scope, &specifier, &from) {
        result.set(value);
    }
}

fn required<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    specifier: &str,
    from: &str,
) -> Option<v8::Local<'s, v8::Value>> {
    let name = modules::name_imported(scope, specifier, from)?;
    if modules::kind_of(&name) == Some(ModuleKind::CommonJs) {
        return exports_of(scope, &name);
    }
    let module = modules::module_named(scope, &name)?;
    module.instantiate_module(scope, crate::sys::resolve_module)?;
    if is_being_evaluated(scope, &name, module) {
        let message = format!("Cannot require() ES Module \"{name}\" in a cycle.");
        modules::throw(scope, &message);
        return None;
    }
    let promise = v8::Local::<v8::Promise>::try_from(module.evaluate(scope)?).ok()?;
    match promise.state() {
        v8::PromiseState::Fulfilled => {}
        v8::PromiseState::Rejected => {
            // Whoever requires it has the error: it is not one that nobody handled.
            promise.mark_as_handled();
            let reason = promise.result(scope);
            scope.throw_exception(reason);
            return None;
        }
        v8::PromiseState::Pending => {
            modules::throw(scope, WAITS);
            return None;
        }
    }
    let namespace = v8::Local::<v8::Object>::try_from(module.get_module_namespace()).ok()?;
    if modules::kind_of(&name).is_none() {
        // A module of ours has names only.
        return Some(namespace.into());
    }
    let key = modules::string(scope, b"default")?;
    match namespace.has(scope, key.into())? {
        true => namespace.get(scope, key.into()),
        false => Some(namespace.into()),
    }
}

/// Whether a module, or one that it imports, is under evaluation: the engine ends the process if
/// it is told to evaluate such a one.
pub(super) fn is_being_evaluated(
    scope: &mut v8::PinScope<'_, '_>,
    name: &str,
    module: v8::Local<'_, v8::Module>,
) -> bool {
    let mut seen = HashSet::from([name.to_owned()]);
    let mut to_see = vec![(name.to_owned(), v8::Global::new(scope, module))];
    while let Some((name, module)) = to_see.pop() {
        let module = v8::Local::new(scope, module);
        match module.get_status() {
            v8::ModuleStatus::Evaluating => return true,
            v8::ModuleStatus::Instantiated => {}
            _ => continue,
        }
        for specifier in requests(scope, module) {
            let Some((name, module)) = modules::compiled_import(&specifier, &name) else {
                continue;
            };
            if seen.insert(name.clone()) {
                to_see.push((name, module));
            }
        }
    }
    false
}

fn requests(scope: &mut v8::PinScope<'_, '_>, module: v8::Local<'_, v8::Module>) -> Vec<String> {
    let requests = module.get_module_requests();
    (0..requests.length())
        .filter_map(|at| {
            let request = requests.get(scope, at)?;
            let request = v8::Local::<v8::ModuleRequest>::try_from(request).ok()?;
            Some(request.get_specifier().to_rust_string_lossy(scope))
        })
        .collect()
}
