// Header lists, as a worker sees them.
//
// A list that came from the host stays one flat string until something reads it; a list that
// nobody changed goes back as the string that it was.

import { core } from "ext:core/mod.js";

const { configureInterface } = core.loadExtScript("ext:deno_webidl/00_webidl.js");

const { Map, Object, Symbol, TypeError } = globalThis;
const { keys: objectKeys } = Object;
const uncurry = Function.prototype.bind.bind(Function.prototype.call);
const arrayJoin = uncurry(Array.prototype.join);
const arraySlice = uncurry(Array.prototype.slice);
const arraySort = uncurry(Array.prototype.sort);
const arrayValues = uncurry(Array.prototype.values);
const mapGet = uncurry(Map.prototype.get);
const mapSet = uncurry(Map.prototype.set);
const reTest = uncurry(RegExp.prototype.test);

const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const BAD_VALUE = /[\0\r\n]|[^\0-\xff]/;

const NOT_HEADERS = "is not of type 'Headers or Sequence or object'.";

/** Headers of a request that came from outside can not be changed. */
export const MUTABLE = false;
export const IMMUTABLE = true;

function nameOf(value) {
  const name = `${value}`;
  if (!reTest(NAME, name)) throw new TypeError("Invalid header name.");
  return name.toLowerCase();
}

const isPadding = (code) => code === 32 || code === 10 || code === 13 || code === 9;

function trimmed(text) {
  let from = 0;
  let to = text.length;
  while (from < to && isPadding(text.charCodeAt(from))) from++;
  while (from < to && isPadding(text.charCodeAt(to - 1))) to--;
  return from === 0 && to === text.length ? text : text.slice(from, to);
}

function valueOf(value) {
  const text = trimmed(`${value}`);
  if (reTest(BAD_VALUE, text)) throw new TypeError("Invalid header value.");
  return text;
}

function need(count, given, method) {
  if (given < count) {
    throw new TypeError(
      `Failed to execute '${method}' on 'Headers': parameter ${given + 1} is not of type 'string'.`,
    );
  }
}

let create;
let flat;
let addMissing;
let ofMember;

export class Headers {
  /** The flat form; holds while `#list` is null. */
  #flat = "";
  /** Names and values in turn. */
  #list = null;
  #guard = MUTABLE;

  static {
    create = (text, guard) => {
      const headers = new Headers();
      headers.#flat = text;
      headers.#guard = guard;
      return headers;
    };
    flat = (headers) => {
      const list = headers.#list;
      if (list === null) return headers.#flat;
      return list.length === 0 ? "" : arrayJoin(list, "\n") + "\n";
    };
    addMissing = (headers, name, value) => {
      if (headers.#find(name) === null) headers.#push(name, value);
    };
    ofMember = (init, dictionary) => {
      const headers = new Headers();
      headers.#fill(
        init,
        `Incorrect type for the 'headers' field on '${dictionary}': the provided value `,
      );
      return headers;
    };
  }

  constructor(init = undefined) {
    if (init !== undefined) {
      this.#fill(init, "Failed to construct 'Headers': constructor parameter 1 ");
    }
  }

  #fill(init, complaint) {
    if (typeof init !== "object" && typeof init !== "function" || init === null) {
      throw new TypeError(complaint + NOT_HEADERS);
    }
    if (#flat in init) {
      if (init.#list === null) this.#flat = init.#flat;
      else this.#list = arraySlice(init.#list);
      return;
    }
    if (init[Symbol.iterator] !== undefined) {
      for (const pair of init) this.#fillPair(pair);
      return;
    }
    const names = objectKeys(init);
    for (let i = 0; i < names.length; i++) {
      this.#push(nameOf(names[i]), valueOf(init[names[i]]));
    }
  }

  #fillPair(pair) {
    let count = 0;
    let name;
    let value;
    if (typeof pair === "object" && pair !== null) {
      for (const part of pair) {
        if (count === 0) name = part;
        else value = part;
        if (++count > 2) break;
      }
    }
    if (count !== 2) {
      throw new TypeError(
        "To initialize a Headers object from a sequence, each inner sequence must have exactly" +
          " two elements.",
      );
    }
    this.#push(nameOf(name), valueOf(value));
  }

  /** The list, parsed when it is first asked for. */
  #parsed() {
    let list = this.#list;
    if (list === null) {
      list = this.#flat === "" ? [] : this.#flat.split("\n");
      // What follows the last line feed is not a name.
      if (list.length !== 0) list.length -= 1;
      this.#list = list;
    }
    return list;
  }

  #push(name, value) {
    const list = this.#parsed();
    list[list.length] = name;
    list[list.length] = value;
  }

  #find(name) {
    const list = this.#parsed();
    let found = null;
    for (let i = 0; i < list.length; i += 2) {
      if (list[i] === name) found = found === null ? list[i + 1] : found + ", " + list[i + 1];
    }
    return found;
  }

  /** Removes the headers of a name from a place on. */
  #remove(name, from) {
    const list = this.#parsed();
    let kept = from;
    for (let i = from; i < list.length; i += 2) {
      if (list[i] === name) continue;
      list[kept] = list[i];
      list[kept + 1] = list[i + 1];
      kept += 2;
    }
    list.length = kept;
  }

  #check() {
    if (this.#guard === IMMUTABLE) throw new TypeError("Can't modify immutable headers.");
  }

  /** Sorted and combined, as iteration shows them: `[[name, value], ...]`. */
  #pairs() {
    const list = this.#parsed();
    const names = [];
    const values = new Map();
    for (let i = 0; i < list.length; i += 2) {
      const name = list[i];
      const before = mapGet(values, name);
      if (before === undefined) {
        names[names.length] = name;
        mapSet(values, name, name === "set-cookie" ? [list[i + 1]] : list[i + 1]);
      } else if (name === "set-cookie") before[before.length] = list[i + 1];
      else mapSet(values, name, before + ", " + list[i + 1]);
    }
    arraySort(names);
    const pairs = [];
    for (let i = 0; i < names.length; i++) {
      const value = mapGet(values, names[i]);
      if (typeof value === "string") pairs[pairs.length] = [names[i], value];
      else for (let k = 0; k < value.length; k++) pairs[pairs.length] = [names[i], value[k]];
    }
    return pairs;
  }

  get(name) {
    need(1, arguments.length, "get");
    return this.#find(nameOf(name));
  }

  getAll(name) {
    need(1, arguments.length, "getAll");
    if (nameOf(name) !== "set-cookie") {
      throw new TypeError('getAll() can only be used with the header name "Set-Cookie".');
    }
    return this.getSetCookie();
  }

  getSetCookie() {
    const list = this.#parsed();
    const cookies = [];
    for (let i = 0; i < list.length; i += 2) {
      if (list[i] === "set-cookie") cookies[cookies.length] = list[i + 1];
    }
    return cookies;
  }

  has(name) {
    need(1, arguments.length, "has");
    return this.#find(nameOf(name)) !== null;
  }

  set(name, value) {
    need(2, arguments.length, "set");
    this.#check();
    const key = nameOf(name);
    const text = valueOf(value);
    const list = this.#parsed();
    for (let i = 0; i < list.length; i += 2) {
      if (list[i] === key) {
        list[i + 1] = text;
        this.#remove(key, i + 2);
        return;
      }
    }
    this.#push(key, text);
  }

  append(name, value) {
    need(2, arguments.length, "append");
    this.#check();
    this.#push(nameOf(name), valueOf(value));
  }

  delete(name) {
    need(1, arguments.length, "delete");
    this.#check();
    this.#remove(nameOf(name), 0);
  }

  forEach(callback, thisArg = undefined) {
    if (typeof callback !== "function") {
      throw new TypeError(
        "Failed to execute 'forEach' on 'Headers': parameter 1 is not of type 'function'.",
      );
    }
    const pairs = this.#pairs();
    for (let i = 0; i < pairs.length; i++) {
      callback.call(thisArg, pairs[i][1], pairs[i][0], this);
    }
  }

  entries() {
    return arrayValues(this.#pairs());
  }

  keys() {
    const pairs = this.#pairs();
    for (let i = 0; i < pairs.length; i++) pairs[i] = pairs[i][0];
    return arrayValues(pairs);
  }

  values() {
    const pairs = this.#pairs();
    for (let i = 0; i < pairs.length; i++) pairs[i] = pairs[i][1];
    return arrayValues(pairs);
  }

  [Symbol.for("Deno.privateCustomInspect")](inspect, options) {
    const shown = {};
    const pairs = this.#pairs();
    for (let i = 0; i < pairs.length; i++) {
      const [name, value] = pairs[i];
      shown[name] = name in shown ? shown[name] + ", " + value : value;
    }
    return "Headers " + inspect(shown, options);
  }
}

Object.defineProperty(Headers.prototype, Symbol.iterator, {
  __proto__: null,
  value: Headers.prototype.entries,
  writable: true,
  enumerable: false,
  configurable: true,
});
configureInterface(Headers);

/** Headers over a flat string whose names are lower case: `headersFromFlat(text, IMMUTABLE)`. */
export const headersFromFlat = create;

/** The flat string of headers; "" if there are none. */
export const flatOf = flat;

/** Adds a header, known to be valid, unless one of its name is there. */
export const setMissing = addMissing;

/** A list of its own from the `headers` member of an init dictionary of that name. */
export const headersOf = ofMember;
