// A worker's own exports, as it calls them itself: each call is an event of its own.

import { core } from "ext:core/mod.js";
import { hold } from "ext:bindery/binding/held.js";
import { currentEvent } from "ext:bindery/door.js";
import { sendTo } from "ext:bindery/fetch.js";
import { fetcherOf } from "ext:bindery/rpc/fetcher.js";
import { serviceProxy } from "ext:bindery/rpc/stub.js";
import { attach, KEPT, serialize } from "ext:bindery/rpc/value.js";

const { op_door_loopback } = core.ops;
const { Object, Symbol, TypeError } = globalThis;

/** The first slot whose number is chosen here. */
const OWN_SLOT = 1 << 30;
let next = OWN_SLOT;

/** Has a slot stand for an export; for the running event if there are props, or for good. */
function slotOf(name, props) {
  const slot = next++;
  if (props === undefined) {
    op_door_loopback(slot, -1, name, null);
    return slot;
  }
  const { bytes, attached } = serialize(props, KEPT);
  attach(attached);
  op_door_loopback(slot, currentEvent()?.id ?? -1, name, bytes);
  return slot;
}

const NAMES = new globalThis.WeakMap();

/** An export without props; called, it is the same with some. */
class LoopbackServiceStub {
  constructor() {
    throw new TypeError("Illegal constructor");
  }

  fetch(input, init) {
    return sendTo(NAMES.get(this), arguments.length, input, init);
  }
}
Object.defineProperty(LoopbackServiceStub.prototype, Symbol.toStringTag, {
  value: "LoopbackServiceStub",
  configurable: true,
});

const OPTIONS = "Failed to execute '(called as function)' on 'LoopbackServiceStub': parameter 1 is " +
  "not of type 'Options'.";

function loopback(name) {
  const slot = slotOf(name, undefined);
  const call = (options) => {
    const isObject = (typeof options === "object" && options !== null) ||
      typeof options === "function";
    if (!isObject) throw new TypeError(OPTIONS);
    const { props = {} } = options;
    const own = slotOf(name, props);
    return hold(fetcherOf(own), "service", own);
  };
  const stub = serviceProxy(LoopbackServiceStub, slot, () => {}, call);
  NAMES.set(stub, slot);
  return stub;
}

/** The exports of the main module that can be called. Each is made when it is first looked at. */
export function loopbacks(names) {
  const all = {};
  for (const name of names) {
    let made;
    Object.defineProperty(all, name, {
      get: () => made ??= loopback(name),
      enumerable: true,
      configurable: true,
    });
  }
  return all;
}
