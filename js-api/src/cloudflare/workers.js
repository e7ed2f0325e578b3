// The module `cloudflare:workers`, as tenants import it.

import { currentEvent, GLOBAL_SCOPE } from "ext:bindery/door.js";
import { currentEnv, withEnv, WorkerEntrypoint } from "ext:bindery/event.js";

export { withEnv, WorkerEntrypoint };

/** The isolate's `env`, readable in global scope too. */
export const env = new Proxy(Object.create(null), {
  get: (_, name) => currentEnv()[name],
  set: (_, name, value) => Reflect.set(currentEnv(), name, value),
  has: (_, name) => name in currentEnv(),
  deleteProperty: (_, name) => Reflect.deleteProperty(currentEnv(), name),
  ownKeys: () => Reflect.ownKeys(currentEnv()),
  getOwnPropertyDescriptor(_, name) {
    const found = Reflect.getOwnPropertyDescriptor(currentEnv(), name);
    return found && { ...found, configurable: true };
  },
});

/** Keeps the current event alive until the promise settles. */
export function waitUntil(promise) {
  const event = currentEvent();
  if (event === undefined) throw new Error(GLOBAL_SCOPE);
  event.waitUntil(promise);
}

function later(name) {
  const type = class {
    constructor() {
      throw new Error(`${name} is not supported yet`);
    }
  };
  return Object.defineProperty(type, "name", { value: name, configurable: true });
}

export const DurableObject = later("DurableObject");
export const WorkflowEntrypoint = later("WorkflowEntrypoint");
export const RpcTarget = later("RpcTarget");
export const RpcStub = later("RpcStub");
