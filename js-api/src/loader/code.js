// Code that is to be loaded: checked, and put into the form in which it travels.

import { core } from "ext:core/mod.js";
import { ALL, heldBy } from "ext:bindery/binding/held.js";
import { KEPT, serialize } from "ext:bindery/rpc/value.js";

const { op_door_wasm_bytes } = core.ops;
const { ReadableStream } = core.loadExtScript("ext:deno_web/06_streams.js");

// A worker may change them.
const {
  Array: { isArray },
  Error,
  JSON: { stringify },
  Object: { keys: keysOf },
  String,
  TypeError,
} = globalThis;
const uncurry = Function.prototype.bind.bind(Function.prototype.call);
const endsWith = uncurry(String.prototype.endsWith);

const CODE_BYTES_MAX = 64 << 20;
const ENV_BYTES_MAX = 1 << 20;
/** Bytes of code that are put together before they are sent. */
const JOINED_BYTES_MAX = 1 << 20;
/** How something that is held goes with a value. */
const SLOT = 0;

const KINDS = ["js", "cjs", "text", "data", "json", "py", "wasm"];
const TYPESCRIPT = [".ts", ".tsx", ".jsx"];

/** What a field of a struct must be. */
function field(of, name, value, type) {
  if (typeof value === type) return value;
  throw new TypeError(
    `Incorrect type for the '${name}' field on '${of}': the provided value is not of type ` +
      `'${type}'.`,
  );
}

function bytesOf(name, field, value) {
  if (core.isArrayBufferView(value)) {
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength).slice();
  }
  if (core.isAnyArrayBuffer(value)) return new Uint8Array(value).slice();
  throw new TypeError(
    `Incorrect type for the '${field}' field on 'Module': the provided value is not of type ` +
      `'ArrayBuffer or ArrayBufferView'. (Module '${name}'.)`,
  );
}

// A module's kind, as the host knows it, and its bytes or text.
function moduleOf(name, content) {
  if (typeof content === "string") return ofString(name, content);
  if (typeof content !== "object" || content === null) {
    throw new TypeError(
      `Incorrect type for map entry '${name}': the provided value is not of type 'string or ` +
        `Module'.`,
    );
  }
  const compiled = op_door_wasm_bytes(content);
  if (compiled !== null) return ["wasm", compiled];
  let kind, count = 0;
  for (const known of KINDS) {
    if (content[known] === undefined) continue;
    kind = known;
    count++;
  }
  if (count !== 1) {
    throw new TypeError(
      "Each module must contain exactly one of 'js', 'cjs', 'text', 'data', 'json', 'py', or " +
        `'wasm'. Module '${name}' contained ${count} properties.`,
    );
  }
  const value = content[kind];
  switch (kind) {
    case "js":
      return ["es", field("Module", kind, value, "string")];
    case "cjs":
      return ["common_js", field("Module", kind, value, "string")];
    case "text":
      return ["text", field("Module", kind, value, "string")];
    case "data":
      return ["data", bytesOf(name, kind, value)];
    case "json":
      return ["json", jsonOf(name, value)];
    case "wasm":
      return ["wasm", op_door_wasm_bytes(value) ?? bytesOf(name, kind, value)];
    default:
      throw notPython(name);
  }
}

function ofString(name, content) {
  if (endsWith(name, ".js")) return ["es", content];
  if (endsWith(name, ".py")) throw notPython(name);
  let message = "Module name must end with '.js' or '.py' (or the content must be an object " +
    `indicating the type explicitly). Got: ${name}`;
  for (const extension of TYPESCRIPT) {
    if (!endsWith(name, extension)) continue;
    message += ". If you're trying to load TypeScript, bundle it first with " +
      "'@cloudflare/worker-bundler' and pass the generated JavaScript modules.";
    break;
  }
  throw new TypeError(message);
}

function jsonOf(name, value) {
  const text = stringify(value);
  if (text === undefined) throw new TypeError(`Module '${name}' holds nothing that JSON can say.`);
  return text;
}

function notPython(name) {
  return new TypeError(
    `Module "${name}" is a Python module, but the main module isn't a Python module.`,
  );
}

function modulesOf(modules) {
  const names = typeof modules === "object" && modules !== null ? keysOf(modules) : undefined;
  if (names === undefined) field("WorkerCode", "modules", modules, "object");
  if (names.length === 0) {
    throw new TypeError("Dynamic Worker code must contain at least one module.");
  }
  const list = [], parts = [];
  let size = 0;
  for (const name of names) {
    const [kind, part] = moduleOf(name, modules[name]);
    const length = typeof part === "string" ? core.byteLength(part) : part.length;
    size += length;
    list.push([name, kind, length]);
    parts.push(part);
  }
  if (size > CODE_BYTES_MAX) {
    throw new Error(
      `Dynamic Worker code size (${size} bytes) exceeds the maximum allowed size of ` +
        `${CODE_BYTES_MAX} bytes.`,
    );
  }
  return { list, parts };
}

/** Limits as the host takes them. */
export function limitsOf(limits) {
  const told = {};
  if (limits === undefined || limits === null) return told;
  const { cpuMs, subRequests } = limits;
  if (cpuMs !== undefined) told.cpu_ms = whole("cpuMs", cpuMs);
  if (subRequests !== undefined) told.subrequests = whole("subRequests", subRequests);
  return told;
}

function whole(name, value) {
  const number = field("WorkerLimits", name, value, "number");
  if (!(number >= 0)) throw new TypeError(`The limit '${name}' must be a number of at least 0.`);
  return number >= 0xffffffff ? 0xffffffff : Math.floor(number);
}

// What a fetch or a tail goes to. It outlives the event, and so it has to be something that does.
function attach(attached, name, fetcher) {
  const held = heldBy(fetcher);
  if (held?.kind !== "service") {
    throw new TypeError(
      `Incorrect type for the '${name}' field on 'WorkerCode': the provided value is not of type ` +
        `'Fetcher', or is one that does not outlive this event.`,
    );
  }
  attached.push({ __proto__: null, how: SLOT, number: held.slot, detail: ALL });
}

/** Code as `{ index, parts, attached }`. Throws what is wrong with it. */
export function pack(code) {
  if (typeof code !== "object" || code === null) {
    throw new TypeError("The code of a dynamic Worker must be an object of type 'WorkerCode'.");
  }
  const { list, parts } = modulesOf(code.modules);
  const index = {
    main_module: field("WorkerCode", "mainModule", code.mainModule, "string"),
    compat_date: field("WorkerCode", "compatibilityDate", code.compatibilityDate, "string"),
    modules: list,
    limits: limitsOf(code.limits),
  };
  const { compatibilityFlags, env, globalOutbound, streamingTails, tails } = code;
  if (code.allowExperimental) {
    throw new Error(
      "'allowExperimental' is only allowed when the calling worker has the 'experimental' compat " +
        "flag set.",
    );
  }
  if (compatibilityFlags !== undefined) {
    index.compat_flags = [...compatibilityFlags].map(String);
  }
  const written = env === undefined ? undefined : serialize(env, KEPT);
  if (written !== undefined) {
    const { length } = written.bytes;
    if (length > ENV_BYTES_MAX) {
      throw new Error(
        `Dynamic Worker env size (${length} bytes) exceeds the maximum allowed size of ` +
          `${ENV_BYTES_MAX} bytes.`,
      );
    }
    index.env = length;
    parts.push(written.bytes);
  }
  const attached = [];
  if (globalOutbound === null) {
    index.outbound = "none";
  } else if (globalOutbound !== undefined) {
    index.outbound = "attached";
    attach(attached, "globalOutbound", globalOutbound);
  }
  if (streamingTails !== undefined) {
    throw new Error(
      "Streaming tail workers are experimental. You must pass the option 'allowExperimental: true' " +
        "to the worker loader to use them",
    );
  }
  if (tails !== undefined) {
    if (!isArray(tails)) field("WorkerCode", "tails", tails, "Array");
    index.tails = tails.length;
    for (const tail of tails) attach(attached, "tails", tail);
  }
  if (written !== undefined) attached.push(...written.attached);
  return { index, parts, attached };
}

const bytesFrom = (part) => typeof part === "string" ? core.encode(part) : part;

/** An index and what it lists as a body, and how many bytes the index has. */
export function join(index, parts) {
  const told = core.encode(stringify(index));
  let length = told.length + (index.env ?? 0);
  for (const [, , bytes] of index.modules) length += bytes;
  if (length > JOINED_BYTES_MAX) return { body: streamOf([told, ...parts]), told: told.length };
  const body = new Uint8Array(length);
  body.set(told);
  let at = told.length;
  for (const part of parts) {
    const bytes = bytesFrom(part);
    body.set(bytes, at);
    at += bytes.length;
  }
  return { body, told: told.length };
}

// What is long is not there twice as a whole.
function streamOf(parts) {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      while (at < parts.length) {
        const bytes = bytesFrom(parts[at++]);
        if (bytes.length > 0) return controller.enqueue(bytes);
      }
      controller.close();
    },
  });
}
