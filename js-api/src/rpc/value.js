// Values as they travel: bytes that the engine writes, and a table of what bytes can not carry.
//
// The engine's own serializer does the work. What it does not know, or would not write as it should
// be, is replaced in a copy of what holds it by a stand-in: an index into a list that goes before the
// bytes. An entry of that list says what is made of it, and may name something that the host hands
// over.

import { core } from "ext:core/mod.js";
import { bind, heldBy } from "ext:bindery/binding/held.js";
import { HOST } from "ext:bindery/http/body.js";
import { HostBody } from "ext:bindery/http/host_body.js";
import { pumpBody } from "ext:bindery/http/pump.js";
import { servedBy } from "ext:bindery/rpc/exports.js";
import { attachStub, isCallable, isRemote, isStub } from "ext:bindery/rpc/stub.js";

const { deserialize: readBytes, serialize: writeBytes, hostObjectBrand } = core;
const { op_door_attach, op_door_attach_body, op_door_attach_part, op_door_check_value } = core.ops;
const { DOMException } = core.loadExtScript("ext:deno_web/01_dom_exception.js");

// A worker may change them.
const {
  Array: { isArray },
  Error,
  JSON: { parse, stringify },
  Map,
  Object: {
    create,
    defineProperty,
    getPrototypeOf,
    hasOwn,
    keys: keysOf,
    prototype: plainPrototype,
  },
  Promise,
  Set,
  String,
  Uint8Array,
} = globalThis;
const uncurry = Function.prototype.bind.bind(Function.prototype.call);
const then = uncurry(Promise.prototype.then);
const mapForEach = uncurry(Map.prototype.forEach);
const mapGet = uncurry(Map.prototype.get);
const mapSet = uncurry(Map.prototype.set);
const setAdd = uncurry(Set.prototype.add);
const setForEach = uncurry(Set.prototype.forEach);
const setHas = uncurry(Set.prototype.has);
const setBytes = uncurry(Uint8Array.prototype.set);
const subarray = uncurry(Uint8Array.prototype.subarray);

/** The value outlives the event: nothing may go with it that ends with one. */
export const KEPT = 1;
/** The value is an argument or a result of a call. */
export const CALLED = 2;

/** Ways in which something goes with a value; the numbers are the op's. */
export const SLOT = 0, EXPORT = 1, PART = 2, BODY = 3;

/** Bytes of the name of one thing of a binding of many. */
const NAME_BYTES_MAX = 256;

/** The first byte of a value with a table; the engine's own begin with another. */
const TABLE = 1;
const ENGINE = 0xff;
/** Bytes before the text of the table: the mark and a length. */
const PREFIX = 5;
/** Elements of an array that are looked at one by one. */
const DENSE = 4096;

const ERRORS = { __proto__: null };
for (const type of [EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError]) {
  ERRORS[type.name] = type;
}

/** What is thrown for what can not be sent. */
export const cannot = (message) => new DOMException(message, "DataCloneError");

function unsupported(value) {
  let name = "Object";
  try {
    const { constructor } = value;
    if (typeof constructor === "function" && constructor.name !== "") name = String(constructor.name);
  } catch {
    // The constructor is the tenant's.
  }
  return cannot(
    `Could not serialize object of type "${name}". This type does not support serialization.`,
  );
}

/** Kinds of things that the engine's serializer is not asked about, by what recognises one. */
const specials = [];

/** Adds a kind: `is(value)`, `write(value, writer)` gives its entry, `read(entry, reader)`. */
export function special(name, kind) {
  specials[specials.length] = { name, ...kind };
  readers[name] = kind.read;
  wholes[name] = kind.whole;
}

const readers = { __proto__: null };
/** What an entry needs as a whole before it can be read. */
const wholes = { __proto__: null };
/** What is made of an entry once the value is there. */
const fillers = { __proto__: null };

const isPlain = (prototype) => prototype === plainPrototype || prototype === null;

/** Objects that the engine writes as they are, though they have a class of their own. */
function isKnown(value) {
  return core.isDate(value) || core.isAnyArrayBuffer(value) || core.isArrayBufferView(value) ||
    core.isRegExp(value) || core.isBoxedPrimitive(value);
}

/** Things that the engine refuses in its own words. */
function isRefused(value) {
  return core.isPromise(value) || core.isWeakMap(value) || core.isWeakSet(value) ||
    core.isGeneratorObject(value) || core.isModuleNamespaceObject(value);
}

/** Whether something in a value has to be replaced before the engine may write it. */
function needsCopy(value, seen) {
  if (typeof value === "function") return true;
  if (typeof value !== "object" || value === null || setHas(seen, value)) return false;
  setAdd(seen, value);
  if (isArray(value)) return arrayNeedsCopy(value, seen);
  if (isPlain(getPrototypeOf(value))) return valuesNeedCopy(value, keysOf(value), seen);
  let needs = false;
  const look = (item, key) => {
    needs ||= needsCopy(item, seen) || needsCopy(key, seen);
  };
  if (core.isMap(value)) mapForEach(value, look);
  else if (core.isSet(value)) setForEach(value, look);
  else return !isKnown(value) && !isRefused(value);
  return needs;
}

function arrayNeedsCopy(value, seen) {
  if (value.length > DENSE) return valuesNeedCopy(value, keysOf(value), seen);
  for (let at = 0; at < value.length; at++) {
    if (needsCopy(value[at], seen)) return true;
  }
  return false;
}

function valuesNeedCopy(value, keys, seen) {
  for (let at = 0; at < keys.length; at++) {
    if (needsCopy(value[keys[at]], seen)) return true;
  }
  return false;
}

function setOwn(object, key, value) {
  const known = { __proto__: null, value, writable: true, enumerable: true, configurable: true };
  defineProperty(object, key, known);
}

/** Writes one value. */
class Writer {
  /** `KEPT` or `CALLED`. */
  use;
  /** Entries of the table. */
  entries = [];
  /** Stand-ins, in the order of their entries. */
  stands = [];
  /** What the engine writes beside the value for an entry: undefined for most. */
  contents = [];
  /** What goes with the value: how, a number, and what may be done with it. */
  attached = [];
  #copies = new Map();
  #filled = false;

  constructor(use) {
    this.use = use;
  }

  /** Has something go with the value; its place among what does. */
  attach(how, number, detail, object) {
    const { attached } = this;
    attached[attached.length] = { __proto__: null, how, number, detail, object };
    return attached.length - 1;
  }

  copy(value) {
    if (typeof value === "function") return this.#stand(value);
    if (typeof value !== "object" || value === null) return value;
    const known = mapGet(this.#copies, value);
    if (known !== undefined) return known;
    if (core.isProxy(value)) return this.#stand(value);
    if (isArray(value)) return this.#object(value, new Array(value.length));
    if (isPlain(getPrototypeOf(value))) return this.#object(value, {});
    if (core.isMap(value)) return this.#map(value);
    if (core.isSet(value)) return this.#set(value);
    return isKnown(value) || isRefused(value) ? value : this.#stand(value);
  }

  #object(value, copy) {
    mapSet(this.#copies, value, copy);
    const keys = keysOf(value);
    for (let at = 0; at < keys.length; at++) setOwn(copy, keys[at], this.copy(value[keys[at]]));
    return copy;
  }

  #map(value) {
    const copy = new Map();
    mapSet(this.#copies, value, copy);
    mapForEach(value, (item, key) => mapSet(copy, this.copy(key), this.copy(item)));
    return copy;
  }

  #set(value) {
    const copy = new Set();
    mapSet(this.#copies, value, copy);
    setForEach(value, (item) => setAdd(copy, this.copy(item)));
    return copy;
  }

  /** What stands for something in the bytes. */
  #stand(value) {
    const stand = { [hostObjectBrand]: true };
    mapSet(this.#copies, value, stand);
    const { stands, entries } = this;
    const at = stands.length;
    stands[at] = stand;
    entries[at] = null;
    for (let i = 0; i < specials.length; i++) {
      const { name, is, write } = specials[i];
      if (!is(value)) continue;
      entries[at] = [name, ...write(value, this, at)];
      return stand;
    }
    throw unsupported(value);
  }

  /** Has the engine write something of an entry's together with the value. */
  fill(at, content) {
    this.#filled = true;
    this.contents[at] = this.copy(content);
  }

  root(value) {
    const root = this.copy(value);
    return this.#filled ? [root, this.contents] : root;
  }

  get filled() {
    return this.#filled;
  }
}

const fail = (message) => {
  throw cannot(message);
};

/**
 * A value as `{ bytes, attached }`. `use` says what may be in it. What is thrown is what the worker
 * should see; then nothing goes anywhere.
 */
export function serialize(value, use) {
  if (!needsCopy(value, new Set())) {
    try {
      return { bytes: sized(writeBytes(value, undefined, fail), use), attached: [] };
    } catch (error) {
      // A proxy looks like what it stands before, but for the engine.
      if (!(error instanceof DOMException)) throw error;
      const writer = new Writer(use);
      const root = writer.root(value);
      if (writer.stands.length === 0) throw error;
      return finish(writer, root);
    }
  }
  const writer = new Writer(use);
  return finish(writer, writer.root(value));
}

function finish(writer, root) {
  const { attached, entries, filled, stands } = writer;
  const body = writeBytes(root, { __proto__: null, hostObjects: stands }, fail);
  if (entries.length === 0) return { bytes: sized(body, writer.use), attached };
  const table = core.encode(stringify([filled ? 1 : 0, entries]));
  const bytes = new Uint8Array(PREFIX + table.length + body.length);
  bytes[0] = TABLE;
  for (let at = 0; at < 4; at++) bytes[1 + at] = (table.length >>> (8 * at)) & 0xff;
  setBytes(bytes, table, PREFIX);
  setBytes(bytes, body, PREFIX + table.length);
  return { bytes: sized(bytes, writer.use), attached };
}

function sized(bytes, use) {
  if (use === CALLED) op_door_check_value(bytes.length);
  return bytes;
}

const malformed = () => new Error("internal error: a value can not be read");

/** What goes with a value, as the next call of the event takes it. */
export function attach(attached, event) {
  for (let at = 0; at < attached.length; at++) {
    const { how, number, detail, object } = attached[at];
    if (how === BODY) attachBody(event, number, detail, object);
    else if (how === PART) op_door_attach_part(number, detail, heldBy(object).part);
    else op_door_attach(how, how === EXPORT ? servedBy(event).export(number) : number, detail);
  }
}

/** A stream that is written from here on, or a body of the host's by its number. */
function attachBody(event, body, kind, length) {
  const number = op_door_attach_body(event.id, kind, kind === HOST ? body : 0, length);
  if (kind === HOST) return;
  event.hold();
  pumpBody(number, body, (failed, error) => {
    if (failed) event.report(error);
    event.release();
  });
}

/** What was handed over, from the host's list of kinds and numbers. */
export function handedFrom(list) {
  const handed = [];
  if (list === undefined) return handed;
  for (let at = 0; at < list.length; at += 2) {
    const [what, number] = [list[at], list[at + 1]];
    handed[handed.length] = typeof what === "number"
      ? new HostBody(what, number)
      : bind(what, number);
  }
  return handed;
}

/** Reads one value. */
class Reader {
  handed;
  constructor(handed) {
    this.handed = handed;
  }

  /** What an entry of the table names. */
  at(place) {
    const found = hasOwn(this.handed, place) ? this.handed[place] : undefined;
    if (found === undefined) throw malformed();
    return found;
  }

  /** The same, to be kept when the rest of what was handed over is let go. */
  keep(place) {
    const found = this.at(place);
    this.handed[place] = null;
    return found;
  }
}

/**
 * Waits for what a value needs as a whole; undefined if it needs nothing. What was handed over is
 * then replaced by what came.
 */
export function waitFor(bytes, handed) {
  if (bytes === null || bytes[0] !== TABLE) return undefined;
  const waits = [];
  for (const entry of tableOf(bytes)[0][1]) {
    const place = wholes[entry[0]]?.(entry);
    if (place === undefined || typeof handed[place]?.all !== "function") continue;
    waits[waits.length] = then(handed[place].all(), (all) => handed[place] = all);
  }
  return waits.length === 0 ? undefined : Promise.all(waits);
}

/** The table of a value, and where the engine's bytes begin. */
function tableOf(bytes) {
  const length = bytes[1] | bytes[2] << 8 | bytes[3] << 16 | bytes[4] << 24;
  if (bytes.length < PREFIX || length < 0) throw malformed();
  const table = parse(core.decode(subarray(bytes, PREFIX, PREFIX + length)));
  if (!isArray(table) || !isArray(table[1])) throw malformed();
  return [table, PREFIX + length];
}

/** The value of bytes, with what came with them, as `handedFrom` gives it. */
export function deserialize(bytes, handed) {
  if (bytes[0] === ENGINE) return readBytes(bytes);
  if (bytes[0] !== TABLE) throw malformed();
  const [[filled, entries], start] = tableOf(bytes);
  const reader = new Reader(handed);
  const made = [];
  for (let at = 0; at < entries.length; at++) {
    const read = readers[entries[at][0]];
    if (read === undefined) throw malformed();
    made[at] = read(entries[at], reader);
  }
  // The buffer may be of others too: the engine takes all of it.
  const root = readBytes(new Uint8Array(subarray(bytes, start)), {
    __proto__: null,
    hostObjects: made,
  });
  if (filled !== 1) return root;
  if (!isArray(root) || !isArray(root[1])) throw malformed();
  const [value, contents] = root;
  for (let at = 0; at < made.length; at++) {
    const fill = fillers[entries[at][0]];
    if (fill !== undefined) fill(made[at], contents[at]);
  }
  return value;
}

function checkName(name) {
  const { length } = core.encode(name);
  if (length > 0 && length <= NAME_BYTES_MAX) return;
  throw cannot(
    `What has a name of ${length} bytes can not be handed on: it has 1 to ${NAME_BYTES_MAX}.`,
  );
}

// Bindings, and exports of workers.
special("held", {
  is: (value) => heldBy(value) !== undefined,
  write(value, writer) {
    const { slot, rights, part, unfit } = heldBy(value);
    if (unfit !== undefined) throw cannot(unfit);
    if (part !== undefined) checkName(part);
    return [writer.attach(part === undefined ? SLOT : PART, slot, rights, value)];
  },
  read: ([, place], reader) => reader.at(place),
});

const ONLY_CALLED = "Remote RPC references can only be serialized for RPC.";

// Stubs of what is elsewhere, and what becomes one there.
special("stub", {
  is: (value) => isStub(value) || isCallable(value),
  write(value, writer) {
    if (writer.use !== KEPT) {
      return [isStub(value) ? attachStub(value, writer) : writer.attach(EXPORT, value, 0, value)];
    }
    if (typeof value === "function" && !isRemote(value)) throw cannot(`${value} could not be cloned.`);
    throw cannot(ONLY_CALLED);
  },
  read: ([, place], reader) => reader.at(place),
});

special("dom", {
  is: (value) => value instanceof DOMException,
  write: ({ message, name }, writer, at) => (writer.fill(at, {}), [message, name]),
  read: ([, message, name]) => new DOMException(message, name),
});

// Errors keep their class, their message and what they own. Their stack stays where it is.
special("error", {
  is: (value) => typeof value === "object" && core.isNativeError(value),
  write(error, writer, at) {
    const own = create(null);
    for (const key of keysOf(error)) {
      if (key !== "stack" && key !== "message") setOwn(own, key, error[key]);
    }
    if (hasOwn(error, "cause")) own.cause = error.cause;
    writer.fill(at, own);
    const { message, name } = error;
    return [classOf(error), message === undefined ? "" : String(message), String(name)];
  },
  read([, type, message, name]) {
    const error = new (ERRORS[type] ?? Error)(message);
    if (name !== type) setHidden(error, "name", name);
    return error;
  },
});

fillers.error = (error, own) => {
  const keys = keysOf(own);
  for (let at = 0; at < keys.length; at++) {
    if (keys[at] === "cause") setHidden(error, "cause", own.cause);
    else setOwn(error, keys[at], own[keys[at]]);
  }
};

function setHidden(object, key, value) {
  defineProperty(object, key, {
    __proto__: null,
    value,
    writable: true,
    enumerable: false,
    configurable: true,
  });
}

/** The native class that an error is of. */
function classOf(error) {
  for (let at = getPrototypeOf(error); at !== null; at = getPrototypeOf(at)) {
    for (const name in ERRORS) {
      if (ERRORS[name].prototype === at) return name;
    }
  }
  return "Error";
}
