// What stands for an export of a worker.

import { sendTo } from "ext:bindery/fetch.js";
import { serviceProxy } from "ext:bindery/rpc/stub.js";

const { Error, Object, Symbol, TypeError, WeakMap } = globalThis;

// The slot of each, or a promise of one.
const slots = new WeakMap();

function slotOf(fetcher) {
  const slot = slots.get(fetcher);
  if (slot === undefined) throw new TypeError("Illegal invocation");
  return slot;
}

/**
 * An export of a worker of the tenant's: requests to it, and calls of its methods, are events of
 * that worker. Every other name leads to what the export has under it.
 */
export class Fetcher {
  constructor() {
    throw new TypeError("Illegal constructor");
  }

  fetch(input, init) {
    return sendTo(slotOf(this), arguments.length, input, init);
  }

  connect() {
    slotOf(this);
    throw new Error("connect() of a service binding is not supported yet");
  }
}
Object.defineProperty(Fetcher.prototype, Symbol.toStringTag, {
  value: "Fetcher",
  configurable: true,
});

/** What stands for the export in a slot. */
export function fetcherOf(slot) {
  const fetcher = serviceProxy(Fetcher, slot, {});
  slots.set(fetcher, slot);
  return fetcher;
}

/**
 * What stands for an export that the host is still to hand over: `slot` is a promise of its slot.
 * Until then it can be called and not handed on.
 */
export const fetcherSoon = fetcherOf;
