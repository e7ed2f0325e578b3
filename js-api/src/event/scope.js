// The global object as a target of events, and the classes that it is an instance of.

import { core } from "ext:core/mod.js";

const { EventTarget, listenerCount, saveGlobalThisReference, setEventTargetData } = core
  .loadExtScript("ext:deno_web/02_event.js");
const webidl = core.loadExtScript("ext:deno_webidl/00_webidl.js");
const { apply } = Reflect;
const { addEventListener, dispatchEvent, removeEventListener } = EventTarget.prototype;

// A worker may take the name away.
const scope = globalThis;

export class WorkerGlobalScope extends EventTarget {
  constructor() {
    throw new TypeError("Illegal constructor");
  }

  addEventListener(...args) {
    return apply(addEventListener, this ?? scope, args);
  }

  removeEventListener(...args) {
    return apply(removeEventListener, this ?? scope, args);
  }

  dispatchEvent(...args) {
    return apply(dispatchEvent, this ?? scope, args);
  }
}

export class ServiceWorkerGlobalScope extends WorkerGlobalScope {}

/** Makes the global object what it is an instance of. */
export function adoptGlobal() {
  const { prototype } = ServiceWorkerGlobalScope;
  for (const type of [WorkerGlobalScope, ServiceWorkerGlobalScope]) {
    const tag = { value: type.name, configurable: true };
    Object.defineProperty(type.prototype, Symbol.toStringTag, tag);
  }
  // What makes a target of events stands on the prototype: the global object shows nothing of it.
  Object.defineProperty(prototype, webidl.brand, { value: webidl.brand });
  setEventTargetData(prototype);
  Object.setPrototypeOf(scope, prototype);
  // Where the engine's scripts would report what a listener throws: it is thrown on instead.
  saveGlobalThisReference({ dispatchEvent: () => true });
}

/** Whether somebody listens. */
export function hasListeners(type) {
  return listenerCount(scope, type) > 0;
}

/** Gives an event to those who listen. False if one of them prevented what follows. */
export function dispatch(event) {
  return apply(dispatchEvent, scope, [event]);
}
