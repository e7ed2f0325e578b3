// FormData: a list of names with a string or a File each.

import { core } from "ext:core/mod.js";

const { configureInterface } = core.loadExtScript("ext:deno_webidl/00_webidl.js");
const { Blob, File } = core.loadExtScript("ext:deno_web/09_file.js");

const { Object, Symbol, TypeError } = globalThis;

function need(count, given, method) {
  if (given < count) {
    const type = given === 0 ? "string" : "File or Blob or string";
    throw new TypeError(
      `Failed to execute '${method}' on 'FormData': parameter ${given + 1} is not of type` +
        ` '${type}'.`,
    );
  }
}

/** What an entry holds for a value that was given: a string or a File. */
function entryOf(name, value, filename) {
  if (!(value instanceof Blob)) return `${value}`;
  const isFile = value instanceof File;
  if (isFile && filename === undefined) return value;
  const options = { __proto__: null, type: value.type };
  if (isFile) options.lastModified = value.lastModified;
  return new File([value], filename === undefined ? name : `${filename}`, options);
}

let listOf;
let isFormData;

export class FormData {
  /** Names and values in turn. */
  #list = [];

  static {
    listOf = (form) => form.#list;
    isFormData = (value) => #list in value;
  }

  #push(name, value) {
    const list = this.#list;
    list[list.length] = name;
    list[list.length] = value;
  }

  #remove(name, from) {
    const list = this.#list;
    let kept = from;
    for (let i = from; i < list.length; i += 2) {
      if (list[i] === name) continue;
      list[kept] = list[i];
      list[kept + 1] = list[i + 1];
      kept += 2;
    }
    list.length = kept;
  }

  append(name, value, filename = undefined) {
    need(2, arguments.length, "append");
    const key = `${name}`;
    this.#push(key, entryOf(key, value, filename));
  }

  set(name, value, filename = undefined) {
    need(2, arguments.length, "set");
    const key = `${name}`;
    const entry = entryOf(key, value, filename);
    const list = this.#list;
    for (let i = 0; i < list.length; i += 2) {
      if (list[i] === key) {
        list[i + 1] = entry;
        this.#remove(key, i + 2);
        return;
      }
    }
    this.#push(key, entry);
  }

  delete(name) {
    need(1, arguments.length, "delete");
    this.#remove(`${name}`, 0);
  }

  get(name) {
    need(1, arguments.length, "get");
    const key = `${name}`;
    const list = this.#list;
    for (let i = 0; i < list.length; i += 2) if (list[i] === key) return list[i + 1];
    return null;
  }

  getAll(name) {
    need(1, arguments.length, "getAll");
    const key = `${name}`;
    const list = this.#list;
    const found = [];
    for (let i = 0; i < list.length; i += 2) {
      if (list[i] === key) found[found.length] = list[i + 1];
    }
    return found;
  }

  has(name) {
    need(1, arguments.length, "has");
    return this.get(name) !== null;
  }

  forEach(callback, thisArg = undefined) {
    if (typeof callback !== "function") {
      throw new TypeError(
        "Failed to execute 'forEach' on 'FormData': parameter 1 is not of type 'function'.",
      );
    }
    const list = this.#list;
    for (let i = 0; i < list.length; i += 2) callback.call(thisArg, list[i + 1], list[i], this);
  }

  *entries() {
    const list = this.#list;
    for (let i = 0; i < list.length; i += 2) yield [list[i], list[i + 1]];
  }

  *keys() {
    const list = this.#list;
    for (let i = 0; i < list.length; i += 2) yield list[i];
  }

  *values() {
    const list = this.#list;
    for (let i = 0; i < list.length; i += 2) yield list[i + 1];
  }

  [Symbol.for("Deno.privateCustomInspect")](inspect, options) {
    const shown = [];
    for (let i = 0; i < this.#list.length; i += 2) {
      shown[shown.length] = [this.#list[i], this.#list[i + 1]];
    }
    return "FormData " + inspect(shown, options);
  }
}

Object.defineProperty(FormData.prototype, Symbol.iterator, {
  __proto__: null,
  value: FormData.prototype.entries,
  writable: true,
  enumerable: false,
  configurable: true,
});
configureInterface(FormData);

/** Names and values in turn: the list itself. */
export const formList = listOf;

/** Whether an object is a form. */
export const isForm = isFormData;
