// Loaders: bindings through which a worker loads other workers, and calls them.

import { core } from "ext:core/mod.js";
import { ask, contentOf } from "ext:bindery/binding/ask.js";
import { ALL, heldBy, hold, READ, SEND } from "ext:bindery/binding/held.js";
import { requireEvent } from "ext:bindery/door.js";
import { fetcherSoon } from "ext:bindery/rpc/fetcher.js";
import { KEPT, serialize, special } from "ext:bindery/rpc/value.js";
import { join, limitsOf, pack } from "ext:bindery/loader/code.js";

const { op_door_release } = core.ops;
const { DOMException } = core.loadExtScript("ext:deno_web/01_dom_exception.js");

// A worker may change them.
const { Error, JSON: { stringify }, Map, Promise, String, TypeError, WeakMap, WeakSet } = globalThis;
const then = Function.prototype.call.bind(Promise.prototype.then);

const MAKE = Symbol("make");
const NOT_TRANSFERRED = "Entrypoints to dynamically-loaded workers cannot be transferred to other " +
  "Workers, because the system does not know how to reload this Worker from scratch. Instead, " +
  "have the parent Worker expose an entrypoint which constructs the dynamic worker and forwards " +
  "to it.";
const NO_OPTIONS = { __proto__: null };

// What each event loads: of one name, it runs one callback at a time.
const loading = new WeakMap();

const held = (slot) => ({ __proto__: null, how: 0, number: slot, detail: ALL });
const handedSlot = ({ handed }) => heldBy(handed[0]).slot;

// Exports of loaded workers: they end with the event.
const exported = new WeakSet();

special("exported", {
  is: (value) => exported.has(value),
  write() {
    throw new DOMException(NOT_TRANSFERRED, "DataCloneError");
  },
});

function exportOf(slot) {
  const fetcher = fetcherSoon(slot);
  exported.add(fetcher);
  return fetcher;
}

// Sends code; a promise of the slot of the worker. `turn` is the slot of the right to load a name.
async function send(slot, { index, parts, attached }, turn) {
  if (turn !== undefined) {
    index.named = true;
    attached.unshift(held(turn));
  }
  const { body, told } = join(index, parts);
  return handedSlot(await ask(slot, { op: "load", index: told }, contentOf(body), attached));
}

async function loadNamed(slot, name, getCode) {
  const got = await ask(slot, { op: "get", name });
  const given = handedSlot(got);
  if (got.head.loaded) return given;
  try {
    return await send(slot, pack(await getCode()), given);
  } finally {
    op_door_release(given);
  }
}

async function loadUnnamed(slot, getCode) {
  return send(slot, pack(await getCode()));
}

const RIGHTS = { __proto__: null, read: READ, send: SEND };
const MAY = { __proto__: null, read: ["kv", "dynamic_kv"], send: ["queue", "dynamic_queue"] };

/** A binding with fewer rights. There is nothing to do with it but to hand it on. */
class RestrictedBinding {}
name(RestrictedBinding, "RestrictedBinding");

/** A worker that was loaded, or that is being loaded. */
export class WorkerStub {
  #loader;
  /** A promise of its slot. */
  #worker;

  constructor(make, loader, worker) {
    if (make !== MAKE) throw new TypeError("Illegal constructor");
    this.#loader = loader;
    this.#worker = worker;
    // Whoever calls it is told.
    then(worker, undefined, () => {});
  }

  /** An export, which sees these props and has these limits. */
  getEntrypoint(name, options) {
    const { limits, props } = options ?? NO_OPTIONS;
    const entrypoint = name === undefined || name === null ? "default" : String(name);
    if (entrypoint === "default" && props === undefined && limits === undefined) {
      return exportOf(this.#worker);
    }
    const head = { op: "entrypoint", limits: limitsOf(limits) };
    if (entrypoint !== "default") head.entrypoint = entrypoint;
    let content, attached = [];
    if (props !== undefined) {
      if (typeof props !== "object" || props === null) {
        throw new TypeError(
          "Incorrect type for the 'props' field on 'EntrypointOptions': the provided value is not " +
            "of type 'Object'.",
        );
      }
      const written = serialize(props, KEPT);
      head.props = true;
      content = contentOf(written.bytes);
      attached = written.attached;
    }
    const narrow = async (loader, worker) =>
      handedSlot(await ask(loader, head, content, [held(await worker), ...attached]));
    const slot = narrow(this.#loader, this.#worker);
    then(slot, undefined, () => {});
    return exportOf(slot);
  }

  getDurableObjectClass() {
    throw new Error("getDurableObjectClass() of a dynamic Worker is not supported yet");
  }
}
name(WorkerStub, "WorkerStub");

/** Loads workers. */
export class WorkerLoader {
  #slot;

  constructor(make, slot) {
    if (make !== MAKE) throw new TypeError("Illegal constructor");
    this.#slot = slot;
  }

  /** A binding with no more than the right to `read` or to `send`, to be put into `env` or props. */
  only(binding, rights) {
    const has = heldBy(binding);
    const right = RIGHTS[rights];
    if (right === undefined || !MAY[rights].includes(has?.kind)) {
      throw new TypeError(`There is no right to ${String(rights)} that this binding could be left.`);
    }
    if (has.unfit !== undefined) throw new TypeError(has.unfit);
    if (has.rights !== ALL && has.rights !== right) {
      throw new TypeError(`The binding has no right to ${rights}.`);
    }
    return hold(new RestrictedBinding(), has.kind, has.slot, right, has.part);
  }

  /** The worker of a name; `getCode` is called if it is not loaded. Without a name, a new one. */
  get(name, getCode) {
    if (typeof getCode !== "function") {
      throw new TypeError(
        "Failed to execute 'get' on 'WorkerLoader': parameter 2 is not of type 'Function'.",
      );
    }
    const event = requireEvent();
    const slot = this.#slot;
    if (name === null || name === undefined) {
      return new WorkerStub(MAKE, slot, loadUnnamed(slot, getCode));
    }
    name = String(name);
    let own = loading.get(event);
    if (own === undefined) loading.set(event, own = new Map());
    const key = `${slot}/${name}`;
    let worker = own.get(key);
    if (worker === undefined) {
      worker = loadNamed(slot, name, getCode);
      own.set(key, worker);
      const over = () => own.delete(key);
      then(worker, over, over);
    }
    return new WorkerStub(MAKE, slot, worker);
  }

  /** A new worker of this code. Throws what is wrong with it. */
  load(code) {
    requireEvent();
    return new WorkerStub(MAKE, this.#slot, send(this.#slot, pack(code)));
  }

  /**
   * Keeps code under a name, once it has started: `registered` finds it, and so does what runs it
   * when nobody is calling.
   */
  async register(name, code, { crons, queueConsumers } = NO_OPTIONS) {
    requireEvent();
    const { index, parts, attached } = pack(code);
    const { body, told } = join(index, parts);
    const head = { op: "register", name: String(name), index: told };
    if (crons !== undefined || queueConsumers !== undefined) {
      head.triggers = stringify({ crons, queue_consumers: queueConsumers });
    }
    await ask(this.#slot, head, contentOf(body), attached);
  }

  /** Forgets what is kept under a name; whether there was something. */
  async unregister(name) {
    return (await ask(this.#slot, { op: "unregister", name: String(name) })).head;
  }

  /** The worker that is kept under a name. */
  registered(name) {
    requireEvent();
    const slot = this.#slot;
    const worker = then(ask(slot, { op: "registered", name: String(name) }), handedSlot);
    return new WorkerStub(MAKE, slot, worker);
  }
}
name(WorkerLoader, "WorkerLoader");

function name(type, name) {
  Object.defineProperty(type.prototype, Symbol.toStringTag, { value: name, configurable: true });
}

/** What stands for a loader. */
export function loaderOf(slot) {
  return new WorkerLoader(MAKE, slot);
}
