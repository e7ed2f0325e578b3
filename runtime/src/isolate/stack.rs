//! The stack of an error, as the worker and its log see it.
//!
//! The engine crate writes it; here the frames of our own scripts go, and modules get the names
//! that they were uploaded under. What a worker's own `Error.prepareStackTrace` made stays.

use bindery_js_api::door;
use deno_core::{error, v8};

/// Writes the stack of an error that is thrown or asked for its stack.
pub(super) fn prepare<'s, 'i>(
    scope: &mut v8::PinScope<'s, 'i>,
    error: v8::Local<'s, v8::Value>,
    sites: v8::Local<'s, v8::Array>,
) -> v8::Local<'s, v8::Value> {
    let made = error::prepare_stack_trace_callback(scope, error, sites);
    let Ok(text) = v8::Local::<v8::String>::try_from(made) else { return made };
    let own = door::own_frames(&text.to_rust_string_lossy(scope));
    v8::String::new(scope, &own).map_or(made, Into::into)
}
