// The module `cloudflare:workers`, as tenants import it.

import { currentEvent, GLOBAL_SCOPE } from "ext:bindery/door.js";
import {
  currentEnv,
  currentExports,
  withEnv,
  withEnvAndExports,
  withExports,
  WorkerEntrypoint,
} from "ext:bindery/event.js";
import { Fetcher as ServiceStub } from "ext:bindery/rpc/fetcher.js";
import { RpcTarget } from "ext:bindery/rpc/resolve.js";
import { RpcPromise, RpcProperty, RpcStub } from "ext:bindery/rpc/stub.js";

export {
  RpcPromise,
  RpcProperty,
  RpcStub,
  RpcTarget,
  ServiceStub,
  withEnv,
  withEnvAndExports,
  withExports,
  WorkerEntrypoint,
};

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

/** The worker's own exports, readable in global scope too. */
export const exports = new Proxy(Object.create(null), {
  get: (_, name) => currentExports()[name],
  set: () => false,
  has: (_, name) => name in currentExports(),
  deleteProperty: () => false,
  ownKeys: () => Reflect.ownKeys(currentExports()),
  getOwnPropertyDescriptor(_, name) {
    if (!Object.hasOwn(currentExports(), name)) return undefined;
    return { value: currentExports()[name], enumerable: true, configurable: true };
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

