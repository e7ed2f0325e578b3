//! The functions of our scripts through which the host comes in, and the values it brings.

use bindery_wire::frame::Body;
use bindery_wire::value::{Handed, Value};
use deno_core::v8;

/// A function that `bootstrap.js` gives, by its place there.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Entry {
    Harden = 0,
    Prepare,
    Start,
    Fetch,
    Timer,
    Chunk,
    End,
    Credit,
    Over,
    Cancel,
    Drop,
    Reply,
    Refused,
    Describe,
    Handler,
    Bind,
    Rpc,
    Invoke,
    Released,
    Finished,
    Broken,
}

const ENTRY_COUNT: u32 = Entry::Broken as u32 + 1;

/// Every entry of one isolate.
pub(crate) struct Entries(Vec<v8::Global<v8::Function>>);

impl Entries {
    /// Takes the entries from the global object, with the exports of `cloudflare:workers`.
    pub(crate) fn take(scope: &mut v8::PinScope<'_, '_>) -> Option<(Self, v8::Global<v8::Object>)> {
        let key = v8::String::new(scope, "__bindery")?;
        let global = scope.get_current_context().global(scope);
        let list = global.get(scope, key.into())?;
        let list = v8::Local::<v8::Array>::try_from(list).ok()?;
        let functions: Option<Vec<_>> = (0..ENTRY_COUNT)
            .map(|at| {
                let function = list.get_index(scope, at)?;
                let function = v8::Local::<v8::Function>::try_from(function).ok()?;
                Some(v8::Global::new(scope, function))
            })
            .collect();
        let workers = list.get_index(scope, ENTRY_COUNT)?;
        let workers = v8::Local::<v8::Object>::try_from(workers).ok()?;
        Some((Self(functions?), v8::Global::new(scope, workers)))
    }

    /// Calls one. `None` if something was thrown, or the code was ended.
    pub(crate) fn call<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        entry: Entry,
        arguments: &[v8::Local<'s, v8::Value>],
    ) -> Option<v8::Local<'s, v8::Value>> {
        let function = v8::Local::new(scope, self.0.get(entry as usize)?);
        let this = v8::undefined(scope).into();
        function.call(scope, this, arguments)
    }
}

/// A number as a value.
pub(crate) fn number<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    number: u32,
) -> v8::Local<'s, v8::Value> {
    v8::Integer::new_from_unsigned(scope, number).into()
}

/// A text as a value; bytes that are no UTF-8 are taken as they stand in HTTP, one character each.
pub(crate) fn latin1<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    bytes: &[u8],
) -> Option<v8::Local<'s, v8::Value>> {
    v8::String::new_from_one_byte(scope, bytes, v8::NewStringType::Normal).map(Into::into)
}

/// A body that the dispatcher gives, as our scripts take it: null, its bytes or its number; and how
/// long it is, -1 if nobody knows or it is all here.
pub(crate) fn body<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    body: &Body<'_>,
) -> Option<[v8::Local<'s, v8::Value>; 2]> {
    let (body, length) = match body {
        Body::None | Body::Passed { .. } => (v8::null(scope).into(), -1.0),
        Body::Inline(inline) => (bytes(scope, inline)?, -1.0),
        Body::Stream { body, length } => {
            (number(scope, *body), length.map_or(-1.0, |length| length as f64))
        }
    };
    Some([body, v8::Number::new(scope, length).into()])
}

/// What our scripts take as the kind of what is their own.
const OWN: &[u8] = b"own";

/// What was handed over, as our scripts take it: kinds and numbers in turn; undefined for nothing.
pub(crate) fn handed<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    handed: &[Handed<'_>],
) -> Option<v8::Local<'s, v8::Value>> {
    if handed.is_empty() {
        return Some(v8::undefined(scope).into());
    }
    let mut values = Vec::with_capacity(handed.len() * 2);
    for one in handed {
        match one {
            Handed::Slot { kind, slot } => {
                values.push(latin1(scope, kind.as_str().as_bytes())?);
                values.push(number(scope, *slot));
            }
            Handed::Own { slot, export } => {
                let numbers = [number(scope, *slot), number(scope, *export)];
                values.push(latin1(scope, OWN)?);
                values.push(v8::Array::new_with_elements(scope, &numbers).into());
            }
            Handed::Body(given) => values.extend(body(scope, given)?),
        }
    }
    Some(v8::Array::new_with_elements(scope, &values).into())
}

/// The number of a body that was handed over.
pub(crate) fn handed_body(handed: &Handed<'_>) -> Option<u32> {
    match handed {
        Handed::Body(Body::Stream { body, .. }) => Some(*body),
        _ => None,
    }
}

/// A value of another isolate: its bytes, and what was handed over with them.
pub(crate) fn value<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    value: &Value<'_>,
) -> Option<v8::Local<'s, v8::Value>> {
    let parts = [bytes(scope, value.bytes)?, handed(scope, &value.handed)?];
    Some(v8::Array::new_with_elements(scope, &parts).into())
}

/// Bytes as a `Uint8Array` of their own. `None` if the isolate has no memory left for them.
pub(crate) fn bytes<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    bytes: &[u8],
) -> Option<v8::Local<'s, v8::Value>> {
    let store = v8::ArrayBuffer::new_backing_store_from_vec(bytes.to_vec()).make_shared();
    let buffer = v8::ArrayBuffer::with_backing_store(scope, &store);
    v8::Uint8Array::new(scope, buffer, 0, bytes.len()).map(Into::into)
}
