// A tenant's view of its namespaces. Limits, and whose a key is, are the host's to say.

import { core } from "ext:core/mod.js";
import { ask, contentOf } from "ext:bindery/binding/ask.js";
import { ALL, hold } from "ext:bindery/binding/held.js";

const { configureInterface } = core.loadExtScript("ext:deno_webidl/00_webidl.js");
const { ReadableStream } = core.loadExtScript("ext:deno_web/06_streams.js");

// A worker may take them off the global object.
const { Array, ArrayBuffer, Error, JSON, Map, Number, String, Symbol, TypeError } = globalThis;
const { isArray } = Array;
const { isView } = ArrayBuffer;
const { isFinite, MAX_SAFE_INTEGER } = Number;
const { parse, stringify } = JSON;
const { max, min, trunc } = Math;
const uncurry = Function.prototype.bind.bind(Function.prototype.call);
const wellFormed = uncurry(String.prototype.toWellFormed);
const setEntry = uncurry(Map.prototype.set);
const slice = uncurry(Uint8Array.prototype.subarray);

/** Only the host makes namespaces. */
const MAKE = Symbol("make");

const TYPES =
  'Unknown response type. Possible types are "text", "arrayBuffer", "json", and "stream".';
const VALUES =
  "KV put() accepts only strings, ArrayBuffers, ArrayBufferViews, and ReadableStreams as values.";

// A name goes out as UTF-8: half a character becomes the one that stands for what can not be read.
const nameOf = (value) => wellFormed(`${value}`);

function integer(value) {
  if (value === undefined || value === null) return null;
  const number = trunc(Number(value));
  if (!isFinite(number)) {
    throw new TypeError("The value cannot be converted because it is not an integer.");
  }
  // Whatever is further away is as far.
  return max(-MAX_SAFE_INTEGER, min(MAX_SAFE_INTEGER, number));
}

// The type of a read, and for how long what was read may be taken for new.
function readOptions(options) {
  if (options === undefined || options === null) return { type: "text", cacheTtl: null };
  if (typeof options !== "object") return { type: `${options}`, cacheTtl: null };
  const { type, cacheTtl } = options;
  return { type: type === undefined ? "text" : `${type}`, cacheTtl: integer(cacheTtl) };
}

function read(body, type) {
  switch (type) {
    case "text":
      return body.text();
    case "json":
      return body.json();
    case "arrayBuffer":
      return body.arrayBuffer();
    case "stream":
      return body.body;
    default:
      throw new TypeError(TYPES);
  }
}

const metadataOf = ({ metadata }) => metadata === null ? null : parse(metadata);

function given(count, least, method) {
  if (count < least) {
    throw new TypeError(
      `Failed to execute '${method}' on 'KvNamespace': parameter ${count + 1} is not of type` +
        ` 'string'.`,
    );
  }
}

/** One namespace. */
export class KvNamespace {
  #slot;
  // What every call says: which namespace it is, where the binding has many.
  #of;

  constructor(make, slot, of) {
    if (make !== MAKE) throw new TypeError("Illegal constructor");
    this.#slot = slot;
    this.#of = of;
  }

  #ask(head, content) {
    return ask(this.#slot, { ...this.#of, ...head }, content);
  }

  async get(name, options = undefined) {
    given(arguments.length, 1, "get");
    const { type, cacheTtl } = readOptions(options);
    if (isArray(name)) return this.#getMany(name, type, cacheTtl, (value) => value);
    const { head, body } = await this.#ask({ op: "get", name: nameOf(name), cacheTtl });
    return head === null ? null : read(body, type);
  }

  async getWithMetadata(name, options = undefined) {
    given(arguments.length, 1, "getWithMetadata");
    const { type, cacheTtl } = readOptions(options);
    if (isArray(name)) {
      const pair = (value, metadata) => ({ value, metadata });
      return this.#getMany(name, type, cacheTtl, pair);
    }
    const { head, body } = await this.#ask({ op: "get", name: nameOf(name), cacheTtl });
    if (head === null) return { value: null, metadata: null, cacheStatus: null };
    const metadata = metadataOf(head);
    return { value: await read(body, type), metadata, cacheStatus: null };
  }

  // Values come behind each other in one body, with a length of each.
  async #getMany(list, type, cacheTtl, make) {
    if (type !== "text" && type !== "json") {
      throw new Error(
        `KV GET_BULK failed: 400 "${type}" is not a valid type. Use "json" or "text"`,
      );
    }
    const names = [];
    for (let at = 0; at < list.length; at++) names[at] = nameOf(list[at]);
    const { head, body } = await this.#ask({ op: "getMany", names, cacheTtl });
    const bytes = await body.bytes();
    const found = new Map();
    let from = 0;
    for (let at = 0; at < names.length; at++) {
      const said = head[at];
      if (said === null) {
        setEntry(found, names[at], make(null, null));
        continue;
      }
      const text = core.decode(slice(bytes, from, from + said.length));
      from += said.length;
      setEntry(found, names[at], make(type === "json" ? json(text) : text, metadataOf(said)));
    }
    return found;
  }

  async put(name, value, options = undefined) {
    given(arguments.length, 2, "put");
    const { expiration, expirationTtl, metadata } = options ?? {};
    const head = {
      op: "put",
      name: nameOf(name),
      expiration: integer(expiration),
      expirationTtl: integer(expirationTtl),
      metadata: metadata === undefined || metadata === null ? null : stringify(metadata),
    };
    await this.#ask(head, contentOf(valueOf(value)));
  }

  async delete(name) {
    given(arguments.length, 1, "delete");
    await this.#ask({ op: "delete", name: nameOf(name) });
  }

  async list(options = undefined) {
    const { prefix, limit, cursor } = options ?? {};
    const head = {
      op: "list",
      prefix: prefix === undefined || prefix === null ? "" : nameOf(prefix),
      limit: integer(limit),
      cursor: cursor === undefined || cursor === null || cursor === "" ? null : nameOf(cursor),
    };
    const { body } = await this.#ask(head);
    const page = await body.json();
    const keys = page.keys;
    for (let at = 0; at < keys.length; at++) keys[at] = listed(keys[at]);
    if (page.cursor === null) return { list_complete: true, keys, cacheStatus: null };
    return { list_complete: false, keys, cursor: page.cursor, cacheStatus: null };
  }
}
configureInterface(KvNamespace);

function json(text) {
  try {
    return parse(text);
  } catch {
    throw new Error(
      "KV GET_BULK failed: 400 At least one of the requested keys corresponds to a non-json value",
    );
  }
}

// What a value may be: what is no object is its text.
function valueOf(value) {
  if (typeof value !== "object" && typeof value !== "function" || value === null) {
    return `${value}`;
  }
  if (value instanceof ReadableStream || isView(value) || core.isAnyArrayBuffer(value)) {
    return value;
  }
  throw new TypeError(VALUES);
}

function listed({ name, expiration, metadata }) {
  const key = { name };
  if (expiration !== null) key.expiration = expiration;
  if (metadata !== null) key.metadata = parse(metadata);
  return key;
}

/** A binding of all namespaces of the tenant. */
export class KvNamespaces {
  #slot;

  constructor(make, slot) {
    if (make !== MAKE) throw new TypeError("Illegal constructor");
    this.#slot = slot;
  }

  /** The namespace of this name: made at its first write. */
  get(name) {
    if (arguments.length === 0) {
      throw new TypeError(
        "Failed to execute 'get' on 'KvNamespaces': parameter 1 is not of type 'string'.",
      );
    }
    const slot = this.#slot;
    const namespace = nameOf(name);
    const one = new KvNamespace(MAKE, slot, { __proto__: null, namespace });
    return hold(one, "kv", slot, ALL, namespace);
  }
}
configureInterface(KvNamespaces);

/** What stands for a binding of one namespace. */
export const namespace = (slot) => new KvNamespace(MAKE, slot, null);

/** What stands for a binding of all of them. */
export const namespaces = (slot) => new KvNamespaces(MAKE, slot);
