// Calls: what an event asks of the host, and what it is answered.
//
// A few calls of an event are out at once, the others wait here in order: the host takes no more.
// A call belongs to its event and goes with it.

import { core } from "ext:core/mod.js";
import { awaitBody, pumpBody, stopBody } from "ext:bindery/http/pump.js";

const { getAsyncContext, setAsyncContext } = core;
const { op_door_abort } = core.ops;
const { add, remove } = core.loadExtScript("ext:deno_web/03_abort_signal.js");

// A worker may take them off the global object.
const { Error, Map, Promise, Set, TypeError } = globalThis;

/** Calls of one event that have no answer yet: of `fetch` and of bindings, and of methods. */
const CALL_COUNT_MAX = 6;
const METHOD_COUNT_MAX = 1_000;

// Calls that are out, by number.
const calls = new Map();
let last = 0;

/** Calls that wait for each other. */
class Lane {
  out = 0;
  /** Calls that wait for their turn. */
  waiting = [];
  max;

  constructor(max) {
    this.max = max;
  }
}

/** What an event has under way. */
class EventCalls {
  host = new Lane(CALL_COUNT_MAX);
  methods = new Lane(METHOD_COUNT_MAX);
  /** Calls and responses that listen to a signal. */
  bound = new Set();
}

/**
 * One call, until it is answered. What extends it has:
 * - `send(id, event)` writes it to the line; returns the number of a body that is not all out, or 0;
 * - `stream`, if that body is one that a script writes;
 * - `answered(...parts)` makes what the call resolves with of what the host says.
 */
export class Call {
  stream = null;
  #event;
  #own;
  #lane;
  #context = getAsyncContext();
  #signal;
  #resolve;
  #reject;
  #id = 0;
  #body = 0;
  #settled = false;

  constructor(event, signal = null, lane = "host") {
    this.#event = event;
    this.#own = event.calls ??= new EventCalls();
    this.#lane = this.#own[lane];
    this.#signal = signal;
  }

  /** Sends it, or has it wait for its turn. Resolves with the answer. */
  start() {
    const signal = this.#signal;
    const { bound } = this.#own;
    const { waiting, out, max } = this.#lane;
    if (signal !== null) {
      this.abort = () => this.#abort(signal.reason);
      signal[add](this.abort);
      bound.add(this);
    }
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      if (out < max) this.#send();
      else waiting.push(this);
    });
  }

  isOf(event) {
    return this.#event === event;
  }

  /** All of the event that listens to a signal. */
  get bound() {
    return this.#own.bound;
  }

  /** Stops listening. */
  unbind() {
    const signal = this.#signal;
    if (signal === null) return;
    signal[remove](this.abort);
    this.#own.bound.delete(this);
  }

  #send() {
    const event = this.#event;
    const id = ++last;
    let number;
    try {
      number = this.send(id, event.id);
    } catch (error) {
      this.#settled = true;
      this.unbind();
      this.#reject(error);
      return;
    }
    this.#id = id;
    calls.set(id, this);
    this.#lane.out++;
    if (number === 0) return;
    // The answer may be over before the body is.
    this.#body = number;
    event.hold();
    const over = (failed, error) => {
      this.#body = 0;
      if (failed && !this.#settled) this.#abort(error);
      event.release();
    };
    if (this.stream !== null) pumpBody(number, this.stream, over);
    else awaitBody(number, over);
  }

  #abort(reason) {
    if (this.#settled) return;
    this.#settled = true;
    this.unbind();
    if (this.#id !== 0) {
      op_door_abort(this.#id);
      this.#out();
    } else {
      const { waiting } = this.#lane;
      waiting.splice(waiting.indexOf(this), 1);
    }
    if (this.#body !== 0) stopBody(this.#body, reason);
    this.#reject(reason);
  }

  /** It is out no more: the next may go. */
  #out() {
    calls.delete(this.#id);
    const lane = this.#lane;
    lane.out--;
    while (lane.waiting.length > 0 && lane.out < lane.max) lane.waiting.shift().#send();
  }

  /** From the host: what came of it. */
  reply(parts) {
    this.#settled = true;
    this.unbind();
    setAsyncContext(this.#context);
    try {
      this.#resolve(this.answered(...parts));
    } catch (error) {
      this.#reject(error);
    }
    this.#out();
  }

  /** From the host: nothing will come of it. */
  refuse(error) {
    this.#settled = true;
    this.unbind();
    setAsyncContext(this.#context);
    if (this.#body !== 0) stopBody(this.#body, error);
    this.#reject(error);
    this.#out();
  }
}

/** A call is answered: called by the host. */
export function callReply(id, ...parts) {
  calls.get(id)?.reply(parts);
}

/** A call will have no answer: called by the host. */
export function callRefused(id, wrong, message) {
  calls.get(id)?.refuse(wrong ? new TypeError(message) : new Error(message));
}

/** Forgets the calls of an event that has ended: the host has canceled them already. */
export function dropCalls(event) {
  const own = event.calls;
  if (own === null) return;
  event.calls = null;
  own.host.waiting.length = own.methods.waiting.length = 0;
  for (const bound of [...own.bound]) bound.unbind();
  if (own.host.out === 0 && own.methods.out === 0) return;
  for (const [id, call] of calls) {
    if (call.isOf(event)) calls.delete(id);
  }
}
