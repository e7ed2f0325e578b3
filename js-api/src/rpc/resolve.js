// What names lead to: in what a worker serves, and in what it was given.

import { core } from "ext:core/mod.js";

const {
  Array: { isArray },
  Error,
  Object: { getPrototypeOf, hasOwn, prototype: plainPrototype },
  String,
  TypeError,
} = globalThis;

let brand;

/** The base of classes whose instances are handed over to be called. */
export class RpcTarget {
  #target = true;

  static {
    brand = (value) => #target in value;
  }
}

/** Whether a value is an instance of such a class. */
export const isTarget = (value) => typeof value === "object" && value !== null && brand(value);

const RESERVED = { __proto__: null, constructor: true, dup: true };

/** Marks an error as one that came from elsewhere. */
export function remote(error) {
  if ((typeof error === "object" && error !== null) || typeof error === "function") {
    try {
      error.remote = true;
    } catch {
      // It is frozen.
    }
  }
  return error;
}

export const missing = (name) =>
  new TypeError(`The RPC receiver does not implement the method "${name}".`);

export const noFunction = (name) => new TypeError(`"${name}" is not a function.`);

/** What a class of targets or entrypoints has under a name: neither what an instance owns, nor what
 * every object has. */
function memberOf(value, name) {
  if (name in RESERVED) {
    throw new TypeError(`'${name}' is a reserved method and cannot be called over RPC.`);
  }
  if (hasOwn(value, name)) throw missing(name);
  for (let at = getPrototypeOf(value); at !== null && at !== plainPrototype; at = getPrototypeOf(at)) {
    if (hasOwn(at, name)) return value[name];
  }
  throw missing(name);
}

const isPlain = (value) => {
  const prototype = getPrototypeOf(value);
  return prototype === plainPrototype || prototype === null;
};

/** Whether names lead on from an object that is of no class. */
export const hasNames = (value) => core.isProxy(value) || isArray(value) || isPlain(value);

/**
 * What a name leads to in a value. `how` says what the value is: `CLASS` is an instance of which only
 * the class counts.
 */
export function member(value, name, isInstance) {
  if (typeof value !== "object" || value === null) throw missing(name);
  if (isInstance || brand(value)) return memberOf(value, name);
  if (!hasNames(value)) throw missing(name);
  if (!hasOwn(value, name)) throw missing(name);
  return value[name];
}

/** Whether a value is a proxy of plain data, of which nothing is known: it is called where it is. */
export const isOpaque = (value) => core.isProxy(value) && (isArray(value) || isPlain(value));

/** What is thrown over there for what was thrown here. */
export function thrown(error) {
  const isObject = (typeof error === "object" && error !== null) || typeof error === "function";
  return isObject ? error : new Error(String(error));
}

/** The message of a use in another event than the one that was handed it. */
export const OTHER_EVENT =
  "Cannot perform I/O on behalf of a different request. I/O objects (such as streams, " +
  "request/response bodies, and others) created in the context of one request handler cannot be " +
  "accessed from a different request's handler. This is a limitation of Cloudflare Workers which " +
  "allows us to improve overall performance.";

/** Whether more names may follow. */
export const leadsOn = (value) =>
  (typeof value === "object" && value !== null) || typeof value === "function";
