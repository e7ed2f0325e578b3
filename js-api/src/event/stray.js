// Exceptions that nobody caught: to those who listen for them, and to the log.

import { core } from "ext:core/mod.js";
import { currentEvent } from "ext:bindery/door.js";
import { dispatch, hasListeners } from "ext:bindery/scope.js";

const {
  setHandledPromiseRejectionHandler,
  setReportExceptionCallback,
  setUnhandledPromiseRejectionHandler,
} = core;
const { op_door_exception } = core.ops;
const { ErrorEvent, Event } = core.loadExtScript("ext:deno_web/02_event.js");

const { apply } = Reflect;
const { exec } = RegExp.prototype;
const POSITION = /^ +at (?:.*\()?(.+?):(\d+):(\d+)\)?$/m;

const making = Symbol();

/** A promise was rejected and nobody handled that, or somebody does now. */
export class PromiseRejectionEvent extends Event {
  #promise;
  #reason;

  constructor(token, type, promise, reason) {
    if (token !== making) throw new TypeError("Illegal constructor");
    super(type, { cancelable: true });
    this.#promise = promise;
    this.#reason = reason;
  }

  get promise() {
    return this.#promise;
  }

  get reason() {
    return this.#reason;
  }
}

/** An error's parts as texts; its getters are the tenant's and may throw. */
export function describe(error) {
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

/** Puts an exception that nobody caught into the log, under the event that it belongs to. */
export function reportStray(error) {
  const event = currentEvent();
  if (event !== undefined) return event.report(error);
  const { name, message, stack } = describe(error);
  op_door_exception(0, name, message, stack);
}

let reporting = false;

/** Tells those who listen for errors of an exception, and puts it into the log. */
export function reportException(error) {
  if (!reporting && hasListeners("error")) {
    // What a listener throws goes to the log alone.
    reporting = true;
    try {
      dispatch(errorEvent(error));
    } catch (thrown) {
      reportStray(thrown);
    } finally {
      reporting = false;
    }
  }
  reportStray(error);
}

function errorEvent(error) {
  const { name, message, stack } = describe(error);
  const title = message === "" ? name : `${name}: ${message}`;
  const isObject = typeof error === "object" && error !== null;
  const found = apply(exec, POSITION, [stack]) ?? apply(exec, POSITION, [`${new Error().stack}`]);
  return new ErrorEvent("error", {
    error,
    message: isObject ? `Uncaught ${title}` : message,
    filename: found?.[1] ?? "",
    lineno: Number(found?.[2] ?? 0),
    // Counted from 0, unlike in stacks.
    colno: Number(found?.[3] ?? 1) - 1,
  });
}

/** `reportError` of the global object. */
export function reportError(error) {
  if (arguments.length === 0) {
    throw new TypeError(
      "Failed to execute 'reportError' on 'ServiceWorkerGlobalScope': parameter 1 is not of type " +
        "'Value'.",
    );
  }
  reportException(error);
}

function rejected(promise, reason) {
  let logs = true;
  if (hasListeners("unhandledrejection")) {
    try {
      logs = dispatch(new PromiseRejectionEvent(making, "unhandledrejection", promise, reason));
    } catch (error) {
      reportStray(error);
    }
  }
  if (logs) reportStray(reason);
  return true;
}

function handledLate(promise) {
  if (!hasListeners("rejectionhandled")) return;
  try {
    dispatch(new PromiseRejectionEvent(making, "rejectionhandled", promise, undefined));
  } catch (error) {
    reportStray(error);
  }
}

/** Exceptions that nobody catches come here, and never end the isolate. */
export function catchStrays() {
  setUnhandledPromiseRejectionHandler(rejected);
  setReportExceptionCallback(reportException);
}

/** While the snapshot is made: the engine keeps this one. */
export function catchLateHandlers() {
  setHandledPromiseRejectionHandler(handledLate);
}
