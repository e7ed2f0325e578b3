//! Modules that are imported as code runs: `import(...)`.
//!
//! A module is evaluated at once, before the import has answered, unless it is itself under evaluation
//! or imports one that is.

use deno_core::v8;

use super::{common_js, modules};
use crate::sys;

/// Answers `import(...)`: a promise of the namespace, rejected with what was thrown.
#[expect(clippy::too_many_arguments, reason = "the engine's signature")]
pub(crate) fn import<'s, 'i>(
    scope: &mut v8::PinScope<'s, 'i>,
    _options: v8::Local<'s, v8::Data>,
    referrer: v8::Local<'s, v8::Value>,
    specifier: v8::Local<'s, v8::String>,
    phase: v8::ModuleImportPhase,
    _attributes: v8::Local<'s, v8::FixedArray>,
) -> Option<v8::Local<'s, v8::Promise>> {
    let resolver = v8::PromiseResolver::new(scope)?;
    let specifier = specifier.to_rust_string_lossy(scope);
    let from = referrer.to_rust_string_lossy(scope);
    let from = modules::name_from_url(&from);
    v8::tc_scope!(let scope, scope);
    if phase != v8::ModuleImportPhase::kEvaluation {
        modules::throw(scope, "only import() of whole modules is supported");
    } else if let Some(promise) = import_now(scope, &specifier, &from) {
        return Some(promise);
    }
    if scope.has_terminated() {
        return None;
    }
    let thrown = scope.exception()?;
    scope.reset();
    resolver.reject(scope, thrown)?;
    Some(resolver.get_promise(scope))
}

fn import_now<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    specifier: &str,
    from: &str,
) -> Option<v8::Local<'s, v8::Promise>> {
    use v8::ModuleStatus::{Evaluated, Evaluating};

    let name = modules::name_imported(scope, specifier, from)?;
    let module = modules::module_named(scope, &name)?;
    module.instantiate_module(scope, sys::resolve_module)?;
    match module.get_status() {
        // Who waits for itself has itself, as far as it is.
        Evaluating => resolved(scope, module.get_module_namespace()),
        Evaluated if name == from => resolved(scope, module.get_module_namespace()),
        _ if common_js::is_being_evaluated(scope, &name, module) => {
            // The engine can not evaluate it before that is over.
            let over = v8::undefined(scope).into();
            let name = modules::string(scope, name.as_bytes())?.into();
            let later = v8::Function::builder(evaluate_later).data(name).build(scope)?;
            resolved(scope, over)?.then(scope, later)
        }
        _ => evaluate(scope, module),
    }
}

/// Evaluates the module that the data names, when nothing is being evaluated any more.
fn evaluate_later(
    scope: &mut v8::PinScope<'_, '_>,
    arguments: v8::FunctionCallbackArguments<'_>,
    mut result: v8::ReturnValue<'_>,
) {
    let name = arguments.data().to_rust_string_lossy(scope);
    let Some(module) = modules::module_named(scope, &name) else { return };
    if common_js::is_being_evaluated(scope, &name, module) {
        modules::throw(
            scope,
            &format!("The module \"{name}\" is imported as it is being evaluated."),
        );
    } else if let Some(promise) = evaluate(scope, module) {
        result.set(promise.into());
    }
}

fn resolved<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    value: v8::Local<'s, v8::Value>,
) -> Option<v8::Local<'s, v8::Promise>> {
    let resolver = v8::PromiseResolver::new(scope)?;
    resolver.resolve(scope, value)?;
    Some(resolver.get_promise(scope))
}

/// A promise of the namespace of a module that is linked.
fn evaluate<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    module: v8::Local<'s, v8::Module>,
) -> Option<v8::Local<'s, v8::Promise>> {
    let evaluated = module.evaluate(scope)?;
    let evaluated = v8::Local::<v8::Promise>::try_from(evaluated).ok()?;
    let namespace = module.get_module_namespace();
    let answer = v8::Function::builder(
        |_: &mut v8::PinScope<'_, '_>,
         arguments: v8::FunctionCallbackArguments<'_>,
         mut result: v8::ReturnValue<'_>| result.set(arguments.data()),
    );
    let answer = answer.data(namespace).build(scope)?;
    evaluated.then(scope, answer)
}
