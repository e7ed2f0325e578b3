// Calls of what is elsewhere: sent at once, also those of results that are not there yet.

import { core } from "ext:core/mod.js";
import { Call } from "ext:bindery/call.js";
import { HostBody } from "ext:bindery/http/host_body.js";
import { hasNames, leadsOn, remote } from "ext:bindery/rpc/resolve.js";
import { apply, isStub, stubCame, withDispose } from "ext:bindery/rpc/stub.js";
import { attach, CALLED, deserialize, handedFrom, serialize, waitFor } from "ext:bindery/rpc/value.js";

const { op_door_finish, op_door_invoke } = core.ops;

// A worker may change them.
const {
  Function,
  JSON: { stringify },
  Object: { keys: keysOf },
  Promise,
  Set,
} = globalThis;
const then = Function.prototype.call.bind(Promise.prototype.then);

const BYTES = 2;
/** What came of a call; the numbers are the op's. */
export const RETURNED = 0, THREW = 1, LATE = 2;

/** A call that has been sent, or waits to be. */
class Method extends Call {
  id = 0;
  args;
  /** How many calls of its result have no answer yet. */
  #made = 0;
  /** Whether its result came with something, of which more can be made until the host is told. */
  #holds = false;
  #isRead = false;
  #event;
  #of;
  #path;
  #bytes;
  #attached;

  constructor(event, of, path, args) {
    super(event, null, "methods");
    this.#event = event;
    this.#of = of;
    this.#path = path;
    this.args = args;
    const { bytes, attached } = args === undefined ? NO_ARGUMENTS : serialize(args, CALLED);
    this.#bytes = bytes;
    this.#attached = attached;
  }

  send(id, event) {
    const [slot, of] = this.#of;
    attach(this.#attached, this.#event);
    const calls = this.args !== undefined;
    const body = this.#bytes;
    const kind = body === null ? 0 : BYTES;
    const former = of === null ? -1 : of.id;
    const number = op_door_invoke(id, event, slot, former, stringify(this.#path), calls, kind, body);
    this.id = id;
    this.#bytes = this.#attached = null;
    return number;
  }

  answered(how, body, length, list) {
    if (how === LATE) return { late: true };
    const handed = handedFrom(list);
    this.#holds = handed.length > 0;
    const read = (bytes) => readWhole(how, bytes, handed, this);
    const arrived = () => {
      this.#isRead = true;
      if (this.#made === 0) this.finish();
    };
    let value;
    try {
      value = typeof body === "number" ? then(new HostBody(body, length).all(), read) : read(body);
      if (core.isPromise(value)) then(value, arrived, arrived);
    } finally {
      if (!core.isPromise(value)) arrived();
    }
    return value;
  }

  /** Whether what is called of its result has to follow calls that are under way. */
  get isOpen() {
    return this.#holds && this.#made > 0;
  }

  /** A call of its result is sent, and is over when the promise is. */
  follow(promise) {
    this.#made++;
    const over = () => {
      if (--this.#made === 0 && this.#isRead) this.finish();
    };
    then(promise, over, over);
  }

  /** Nothing more is made of its result over there. */
  finish() {
    if (!this.#holds) return;
    this.#holds = false;
    op_door_finish(this.#event.id, this.id);
  }
}

const NO_ARGUMENTS = { bytes: null, attached: [] };

/** Reads what has come, once all of it is there. */
function readWhole(how, bytes, handed, call) {
  const waits = waitFor(bytes, handed);
  if (waits === undefined) return read(how, bytes, handed, call);
  return then(waits, () => read(how, bytes, handed, call));
}

function read(how, bytes, handed, call) {
  const value = deserialize(bytes, handed);
  if (how === RETURNED && call.isOpen) route(value, call);
  return how === THREW ? { error: remote(value) } : { value: withDispose(value, handed), handed };
}

/** Names of a path to a stub within a result that calls of it may take, of the host's 65 in all. */
const ROUTE_COUNT_MAX = 32;

/**
 * Has calls of the stubs in a result go the way of those that were made of it before it came: another
 * way may be shorter, and they would arrive first. Such a call finds what the result leads to when it
 * arrives, as those do.
 */
function route(value, call) {
  const seen = new Set([value]);
  const left = leadsOn(value) ? [{ at: value, depth: 0, from: null, name: "" }] : [];
  for (let next = 0; next < left.length; next++) {
    const from = left[next];
    const { at, depth } = from;
    if (isStub(at)) stubCame(at, call, pathOf(from));
    if (depth === ROUTE_COUNT_MAX || !hasNames(at)) continue;
    for (const name of keysOf(at)) {
      const inner = at[name];
      if (!leadsOn(inner) || seen.has(inner)) continue;
      seen.add(inner);
      left[left.length] = { at: inner, depth: depth + 1, from, name };
    }
  }
}

function pathOf(place) {
  const path = [];
  for (let at = place; at.from !== null; at = at.from) path[at.depth - 1] = at.name;
  return path;
}

/** Sends a call of a slot, or of the result of a call that has been sent. */
export function send(event, of, path, args) {
  const call = new Method(event, of, path, args);
  const promise = then(call.start(), (answer) => {
    if (answer.late) {
      of[1].finish();
      return then(of[1].result, (value) => apply(value, path, args));
    }
    if ("error" in answer) throw answer.error;
    return answer.value;
  });
  call.result = promise;
  of[1]?.follow(promise);
  return { promise, call };
}
