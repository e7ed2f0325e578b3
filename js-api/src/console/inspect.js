// What a value looks like in the log: plain data stays data, anything else becomes a text.
//
// None of the worker's code runs for it, but for what an error does to write its stack: getters,
// proxies and overwritten methods are left alone. What one call costs is bounded in depth, in
// entries and in characters.

import { core } from "ext:core/mod.js";

const {
  isAnyArrayBuffer,
  isBoxedPrimitive,
  isDataView,
  isDate,
  isMap,
  isNativeError,
  isPromise,
  isProxy,
  isRegExp,
  isSet,
  isTypedArray,
  isWeakMap,
  isWeakSet,
} = core;
const { isArray } = Array;
const { isFinite } = Number;
const { defineProperty, getOwnPropertyDescriptor, getPrototypeOf, hasOwn, is, setPrototypeOf } = Object;
const { ownKeys } = Reflect;
const { String, Symbol } = globalThis;
const { min } = Math;
const uncurry = Function.prototype.bind.bind(Function.prototype.call);
const slice = uncurry(String.prototype.slice);
const functionText = uncurry(Function.prototype.toString);
const symbolText = uncurry(Symbol.prototype.toString);
const dateText = uncurry(Date.prototype.toISOString);
const dateTime = uncurry(Date.prototype.getTime);
const mapGet = uncurry(Map.prototype.get);
const mapEntries = uncurry(Map.prototype.entries);
const mapNext = uncurry(getPrototypeOf(new Map().entries()).next);
const setValues = uncurry(Set.prototype.values);
const setNext = uncurry(getPrototypeOf(new Set().values()).next);
const getter = (prototype, name) => uncurry(getOwnPropertyDescriptor(prototype, name).get);
const mapSize = getter(Map.prototype, "size");
const setSize = getter(Set.prototype, "size");
const typedArrayPrototype = getPrototypeOf(Uint8Array.prototype);
const typedArrayName = getter(typedArrayPrototype, Symbol.toStringTag);
const typedArrayBytes = getter(typedArrayPrototype, "byteLength");
const dataViewBytes = getter(DataView.prototype, "byteLength");
const bufferBytes = getter(ArrayBuffer.prototype, "byteLength");
const patternSource = getter(RegExp.prototype, "source");
const PATTERN_FLAGS = [
  ["d", "hasIndices"], ["g", "global"], ["i", "ignoreCase"], ["m", "multiline"], ["s", "dotAll"],
  ["u", "unicode"], ["v", "unicodeSets"], ["y", "sticky"],
].map(([letter, name]) => [letter, getter(RegExp.prototype, name)]);
const stackGetter = getOwnPropertyDescriptor(new Error(), "stack")?.get;
const errorPrototype = Error.prototype;
const objectPrototype = Object.prototype;

const DEPTH_MAX = 6, ENTRY_COUNT_MAX = 100, ITEM_COUNT_MAX = 1_000, PROTOTYPE_COUNT_MAX = 8;
const TEXT_MAX = 16_384, CHARACTER_COUNT_MAX = 65_536, NAME_MAX = 100, CAUSE_COUNT_MAX = 4;

// How objects of our own classes are shown, by prototype.
const readers = new Map();

/** Has the objects of a class shown as what `read` makes of one: a text, or pairs. */
export function showAs(type, read) {
  readers.set(type.prototype, read);
}

/** Has the objects of a class shown by these of its getters. */
export function showGetters(type, names) {
  const getters = names.map((name) => {
    let { prototype } = type;
    while (!hasOwn(prototype, name)) prototype = getPrototypeOf(prototype);
    return [name, getter(prototype, name)];
  });
  showAs(type, (value) => {
    const pairs = plainList();
    for (let at = 0; at < getters.length; at++) {
      pairs[at] = [getters[at][0], getters[at][1](value)];
    }
    return pairs;
  });
}

/** What the values of one call may take together. */
export function newBudget(depth = DEPTH_MAX) {
  return { __proto__: null, items: ITEM_COUNT_MAX, characters: CHARACTER_COUNT_MAX, depth, above: [] };
}

/** A list without the methods that the worker may have changed: JSON would call its `toJSON`. */
export function plainList() {
  return setPrototypeOf([], null);
}

/** A text within what may be shown of one. */
export function clip(text, budget) {
  const max = min(TEXT_MAX, budget.characters);
  budget.characters -= min(text.length, max);
  return text.length > max ? `${slice(text, 0, max)}... (${text.length} characters)` : text;
}

/** The value as plain data. */
export function inspect(value, budget, depth = 0) {
  budget.items--;
  switch (typeof value) {
    case "string":
      return clip(value, budget);
    case "number":
      return isFinite(value) && !is(value, -0) ? value : is(value, -0) ? "-0" : `${value}`;
    case "boolean":
      return value;
    case "undefined":
      return "undefined";
    case "bigint":
      return clip(`${value}n`, budget);
    case "symbol":
      return clip(symbolText(value), budget);
  }
  if (value === null) return null;
  if (isProxy(value)) return "[Proxy]";
  if (typeof value === "function") return shownFunction(value);
  for (let at = 0; at < budget.above.length; at++) {
    if (budget.above[at] === value) return "[Circular]";
  }
  if (isError(value)) return shownError(value, budget, CAUSE_COUNT_MAX);
  if (budget.items <= 0) return "...";
  const text = shownText(value);
  if (text !== undefined) return clip(text, budget);
  if (depth >= budget.depth) return isArray(value) ? "[Array]" : "[Object]";
  const at = budget.above.length;
  budget.above[at] = value;
  const result = shownObject(value, budget, depth + 1);
  budget.above.length = at;
  return result;
}

function shownFunction(value) {
  const name = ownValue(value, "name");
  const kind = slice(functionText(value), 0, 5) === "class" ? "class" : "Function";
  const shown = typeof name === "string" && name !== "" ? slice(name, 0, NAME_MAX) : "(anonymous)";
  return kind === "class" ? `[class ${shown}]` : `[Function: ${shown}]`;
}

// What is shown in one text, whatever its properties.
function shownText(value) {
  if (isDate(value)) return is(dateTime(value), NaN) ? "Invalid Date" : dateText(value);
  if (isRegExp(value)) return patternText(value);
  if (isPromise(value)) return "[Promise]";
  if (isTypedArray(value)) return `[${typedArrayName(value)}: ${typedArrayBytes(value)} bytes]`;
  if (isAnyArrayBuffer(value)) return `[ArrayBuffer: ${bytesOf(bufferBytes, value)}]`;
  if (isDataView(value)) return `[DataView: ${bytesOf(dataViewBytes, value)}]`;
  if (isWeakMap(value)) return "[WeakMap]";
  if (isWeakSet(value)) return "[WeakSet]";
  return undefined;
}

function bytesOf(bytes, value) {
  try {
    return `${bytes(value)} bytes`;
  } catch {
    return "detached";
  }
}

function patternText(value) {
  let flags = "";
  for (let at = 0; at < PATTERN_FLAGS.length; at++) {
    if (PATTERN_FLAGS[at][1](value)) flags += PATTERN_FLAGS[at][0];
  }
  return `/${patternSource(value)}/${flags}`;
}

function shownObject(value, budget, depth) {
  if (isArray(value)) return shownArray(value, budget, depth);
  if (isMap(value)) return shownMap(value, budget, depth);
  if (isSet(value)) return shownSet(value, budget, depth);
  const read = readerOf(value);
  if (read !== undefined) {
    try {
      const found = read(value);
      if (typeof found === "string") return clip(found, budget);
      return shownPairs(className(value), found, budget, depth);
    } catch {
      // An object that has the prototype only.
    }
  }
  if (isBoxedPrimitive(value)) return `[${className(value) || "Object"}]`;
  return shownProperties(value, budget, depth);
}

function shownArray(value, budget, depth) {
  const result = plainList();
  const { length } = value;
  for (let at = 0; at < length; at++) {
    if (at === ENTRY_COUNT_MAX || budget.items <= 0) {
      result[at] = `... ${length - at} more`;
      break;
    }
    result[at] = shownProperty(value, at, budget, depth);
  }
  return result;
}

function shownSet(value, budget, depth) {
  const result = plainList();
  const values = setValues(value);
  for (let at = 0;; at++) {
    const { done, value: entry } = setNext(values);
    if (done) return result;
    if (at === ENTRY_COUNT_MAX || budget.items <= 0) {
      result[at] = `... ${setSize(value) - at} more`;
      return result;
    }
    result[at] = inspect(entry, budget, depth);
  }
}

function shownMap(value, budget, depth) {
  const result = classed("Map");
  const entries = mapEntries(value);
  for (let at = 0;; at++) {
    const { done, value: entry } = mapNext(entries);
    if (done) return result;
    if (at === ENTRY_COUNT_MAX || budget.items <= 0) {
      add(result, "...", `${mapSize(value) - at} more`);
      return result;
    }
    add(result, keyText(entry[0], budget), inspect(entry[1], budget, depth));
  }
}

function shownPairs(name, pairs, budget, depth) {
  const result = classed(name);
  for (let at = 0; at < pairs.length && at < ENTRY_COUNT_MAX; at++) {
    const pair = pairs[at];
    add(result, keyText(pair[0], budget), inspect(pair[1], budget, depth));
  }
  return result;
}

function shownProperties(value, budget, depth) {
  const result = classed(className(value));
  const keys = ownKeys(value);
  let count = 0;
  for (let at = 0; at < keys.length; at++) {
    const key = keys[at];
    if (typeof key !== "string") continue;
    const descriptor = getOwnPropertyDescriptor(value, key);
    if (descriptor === undefined || !descriptor.enumerable) continue;
    if (++count > ENTRY_COUNT_MAX || budget.items <= 0) {
      add(result, "...", "more");
      break;
    }
    add(result, keyText(key, budget), shownDescribed(descriptor, budget, depth));
  }
  return result;
}

function shownProperty(value, key, budget, depth) {
  const descriptor = getOwnPropertyDescriptor(value, key);
  if (descriptor === undefined) return "[empty]";
  return shownDescribed(descriptor, budget, depth);
}

function shownDescribed(descriptor, budget, depth) {
  if (hasOwn(descriptor, "value")) return inspect(descriptor.value, budget, depth);
  if (descriptor.get === undefined) return "[Setter]";
  return descriptor.set === undefined ? "[Getter]" : "[Getter/Setter]";
}

function classed(name) {
  const result = { __proto__: null };
  if (name) result["[class]"] = name;
  return result;
}

function add(result, key, value) {
  defineProperty(result, key, { __proto__: null, value, enumerable: true, configurable: true });
}

function keyText(key, budget) {
  if (typeof key === "symbol") return clip(symbolText(key), budget);
  if ((typeof key !== "object" && typeof key !== "function") || key === null) {
    return clip(`${key}`, budget);
  }
  return isProxy(key) ? "[Proxy]" : `[${className(key) || "Object"}]`;
}

// Whether the value is an error, or inherits from one.
function isError(value) {
  if (isNativeError(value)) return true;
  return prototypes(value, (prototype) => prototype === errorPrototype || undefined) === true;
}

function readerOf(value) {
  return prototypes(value, (prototype) => mapGet(readers, prototype));
}

// What `find` says first of the prototypes, as far as they are no proxies.
function prototypes(value, find) {
  let prototype = getPrototypeOf(value);
  for (let count = 0; count < PROTOTYPE_COUNT_MAX && prototype !== null; count++) {
    const found = find(prototype);
    if (found !== undefined) return found;
    if (isProxy(prototype)) return undefined;
    prototype = getPrototypeOf(prototype);
  }
  return undefined;
}

// A property that is a value, of the object itself.
function ownValue(value, key) {
  const descriptor = getOwnPropertyDescriptor(value, key);
  return descriptor !== undefined && hasOwn(descriptor, "value") ? descriptor.value : undefined;
}

// A property that is a value, of the object or of what it inherits from.
function inherited(value, key) {
  return ownValue(value, key) ??
    prototypes(value, (prototype) => isProxy(prototype) ? undefined : ownValue(prototype, key));
}

function className(value) {
  const prototype = getPrototypeOf(value);
  if (prototype === null || prototype === objectPrototype || isProxy(prototype)) return "";
  const type = ownValue(prototype, "constructor") ??
    prototypes(prototype, (above) => {
      return above === objectPrototype || isProxy(above) ? null : ownValue(above, "constructor");
    });
  if (typeof type !== "function" || isProxy(type)) return "";
  const name = ownValue(type, "name");
  return typeof name === "string" ? slice(name, 0, NAME_MAX) : "";
}

function shownError(error, budget, causes) {
  let text = clip(stackOf(error), budget);
  const cause = ownValue(error, "cause");
  if (cause === undefined || causes <= 0) return text;
  const isOne = typeof cause === "object" && cause !== null && !isProxy(cause) && isError(cause);
  text += `\n  [cause]: ${isOne ? shownError(cause, budget, causes - 1) : causeText(cause, budget)}`;
  return text;
}

function causeText(cause, budget) {
  const shown = inspect(cause, budget, budget.depth);
  return typeof shown === "object" && shown !== null ? "[Object]" : `${shown}`;
}

function stackOf(error) {
  const descriptor = getOwnPropertyDescriptor(error, "stack");
  if (descriptor !== undefined) {
    let stack;
    if (hasOwn(descriptor, "value")) stack = descriptor.value;
    else if (descriptor.get === stackGetter) stack = uncurry(stackGetter)(error);
    if (typeof stack === "string" && stack !== "") return stack;
  }
  const name = inherited(error, "name");
  const message = inherited(error, "message");
  const title = typeof name === "string" ? name : "Error";
  return typeof message === "string" && message !== "" ? `${title}: ${message}` : title;
}
