//! The op of `fetch`: decode, one call, encode.
#![expect(unreachable_pub, reason = "the op macro repeats each op where no doc goes")]

use std::borrow::Cow;

use bindery_wire::flat;
use bindery_wire::frame::{Body, Call, METHOD_BYTES_MAX, Operation, Outgoing};
use bindery_wire::limits::URL_BYTES_MAX;
use deno_core::{OpState, op2, v8};

use crate::door::call::Given;
use crate::door::{Error, Shared};

/// Sends a request. Returns the number of the body that is to be written in chunks, or goes out by
/// itself and is not all out, or 0.
#[op2(fast)]
#[smi]
pub fn op_fetch_send<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &mut OpState,
    #[smi] call: u32,
    #[smi] event: u32,
    #[smi] slot: u32,
    #[string] method: &str,
    #[string] url: &str,
    #[string(onebyte)] headers: Cow<'_, [u8]>,
    #[smi] kind: u32,
    body: v8::Local<'s, v8::Value>,
    #[number] length: i64,
    follow: bool,
) -> Result<u32, Error> {
    flat::parse(&headers).map_err(Error::RequestHeaders)?;
    if url.len() > URL_BYTES_MAX {
        return Err(Error::UrlTooLong { got: url.len() });
    }
    if method.len() > METHOD_BYTES_MAX {
        return Err(Error::MethodTooLong { got: method.len() });
    }
    let outgoing = Outgoing { method, url, headers: &headers, follow, body: Body::None };
    let operation = Operation::Fetch(outgoing);
    let shared = state.borrow::<Shared>().clone();
    let call = Call { call, event, slot, operation, attached: Vec::new() };
    shared.call(scope, call, Given { kind, body, length })
}
