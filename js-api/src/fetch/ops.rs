//! The ops of `fetch`: decode, one call, encode.
#![expect(unreachable_pub, reason = "the op macro repeats each op where no doc goes")]

use std::borrow::Cow;

use bindery_wire::flat;
use bindery_wire::frame::{
    BODY_INLINE_BYTES_MAX, Body, Call, OUTBOUND_SLOT, Operation, Outgoing, Up,
};
use bindery_wire::limits::URL_BYTES_MAX;
use deno_core::{OpState, op2, v8};

use crate::door::ops::{bytes_of, kind};
use crate::door::{Door, Error, Shared, Source};

/// Sends a request. Returns the number of the body that is to be written in chunks, or goes out by
/// itself and is not all out, or 0.
#[op2(fast)]
#[smi]
pub fn op_fetch_send<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &mut OpState,
    #[smi] call: u32,
    #[smi] event: u32,
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
    let shared = state.borrow::<Shared>().clone();
    let known = u64::try_from(length).ok();
    let request = |body| Call {
        call,
        event,
        slot: OUTBOUND_SLOT,
        operation: Operation::Fetch(Outgoing { method, url, headers: &headers, follow, body }),
    };
    match kind {
        kind::NONE => shared.open()?.call(request(Body::None)).map(|()| 0),
        kind::PASSED => {
            let body = body.uint32_value(scope).ok_or(Error::NoBody)?;
            let mut door = shared.open()?;
            door.pass(event, body)?;
            door.call(request(Body::Passed { body })).map(|()| 0)
        }
        kind::STREAM => {
            let mut door = shared.open()?;
            door.check_runs(event)?;
            let body = door.begin_body(event, Source::Script);
            door.call(request(Body::Stream { body, length: known })).map(|()| body)
        }
        _ => {
            let bytes = bytes_of(scope, body)?;
            let mut door = shared.open()?;
            if bytes.len() <= BODY_INLINE_BYTES_MAX {
                return door.call(request(Body::Inline(&bytes))).map(|()| 0);
            }
            let max = door.limits.response_bytes_max;
            let length = bytes.len() as u64;
            if length > max {
                return Err(Error::RequestTooLong { max });
            }
            door.check_runs(event)?;
            let body = door.begin_body(event, Source::Bytes { bytes, at: 0 });
            door.call(request(Body::Stream { body, length: Some(length) }))?;
            Ok(if door.pump(body) { 0 } else { body })
        }
    }
}

/// Says that nobody waits for a reply any more.
#[op2(fast)]
pub fn op_fetch_abort(state: &mut OpState, #[smi] call: u32) -> Result<(), Error> {
    let mut door = state.borrow::<Shared>().open()?;
    if door.calls.remove(&call).is_some() {
        door.send(&Up::Abort { call });
    }
    Ok(())
}

impl Door {
    fn call(&mut self, call: Call<'_>) -> Result<(), Error> {
        self.check_runs(call.event)?;
        self.calls.insert(call.call, call.event);
        self.send(&Up::Call(call));
        Ok(())
    }
}
