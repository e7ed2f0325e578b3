// What an event of this isolate has handed over: by number, until nobody holds it.

import { disposeOf } from "ext:bindery/rpc/stub.js";

const { Map, Symbol } = globalThis;

/** What others may do in an event. */
export class Served {
  /** Values by the number under which they were handed over. */
  exports = new Map();
  /** Results that more may be made of, by the number of their invocation, with what in them was
   * handed over for it. */
  results = new Map();
  /** What they are made of: a function that makes it, then the thing. */
  entrypoint = null;
  /** Arguments that are still on their way: what comes later waits for them. */
  arriving = null;
  #last = 0;
  #event;
  /** How often it keeps its event alive. */
  #holds = 0;
  #holding;

  constructor(event, holding) {
    this.#event = event;
    this.#holding = holding;
  }

  hold() {
    if (!this.#holding) return;
    this.#holds++;
    this.#event.hold();
  }

  release() {
    if (!this.#holding || this.#holds === 0) return;
    this.#holds--;
    this.#event.release();
  }

  /** Nobody waits for anything of it any more. */
  cancel() {
    while (this.#holds > 0) this.release();
    this.#holding = false;
  }

  export(value) {
    const number = ++this.#last;
    this.exports.set(number, value);
    this.hold();
    return number;
  }

  /** Nobody holds it any more: what it was knows of that. */
  released(number) {
    const value = this.exports.get(number);
    if (!this.exports.delete(number)) return;
    this.release();
    disposeTarget(value, this.#event);
  }
}

/** What is handed over of a stub of something of this isolate. */
export class Shared {
  #base;
  constructor(base) {
    this.#base = base;
  }
  get base() {
    return this.#base;
  }

  get target() {
    return this.#base.target;
  }

  [Symbol.dispose]() {
    this.#base.dispose();
  }
}

/** Has a target dispose of itself. What that throws goes to the log. */
export function disposeTarget(value, event) {
  try {
    const dispose = value[Symbol.dispose];
    if (typeof dispose === "function") dispose.call(value);
  } catch (error) {
    event?.report(error);
  }
}

// Events in which others may call, by number.
const events = new Map();

/** Lets others call in an event; `holding` has it last for as long as they may. */
export function serve(event, holding) {
  events.set(event.id, event);
  return event.served = new Served(event, holding);
}

/** What others may do in an event, made when it is first of use. */
export const servedBy = (event) => event.served ?? serve(event, false);

/** Forgets an event that has ended. */
export function dropServed(event) {
  if (event.served !== null) events.delete(event.id);
}

/** Nobody holds what an event handed over any more: called by the host. */
export function rpcReleased(id, number) {
  events.get(id)?.served.released(number);
}

/** Nothing more is made of a result: called by the host. */
export function rpcFinished(id, number) {
  const served = events.get(id)?.served;
  const result = served?.results.get(number);
  if (result === undefined) return;
  served.results.delete(number);
  result.handed.forEach(disposeOf);
  served.release();
}
