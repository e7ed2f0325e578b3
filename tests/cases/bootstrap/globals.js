// What is on the global object, and what must not be.

const CLASSES = [
  "AbortController",
  "AbortSignal",
  "Blob",
  "ByteLengthQueuingStrategy",
  "CompressionStream",
  "CountQueuingStrategy",
  "Crypto",
  "CryptoKey",
  "CustomEvent",
  "DecompressionStream",
  "DOMException",
  "ErrorEvent",
  "Event",
  "EventTarget",
  "File",
  "FixedLengthStream",
  "FormData",
  "Headers",
  "IdentityTransformStream",
  "MessageChannel",
  "MessageEvent",
  "MessagePort",
  "Navigator",
  "PromiseRejectionEvent",
  "ReadableByteStreamController",
  "ReadableStream",
  "ReadableStreamBYOBReader",
  "ReadableStreamBYOBRequest",
  "ReadableStreamDefaultController",
  "ReadableStreamDefaultReader",
  "Request",
  "Response",
  "SubtleCrypto",
  "TextDecoder",
  "TextDecoderStream",
  "TextEncoder",
  "TextEncoderStream",
  "TransformStream",
  "TransformStreamDefaultController",
  "URL",
  "URLPattern",
  "URLSearchParams",
  "WritableStream",
  "WritableStreamDefaultController",
  "WritableStreamDefaultWriter",
];
const FUNCTIONS = [
  "atob",
  "btoa",
  "clearInterval",
  "clearTimeout",
  "fetch",
  "queueMicrotask",
  "reportError",
  "setInterval",
  "setTimeout",
  "structuredClone",
];

export const differs = {
  "no memory is shared, so nothing can count time": "workerd has SharedArrayBuffer",
};

export default {
  "the classes are there and go by their names"(env, t) {
    for (const name of CLASSES) {
      t.ok(typeof globalThis[name] === "function", name);
      t.equal(globalThis[name].name, name);
      t.ok(!Object.keys(globalThis).includes(name), name);
    }
  },

  "the functions are there and go by their names"(env, t) {
    for (const name of FUNCTIONS) {
      t.equal(typeof globalThis[name], "function", name);
      t.equal(globalThis[name]?.name, name);
    }
  },

  "the objects are there"(env, t) {
    for (const name of [
      "console",
      "crypto",
      "navigator",
      "performance",
      "scheduler",
      "self",
      "WebAssembly",
    ]) {
      t.equal(typeof globalThis[name], "object", name);
    }
    t.equal(self, globalThis);
    t.equal(navigator.userAgent, "Cloudflare-Workers");
  },

  "nothing of the engine's is within reach"(env, t) {
    const names = [
      "Deno",
      "__bootstrap",
      "__bindery",
      "bootstrap",
      "core",
      "ops",
      "window",
      "document",
    ];
    for (const name of names) {
      t.equal(typeof globalThis[name], "undefined", name);
      t.ok(!Reflect.ownKeys(globalThis).includes(name), name);
    }
    t.equal(typeof ShadowRealm, "undefined");
    t.equal(typeof gc, "undefined");
    t.equal(typeof importScripts, "undefined");
    for (const key of Reflect.ownKeys(globalThis)) {
      t.ok(typeof key !== "symbol" || key === Symbol.toStringTag, String(key));
    }
  },

  "no memory is shared, so nothing can count time"(env, t) {
    t.equal(typeof SharedArrayBuffer, "undefined");
  },

  "nothing of the engine's is reached through an error"(env, t) {
    const { prepareStackTrace } = Error;
    try {
      Error.prepareStackTrace = (_, sites) => sites;
      const sites = [];
      [1].forEach(() => sites.push(...new Error("x").stack));
      for (const site of sites) {
        for (const value of [site.getThis?.(), site.getFunction?.()]) {
          t.ok(
            value === undefined || typeof value !== "function" || !/\[native code\]/.test(value),
          );
        }
      }
    } finally {
      Error.prepareStackTrace = prepareStackTrace;
    }
  },

  async "nothing of the engine's can be imported"(env, t) {
    const names = [
      "ext:core/mod.js",
      "ext:core/ops",
      "ext:bindery/door.js",
      "ext:deno_web/00_url.js",
      "node:vm",
      "file:///etc/passwd",
      "data:text/javascript,export default 1",
      "http://127.0.0.1/x.js",
      "npm:x",
      "jsr:x",
      "deno:x",
      "blob:x",
      "checkin:x",
      "internal:x",
    ];
    for (const name of names) await t.rejects(import(name), undefined);
  },

  "the words of the language are there"(env, t) {
    for (const name of [
      "Intl",
      "Iterator",
      "WeakRef",
      "FinalizationRegistry",
      "Promise",
      "Proxy",
      "BigInt",
    ]) {
      t.ok(globalThis[name] !== undefined, name);
    }
    t.equal(new Intl.NumberFormat("de-DE").format(1234.5), "1.234,5");
    t.equal(Intl.DateTimeFormat().resolvedOptions().timeZone, "UTC");
    t.equal("\u00c4".normalize("NFD").length, 2);
    t.equal(new Date(0).toLocaleDateString("en-US"), "1/1/1970");
  },

  "a global can be replaced and removed"(env, t) {
    const { Response: real } = globalThis;
    globalThis.Response = 5;
    t.equal(Response, 5);
    globalThis.Response = real;
    globalThis.own = 1;
    t.equal(own, 1);
    delete globalThis.own;
  },
};
