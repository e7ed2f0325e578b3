//! The ops of calls between workers: decode, one frame, encode.
#![expect(unreachable_pub, reason = "the op macro repeats each op where no doc goes")]

use bindery_wire::binding;
use bindery_wire::frame::{Body, Call, Operation, UNREAD_BYTES, Up};
use bindery_wire::rpc::{
    How, Invoke, Loopback, PATH_BYTES_MAX, PATH_COUNT_MAX, Returned, VALUE_BYTES_MAX,
};
use deno_core::{OpState, op2, v8};

use crate::door::call::{Given, exports};
use crate::door::{Door, Error, Shared, with_bytes};

/// Calls a method: of a slot, or of what the call `of` results in if that is not negative. The path
/// is a list as JSON. Returns the number of a body that is not all out, or 0.
#[op2(fast)]
#[smi]
pub fn op_door_invoke<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &mut OpState,
    #[smi] call: u32,
    #[smi] event: u32,
    #[smi] slot: u32,
    #[number] of: i64,
    #[string] path: &str,
    calls: bool,
    #[smi] kind: u32,
    body: v8::Local<'s, v8::Value>,
) -> Result<u32, Error> {
    let shared = state.borrow::<Shared>().clone();
    let attached = shared.open()?.take_attached();
    let names: Vec<String> = binding::read(path.as_bytes()).map_err(|_| Error::Path)?;
    check_path(names.len(), names.iter().map(String::len).sum())?;
    let path = names.iter().map(String::as_str).collect();
    let of = u32::try_from(of).ok();
    let operation = Operation::Rpc(Invoke { of, path, calls, arguments: Body::None });
    let call = Call { call, event, slot, operation, attached };
    shared.call(scope, call, Given { kind, body, length: -1 })
}

/// Refuses a path of so many names, which have so many bytes together.
#[op2(fast)]
pub fn op_door_check_path(#[smi] count: u32, #[smi] bytes: u32) -> Result<(), Error> {
    check_path(count as usize, bytes as usize)
}

fn check_path(count: usize, bytes: usize) -> Result<(), Error> {
    match (count, bytes) {
        (count, _) if count > PATH_COUNT_MAX => Err(Error::Path),
        (_, bytes) if bytes > PATH_BYTES_MAX => Err(Error::PathBytes),
        _ => Ok(()),
    }
}

/// Refuses arguments or a result of so many bytes.
#[op2(fast)]
pub fn op_door_check_value(#[number] bytes: u64) -> Result<(), Error> {
    let got = usize::try_from(bytes).unwrap_or(usize::MAX);
    if got > VALUE_BYTES_MAX { Err(Error::ValueTooLong { got }) } else { Ok(()) }
}

/// Says what came of an invocation: 0 is a value, 1 an exception, 2 that it came too late. Returns
/// the number of a body that is not all out, or 0.
#[op2(fast)]
#[smi]
pub fn op_door_return<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &mut OpState,
    #[smi] event: u32,
    #[smi] invocation: u32,
    #[smi] how: u32,
    body: v8::Local<'s, v8::Value>,
) -> Result<u32, Error> {
    let how = match how {
        0 => How::Returned,
        1 => How::Threw,
        _ => How::Late,
    };
    let shared = state.borrow::<Shared>().clone();
    let say = |bytes: &[u8]| {
        let mut door = shared.open()?;
        let attached = door.take_attached();
        door.check_runs(event)?;
        // With something, the result is held too, until nothing more is made of it.
        let results = u32::from(!attached.is_empty());
        door.held(event, exports(&attached).saturating_add(results));
        door.send_whole(event, (bytes, UNREAD_BYTES), |door, value| {
            door.try_send(&Up::Returned(Returned { event, invocation, how, value, attached }))
        })
    };
    if body.is_null() { say(&[]) } else { with_bytes(scope, body, say) }
}

/// Says that nothing more will be made of a call's result.
#[op2(fast)]
pub fn op_door_finish(
    state: &mut OpState,
    #[smi] event: u32,
    #[smi] call: u32,
) -> Result<(), Error> {
    state.borrow::<Shared>().open()?.send(&Up::Finish { event, call });
    Ok(())
}

/// Asks to be told when what is in a slot can not be called any more.
#[op2(fast)]
pub fn op_door_watch(
    state: &mut OpState,
    #[smi] event: u32,
    #[smi] slot: u32,
) -> Result<(), Error> {
    state.borrow::<Shared>().open()?.send(&Up::Watch { event, slot });
    Ok(())
}

/// Has a slot stand for an export of this worker: for an event, or for good if that is negative.
#[op2(fast)]
pub fn op_door_loopback<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &mut OpState,
    #[smi] slot: u32,
    #[number] event: i64,
    #[string] entrypoint: &str,
    props: v8::Local<'s, v8::Value>,
) -> Result<(), Error> {
    let shared = state.borrow::<Shared>().clone();
    let hold = |props: Option<&[u8]>| {
        let mut door = shared.open()?;
        let attached = door.take_attached();
        let event = u32::try_from(event).ok();
        if let Some(event) = event {
            door.check_runs(event)?;
        }
        let entrypoint = Some(entrypoint).filter(|name| *name != "default");
        door.hold_own(Loopback { slot, event, entrypoint, props, attached })
    };
    if props.is_null() { hold(None) } else { with_bytes(scope, props, |bytes| hold(Some(bytes))) }
}

impl Door {
    /// Whether others hold something of an event that has not ended: they may call it.
    pub(crate) fn is_held(&self) -> bool {
        self.events.values().any(|event| event.held > 0 && event.ended.is_none())
    }

    /// Nobody holds an export of an event any more, or makes more of a result.
    pub fn released(&mut self, event: u32) {
        if let Some(state) = self.events.get_mut(&event) {
            state.held = state.held.saturating_sub(1);
        }
    }
}
