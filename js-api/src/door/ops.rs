//! The ops of the door: decode, one call, encode.
#![expect(missing_docs, unreachable_pub, reason = "the op macro repeats each op where no doc goes")]

use std::borrow::Cow;

use bindery_wire::frame::{Body, Head, Up, WINDOW_BYTES};
use bindery_wire::log::Level;
use bindery_wire::{Outcome, flat};
use deno_core::{OpState, op2, v8};

use std::time::Instant;

use super::{Door, Error, Shared, Source, timers};

/// Kinds of body; the numbers are those of `body.js`.
pub(crate) mod kind {
    pub(crate) const NONE: u32 = 0;
    pub(crate) const STREAM: u32 = 3;
    pub(crate) const PASSED: u32 = 4;
}

/// Answers an event: the head, and the body if it is here or has a number. Returns the number of
/// the body that is to be written in chunks, or 0.
#[op2(fast)]
#[smi]
pub fn op_door_head<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &mut OpState,
    #[smi] event: u32,
    #[smi] status: u16,
    #[string(onebyte)] headers: Cow<'_, [u8]>,
    #[smi] kind: u32,
    body: v8::Local<'s, v8::Value>,
    #[number] length: i64,
) -> Result<u32, Error> {
    flat::parse(&headers)?;
    let shared = state.borrow::<Shared>().clone();
    let known = u64::try_from(length).ok();
    let answer = |body: Body<'_>| {
        let mut door = shared.open()?;
        door.answer(Head { event, status, headers: &headers, body })
    };
    match kind {
        kind::NONE => answer(Body::None).map(|()| 0),
        kind::PASSED => {
            let body = body.uint32_value(scope).ok_or(Error::NoBody)?;
            shared.open()?.pass(event, body)?;
            answer(Body::Passed { body }).map(|()| 0)
        }
        kind::STREAM => {
            let body = shared.open()?.begin_body(event, Source::Script, WINDOW_BYTES)?;
            answer(Body::Stream { body, length: known }).map(|()| body)
        }
        _ => with_bytes(scope, body, |bytes| {
            let mut door = shared.open()?;
            let max = door.limits.response_bytes_max;
            if bytes.len() as u64 > max {
                return Err(Error::ResponseTooLong { max });
            }
            // JavaScript need not stay for what does not fit into the head.
            door.send_whole(event, (bytes, WINDOW_BYTES), |door, body| {
                door.answer(Head { event, status, headers: &headers, body })
            })
        }),
    }
}

/// Does something with the bytes of a text or of a view of bytes, where they are.
pub(crate) fn with_bytes<'s, R>(
    scope: &mut v8::PinScope<'s, '_>,
    value: v8::Local<'s, v8::Value>,
    with: impl FnOnce(&[u8]) -> Result<R, Error>,
) -> Result<R, Error> {
    if let Ok(text) = v8::Local::<v8::String>::try_from(value) {
        return with(text.to_rust_string_lossy(scope).as_bytes());
    }
    let view = v8::Local::<v8::ArrayBufferView>::try_from(value).map_err(|_| Error::NotABody)?;
    let mut small = [0; v8::TYPED_ARRAY_MAX_SIZE_IN_HEAP];
    with(view.get_contents(&mut small))
}

impl Door {
    fn answer(&mut self, head: Head<'_>) -> Result<(), Error> {
        let state = self.events.get_mut(&head.event).filter(|state| state.ended.is_none());
        let state = state.filter(|state| !state.answered).ok_or(Error::Ended)?;
        state.answered = true;
        self.send(&Up::Head(head));
        Ok(())
    }
}

/// Sends what the credit allows of a chunk; returns how many bytes that was.
#[op2(fast)]
#[smi]
pub fn op_door_chunk(
    state: &mut OpState,
    #[smi] body: u32,
    #[buffer] bytes: &[u8],
) -> Result<u32, Error> {
    state.borrow::<Shared>().open()?.write_body(body, bytes)
}

/// Ends a body that JavaScript writes.
#[op2(fast)]
pub fn op_door_end(state: &mut OpState, #[smi] body: u32, whole: bool) -> Result<(), Error> {
    let mut door = state.borrow::<Shared>().open()?;
    if door.up.remove(&body).is_some() {
        door.send(&Up::End { body, whole });
    }
    Ok(())
}

/// Asks for more bytes of a body that is received.
#[op2(fast)]
pub fn op_door_credit(
    state: &mut OpState,
    #[smi] body: u32,
    #[smi] bytes: u32,
) -> Result<(), Error> {
    let mut door = state.borrow::<Shared>().open()?;
    let known = door.down.get_mut(&body).ok_or(Error::NoBody)?;
    known.credit = known.credit.saturating_add(u64::from(bytes));
    door.send(&Up::Credit { body, bytes });
    Ok(())
}

/// Says that the rest of a body is not wanted.
#[op2(fast)]
pub fn op_door_unwanted(state: &mut OpState, #[smi] body: u32) -> Result<(), Error> {
    let mut door = state.borrow::<Shared>().open()?;
    if door.down.remove(&body).is_some() {
        door.send(&Up::Unwanted { body });
    }
    Ok(())
}

/// Ends an event: 0 is well, 1 is an exception, 2 is canceled.
#[op2(fast)]
pub fn op_door_done(
    state: &mut OpState,
    #[smi] event: u32,
    #[smi] outcome: u32,
) -> Result<(), Error> {
    let outcome = match outcome {
        0 => Outcome::Ok,
        2 => Outcome::Canceled,
        _ => Outcome::Exception,
    };
    state.borrow::<Shared>().open()?.end(event, outcome);
    Ok(())
}

/// Starts a timer of an event.
#[op2(fast)]
pub fn op_door_timer_start(
    state: &mut OpState,
    #[smi] id: u32,
    #[smi] event: u32,
    delay_ms: f64,
    repeats: bool,
) -> Result<(), Error> {
    let mut door = state.borrow::<Shared>().open()?;
    if !door.serves() {
        return Err(Error::GlobalScope);
    }
    if door.events.get(&event).is_none_or(|state| state.ended.is_some()) {
        return Err(Error::Ended);
    }
    let max = door.limits.timer_count_max;
    if door.timers.len() >= max as usize {
        return Err(Error::Timers { max });
    }
    door.timers.start(id, &timers::New { event, delay_ms, repeats }, Instant::now());
    Ok(())
}

/// Stops a timer.
#[op2(fast)]
pub fn op_door_timer_cancel(state: &mut OpState, #[smi] id: u32) -> Result<(), Error> {
    state.borrow::<Shared>().open()?.timers.cancel(id);
    Ok(())
}

/// Sends a console message: its arguments as the text of a JSON array.
#[op2(fast)]
pub fn op_door_console(
    state: &mut OpState,
    #[smi] event: u32,
    #[smi] level: u32,
    #[string] message: &str,
) -> Result<(), Error> {
    let level = match level {
        0 => Level::Debug,
        1 => Level::Info,
        3 => Level::Warn,
        4 => Level::Error,
        _ => Level::Log,
    };
    state.borrow::<Shared>().open()?.console(event, level, message);
    Ok(())
}

/// Sends an exception that nobody caught.
#[op2(fast)]
pub fn op_door_exception(
    state: &mut OpState,
    #[smi] event: u32,
    #[string] name: &str,
    #[string] message: &str,
    #[string] stack: &str,
) -> Result<(), Error> {
    let exception = super::clip(name, message, stack);
    state.borrow::<Shared>().open()?.reported(event, exception);
    Ok(())
}

/// Milliseconds since 1970, as of the present completion; 0 in global scope.
#[op2(fast)]
pub fn op_door_now(state: &mut OpState) -> f64 {
    state.borrow::<Shared>().open().map_or(0.0, |door| door.now.wall_ms)
}

/// Milliseconds since the isolate began to serve, as of the present completion.
#[op2(fast)]
pub fn op_door_monotonic(state: &mut OpState) -> f64 {
    state.borrow::<Shared>().open().map_or(0.0, |door| door.now.monotonic_ms)
}

/// Stands in for the engine's word that nobody caught an exception: what a listener throws leaves
/// `dispatchEvent`.
#[op2(fast)]
pub fn op_rethrow<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    exception: v8::Local<'s, v8::Value>,
    _from_promise: bool,
) {
    scope.throw_exception(exception);
}

/// Stands in for every op of the engine that a worker may not run.
#[op2(fast)]
pub fn op_denied() -> Result<(), Error> {
    Err(Error::Denied)
}
