// What stands for things elsewhere: stubs, promises of results, and properties of either.
//
// Each is a proxy whose every name leads on, without asking anybody: the path is sent with the call.
// What it stands on is a base: a slot, a call under way, or something of this very isolate. A call of
// what another call results in is sent at once, and made over there when that result is.

import { core } from "ext:core/mod.js";
import { currentEvent, requireEvent } from "ext:bindery/door.js";
import { HOST } from "ext:bindery/http/body.js";
import { HostBody } from "ext:bindery/http/host_body.js";
import { Response } from "ext:bindery/http/response.js";
import { disposeTarget, servedBy, Shared } from "ext:bindery/rpc/exports.js";
import { send } from "ext:bindery/rpc/method.js";
import {
  isOpaque,
  isTarget,
  leadsOn,
  member,
  missing,
  noFunction,
  OTHER_EVENT,
  remote,
  thrown,
} from "ext:bindery/rpc/resolve.js";
import { BODY, CALLED, deserialize, EXPORT, serialize, SLOT } from "ext:bindery/rpc/value.js";

const { getAsyncContext, setAsyncContext } = core;
const { op_door_check_path, op_door_release, op_door_watch } = core.ops;

const {
  Error,
  Function,
  Map,
  Object: { defineProperty },
  Promise,
  Proxy,
  Reflect,
  Symbol,
  TypeError,
} = globalThis;
const uncurry = Function.prototype.bind.bind(Function.prototype.call);
const then = uncurry(Promise.prototype.then);
const slice = uncurry(globalThis.Array.prototype.slice);

/** Names of one call, as the host has it. */
const PATH_COUNT_MAX = 65;
const ILLEGAL = "Illegal constructor";
const DISPOSED = "RPC stub used after being disposed.";
const nothing = () => {};

/** Puts what a proxy stands for on it, as a private field that a worker can not see. */
class State extends (function (proxy) {
  return proxy;
}) {
  #base;
  #path;

  constructor(proxy, base, path) {
    super(proxy);
    this.#base = base;
    this.#path = path;
  }

  static is(value) {
    return #base in value;
  }

  static base(proxy) {
    return proxy.#base;
  }

  static path(proxy) {
    return proxy.#path;
  }
}

/** Whether a value is one of these proxies. */
export const isRemote = (value) =>
  ((typeof value === "object" && value !== null) || typeof value === "function") && State.is(value);
/** Whether it is a stub, which can be handed on. */
export const isStub = (value) => isRemote(value) && State.base(value).isStub === true &&
  State.path(value).length === 0;

const failed = (error) => ({ promise: Promise.reject(error), call: null });

/** What is in a slot; `own` is that itself, if it is something that the event has handed over. */
class SlotBase {
  isStub = true;
  slot;
  #event;
  #own;
  #shared;
  #disposed = false;

  constructor(slot, event, own = undefined, shared = { refs: 0, route: undefined }) {
    this.slot = slot;
    this.#event = event;
    this.#own = own;
    this.#shared = shared;
    shared.refs++;
  }

  /** Throws unless the running code may use it. */
  check() {
    if (this.#disposed) throw new Error(DISPOSED);
    const event = requireEvent();
    if (this.#event !== null && this.#event !== event) throw new Error(OTHER_EVENT);
    return event;
  }

  invoke(path, args) {
    try {
      const event = this.check();
      const route = this.#route(path.length);
      if (route !== undefined) return send(event, [0, route.call], [...route.path, ...path], args);
      if (this.#own !== undefined) return callHere(this.#own, path, args);
      return send(event, [this.slot, null], path, args);
    } catch (error) {
      return failed(error);
    }
  }

  /** The way that a call with so many names takes while earlier ones are under way on it. */
  #route(length) {
    const { route } = this.#shared;
    if (route === undefined || route.path.length + length > PATH_COUNT_MAX) return undefined;
    if (!route.call.isOpen) this.#shared.route = undefined;
    return this.#shared.route;
  }

  /** It came at the end of a path in the result of a call. */
  cameWith(call, path) {
    this.#shared.route = { call, path };
  }

  dup() {
    this.check();
    return new SlotBase(this.slot, this.#event, this.#own, this.#shared);
  }

  dispose() {
    // What `env` and `props` hold stays.
    if (this.#disposed || this.#event === null) return;
    this.#disposed = true;
    if (--this.#shared.refs > 0) return;
    watchers.delete(this.slot);
    op_door_release(this.slot);
  }

  /** How it goes with a value. */
  attachTo(writer, stub) {
    this.check();
    return writer.attach(SLOT, this.slot, 0, stub);
  }

  onBroken(callback) {
    const event = this.check();
    const known = watchers.get(this.slot);
    const watcher = { callback, context: getAsyncContext() };
    if (known !== undefined) return void (known[known.length] = watcher);
    watchers.set(this.slot, [watcher]);
    op_door_watch(event.id, this.slot);
  }
}

/** Who wants to know when what is in a slot breaks. */
const watchers = new Map();

/** What is in a slot can not be called any more: called by the host. */
export function slotBroken(slot, message) {
  const known = watchers.get(slot);
  if (known === undefined) return;
  watchers.delete(slot);
  for (const { callback, context } of known) {
    setAsyncContext(context);
    try {
      callback(new Error(message));
    } catch (error) {
      currentEvent()?.report(error);
    }
  }
}

/** A slot that is still to come. */
class SoonBase {
  #slot;
  constructor(slot) {
    this.#slot = slot;
  }

  invoke(path, args) {
    const event = requireEvent();
    const sent = then(this.#slot, (slot) => send(event, [slot, null], path, args).promise);
    return { promise: sent, call: null };
  }
}

/** Something of this isolate: called as if it were elsewhere. */
class LocalBase {
  isStub = true;
  target;
  #shared;
  #disposed = false;

  constructor(target, shared = { refs: 0 }) {
    this.target = target;
    this.#shared = shared;
    shared.refs++;
  }

  check() {
    if (this.#disposed) throw new Error(DISPOSED);
  }

  invoke(path, args) {
    try {
      this.check();
      return callHere(this.target, path, args);
    } catch (error) {
      return failed(error);
    }
  }

  dup() {
    this.check();
    return new LocalBase(this.target, this.#shared);
  }

  dispose() {
    if (this.#disposed) return;
    this.#disposed = true;
    if (--this.#shared.refs === 0) disposeTarget(this.target, currentEvent());
  }

  attachTo(writer, stub) {
    this.check();
    // What holds it over there is one more that holds it.
    return writer.attach(EXPORT, new Shared(this.dup()), 0, stub);
  }

  onBroken() {
    this.check();
  }
}

/** A body that stays in this isolate: the host's, or a stream as it is. */
const bodyHere = (body, kind) =>
  kind === HOST
    ? new HostBody(body, -1)
    : { __proto__: null, here: body, all: () => new Response(body).bytes() };

/** Calls something of this isolate as if it were elsewhere. */
function callHere(target, path, args) {
  const given = args === undefined ? undefined : copyOf(args);
  // What is called begins after the code that calls, as it would elsewhere.
  const made = then(Promise.resolve(), () => apply(target, path, given?.value));
  const result = then(made, (value) => {
    const copy = copyOf(value);
    return withDispose(copy.value, copy.handed);
  });
  const over = () => given?.handed.forEach(disposeOf);
  then(result, over, over);
  return { promise: then(result, undefined, (error) => {
    throw thrownCopy(error);
  }), call: null };
}

/**
 * A value as it is after it was sent and received, with what went along. Streams, and what has one,
 * are handed over themselves.
 */
function copyOf(value) {
  const { bytes, attached } = serialize(value, CALLED);
  const handed = [];
  for (let at = 0; at < attached.length; at++) {
    const { how, number, detail, object } = attached[at];
    if (number instanceof Shared) handed[at] = stubOn(number.base);
    else if (how === EXPORT) handed[at] = stubOn(new LocalBase(number));
    else if (how === BODY) handed[at] = bodyHere(number, detail);
    else handed[at] = isStub(object) ? stubOn(State.base(object).dup()) : object;
  }
  return { value: deserialize(bytes, handed), handed };
}

function thrownCopy(error) {
  try {
    return remote(copyOf(thrown(error)).value);
  } catch (other) {
    return remote(other);
  }
}

/** A result that can be disposed of. */
export function withDispose(value, handed) {
  if (typeof value !== "object" || value === null || isRemote(value)) return value;
  try {
    defineProperty(value, Symbol.dispose, {
      __proto__: null,
      value: () => handed.forEach(disposeOf),
      writable: true,
      enumerable: false,
      configurable: true,
    });
  } catch {
    // Not every object takes one.
  }
  return value;
}

/** Lets go of something that was handed over, if it is a stub. */
export function disposeOf(value) {
  if (isStub(value)) State.base(value).dispose();
}

/** What a call under way will result in. */
class PromiseBase {
  promise;
  #call;
  #event = currentEvent();
  #settled = null;

  constructor({ promise, call }) {
    this.promise = promise;
    this.#call = call;
    then(promise, (value) => this.#settled = { value }, nothing);
  }

  invoke(path, args) {
    // What is made of it says why it failed.
    then(this.promise, undefined, nothing);
    const settled = this.#settled;
    try {
      if (settled !== null) return madeOf(settled.value, path, args);
      const call = this.#call;
      if (call !== null && call.id !== 0 && currentEvent() === this.#event) {
        return send(this.#event, [0, call], path, args);
      }
    } catch (error) {
      return failed(error);
    }
    return { promise: then(this.promise, (value) => apply(value, path, args)), call: null };
  }

  dispose() {
    then(this.promise, (value) => {
      const dispose = leadsOn(value) ? value[Symbol.dispose] : undefined;
      if (typeof dispose === "function") dispose.call(value);
    }, nothing);
  }

  onBroken(callback) {
    then(
      this.promise,
      (value) => isStub(value) && State.base(value).onBroken(callback),
      (error) => callback(error),
    );
  }
}

/** What is made of a result that is here. */
function madeOf(value, path, args) {
  if (isRemote(value)) return State.base(value).invoke([...State.path(value), ...path], args);
  try {
    return { promise: Promise.resolve(apply(value, path, args)), call: null };
  } catch (error) {
    return failed(remote(error));
  }
}

/** Makes a call of a value that is here, or reads from it: without `args`, it is only read. */
export function apply(value, path, args, isInstance = false, extra = undefined) {
  let at = value;
  let parent = undefined;
  for (let depth = 0; depth < path.length; depth++) {
    if (isRemote(at)) return State.base(at).invoke([...State.path(at), ...slice(path, depth)], args).promise;
    if (core.isPromise(at)) {
      const rest = slice(path, depth);
      return then(at, (value) => apply(value, rest, args));
    }
    if (depth > 0 && !leadsOn(at)) throw remote(missing(path[depth - 1]));
    parent = at;
    at = member(at, path[depth], isInstance && depth === 0);
  }
  if (args === undefined) return at;
  if (isRemote(at)) return State.base(at).invoke(State.path(at), args).promise;
  if (typeof at !== "function") {
    throw path.length === 0 ? noFunction("") : noFunction(path[path.length - 1]);
  }
  return Reflect.apply(at, parent, extra === undefined ? args : extra(args, path));
}

// What every proxy of these does.

const arrow = () => {
  const target = () => {};
  delete target.name;
  delete target.length;
  return target;
};

const traps = {
  __proto__: null,
  get(target, name, proxy) {
    if (typeof name === "symbol" || name in target) return Reflect.get(target, name, proxy);
    if (name === "then") return undefined;
    return propertyOf(proxy, name);
  },
  has: (target, name) => typeof name === "string" || name in target,
  apply(_, __, args) {
    const proxy = this.proxy;
    return promiseOf(State.base(proxy).invoke(State.path(proxy), args));
  },
  ownKeys: () => [],
  getOwnPropertyDescriptor: () => undefined,
};

/** A proxy of a class over a target that has its prototype; `call` is what calling it does. */
function proxyOf(type, base, path, target, call = undefined) {
  Reflect.setPrototypeOf(target, type.prototype);
  const handler = { __proto__: traps };
  if (call !== undefined) handler.apply = (_, __, args) => call(...args);
  const proxy = new Proxy(target, handler);
  handler.proxy = proxy;
  new State(proxy, base, path);
  return proxy;
}

function propertyOf(proxy, name) {
  const path = State.path(proxy);
  op_door_check_path(path.length + 1, 0);
  return proxyOf(RpcProperty, State.base(proxy), [...path, name], arrow());
}

const promiseOf = (made) => proxyOf(RpcPromise, new PromiseBase(made), [], arrow());

/** A stub over a base. */
const stubOn = (base) => proxyOf(RpcStub, base, [], arrow());

/** What stands for what an event handed over, in a slot of the running one's. */
export const stubOf = (slot) => stubOn(new SlotBase(slot, currentEvent() ?? null));

/** The same for something that the running event has handed over itself, by its number. */
export function ownStub([slot, number]) {
  const event = currentEvent();
  const own = servedBy(event).exports.get(number);
  return stubOn(new SlotBase(slot, event, own instanceof Shared ? own.target : own));
}

/** What names lead on from, for an export of a worker: `slot` may be a promise. */
export function serviceProxy(type, slot, target, call = undefined) {
  const base = typeof slot === "number" ? new SlotBase(slot, null) : new SoonBase(slot);
  base.isStub = false;
  return proxyOf(type, base, [], target, call);
}

export class RpcStub {
  constructor(value) {
    if ((typeof value !== "object" || value === null) && typeof value !== "function") {
      throw new TypeError(
        "Failed to construct 'JsRpcStub': constructor parameter 1 is not of type 'Object'.",
      );
    }
    return stubOn(isStub(value) ? State.base(value).dup() : new LocalBase(value));
  }

  /** Another stub for the same: what it stands for lasts until both are disposed of. */
  dup() {
    return stubOn(State.base(this).dup());
  }

  /** Calls back when what it stands for can not be called any more. */
  onRpcBroken(callback) {
    State.base(this).onBroken(callback);
  }

  [Symbol.dispose]() {
    State.base(this).dispose();
  }
}

export class RpcPromise {
  constructor() {
    throw new TypeError(ILLEGAL);
  }

  then(fulfilled, rejected) {
    return then(State.base(this).promise, fulfilled, rejected);
  }

  catch(rejected) {
    return this.then(undefined, rejected);
  }

  finally(settled) {
    return State.base(this).promise.finally(settled);
  }

  onRpcBroken(callback) {
    State.base(this).onBroken(callback);
  }

  [Symbol.dispose]() {
    State.base(this).dispose();
  }
}

export class RpcProperty {
  constructor() {
    throw new TypeError(ILLEGAL);
  }

  then(fulfilled, rejected) {
    return then(State.base(this).invoke(State.path(this), undefined).promise, fulfilled, rejected);
  }

  catch(rejected) {
    return this.then(undefined, rejected);
  }

  finally(settled) {
    return State.base(this).invoke(State.path(this), undefined).promise.finally(settled);
  }
}

for (const [type, name] of [
  [RpcStub, "JsRpcStub"],
  [RpcPromise, "JsRpcPromise"],
  [RpcProperty, "JsRpcProperty"],
]) {
  defineProperty(type.prototype, Symbol.toStringTag, { value: name, configurable: true });
}

/** Whether a value is handed over to be called: a function, a target, a proxy. */
export const isCallable = (value) =>
  !isRemote(value) && (typeof value === "function" || isTarget(value) || isOpaque(value));

/** How a stub goes with a value. */
export const attachStub = (stub, writer) => State.base(stub).attachTo(writer, stub);
/** Notes that a stub came at the end of a path in the result of a call. */
export const stubCame = (stub, call, path) => State.base(stub).cameWith(call, path);
