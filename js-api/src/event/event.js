// Events: from the host's call to a handler of the tenant's, and back.

import { core } from "ext:core/mod.js";
import { currentEvent, enterEvent } from "ext:bindery/door.js";
import { dropCalls } from "ext:bindery/call.js";
import { dropTimers } from "ext:bindery/timers.js";
import { awaitBody, dropBodies, pumpBody, stopBody } from "ext:bindery/http/pump.js";
import { abortRequest, requestFromHost } from "ext:bindery/http/request.js";
import { Response, responseParts } from "ext:bindery/http/response.js";
import { QueueController } from "ext:bindery/queue.js";
import { ScheduledController } from "ext:bindery/scheduled.js";
import { describe } from "ext:bindery/stray.js";
import { dropServed, serve, servedBy } from "ext:bindery/rpc/exports.js";
import { loopbacks } from "ext:bindery/rpc/loopback.js";
import { handlerArguments, invoke } from "ext:bindery/rpc/serve.js";
import { deserialize, handedFrom } from "ext:bindery/rpc/value.js";
import { traceItems } from "ext:bindery/trace.js";

const { getAsyncContext, setAsyncContext } = core;
const {
  op_door_done,
  op_door_exception,
  op_door_head,
  op_door_no_retry,
} = core.ops;
const { DOMException } = core.loadExtScript("ext:deno_web/01_dom_exception.js");

// A worker may take it off the global object.
const { Promise } = globalThis;

const OK = 0, EXCEPTION = 1, CANCELED = 2;
const STREAM = 3;
const NOT_ABORTED = Symbol();
const then = Function.prototype.call.bind(Promise.prototype.then);

// Events that have not ended.
const events = new Map();

/** One reason to run the tenant's code. */
class HostEvent {
  id;
  request;
  timers = new Set();
  /** What its calls have under way, once there was one. */
  calls = null;
  /** What others may do in it, once it has handed something over. */
  served = null;
  #promises = 0;
  #answered = false;
  #body = 0;
  #ended = false;
  #canceled = false;
  #aborted = NOT_ABORTED;

  constructor(id) {
    this.id = id;
  }

  get canceled() {
    return this.#canceled;
  }

  /** Keeps the event alive until the promise settles. */
  waitUntil(promise) {
    if (this.#ended) return;
    this.#promises++;
    const settled = () => {
      this.#promises--;
      this.#endIfIdle();
    };
    then(Promise.resolve(promise), settled, (error) => {
      this.report(error);
      settled();
    });
  }

  /** Sends a response of the tenant's. */
  answer(response) {
    if (this.#ended || this.#answered) return;
    if (!(response instanceof Response)) {
      return this.fail(
        new TypeError("Incorrect type for Promise: the Promise did not resolve to 'Response'."),
      );
    }
    try {
      const parts = responseParts(response);
      const { kind, status, headers, body, length } = parts;
      const id = op_door_head(this.id, status, headers, kind, body, length);
      this.#answered = true;
      if (id === 0) return this.#endIfIdle();
      this.#body = id;
      const over = (failed, error) => this.#bodyOver(failed, error);
      if (kind === STREAM) pumpBody(id, body, over);
      else awaitBody(id, over);
    } catch (error) {
      this.fail(error);
    }
  }

  /** The handler threw. */
  fail(error) {
    this.report(error);
    this.#end(EXCEPTION);
  }

  /** The handler of an event without a response has returned, or its promise has settled. */
  returned() {
    this.#answered = true;
    this.#endIfIdle();
  }

  /** Ends the event at once, with this exception. */
  abort(reason) {
    if (this.#ended) return;
    this.fail(reason);
    this.#aborted = reason;
  }

  /** Puts an exception into the tenant's log. */
  report(error) {
    // The reason of an abort was reported then, and is thrown on through what it ended.
    if (error === this.#aborted) return;
    const { name, message, stack } = describe(error);
    op_door_exception(this.id, name, message, stack);
  }

  /** Nobody waits for the response any more. */
  cancel() {
    this.#canceled = true;
    const error = new DOMException("The client has disconnected.", "AbortError");
    try {
      if (this.request !== undefined) abortRequest(this.request, error);
    } catch (thrown) {
      // A listener of the request's signal.
      this.report(thrown);
    }
    this.#answered = true;
    if (this.#body !== 0) stopBody(this.#body, error);
    this.served?.cancel();
    this.#endIfIdle();
  }

  /** Keeps the event alive until it is released as often. */
  hold() {
    this.#promises++;
  }

  release() {
    this.#promises--;
    this.#endIfIdle();
  }

  /** The body has gone out, or can not any more. */
  #bodyOver(failed, error) {
    if (this.#ended) return;
    if (failed) this.report(error);
    this.#body = 0;
    this.#endIfIdle();
  }

  #endIfIdle() {
    if (this.#answered && this.#body === 0 && this.#promises === 0) {
      this.#end(this.#canceled ? CANCELED : OK);
    }
  }

  #end(outcome) {
    if (this.#ended) return;
    this.#ended = true;
    events.delete(this.id);
    forget(this);
    op_door_done(this.id, outcome);
  }
}

const ABORTED = "Worker execution was aborted due to call to ctx.abort().";

/** What a handler gets as its last argument. */
class ExecutionContext {
  #event;
  /** What the host says they are, until somebody reads them. */
  #told;
  #props = undefined;

  constructor(event, told) {
    if (!(event instanceof HostEvent)) throw new TypeError("Illegal constructor");
    this.#event = event;
    this.#told = told;
  }

  get props() {
    return this.#props ??= propsFrom(this.#told);
  }

  waitUntil(promise) {
    this.#event.waitUntil(promise);
  }

  /** There is no origin to pass to: the exception is answered as any other. */
  passThroughOnException() {}

  /** Ends the event at once, with the reason as its exception, which is thrown here too. */
  abort(reason = new Error(ABORTED)) {
    this.#event.abort(reason);
    throw reason;
  }

  /** The worker's own exports, to be called. */
  get exports() {
    return currentExports();
  }
}
Object.defineProperty(ExecutionContext.prototype, Symbol.toStringTag, {
  value: "ExecutionContext",
  configurable: true,
});

/** The base of classes that are entrypoints: one instance serves one event. */
export class WorkerEntrypoint {
  constructor(ctx, env) {
    this.ctx = ctx;
    this.env = env;
  }
}

let env = Object.create(null);
const handlers = new Map();

/** What `env` holds in this isolate, or what `withEnv` put in its place for the running code. */
export function currentEnv() {
  return getAsyncContext()?.env ?? env;
}

let ownExports = null;

/** The worker's own exports, or what `withExports` put in their place for the running code. */
export function currentExports() {
  return getAsyncContext()?.exports ?? (ownExports ??= loopbacks([...handlers.keys()]));
}

/** Runs a function, and what follows from it, with something else in the place of `env`. */
export const withEnv = (env, run) => inPlace({ env }, run);

/** The same with something else in the place of the worker's own exports. */
export const withExports = (exports, run) => inPlace({ exports }, run);

/** Both. */
export const withEnvAndExports = (env, exports, run) => inPlace({ env, exports }, run);

function inPlace(other, run) {
  const context = getAsyncContext();
  setAsyncContext({ __proto__: null, ...context, ...other });
  try {
    return run();
  } finally {
    setAsyncContext(context);
  }
}

const HANDLERS = ["fetch", "scheduled", "queue", "email", "tail", "tailStream", "test", "connect"];

// How an export runs an event: which handlers it has, and how one is called.
function entrypoint(name, value) {
  if (typeof value === "function") {
    const prototype = value.prototype;
    const has = (handler) => typeof prototype?.[handler] === "function";
    return {
      has,
      run(handler, argument, ctx) {
        const instance = new value(ctx, env);
        // A constructor may return anything.
        if (typeof instance[handler] !== "function") throw missingHandler(handler);
        return instance[handler](argument, env, ctx);
      },
      open: (ctx) => ({ target: new value(ctx, env), isInstance: true }),
    };
  }
  if (typeof value === "object" && value !== null) {
    const has = (handler) => typeof value[handler] === "function";
    return {
      has,
      run: (handler, argument, ctx) => value[handler](argument, env, ctx),
      open: (ctx) => ({
        target: value,
        isInstance: false,
        extra: (args, path) => handlerArguments(args, path, env, ctx),
      }),
    };
  }
  throw new TypeError(
    `Incorrect type for map entry '${name}': the provided value is not of type 'function or ` +
      `ExportedHandler'.`,
  );
}

/** What the host says `ctx.props` are: nothing, the text of JSON, or a value with what goes along. */
function propsFrom(told) {
  if (told === undefined) return {};
  return typeof told === "string" ? JSON.parse(told) : deserialize(told[0], handedFrom(told[1]));
}

/**
 * Takes what `env` holds, before the worker's modules are evaluated: called by the host. `more` is
 * a value whose properties it holds too, with what goes along.
 */
export function prepare(bindings, more) {
  env = bindings;
  if (more !== undefined) Object.assign(env, deserialize(more[0], handedFrom(more[1])));
  // What warmed the isolate up is not the tenant's: neither its handlers nor its event.
  handlers.clear();
  setAsyncContext(undefined);
}

/** Takes the exports of the main module: called by the host, once they are there. */
export function start(namespace) {
  ownExports = null;
  const list = [];
  for (const name of Object.keys(namespace)) {
    const found = entrypoint(name, namespace[name]);
    handlers.set(name, found);
    list.push(name, HANDLERS.filter(found.has).join(" "));
  }
  return list;
}

/** A request has come: called by the host. */
export function fetchEvent(id, entry, props, method, url, flat, cf, body, length) {
  const event = new HostEvent(id);
  events.set(id, event);
  enterEvent(event);
  let result;
  try {
    const target = handlers.get(entry ?? "default");
    if (target === undefined) throw missing("fetch", entry);
    if (!target.has("fetch")) throw missingHandler("fetch");
    event.request = requestFromHost(method, url, flat, cf, body, length);
    result = target.run("fetch", event.request, new ExecutionContext(event, props));
  } catch (error) {
    return event.fail(error);
  }
  if (result instanceof Response) return event.answer(result);
  if (typeof result?.then !== "function") {
    return event.fail(new TypeError("Callback returned incorrect type; expected 'Promise'"));
  }
  try {
    then(
      result instanceof Promise ? result : Promise.resolve(result),
      (response) => event.answer(response),
      (error) => event.fail(error),
    );
  } catch (error) {
    // A promise whose constructor the worker has changed.
    event.fail(error);
  }
}

// What a handler of each kind is given first, from what the host says of the event.
const GIVEN = {
  __proto__: null,
  scheduled: (event, at, cron) => new ScheduledController(event, at, cron),
  queue: (event, queue, flat, metrics) => new QueueController(event, queue, flat, metrics),
  tail: (event, items) => traceItems(items),
};

/** Something without a response has come: called by the host. */
export function handlerEvent(id, entry, props, handler, ...told) {
  const event = new HostEvent(id);
  events.set(id, event);
  enterEvent(event);
  const failed = (error) => {
    event.report(error);
    event.returned();
  };
  try {
    const target = handlers.get(entry ?? "default");
    if (target?.has(handler) !== true) {
      // To try again would find it missing again.
      if (handler === "scheduled") op_door_no_retry(id);
      throw target === undefined ? missing(handler, entry) : missingHandler(handler);
    }
    const given = GIVEN[handler](event, ...told);
    const result = target.run(handler, given, new ExecutionContext(event, props));
    if (typeof result?.then !== "function") return event.returned();
    then(result instanceof Promise ? result : Promise.resolve(result), () => event.returned(), failed);
  } catch (error) {
    failed(error);
  }
}

/** Another worker calls a method: called by the host. */
export function rpcEvent(id, entry, props, ...invocation) {
  const event = new HostEvent(id);
  events.set(id, event);
  enterEvent(event);
  let opened;
  serve(event, true).entrypoint = () => {
    const name = entry ?? "default";
    const target = handlers.get(name);
    if (target === undefined) throw new Error(`Worker has no such entrypoint: ${name}`);
    return opened ??= target.open(new ExecutionContext(event, props));
  };
  invoke(event, ...invocation);
}

/** Somebody calls something that an event has handed over, or its entrypoint again: by the host. */
export function rpcInvoke(id, ...invocation) {
  const event = events.get(id);
  if (event === undefined) return;
  enterEvent(event);
  servedBy(event);
  invoke(event, ...invocation);
}

function missingHandler(handler) {
  return new Error(`Handler does not export a ${handler}() function.`);
}

function missing(handler, entry) {
  if (entry === undefined) {
    return new Error(`The main module has no default export with a ${handler}() function.`);
  }
  return new Error(`Worker has no such entrypoint: ${entry}`);
}

/** Nobody waits for the event any more: called by the host. */
export function cancelEvent(id) {
  const event = events.get(id);
  if (event === undefined) return;
  enterEvent(event);
  event.cancel();
}

/** The host has ended the event: nothing of it is answered any more. */
export function dropEvent(id) {
  const event = events.get(id);
  if (event === undefined) return;
  events.delete(id);
  forget(event);
}

// What belongs to an event goes with it; the host has ended it already, or is about to.
function forget(event) {
  dropTimers(event);
  dropBodies(event);
  dropCalls(event);
  dropServed(event);
}

/** An error's parts, for the host. */
export function describeForHost(error) {
  const { name, message, stack } = describe(error);
  return [name, message, stack];
}

export { ExecutionContext };
