// Bodies on their way out: one that JavaScript makes is moved chunk by chunk while there is credit;
// one whose bytes the host has is only waited for.

import { core } from "ext:core/mod.js";
import { currentEvent } from "ext:bindery/door.js";

const { getAsyncContext, setAsyncContext } = core;
const { op_door_chunk, op_door_end } = core.ops;
const { DOMException } = core.loadExtScript("ext:deno_web/01_dom_exception.js");

// A worker may take it off the global object.
const { Promise } = globalThis;

const then = Function.prototype.call.bind(Promise.prototype.then);

// What is on its way, by the number of the body.
const pumps = new Map();

/**
 * Waits for a body whose bytes the host has. `over(failed, error)` is called once, when nothing
 * more of it will be sent.
 */
export function awaitBody(body, over) {
  const pump = {
    event: currentEvent(),
    context: getAsyncContext(),
    resume: undefined,
    stop: undefined,
    over,
  };
  pumps.set(body, pump);
  return pump;
}

/** Sends what a stream holds as a body; `over` as above. */
export async function pumpBody(body, stream, over) {
  const pump = awaitBody(body, over);
  const gone = () => pumps.get(body) !== pump;
  const reader = stream.getReader();
  pump.stop = (error) => {
    pump.resume?.();
    then(reader.cancel(error), undefined, () => {});
  };
  let failed = false;
  let failure;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (gone()) return;
      if (done) break;
      await write(body, pump, value, gone);
      if (gone()) return;
    }
  } catch (error) {
    if (gone()) return;
    failed = true;
    failure = error;
    pump.stop(error);
  }
  pumps.delete(body);
  op_door_end(body, !failed);
  over(failed, failure);
}

async function write(body, pump, value, gone) {
  let bytes = asBytes(value);
  while (bytes.byteLength > 0) {
    const taken = op_door_chunk(body, bytes);
    if (taken === bytes.byteLength) return;
    bytes = bytes.subarray(taken);
    await new Promise((resolve) => pump.resume = resolve);
    if (gone()) return;
  }
}

function asBytes(value) {
  if (value instanceof Uint8Array) return value;
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  throw new TypeError("This ReadableStream did not return bytes.");
}

/** Sends no more of a body. */
export function stopBody(body, error) {
  const pump = pumps.get(body);
  if (pump === undefined) return;
  pumps.delete(body);
  pump.stop?.(error);
  pump.over(false);
}

/** Forgets the bodies of an event that has ended: the host has cut them already. */
export function dropBodies(event) {
  if (pumps.size === 0) return;
  for (const [body, pump] of pumps) {
    if (pump.event === event) pumps.delete(body);
  }
}

/** More of a body may be sent: called by the host. */
export function bodyCredit(body) {
  const pump = pumps.get(body);
  if (pump === undefined) return;
  setAsyncContext(pump.context);
  const { resume } = pump;
  pump.resume = undefined;
  resume?.();
}

/** A body has gone out, or nobody wants the rest: called by the host. */
export function bodyOver(body, wanted) {
  const pump = pumps.get(body);
  if (pump === undefined) return;
  setAsyncContext(pump.context);
  stopBody(body, wanted ? undefined : new DOMException("The client has disconnected.", "AbortError"));
}
