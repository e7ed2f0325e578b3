//! What scripts can not read of a module themselves.
#![expect(unreachable_pub, reason = "the op macro repeats each op")]

use deno_core::{op2, v8};

/// The bytes that a `WebAssembly.Module` was compiled from; null of anything else.
#[op2]
#[buffer]
pub fn op_door_wasm_bytes(value: v8::Local<'_, v8::Value>) -> Option<Vec<u8>> {
    let module = v8::Local::<v8::WasmModuleObject>::try_from(value).ok()?;
    Some(module.get_compiled_module().get_wire_bytes_ref().to_vec())
}
