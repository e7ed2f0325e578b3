//! The one list of what an isolate is made of: extensions, their scripts and their ops.
//!
//! The snapshot and every isolate take it from here, because the engine checks only names.

use std::borrow::Cow;
use std::sync::LazyLock;

use deno_core::{Extension, JsRuntime, RuntimeOptions};
use deno_web::InMemoryBroadcastChannel;

use crate::door::{self, Door};
use crate::{fetch, loader, ops, rpc};

deno_core::extension!(
    bindery,
    deps = [deno_webidl, deno_web, deno_crypto],
    ops = [
        door::ops::op_door_head,
        door::ops::op_door_chunk,
        door::ops::op_door_end,
        door::ops::op_door_credit,
        door::ops::op_door_unwanted,
        door::ops::op_door_done,
        door::ops::op_door_timer_start,
        door::ops::op_door_timer_cancel,
        door::ops::op_door_console,
        door::ops::op_door_exception,
        door::ops::op_door_now,
        door::ops::op_door_monotonic,
        door::call::op_door_ask,
        door::call::op_door_abort,
        door::call::op_door_attach,
        door::call::op_door_attach_part,
        door::call::op_door_attach_body,
        door::call::op_door_release,
        door::decision::op_door_settle,
        door::decision::op_door_no_retry,
        loader::ops::op_door_wasm_bytes,
        fetch::ops::op_fetch_send,
        rpc::ops::op_door_invoke,
        rpc::ops::op_door_return,
        rpc::ops::op_door_check_path,
        rpc::ops::op_door_check_value,
        rpc::ops::op_door_finish,
        rpc::ops::op_door_watch,
        rpc::ops::op_door_loopback,
    ],
    esm_entry_point = "ext:bindery/bootstrap.js",
    esm = [
        dir "src",
        "ext:bindery/door.js" = "door/door.js",
        "ext:bindery/call.js" = "door/call.js",
        "ext:bindery/time.js" = "bootstrap/time.js",
        "ext:bindery/timers.js" = "timers/timers.js",
        "ext:bindery/fetch.js" = "fetch/fetch.js",
        "ext:bindery/fetch/data_url.js" = "fetch/data_url.js",
        "ext:bindery/http/headers.js" = "http/headers.js",
        "ext:bindery/http/form_data.js" = "http/form_data.js",
        "ext:bindery/http/multipart.js" = "http/multipart.js",
        "ext:bindery/http/host_body.js" = "http/host_body.js",
        "ext:bindery/http/body.js" = "http/body.js",
        "ext:bindery/http/identity_stream.js" = "http/identity_stream.js",
        "ext:bindery/http/pump.js" = "http/pump.js",
        "ext:bindery/http/request.js" = "http/request.js",
        "ext:bindery/http/response.js" = "http/response.js",
        "ext:bindery/binding/held.js" = "binding/held.js",
        "ext:bindery/rpc/fetcher.js" = "rpc/fetcher.js",
        "ext:bindery/rpc/value.js" = "rpc/value.js",
        "ext:bindery/loader/code.js" = "loader/code.js",
        "ext:bindery/loader/loader.js" = "loader/loader.js",
        "ext:bindery/rpc/method.js" = "rpc/method.js",
        "ext:bindery/rpc/stub.js" = "rpc/stub.js",
        "ext:bindery/rpc/serve.js" = "rpc/serve.js",
        "ext:bindery/rpc/bodies.js" = "rpc/bodies.js",
        "ext:bindery/rpc/exports.js" = "rpc/exports.js",
        "ext:bindery/rpc/loopback.js" = "rpc/loopback.js",
        "ext:bindery/rpc/resolve.js" = "rpc/resolve.js",
        "ext:bindery/binding/ask.js" = "binding/ask.js",
        "ext:bindery/kv.js" = "kv/kv.js",
        "ext:bindery/queues.js" = "queue/queue.js",
        "ext:bindery/binding/kinds.js" = "binding/kinds.js",
        "ext:bindery/inspect.js" = "console/inspect.js",
        "ext:bindery/console.js" = "console/console.js",
        "ext:bindery/cache.js" = "cache/cache.js",
        "ext:bindery/crypto.js" = "crypto/crypto.js",
        "ext:bindery/queue.js" = "event/queue.js",
        "ext:bindery/scheduled.js" = "event/scheduled.js",
        "ext:bindery/scope.js" = "event/scope.js",
        "ext:bindery/stray.js" = "event/stray.js",
        "ext:bindery/trace.js" = "event/trace.js",
        "ext:bindery/event.js" = "event/event.js",
        "ext:bindery/workers.js" = "cloudflare/workers.js",
        "ext:bindery/bootstrap.js" = "bootstrap/bootstrap.js",
    ],
    options = { door: door::Shared },
    state = |state, options| state.put(options.door),
);

/// What the snapshot is made from: scripts and ops, no state.
pub fn for_snapshot() -> Vec<Extension> {
    closed(vec![
        deno_webidl::deno_webidl::lazy_init(),
        deno_web::deno_web::lazy_init(),
        deno_crypto::deno_crypto::lazy_init(),
        bindery::lazy_init(),
    ])
}

/// What one isolate is made from. Blobs are its own: shared, they would be a way from one tenant to
/// another.
pub fn for_isolate(door: Door) -> (Vec<Extension>, door::Shared) {
    /// The ops that would reach it are not there, and each of its own is 16 KiB.
    static CHANNELS: LazyLock<InMemoryBroadcastChannel> = LazyLock::new(Default::default);
    let door = door::Shared::new(door);
    let extensions = closed(vec![
        deno_webidl::deno_webidl::init(),
        deno_web::deno_web::init(deno_web::BlobStore::default_arc(), None, false, CHANNELS.clone()),
        deno_crypto::deno_crypto::init(None),
        guarded(bindery::init(door.clone())),
    ]);
    (extensions, door)
}

/// The names of all ops of an isolate, in order: those of the engine itself are among them.
pub fn op_names() -> Vec<&'static str> {
    let options = RuntimeOptions { extensions: for_snapshot(), ..RuntimeOptions::default() };
    let mut names = JsRuntime::new(options).op_names();
    names.sort_unstable();
    names
}

/// Has every op replaced that a tenant's isolate may not run. Only there: the engine calls some of
/// them itself while the snapshot is made.
fn guarded(mut extension: Extension) -> Extension {
    extension.middleware_fn = Some(Box::new(ops::allowed));
    extension
}

/// Takes away the ops and classes that a tenant's isolate may not have, and the tables through which
/// a static import could reach scripts that are loaded on demand, past the module loader.
fn closed(extensions: Vec<Extension>) -> Vec<Extension> {
    extensions
        .into_iter()
        .map(|mut extension| {
            extension.ops.to_mut().retain(|op| ops::is_allowed(op.name));
            extension.objects.to_mut().retain(|class| ops::is_allowed(class.name.0));
            extension.lazy_loaded_esm_files = Cow::Borrowed(&[]);
            extension.synthetic_esm_modules = Cow::Borrowed(&[]);
            extension
        })
        .collect()
}
