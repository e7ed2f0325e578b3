//! From a blank isolate to one that serves: evaluates the modules and hands over `env`.

use std::collections::HashMap;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Instant;

use bindery_js_api::door;
use bindery_wire::Outcome;
use bindery_wire::frame::{EnvValue, Start, Started};
use bindery_wire::limit::{self, Told};
use bindery_wire::log::{Exception, Spent};
use deno_core::{PollEventLoopOptions, v8};

use super::blank::{Blank, in_context};
use super::entry::{self, Entries, Entry};
use super::modules::{self, Source};
use super::watchdog::{Verdict, Watch};

/// Why the modules did not start.
pub(crate) struct Refused {
    /// Whose fault it is, and what it took.
    pub(crate) spent: Spent,
    /// What went wrong.
    pub(crate) exception: Exception,
}

/// Evaluates a version's modules in a blank isolate.
pub(crate) fn start(
    blank: &mut Blank,
    watch: &Watch,
    engine: &tokio::runtime::Runtime,
    start: &Start<'_>,
) -> Result<Started, Refused> {
    let began = (Instant::now(), watch.cpu_ns());
    if let Ok(mut door) = blank.door.open() {
        door.limits = start.limits.clone();
    }
    modules::set_sources(start.main_module, sources(start));
    watch.arm(began.1, u64::from(start.limits.startup_cpu_ms_max) * 1_000_000);
    modules::set_starting(true);
    let started = prepare(blank, start)
        .and_then(|()| evaluate(blank, engine))
        .and_then(|namespace| hand_over(blank, &namespace));
    modules::set_starting(false);
    watch.disarm();
    let cpu_us = watch.cpu_ns().saturating_sub(began.1) / 1000;
    let verdict = watch.take_verdict();
    blank.runtime.v8_isolate().cancel_terminate_execution();
    let ended = |outcome, exception| {
        let wall_us = u64::try_from(began.0.elapsed().as_micros()).unwrap_or(u64::MAX);
        Err(Refused { spent: Spent { outcome, cpu_us, wall_us }, exception })
    };
    match (verdict, started) {
        (Some(verdict), _) => {
            let cpu = limit::STARTUP_CPU.told(start.limits.startup_cpu_ms_max);
            ended(verdict.outcome(), breached(verdict, cpu, start.limits.memory_bytes_max))
        }
        (None, Err(exception)) => ended(Outcome::Exception, exception),
        (None, Ok(entrypoints)) => Ok(Started { cpu_us, entrypoints, warnings: Vec::new() }),
    }
}

/// The exception that a breach of a limit is logged as.
pub(crate) fn breached(verdict: Verdict, cpu: Told, memory_bytes_max: u64) -> Exception {
    let message = match verdict {
        Verdict::Cpu => format!("Worker exceeded CPU time limit. ({cpu})"),
        Verdict::Memory => {
            let memory = limit::MEMORY.told(memory_bytes_max);
            format!("Worker exceeded memory limit. ({memory})")
        }
    };
    Exception { name: "Error".into(), message, stack: String::new() }
}

fn sources(start: &Start<'_>) -> HashMap<String, Source> {
    let source = |module: &bindery_wire::frame::Module<'_>| Source {
        kind: module.kind,
        bytes: module.source.to_vec(),
        compiled: module.compiled.map(<[u8]>::to_vec),
    };
    start.modules.iter().map(|module| (module.name.into(), source(module))).collect()
}

/// Links and evaluates the main module; its namespace.
fn evaluate(
    blank: &mut Blank,
    engine: &tokio::runtime::Runtime,
) -> Result<v8::Global<v8::Object>, Exception> {
    let entries = &blank.entries;
    let begun = in_try(&mut blank.runtime, &blank.context, entries, |scope| {
        scope.get_current_context().set_allow_generation_from_strings(true);
        let module = modules::link_main(scope)?;
        let promise = v8::Local::<v8::Promise>::try_from(module.evaluate(scope)?).ok()?;
        scope.perform_microtask_checkpoint();
        let namespace = v8::Local::<v8::Object>::try_from(module.get_module_namespace()).ok()?;
        Some((v8::Global::new(scope, promise), v8::Global::new(scope, namespace)))
    })?;
    let (promise, namespace) = begun;
    settle(blank, engine, &promise)?;
    in_context(&mut blank.runtime, &blank.context, |scope| {
        scope.get_current_context().set_allow_generation_from_strings(false);
        Some(())
    });
    Ok(namespace)
}

/// Waits for a top-level `await` for as long as the engine itself has something to do: nothing
/// else can end it, since no I/O is allowed yet.
fn settle(
    blank: &mut Blank,
    engine: &tokio::runtime::Runtime,
    promise: &v8::Global<v8::Promise>,
) -> Result<(), Exception> {
    let runtime = &mut blank.runtime;
    let context = &blank.context;
    let state = |runtime: &mut deno_core::JsRuntime| {
        in_context(runtime, context, |scope| Some(v8::Local::new(scope, promise).state()))
    };
    if state(runtime) == Some(v8::PromiseState::Pending) {
        engine.block_on(poll_fn(|cx| {
            let idle = runtime.poll_event_loop(cx, PollEventLoopOptions::default()).is_ready();
            let pending = state(runtime) == Some(v8::PromiseState::Pending);
            if idle || !pending { Poll::Ready(()) } else { Poll::Pending }
        }));
    }
    let entries = &blank.entries;
    in_try(&mut blank.runtime, context, entries, |scope| {
        let promise = v8::Local::new(scope, promise);
        match promise.state() {
            v8::PromiseState::Fulfilled => return Some(()),
            v8::PromiseState::Rejected => {
                let reason = promise.result(scope);
                scope.throw_exception(reason);
            }
            v8::PromiseState::Pending => {
                let message = v8::String::new(scope, NEVER_SETTLES)?;
                let error = v8::Exception::error(scope, message);
                scope.throw_exception(error);
            }
        }
        None
    })
}

const NEVER_SETTLES: &str =
    "a top-level await can never settle: nothing that it could wait for is allowed in global scope";

/// Gives `env` to our scripts: modules may read it while they are evaluated.
fn prepare(blank: &mut Blank, start: &Start<'_>) -> Result<(), Exception> {
    let entries = &blank.entries;
    in_try(&mut blank.runtime, &blank.context, entries, |scope| {
        let env = env_object(scope, entries, &start.env)?;
        let more = match &start.env_value {
            Some(value) => entry::value(scope, value)?,
            None => v8::undefined(scope).into(),
        };
        entries.call(scope, Entry::Prepare, &[env.into(), more]).map(|_| ())
    })
}

/// Gives the exports to our scripts; the handlers of each export.
fn hand_over(
    blank: &mut Blank,
    namespace: &v8::Global<v8::Object>,
) -> Result<Vec<(String, Vec<String>)>, Exception> {
    let entries = &blank.entries;
    in_try(&mut blank.runtime, &blank.context, entries, |scope| {
        let namespace = v8::Local::new(scope, namespace);
        let list = entries.call(scope, Entry::Start, &[namespace.into()])?;
        scope.perform_microtask_checkpoint();
        let list = v8::Local::<v8::Array>::try_from(list).ok()?;
        let mut entrypoints = Vec::new();
        for at in (0..list.length()).step_by(2) {
            let name = list.get_index(scope, at)?.to_rust_string_lossy(scope);
            let handlers = list.get_index(scope, at + 1)?.to_rust_string_lossy(scope);
            entrypoints.push((name, handlers.split_whitespace().map(Into::into).collect()));
        }
        Some(entrypoints)
    })
}

fn env_object<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    entries: &Entries,
    env: &[(&str, EnvValue<'_>)],
) -> Option<v8::Local<'s, v8::Object>> {
    let object = v8::Object::new(scope);
    for (name, value) in env {
        let key = modules::string(scope, name.as_bytes())?;
        let value = match value {
            EnvValue::Text(text) => modules::string(scope, text.as_bytes())?.into(),
            EnvValue::Json(json) => {
                let text = modules::string(scope, json.as_bytes())?;
                v8::json::parse(scope, text)?
            }
            EnvValue::Bound { kind, slot } => {
                let kind = modules::string(scope, kind.as_str().as_bytes())?.into();
                let slot = entry::number(scope, *slot);
                entries.call(scope, Entry::Bind, &[kind, slot])?
            }
        };
        object.create_data_property(scope, key.into(), value)?;
    }
    Some(object)
}

/// Runs `f` in the isolate's context; what it throws, as an exception with its position.
fn in_try<R>(
    runtime: &mut deno_core::JsRuntime,
    context: &v8::Global<v8::Context>,
    entries: &Entries,
    f: impl FnOnce(&mut v8::PinScope<'_, '_>) -> Option<R>,
) -> Result<R, Exception> {
    let mut thrown = None;
    let done = {
        v8::scope!(let scope, runtime.v8_isolate());
        let context = v8::Local::new(scope, context);
        let scope = &mut v8::ContextScope::new(scope, context);
        v8::tc_scope!(let scope, scope);
        let done = f(scope);
        if done.is_none() && !scope.has_terminated() {
            let exception = scope.exception();
            let position = scope.message().and_then(|message| position_of(scope, message));
            scope.reset();
            thrown = exception.and_then(|value| describe(scope, entries, value, position));
        }
        done
    };
    done.ok_or_else(|| thrown.unwrap_or_else(|| door::clip("Error", "the start was ended", "")))
}

fn describe<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    entries: &Entries,
    value: v8::Local<'s, v8::Value>,
    position: Option<String>,
) -> Option<Exception> {
    let parts = entries.call(scope, Entry::Describe, &[value])?;
    let parts = v8::Local::<v8::Array>::try_from(parts).ok()?;
    let text = |at| Some(parts.get_index(scope, at)?.to_rust_string_lossy(scope));
    let (name, message, mut stack) = (text(0)?, text(1)?, text(2)?);
    if let Some(position) = position.filter(|_| !stack.contains("\n    at ")) {
        stack = format!("{name}: {message}\n    at {position}");
    }
    Some(door::clip(&name, &message, &stack))
}

fn position_of<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    message: v8::Local<'s, v8::Message>,
) -> Option<String> {
    let name = message.get_script_resource_name(scope)?.to_rust_string_lossy(scope);
    let line = message.get_line_number(scope)?;
    // An error that comes from no place in a script has the highest number there is.
    let column = message.get_start_column().checked_add(1)?;
    Some(format!("{name}:{line}:{column}"))
}
