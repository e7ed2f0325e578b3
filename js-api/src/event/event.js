// Events: from the host's call to a handler of the tenant's, and back.

import { core } from "ext:core/mod.js";
import { currentEvent, enterEvent } from "ext:bindery/door.js";
import { dropTimers } from "ext:bindery/timers.js";
import { abortRequest, requestFromHost } from "ext:bindery/http/request.js";
import { Response, responseParts } from "ext:bindery/http/response.js";

const {
  getAsyncContext,
  setAsyncContext,
  setReportExceptionCallback,
  setUnhandledPromiseRejectionHandler,
} = core;
const {
  op_door_chunk,
  op_door_done,
  op_door_end,
  op_door_exception,
  op_door_head,
} = core.ops;
const { DOMException } = core.loadExtScript("ext:deno_web/01_dom_exception.js");

// A worker may take it off the global object.
const { Promise } = globalThis;

const OK = 0, EXCEPTION = 1, CANCELED = 2;
const STREAM = 3;
const then = Function.prototype.call.bind(Promise.prototype.then);

// Events that have not ended, and the pumps that wait for credit, by body.
const events = new Map();
const pumps = new Map();

/** One reason to run the tenant's code. */
class HostEvent {
  id;
  request;
  timers = new Set();
  #promises = 0;
  #answered = false;
  #body = 0;
  #ended = false;
  #canceled = false;

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
      if (kind === STREAM) this.#pump(id, body);
      else if (id !== 0) this.#bodyBegan(id, undefined);
      else this.#endIfIdle();
    } catch (error) {
      this.fail(error);
    }
  }

  /** The handler threw. */
  fail(error) {
    this.report(error);
    this.#end(EXCEPTION);
  }

  /** Puts an exception into the tenant's log. */
  report(error) {
    const { name, message, stack } = describe(error);
    op_door_exception(this.id, name, message, stack);
  }

  /** Nobody waits for the response any more. */
  cancel() {
    this.#canceled = true;
    const error = new DOMException("The client has disconnected.", "AbortError");
    if (this.request !== undefined) abortRequest(this.request, error);
    const body = this.#body;
    if (body !== 0) this.bodyEnded(body, error);
    this.#answered = true;
    this.#endIfIdle();
  }

  /** The body has gone out, or can not any more. */
  bodyEnded(body, error) {
    if (this.#body !== body) return;
    const pump = pumps.get(body);
    pumps.delete(body);
    this.#body = 0;
    pump?.stop?.(error);
    this.#endIfIdle();
  }

  #bodyBegan(body, pump) {
    this.#body = body;
    pumps.set(body, { event: this, resume: undefined, stop: undefined, ...pump });
  }

  // Moves chunks while there is credit, one read at a time.
  async #pump(body, stream) {
    this.#bodyBegan(body);
    const pump = pumps.get(body);
    const reader = stream.getReader();
    pump.stop = (error) => {
      pump.resume?.();
      then(reader.cancel(error), undefined, () => {});
    };
    let whole = false;
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        await this.#write(body, pump, value);
        if (this.#body !== body) return;
      }
      whole = true;
    } catch (error) {
      if (this.#body !== body) return;
      this.report(error);
      pump.stop(error);
    }
    pump.stop = undefined;
    op_door_end(body, whole);
    this.bodyEnded(body);
  }

  async #write(body, pump, value) {
    let bytes = asBytes(value);
    while (bytes.byteLength > 0) {
      const taken = op_door_chunk(body, bytes);
      if (taken === bytes.byteLength) return;
      bytes = bytes.subarray(taken);
      await new Promise((resolve) => pump.resume = resolve);
      if (this.#body !== body) return;
    }
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
    dropTimers(this);
    op_door_done(this.id, outcome);
  }
}

function asBytes(value) {
  if (value instanceof Uint8Array) return value;
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  throw new TypeError("This ReadableStream did not return bytes.");
}

// An error's parts as texts; its getters are the tenant's and may throw.
function describe(error) {
  const text = (read, otherwise) => {
    try {
      const value = read();
      return value === undefined ? otherwise : `${value}`;
    } catch {
      return otherwise;
    }
  };
  if (typeof error !== "object" || error === null) {
    return { name: "Error", message: `Uncaught ${text(() => String(error), "value")}`, stack: "" };
  }
  return {
    name: text(() => error.name, "Error"),
    message: text(() => error.message, ""),
    stack: text(() => error.stack, ""),
  };
}

/** What a handler gets as its last argument. */
class ExecutionContext {
  #event;
  #props;

  constructor(event, props) {
    if (!(event instanceof HostEvent)) throw new TypeError("Illegal constructor");
    this.#event = event;
    this.#props = props;
  }

  get props() {
    return this.#props;
  }

  waitUntil(promise) {
    this.#event.waitUntil(promise);
  }

  /** There is no origin to pass to: the exception is answered as any other. */
  passThroughOnException() {}
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

/** Runs a function, and what follows from it, with something else in the place of `env`. */
export function withEnv(other, run) {
  const context = getAsyncContext();
  setAsyncContext({ __proto__: null, event: context?.event, env: other });
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
      run: (handler, argument, ctx) => new value(ctx, env)[handler](argument),
    };
  }
  if (typeof value === "object" && value !== null) {
    const has = (handler) => typeof value[handler] === "function";
    return { has, run: (handler, argument, ctx) => value[handler](argument, env, ctx) };
  }
  throw new TypeError(
    `Incorrect type for map entry '${name}': the provided value is not of type 'function or ` +
      `ExportedHandler'.`,
  );
}

/** Takes what `env` holds, before the worker's modules are evaluated: called by the host. */
export function prepare(bindings) {
  env = bindings;
  // What warmed the isolate up is not the tenant's: neither its handlers nor its event.
  handlers.clear();
  setAsyncContext(undefined);
}

/** Takes the exports of the main module: called by the host, once they are there. */
export function start(namespace) {
  const list = [];
  for (const name of Object.keys(namespace)) {
    const found = entrypoint(name, namespace[name]);
    handlers.set(name, found);
    list.push(name, HANDLERS.filter(found.has).join(" "));
  }
  return list;
}

/** A request has come: called by the host. */
export function fetchEvent(id, entry, method, url, flat, cf, body, length) {
  const event = new HostEvent(id);
  events.set(id, event);
  enterEvent(event);
  let result;
  try {
    const target = handlers.get(entry ?? "default");
    if (target === undefined) throw missing(entry);
    if (!target.has("fetch")) throw new Error("Handler does not export a fetch() function.");
    event.request = requestFromHost(method, url, flat, cf, body, length);
    result = target.run("fetch", event.request, new ExecutionContext(event, undefined));
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

function missing(entry) {
  if (entry === undefined) {
    return new Error("The main module has no default export with a fetch() function.");
  }
  return new Error(`Worker has no such entrypoint: ${entry}`);
}

/** More of a response's body may be sent: called by the host. */
export function bodyCredit(body) {
  const pump = pumps.get(body);
  if (pump === undefined) return;
  enterEvent(pump.event);
  const { resume } = pump;
  pump.resume = undefined;
  resume?.();
}

/** A response's body has gone out, or nobody wants the rest: called by the host. */
export function bodyOver(body, wanted) {
  const pump = pumps.get(body);
  if (pump === undefined) return;
  enterEvent(pump.event);
  const error = wanted ? undefined : new DOMException("The client has disconnected.", "AbortError");
  pump.event.bodyEnded(body, error);
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
  dropTimers(event);
}

/** Puts an exception that nobody caught into the log, under the event that it belongs to. */
export function reportStray(error) {
  const { name, message, stack } = describe(error);
  op_door_exception(currentEvent()?.id ?? 0, name, message, stack);
}

/** Exceptions that nobody catches go to the log, and never end the isolate. */
export function catchStrays() {
  setUnhandledPromiseRejectionHandler((_promise, reason) => {
    reportStray(reason);
    return true;
  });
  setReportExceptionCallback(reportStray);
}

/** An error's parts, for the host. */
export function describeForHost(error) {
  const { name, message, stack } = describe(error);
  return [name, message, stack];
}

export { ExecutionContext };
