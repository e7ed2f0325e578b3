//! Calls on their way through the door, with their bodies.
#![expect(missing_docs, unreachable_pub, reason = "the op macro repeats each op where no doc goes")]

use bindery_wire::binding::HEAD_BYTES_MAX;
use bindery_wire::frame::{Body, Bound, Call, Operation, UNREAD_BYTES, Up};
use bindery_wire::value::{ATTACHED_COUNT_MAX, Attached, Rights};
use deno_core::{OpState, op2, v8};

use super::ops::{kind, with_bytes};
use super::{Door, Error, Shared, Source, UpBody};

/// The body of a call, as `body.js` has it.
pub(crate) struct Given<'s> {
    /// One of [`kind`], or any other for a text or bytes.
    pub(crate) kind: u32,
    /// The text, the bytes, or the number of a body that was received.
    pub(crate) body: v8::Local<'s, v8::Value>,
    /// How long a stream is, negative if nobody knows.
    pub(crate) length: i64,
}

impl Shared {
    /// Writes a call with the body that is given. Returns the number of the body if it is to be
    /// written in chunks, or goes out by itself and is not all out; or 0.
    pub(crate) fn call<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        call: Call<'_>,
        given: Given<'s>,
    ) -> Result<u32, Error> {
        let event = call.event;
        match given.kind {
            kind::NONE => self.open()?.call(call, Body::None).map(|()| 0),
            kind::PASSED => {
                let body = given.body.uint32_value(scope).ok_or(Error::NoBody)?;
                let mut door = self.open()?;
                door.pass(event, body)?;
                door.call(call, Body::Passed { body }).map(|()| 0)
            }
            kind::STREAM => {
                let mut door = self.open()?;
                door.check_runs(event)?;
                let body = door.begin_body(event, Source::Script, UNREAD_BYTES)?;
                let length = u64::try_from(given.length).ok();
                door.call(call, Body::Stream { body, length }).map(|()| body)
            }
            _ => with_bytes(scope, given.body, |bytes| self.open()?.call_with_bytes(call, bytes)),
        }
    }
}

impl Door {
    /// Refuses what only the code of an event that runs may do.
    pub(crate) fn check_runs(&self, event: u32) -> Result<(), Error> {
        if !self.serves() {
            return Err(Error::GlobalScope);
        }
        let runs = self.events.get(&event).is_some_and(|state| state.ended.is_none());
        if runs { Ok(()) } else { Err(Error::Ended) }
    }

    /// Whether something is under way that another side will go on with.
    pub fn waits(&self) -> bool {
        !self.timers.is_empty()
            || !self.calls.is_empty()
            || self.is_held()
            || self.down.values().any(|body| body.credit > 0)
            || self.up.values().any(UpBody::waits)
    }

    /// Has something go with the call that is made next.
    fn attach(&mut self, attached: Attached<'static>) -> Result<(), Error> {
        if self.attached.len() >= ATTACHED_COUNT_MAX {
            self.detach();
            return Err(Error::TooManyAttached);
        }
        self.attached.push(attached);
        Ok(())
    }

    /// Has nothing go with the next call: something of it can not.
    fn detach(&mut self) {
        let attached = self.take_attached();
        self.forget_bodies(&attached);
    }

    /// What goes with what is said now.
    pub(crate) fn take_attached(&mut self) -> Vec<Attached<'static>> {
        std::mem::take(&mut self.attached)
    }

    /// Others hold more of an event.
    pub(crate) fn held(&mut self, event: u32, more: u32) {
        if let Some(state) = self.events.get_mut(&event) {
            state.held = state.held.saturating_add(more);
        }
    }

    fn call_with_bytes(&mut self, call: Call<'_>, bytes: &[u8]) -> Result<u32, Error> {
        let max = self.limits.response_bytes_max;
        if bytes.len() as u64 > max {
            return Err(Error::RequestTooLong { max });
        }
        self.check_runs(call.event)?;
        let event = call.event;
        self.send_whole(event, (bytes, UNREAD_BYTES), |door, body| door.call(call, body))
    }

    fn call<'a>(&mut self, call: Call<'a>, body: Body<'a>) -> Result<(), Error> {
        self.check_runs(call.event)?;
        let (id, event) = (call.call, call.event);
        let exported = exports(&call.attached);
        let operation = call.operation.with_body(body);
        let call = Up::Call(Call { operation, ..call });
        if let Err(error) = self.try_send(&call) {
            if let Up::Call(call) = &call {
                self.forget_bodies(&call.attached);
            }
            return Err(error);
        }
        self.calls.insert(id, event);
        self.held(event, exported);
        Ok(())
    }
}

/// How much of what goes with something is its event's own.
pub(crate) fn exports(attached: &[Attached<'_>]) -> u32 {
    let own = attached.iter().filter(|one| matches!(one, Attached::Export { .. })).count();
    u32::try_from(own).unwrap_or(u32::MAX)
}

/// Asks a binding. Returns the number of the body that is to be written in chunks, or goes out by
/// itself and is not all out, or 0.
#[op2(fast)]
#[smi]
pub fn op_door_ask<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &mut OpState,
    #[smi] call: u32,
    #[smi] event: u32,
    #[smi] slot: u32,
    #[string] head: &str,
    #[smi] kind: u32,
    body: v8::Local<'s, v8::Value>,
    #[number] length: i64,
) -> Result<u32, Error> {
    if head.len() > HEAD_BYTES_MAX {
        return Err(Error::HeadTooLong { got: head.len() });
    }
    let operation = Operation::Bound(Bound { head: head.as_bytes(), body: Body::None });
    let shared = state.borrow::<Shared>().clone();
    let attached = shared.open()?.take_attached();
    let call = Call { call, event, slot, operation, attached };
    shared.call(scope, call, Given { kind, body, length })
}

/// Ways in which something goes with a value; the numbers are `value.js`'s.
mod how {
    pub(super) const SLOT: u32 = 0;
    pub(super) const EXPORT: u32 = 1;
}

/// Has something go with the call that is made next.
#[op2(fast)]
pub fn op_door_attach(
    state: &mut OpState,
    #[smi] how: u32,
    #[smi] number: u32,
    #[smi] detail: u32,
) -> Result<(), Error> {
    let attached = match how {
        how::SLOT => Attached::Slot { slot: number, rights: rights(detail) },
        how::EXPORT => Attached::Export { export: number },
        _ => return Err(Error::NoBody),
    };
    state.borrow::<Shared>().open()?.attach(attached)
}

/// Has a part of what a slot holds go with the call that is made next.
#[op2(fast)]
pub fn op_door_attach_part(
    state: &mut OpState,
    #[smi] slot: u32,
    #[smi] detail: u32,
    #[string] name: String,
) -> Result<(), Error> {
    let attached = Attached::Part { slot, name: name.into(), rights: rights(detail) };
    state.borrow::<Shared>().open()?.attach(attached)
}

/// Has a body go with the call that is made next: one that was received, by its number, or one that
/// is written in chunks. Returns its number.
#[op2(fast)]
#[smi]
pub fn op_door_attach_body(
    state: &mut OpState,
    #[smi] event: u32,
    #[smi] kind: u32,
    #[smi] body: u32,
    #[number] length: i64,
) -> Result<u32, Error> {
    let mut door = state.borrow::<Shared>().open()?;
    door.check_runs(event)?;
    if kind == kind::PASSED {
        door.pass(event, body)?;
        door.attach(Attached::Body(Body::Passed { body }))?;
        return Ok(body);
    }
    let body = match door.begin_body(event, Source::Script, UNREAD_BYTES) {
        Ok(body) => body,
        Err(error) => {
            door.detach();
            return Err(error);
        }
    };
    let length = u64::try_from(length).ok();
    door.attach(Attached::Body(Body::Stream { body, length }))?;
    Ok(body)
}

/// What a receiver may do; the numbers are `held.js`'s.
fn rights(number: u32) -> Rights {
    match number {
        1 => Rights::Read,
        2 => Rights::Send,
        _ => Rights::All,
    }
}

/// Lets go of what was handed over.
#[op2(fast)]
pub fn op_door_release(state: &mut OpState, #[smi] slot: u32) -> Result<(), Error> {
    state.borrow::<Shared>().open()?.release(slot);
    Ok(())
}

/// Says that nobody waits for the answer to a call any more.
#[op2(fast)]
pub fn op_door_abort(state: &mut OpState, #[smi] call: u32) -> Result<(), Error> {
    let mut door = state.borrow::<Shared>().open()?;
    if door.calls.remove(&call).is_some() {
        door.send(&Up::Abort { call });
    }
    Ok(())
}
