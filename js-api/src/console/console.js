// console: each call is one message, its arguments as bounded JSON, for the tenant's own log.

import { core } from "ext:core/mod.js";
import { currentEvent } from "ext:bindery/door.js";

const { op_door_console } = core.ops;
const { stringify } = JSON;

const DEBUG = 0, INFO = 1, LOG = 2, WARN = 3, ERROR = 4;
const UNSHOWN = '["[a value that can not be shown]"]';
const DEPTH_MAX = 6, ENTRY_COUNT_MAX = 100, TEXT_MAX = 16384;

function clip(text) {
  return text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}... (${text.length} characters)` : text;
}

// What a value looks like in the log: plain data stays data, anything else becomes a text.
function shown(value, depth, seen) {
  switch (typeof value) {
    case "string":
      return clip(value);
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "boolean":
      return value;
    case "undefined":
      return "undefined";
    case "bigint":
      return `${value}n`;
    case "symbol":
      return String(value);
    case "function":
      return `[Function: ${value.name || "(anonymous)"}]`;
  }
  if (value === null) return null;
  if (seen.has(value)) return "[Circular]";
  if (value instanceof Error) return clip(String(value.stack || value));
  if (depth >= DEPTH_MAX) return Array.isArray(value) ? "[Array]" : "[Object]";
  seen.add(value);
  const result = shownObject(value, depth + 1, seen);
  seen.delete(value);
  return result;
}

function shownObject(value, depth, seen) {
  if (Array.isArray(value)) return shownList(value, value.length, depth, seen);
  if (value instanceof Date) return isNaN(value) ? "Invalid Date" : value.toISOString();
  if (value instanceof RegExp || value instanceof URL) return String(value);
  if (value instanceof Promise) return "[Promise]";
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
    return `[${value.constructor.name}: ${value.byteLength} bytes]`;
  }
  if (value instanceof Map) return shownPairs(value, "Map", depth, seen);
  if (value instanceof Set) return shownList([...value].slice(0, ENTRY_COUNT_MAX), value.size, depth, seen);
  if (value instanceof Headers) return shownPairs(value, "Headers", depth, seen);
  return shownPairs(Object.entries(value), className(value), depth, seen);
}

function className(value) {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype ? "" : prototype.constructor?.name;
}

function shownList(list, length, depth, seen) {
  const result = plainList();
  for (let at = 0; at < Math.min(length, ENTRY_COUNT_MAX); at++) {
    result[at] = shown(list[at], depth, seen);
  }
  if (length > ENTRY_COUNT_MAX) result[ENTRY_COUNT_MAX] = `... ${length - ENTRY_COUNT_MAX} more`;
  return result;
}

// A list without the methods that the worker may have changed: JSON would call its `toJSON`.
function plainList() {
  return Object.setPrototypeOf([], null);
}

function shownPairs(pairs, name, depth, seen) {
  const result = { __proto__: null };
  if (name) result["[class]"] = name;
  let count = 0;
  for (const [key, value] of pairs) {
    if (++count > ENTRY_COUNT_MAX) {
      result["..."] = "more";
      break;
    }
    Object.defineProperty(result, typeof key === "string" ? key : String(key), {
      value: shown(value, depth, seen),
      enumerable: true,
      configurable: true,
    });
  }
  return result;
}

// Printf-style first arguments, as browsers have them.
function formatted(args) {
  if (typeof args[0] !== "string" || args.length < 2 || !args[0].includes("%")) return args;
  let next = 1;
  const text = args[0].replace(/%([sdifoOcj%])/g, (whole, kind) => {
    if (kind === "%") return "%";
    if (next >= args.length) return whole;
    const value = args[next++];
    if (kind === "c") return "";
    if (kind === "d" || kind === "i") return String(Math.trunc(Number(value)));
    if (kind === "f") return String(Number(value));
    if (kind === "s") return typeof value === "symbol" ? value.toString() : `${value}`;
    return stringify(shown(value, 0, new Set()));
  });
  return [text, ...args.slice(next)];
}

function emit(level, args) {
  let text;
  try {
    const list = formatted(args);
    const texts = plainList();
    const seen = new Set();
    for (let at = 0; at < list.length; at++) texts[at] = shown(list[at], 0, seen);
    text = stringify(texts);
  } catch {
    text = UNSHOWN;
  }
  op_door_console(currentEvent()?.id ?? 0, level, text);
}

const counts = new Map();
const starts = new Map();
let indent = "";

const write = (level, args) => emit(level, indent === "" ? args : [indent, ...args]);

/** The console of a worker. */
export const console = {
  assert: (condition, ...args) => {
    if (!condition) write(ERROR, ["Assertion failed", ...args]);
  },
  clear: () => {},
  count: (label = "default") => {
    const count = (counts.get(`${label}`) ?? 0) + 1;
    if (counts.size < 1000 || counts.has(`${label}`)) counts.set(`${label}`, count);
    write(INFO, [`${label}: ${count}`]);
  },
  countReset: (label = "default") => void counts.delete(`${label}`),
  debug: (...args) => write(DEBUG, args),
  dir: (value) => write(LOG, [value]),
  dirxml: (...args) => write(LOG, args),
  error: (...args) => write(ERROR, args),
  group: (...args) => {
    if (args.length > 0) write(LOG, args);
    if (indent.length < 64) indent += "  ";
  },
  groupCollapsed: (...args) => console.group(...args),
  groupEnd: () => void (indent = indent.slice(2)),
  info: (...args) => write(INFO, args),
  log: (...args) => write(LOG, args),
  table: (value) => write(LOG, [value]),
  time: (label = "default") => {
    if (starts.size < 1000) starts.set(`${label}`, performance.now());
  },
  timeEnd: (label = "default") => {
    const began = starts.get(`${label}`);
    starts.delete(`${label}`);
    if (began !== undefined) write(INFO, [`${label}: ${performance.now() - began} ms`]);
  },
  timeLog: (label = "default", ...args) => {
    const began = starts.get(`${label}`);
    if (began !== undefined) write(INFO, [`${label}: ${performance.now() - began} ms`, ...args]);
  },
  timeStamp: () => {},
  trace: (...args) => write(DEBUG, [...args, new Error().stack.split("\n").slice(2).join("\n")]),
  warn: (...args) => write(WARN, args),
};
Object.defineProperty(console, Symbol.toStringTag, { value: "console", configurable: true });
