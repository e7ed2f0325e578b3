//! Which of the engine's ops a tenant's isolate may run.
//!
//! What is not in [`ALLOWED`] is not there; the engine's own ops, which are always there, throw
//! instead, whoever calls them. The list says for each why it stays. A test prints it beside the ops
//! that exist.

use std::collections::HashSet;
use std::sync::LazyLock;

use deno_core::OpDecl;

use crate::door::ops::{op_denied, op_rethrow};

/// Keeps an op that is allowed, and replaces any other by one that throws.
pub(crate) fn allowed(op: OpDecl) -> OpDecl {
    match op.name {
        "op_dispatch_exception" => op.with_implementation_from(&op_rethrow()),
        name if is_allowed(name) => op,
        _ => op.with_implementation_from(&op_denied()),
    }
}

/// Whether an op stays: every one of the door's, and those of the engine and of its crates that
/// [`ALLOWED`] names.
pub fn is_allowed(name: &str) -> bool {
    /// Asked for each op of each isolate that starts.
    static NAMES: LazyLock<HashSet<&str>> =
        LazyLock::new(|| ALLOWED.iter().flat_map(|(_, names)| *names).copied().collect());
    name.starts_with("op_door_") || NAMES.contains(name)
}

/// The ops that stay, each group with its reason.
pub const ALLOWED: &[(&str, &[&str])] = &[
    (
        "the engine's own loop: promises, ticks and rejections of async ops",
        &[
            "op_drain_pending_rejections",
            "op_run_microtasks",
            "op_immediate_check",
            "op_ref_op",
            "op_unref_op",
            "op_void_async",
            "op_void_async_deferred",
            "op_void_sync",
            "op_timer_schedule",
            "op_timer_now",
        ],
    ),
    (
        "snapshot only: scripts are loaded by name while it is made; nothing is left to load later",
        &["op_load_ext_script", "op_set_captured_bootstrap"],
    ),
    (
        "outgoing requests: written to the line, under limits that the dispatcher checks",
        &["op_fetch_send"],
    ),
    (
        "turns a thrown value into a class that has a name",
        &["op_destructure_error", "op_is_native_error"],
    ),
    (
        "type tests of values, without effect",
        &[
            "op_is_any_array_buffer",
            "op_is_arguments_object",
            "op_is_array_buffer",
            "op_is_array_buffer_view",
            "op_is_async_function",
            "op_is_big_int_object",
            "op_is_boolean_object",
            "op_is_boxed_primitive",
            "op_is_data_view",
            "op_is_date",
            "op_is_generator_function",
            "op_is_generator_object",
            "op_is_map",
            "op_is_map_iterator",
            "op_is_module_namespace_object",
            "op_is_number_object",
            "op_is_promise",
            "op_is_proxy",
            "op_is_reg_exp",
            "op_is_set",
            "op_is_set_iterator",
            "op_is_shared_array_buffer",
            "op_is_string_object",
            "op_is_symbol_object",
            "op_is_typed_array",
            "op_is_weak_map",
            "op_is_weak_set",
        ],
    ),
    (
        "structuredClone, and the copies that streams make of chunks",
        &["op_structured_clone", "op_serialize", "op_deserialize"],
    ),
    (
        "strings to bytes and back",
        &[
            "op_encode",
            "op_decode",
            "op_encode_binary_string",
            "op_str_byte_length",
            "op_encoding_normalize_label",
            "op_encoding_decode_single",
            "op_encoding_decode_utf8",
            "op_encoding_decode_utf8_ascii_only",
            "op_encoding_new_decoder",
            "op_encoding_decode",
            "op_encoding_encode_into",
            "op_encoding_encode_into_fallback",
        ],
    ),
    (
        "atob, btoa and the base64 of typed arrays",
        &[
            "op_base64_decode",
            "op_base64_decode_into",
            "op_base64_encode_from_buffer",
            "op_base64_atob",
            "op_base64_btoa",
            "op_base64url_decode",
            "op_base64url_decode_into",
            "op_base64url_encode_from_buffer",
        ],
    ),
    (
        "Blob and File, in a store of this isolate; object URLs stay away",
        &[
            "op_blob_create_part",
            "op_blob_slice_part",
            "op_blob_read_part",
            "op_blob_remove_part",
            "op_blob_clone_part",
        ],
    ),
    (
        "MessageChannel between two ends in this isolate",
        &[
            "op_message_port_create_entangled",
            "op_message_port_post_message",
            "op_message_port_post_message_raw",
            "op_message_port_recv_message",
            "op_message_port_recv_message_sync",
            "op_cancel_handle",
            "op_close",
            "op_try_close",
        ],
    ),
    (
        "CompressionStream and DecompressionStream",
        &["op_compression_new", "op_compression_write", "op_compression_finish"],
    ),
    (
        "URL, URLSearchParams and URLPattern",
        &[
            "op_url_reparse",
            "op_url_parse",
            "op_url_get_serialization",
            "op_url_parse_with_base",
            "op_url_parse_search_params",
            "op_url_stringify_search_params",
            "op_urlpattern_parse",
            "op_urlpattern_process_match_input",
        ],
    ),
    (
        "the text of a console message",
        &[
            "op_preview_entries",
            "op_console_inspect",
            "op_console_inspect_args",
            "op_console_format_value",
            "op_console_quote_string",
            "op_console_parse_css",
            "op_console_parse_css_color",
            "op_console_css_to_ansi",
            "op_console_get_string_width",
            "op_console_strip_vt",
            "op_get_promise_details",
            "op_get_proxy_details",
            "op_get_constructor_name",
        ],
    ),
    (
        "ours in its place: what a listener throws leaves dispatchEvent, as in workerd",
        &["op_dispatch_exception"],
    ),
    ("a step that waits for a turn of the loop", &["op_defer"]),
    (
        "crypto: the values of randomUUID, and whether a seed was given (never)",
        &["op_crypto_random_uuid_batch", "op_crypto_is_seeded"],
    ),
    (
        "crypto: classes of the engine's behind ours, which bound what a call may cost",
        &["Crypto", "CryptoKey", "SubtleCrypto"],
    ),
];
