// What stands for an export of a worker.

import { sendTo } from "ext:bindery/fetch.js";

const { Error, TypeError } = globalThis;

const MAKE = Symbol("make");

/** An export of a worker of the tenant's: requests to it are events of that worker. */
export class Fetcher {
  /** The slot, or a promise of one. */
  #slot;

  constructor(make, slot) {
    if (make !== MAKE) throw new TypeError("Illegal constructor");
    this.#slot = slot;
  }

  fetch(input, init) {
    return sendTo(this.#slot, arguments.length, input, init);
  }

  connect() {
    throw new Error("connect() of a service binding is not supported yet");
  }
}
Object.defineProperty(Fetcher.prototype, Symbol.toStringTag, {
  value: "Fetcher",
  configurable: true,
});

/** What stands for the export in a slot. */
export function fetcherOf(slot) {
  return new Fetcher(MAKE, slot);
}

/**
 * What stands for an export that the host is still to hand over: `slot` is a promise of its slot.
 * Until then it can be called and not handed on.
 */
export function fetcherSoon(slot) {
  return new Fetcher(MAKE, slot);
}
