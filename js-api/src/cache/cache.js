// Caches: what is asked of them, and what comes back. What they keep, the host knows.

import { core } from "ext:core/mod.js";
import { ask, CACHES_SLOT } from "ext:bindery/binding/ask.js";
import { console } from "ext:bindery/console.js";
import { asRequest, requestLookUp } from "ext:bindery/http/request.js";
import {
  isResponse,
  responseHeaders,
  responseOfBody,
  responseParts,
} from "ext:bindery/http/response.js";

const { configureInterface } = core.loadExtScript("ext:deno_webidl/00_webidl.js");

const { Error, Object, Symbol, TypeError } = globalThis;

/** Only the host makes caches. */
const MAKE = Symbol("make");

/** Bytes of the name of a cache. */
const NAME_BYTES_MAX = 1023;

const NOT_MODIFIED_TEXT =
  "Ignoring attempt to Cache.put() a 304 status response. 304 responses are not meaningful to" +
  " cache, and a potential source of bugs. Consider validating that the response status is" +
  " meaningful to cache before calling Cache.put().";

function complain(method, type, place, wanted) {
  throw new TypeError(
    `Failed to execute '${method}' on '${type}': parameter ${place} is not of type '${wanted}'.`,
  );
}

/** What the response to a request, or to a GET request of a URL, is found by. */
function lookUp(input, method) {
  if (input === undefined) complain(method, "Cache", 1, "Request or string");
  return requestLookUp(asRequest(input));
}

/** Whether a request of any method is meant. */
function ignoresMethod(options, method) {
  if (options === undefined || options === null) return false;
  if (typeof options !== "object" && typeof options !== "function") {
    complain(method, "Cache", 2, "CacheQueryOptions");
  }
  return Boolean(options.ignoreMethod);
}

/** The headers of a request that decide whether and for whom a response is kept. */
function deciding(request, varies) {
  const list = request.split("\n");
  let kept = "";
  for (let at = 0; at + 1 < list.length; at += 2) {
    const name = list[at];
    if (name === "authorization" || varies.includes(name)) kept += `${name}\n${list[at + 1]}\n`;
  }
  return kept;
}

/** The names of all `Vary` headers. */
function varied(headers) {
  const list = headers.split("\n");
  const names = [];
  for (let at = 0; at + 1 < list.length; at += 2) {
    if (list[at] !== "vary") continue;
    for (const name of list[at + 1].split(",")) names.push(name.trim().toLowerCase());
  }
  return names;
}

function unimplemented(type, method) {
  throw new Error(`Failed to execute '${method}' on '${type}': the method is not implemented.`);
}

/** Responses of one name. */
export class Cache {
  /** The name, or null for the one that has none. */
  #name;

  constructor(make, name) {
    if (make !== MAKE) throw new TypeError("Illegal constructor");
    this.#name = name;
  }

  /** The response to a request; undefined if none is kept. */
  async match(input = undefined, options = undefined) {
    const { method, key, headers: request } = lookUp(input, "match");
    if (!ignoresMethod(options, "match") && method !== "GET") return undefined;
    const of = { cache: this.#name, key };
    const { head, body } = await ask(CACHES_SLOT, { match: { of, request } });
    if (head === null) return undefined;
    const { status, status_text: statusText, headers } = head;
    return responseOfBody({ status, statusText, headers }, body);
  }

  /** Keeps a response for a request, if its headers let it. */
  async put(input = undefined, response = undefined) {
    if (!isResponse(response) && input !== undefined) complain("put", "Cache", 2, "Response");
    const { method, key, headers } = lookUp(input, "put");
    if (method !== "GET") throw new TypeError("Cannot cache response to non-GET request.");
    if (response.type === "error") {
      throw new TypeError("Cache is unable to store an error response");
    }
    if (response.status === 206) {
      throw new TypeError("Cannot cache response to a range request (206 Partial Content).");
    }
    const varies = varied(responseHeaders(response));
    if (varies.includes("*")) throw new TypeError("Cannot cache response with 'Vary: *' header.");
    if (response.status === 304) {
      console.warn(NOT_MODIFIED_TEXT);
      return;
    }
    const of = { cache: this.#name, key };
    const { status, headers: own, ...content } = responseParts(response);
    const request = deciding(headers, varies);
    await ask(CACHES_SLOT, { put: { of, request, status, headers: own } }, content);
  }

  /** Drops the response to a request; whether there was one. */
  async delete(input = undefined, options = undefined) {
    const { method, key } = lookUp(input, "delete");
    if (!ignoresMethod(options, "delete") && method !== "GET") return false;
    const { head } = await ask(CACHES_SLOT, { delete: { cache: this.#name, key } });
    return head;
  }

  add() {
    unimplemented("Cache", "add");
  }

  addAll() {
    unimplemented("Cache", "addAll");
  }

  keys() {
    unimplemented("Cache", "keys");
  }

  matchAll() {
    unimplemented("Cache", "matchAll");
  }
}
configureInterface(Cache);

/** The caches of the tenant. */
export class CacheStorage {
  constructor(make) {
    if (make !== MAKE) throw new TypeError("Illegal constructor");
    const value = new Cache(MAKE, null);
    Object.defineProperty(this, "default", { __proto__: null, value, enumerable: true });
  }

  /** The cache of a name: it is there as soon as something is kept in it. */
  async open(name = undefined) {
    if (arguments.length === 0) complain("open", "CacheStorage", 1, "string");
    const text = `${name}`.toWellFormed();
    if (core.encode(text).length > NAME_BYTES_MAX) throw new TypeError("Cache name is too long.");
    return new Cache(MAKE, text);
  }

  delete() {
    unimplemented("CacheStorage", "delete");
  }

  has() {
    unimplemented("CacheStorage", "has");
  }

  keys() {
    unimplemented("CacheStorage", "keys");
  }

  match() {
    unimplemented("CacheStorage", "match");
  }
}
configureInterface(CacheStorage);

export const caches = new CacheStorage(MAKE);
