// The door, as scripts see it: which event runs now, and the bodies that come in.

import { core } from "ext:core/mod.js";

const { getAsyncContext, setAsyncContext } = core;
const {
  op_door_credit,
  op_door_unwanted,
} = core.ops;

/** The event that the running code belongs to, or undefined in global scope. */
export function currentEvent() {
  return getAsyncContext()?.event;
}

/** Makes an event the current one, until the next completion. */
export function enterEvent(event) {
  setAsyncContext({ __proto__: null, event });
}

/** The message of an operation that must not run while modules are evaluated. */
export const GLOBAL_SCOPE =
  "Disallowed operation called within global scope. Asynchronous I/O (ex: fetch() or " +
  "connect()), setting a timeout, and generating random values are not allowed within " +
  "global scope. To fix this error, perform this operation within a handler. " +
  "https://developers.cloudflare.com/workers/runtime-apis/handlers/";

/** Throws unless the running code belongs to an event. */
export function requireEvent() {
  const event = currentEvent();
  if (event === undefined) throw new Error(GLOBAL_SCOPE);
  return event;
}

// Bodies that are being read, by number: { chunk(bytes), end(whole) } and the reader's event.
const sinks = new Map();

/** Registers who takes the chunks of a body that the host sends. */
export function onBody(id, sink) {
  sinks.set(id, { sink, context: getAsyncContext() });
}

/** Asks for more bytes of a body. */
export function bodyPull(id, bytes) {
  op_door_credit(id, bytes);
}

/** Says that the rest of a body is not wanted. */
export function bodyCancel(id) {
  sinks.delete(id);
  op_door_unwanted(id);
}

/** A chunk has come: called by the host. */
export function bodyChunk(id, bytes) {
  const entry = sinks.get(id);
  if (entry === undefined) return;
  setAsyncContext(entry.context);
  entry.sink.chunk(bytes);
}

/** A body has ended: called by the host. */
export function bodyEnd(id, whole) {
  const entry = sinks.get(id);
  if (entry === undefined) return;
  sinks.delete(id);
  setAsyncContext(entry.context);
  entry.sink.end(whole);
}
