// console: each call is one message, its arguments as bounded JSON, for the tenant's own log.

import { core } from "ext:core/mod.js";
import { currentEvent } from "ext:bindery/door.js";
import { clip, inspect, newBudget, plainList } from "ext:bindery/inspect.js";

const { op_door_console, op_door_monotonic } = core.ops;
const { stringify } = JSON;
const { Number, String } = globalThis;
const { captureStackTrace } = Error;
const { isArray } = Array;
const { trunc } = Math;
const uncurry = Function.prototype.bind.bind(Function.prototype.call);
const slice = uncurry(String.prototype.slice);
const indexOf = uncurry(String.prototype.indexOf);
const symbolText = uncurry(Symbol.prototype.toString);
const mapGet = uncurry(Map.prototype.get);
const mapSet = uncurry(Map.prototype.set);
const mapSize = uncurry(Object.getOwnPropertyDescriptor(Map.prototype, "size").get);
const mapHas = uncurry(Map.prototype.has);
const mapDelete = uncurry(Map.prototype.delete);

const DEBUG = 0, INFO = 1, LOG = 2, WARN = 3, ERROR = 4;
const UNSHOWN = '["[a value that can not be shown]"]';
const FORMAT_MAX = 16_384, LABEL_MAX = 1_000, LABEL_COUNT_MAX = 1_000, INDENT_MAX = 64;
const COLUMN_COUNT_MAX = 100, ROW_COUNT_MAX = 100;

// What an object is in a text: as it is shown, in JSON.
function asText(value, budget) {
  const shown = inspect(value, budget);
  return typeof shown === "string" ? shown : stringify(shown);
}

function asNumber(value, read) {
  if (typeof value === "bigint") return `${value}n`;
  // To ask an object for its number is to run the worker's code.
  const isPlain = typeof value !== "object" && typeof value !== "function";
  return `${isPlain && typeof value !== "symbol" ? read(Number(value)) : NaN}`;
}

function asString(value, budget) {
  switch (typeof value) {
    case "string":
      return value;
    case "symbol":
      return symbolText(value);
    case "object":
    case "function":
      return asText(value, budget);
  }
  return `${value}`;
}

// One printf-style directive; undefined for one that there is not.
function directive(kind, value, budget) {
  switch (kind) {
    case "s":
      return asString(value, budget);
    case "d":
    case "i":
      return asNumber(value, trunc);
    case "f":
      return asNumber(value, (number) => number);
    case "j":
    case "o":
    case "O":
      return asText(value, budget);
    case "c":
      return "";
  }
  return undefined;
}

// Printf-style first arguments, as browsers have them: the text, and how many it used.
function formatted(format, args, budget) {
  if (format.length > FORMAT_MAX) return [format, 1];
  let text = "", next = 1, done = 0;
  for (;;) {
    const at = indexOf(format, "%", done);
    if (at === -1 || at + 1 >= format.length) break;
    const kind = format[at + 1];
    text += slice(format, done, at);
    done = at + 2;
    const shown = kind === "%" || next >= args.length
      ? undefined
      : directive(kind, args[next], budget);
    if (shown !== undefined) next++;
    text += shown ?? (kind === "%" ? "%" : `%${kind}`);
  }
  return [text + slice(format, done), next];
}

function shownArguments(args, budget) {
  const texts = plainList();
  let at = 0, from = 0;
  if (args.length > 1 && typeof args[0] === "string" && indexOf(args[0], "%") !== -1) {
    const [text, used] = formatted(args[0], args, budget);
    texts[at++] = clip(text, budget);
    from = used;
  }
  for (; from < args.length; from++) {
    if (budget.items <= 0) {
      texts[at] = `... ${args.length - from} more`;
      break;
    }
    texts[at++] = inspect(args[from], budget);
  }
  return texts;
}

let indent = "";

// Sends one message; `before` stands before the arguments and is no format.
function emit(level, args, before = [], budget = newBudget()) {
  let text;
  try {
    const texts = plainList();
    let count = 0;
    if (indent !== "") texts[count++] = indent;
    for (let at = 0; at < before.length; at++) texts[count++] = clip(before[at], budget);
    const shown = shownArguments(args, budget);
    for (let at = 0; at < shown.length; at++) texts[count++] = shown[at];
    text = stringify(texts);
  } catch {
    text = UNSHOWN;
  }
  op_door_console(currentEvent()?.id ?? 0, level, text);
}

/** A warning of our own, wherever `console.warn` leads. */
export function warn(text) {
  emit(WARN, [], [text]);
}

const counts = new Map();
const starts = new Map();

const labelOf = (label) => slice(`${label}`, 0, LABEL_MAX);

function elapsed(label) {
  const began = mapGet(starts, label);
  if (began === undefined) {
    warn(`Timer '${label}' does not exist`);
    return undefined;
  }
  return `${label}: ${op_door_monotonic() - began} ms`;
}

// Where the caller of the console stands.
function stackHere() {
  const holder = {};
  captureStackTrace(holder, console.trace);
  const { stack } = holder;
  if (typeof stack !== "string") return "";
  const from = indexOf(stack, "\n");
  return from === -1 ? "" : slice(stack, from + 1);
}

// The cells of a table that stand under `columns`; rows are read as they are shown.
function cells(data, columns) {
  const shown = inspect(data, newBudget());
  if (typeof shown !== "object" || shown === null) return shown;
  const rows = isArray(data) ? plainList() : { __proto__: null };
  let count = 0;
  for (const key in shown) {
    if (++count > ROW_COUNT_MAX) break;
    const row = shown[key];
    if (typeof row !== "object" || row === null) {
      rows[key] = row;
      continue;
    }
    const picked = { __proto__: null };
    for (let at = 0; at < columns.length && at < COLUMN_COUNT_MAX; at++) {
      const column = columns[at];
      if (typeof column === "string" && column in row) picked[column] = row[column];
    }
    rows[key] = picked;
  }
  return rows;
}

/** The console of a worker. */
export const console = {
  assert: (condition, ...args) => {
    if (!condition) emit(ERROR, args, ["Assertion failed"]);
  },
  clear: () => {},
  count: (label = "default") => {
    const name = labelOf(label);
    const count = (mapGet(counts, name) ?? 0) + 1;
    if (mapSize(counts) < LABEL_COUNT_MAX || mapHas(counts, name)) mapSet(counts, name, count);
    emit(INFO, [], [`${name}: ${count}`]);
  },
  countReset: (label = "default") => {
    const name = labelOf(label);
    if (!mapDelete(counts, name)) warn(`Count for '${name}' does not exist`);
  },
  debug: (...args) => emit(DEBUG, args),
  dir: (value, options) => {
    const depth = options?.depth;
    emit(LOG, [value], [], newBudget(typeof depth === "number" && depth < 6 ? depth + 1 : undefined));
  },
  dirxml: (...args) => emit(LOG, args),
  error: (...args) => emit(ERROR, args),
  group: (...args) => {
    if (args.length > 0) emit(LOG, args);
    if (indent.length < INDENT_MAX) indent += "  ";
  },
  groupCollapsed: (...args) => {
    if (args.length > 0) emit(LOG, args);
    if (indent.length < INDENT_MAX) indent += "  ";
  },
  groupEnd: () => void (indent = slice(indent, 2)),
  info: (...args) => emit(INFO, args),
  log: (...args) => emit(LOG, args),
  table: (data, columns) => emit(LOG, [isArray(columns) ? cells(data, columns) : data]),
  time: (label = "default") => {
    const name = labelOf(label);
    if (mapHas(starts, name)) return warn(`Timer '${name}' already exists`);
    if (mapSize(starts) < LABEL_COUNT_MAX) mapSet(starts, name, op_door_monotonic());
  },
  timeEnd: (label = "default") => {
    const name = labelOf(label);
    const text = elapsed(name);
    mapDelete(starts, name);
    if (text !== undefined) emit(INFO, [], [text]);
  },
  timeLog: (label = "default", ...args) => {
    const text = elapsed(labelOf(label));
    if (text !== undefined) emit(INFO, args, [text]);
  },
  timeStamp: () => {},
  trace: (...args) => {
    const stack = stackHere();
    emit(DEBUG, stack === "" ? args : [...args, stack]);
  },
  warn: (...args) => emit(WARN, args),
};
Object.defineProperty(console, Symbol.toStringTag, { value: "console", configurable: true });
