//! An isolate without code, made from the start-up snapshot before anybody needs it.

use std::sync::Arc;

use bindery_js_api::door::{Door, Shared};
use deno_core::{JsRuntime, RuntimeOptions, v8};

use super::entry::{self, Entries, Entry};
use super::memory::{self, Budget};
use super::{import, modules, stack};
use crate::sys;

static SNAPSHOT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/snapshot.bin"));

/// Names the build of the engine and of our scripts: compiled code of another is of no use.
pub(crate) fn engine_build() -> String {
    let hash = bindery_wire::ContentHash::of(SNAPSHOT).hex();
    format!("{}-{}", v8::V8::get_version(), hash.get(..16).unwrap_or(&hash))
}

/// Why there is no isolate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The engine did not start one.
    #[error("the engine does not start: {0}")]
    Engine(String),
    /// The snapshot holds no entries: it was made from other scripts.
    #[error("the snapshot is not ours")]
    Snapshot,
}

/// When an isolate is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Somebody waits for it: the first request is as good a warm-up as another.
    Now,
    /// There is time to warm it up.
    Later,
}

/// An isolate that waits for its code.
pub(crate) struct Blank {
    pub(crate) runtime: JsRuntime,
    pub(crate) context: v8::Global<v8::Context>,
    pub(crate) entries: Entries,
    pub(crate) door: Shared,
    pub(crate) budget: Arc<Budget>,
}

impl Blank {
    /// Makes one on this thread, which must have entered a tokio runtime.
    pub(crate) fn make(memory_bytes_max: u64, wanted: Wanted) -> Result<Self, Error> {
        let budget = Budget::new(memory_bytes_max);
        let (extensions, door) = bindery_js_api::for_isolate(Door::new());
        let options = RuntimeOptions {
            extensions,
            startup_snapshot: Some(SNAPSHOT),
            skip_op_registration: true,
            create_params: Some(sys::create_params(&budget)),
            is_main: false,
            // Where a buffer is while it passes from its old owner to the new one.
            shared_array_buffer_store: Some(deno_core::SharedArrayBufferStore::default()),
            ..RuntimeOptions::default()
        };
        let mut runtime =
            JsRuntime::try_new(options).map_err(|error| Error::Engine(error.to_string()))?;
        runtime.add_near_heap_limit_callback(|current, _| memory::near_limit(current));
        let context = runtime.main_context();
        let (entries, workers) =
            in_context(&mut runtime, &context, Entries::take).ok_or(Error::Snapshot)?;
        modules::set_workers(workers);
        let mut blank = Self { runtime, context, entries, door, budget };
        blank.close();
        if wanted == Wanted::Later {
            blank.warm_up();
        }
        Ok(blank)
    }

    /// Takes away what the engine left for itself, and puts our callbacks in its places.
    fn close(&mut self) {
        let isolate = self.runtime.v8_isolate();
        isolate.set_allow_wasm_code_generation_callback(sys::allow_wasm);
        isolate.set_prepare_stack_trace_callback(stack::prepare);
        isolate.set_wasm_async_resolve_promise_callback(sys::settle_wasm);
        isolate.set_host_import_module_with_phase_dynamically_callback(import::import);
        isolate.set_host_initialize_import_meta_object_callback(sys::fill_import_meta);
        let entries = &self.entries;
        in_context(&mut self.runtime, &self.context, |scope| {
            scope.get_current_context().set_allow_generation_from_strings(false);
            entries.call(scope, Entry::Harden, &[]).map(|_| ())
        });
    }

    /// Runs a request through a worker of our own, so that the tenant's first one finds the code
    /// on its way compiled. Nothing of it stays: the event ends, and its frames are dropped.
    fn warm_up(&mut self) {
        for _ in 0..2 {
            if let Ok(mut door) = self.door.open() {
                door.begin(0, std::time::Instant::now());
            }
            let entries = &self.entries;
            in_context(&mut self.runtime, &self.context, |scope| {
                let result = warm_request(scope, entries);
                scope.perform_microtask_checkpoint();
                result
            });
            if let Ok(mut door) = self.door.open() {
                door.out.clear();
                door.events.clear();
                door.ended.clear();
            }
        }
    }
}

const WARM_UP: &str = r#"({ default: { async fetch(request) {
    request.headers.get("accept");
    const headers = { "x-path": new URL(request.url).pathname };
    return new Response("warm", { headers });
} } })"#;

fn warm_request(scope: &mut v8::PinScope<'_, '_>, entries: &Entries) -> Option<()> {
    let source = v8::String::new(scope, WARM_UP)?;
    let namespace = v8::Script::compile(scope, source, None)?.run(scope)?;
    let env = v8::Object::new(scope).into();
    entries.call(scope, Entry::Prepare, &[env])?;
    entries.call(scope, Entry::Start, &[namespace])?;
    let undefined = v8::undefined(scope).into();
    let arguments = [
        entry::number(scope, 0),
        undefined,
        undefined,
        entry::latin1(scope, b"GET")?,
        entry::latin1(scope, b"http://a.localhost/b?c")?,
        entry::latin1(scope, b"accept\n*/*\n")?,
        entry::latin1(scope, b"")?,
        v8::null(scope).into(),
        entry::number(scope, 0),
    ];
    entries.call(scope, Entry::Fetch, &arguments).map(|_| ())
}

/// Runs `f` in the isolate's context.
pub(crate) fn in_context<R>(
    runtime: &mut JsRuntime,
    context: &v8::Global<v8::Context>,
    f: impl FnOnce(&mut v8::PinScope<'_, '_>) -> Option<R>,
) -> Option<R> {
    v8::scope!(let scope, runtime.v8_isolate());
    let context = v8::Local::new(scope, context);
    let scope = &mut v8::ContextScope::new(scope, context);
    v8::tc_scope!(let scope, scope);
    f(scope)
}
