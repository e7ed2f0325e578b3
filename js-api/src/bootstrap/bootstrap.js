// The start of every isolate, run while the snapshot is made: the global object that tenants
// see, and the functions through which the host comes in.

import { core } from "ext:core/mod.js";
import * as time from "ext:bindery/time.js";
import { bodyChunk, bodyEnd } from "ext:bindery/door.js";
import * as timers from "ext:bindery/timers.js";
import { console } from "ext:bindery/console.js";
import * as inspect from "ext:bindery/inspect.js";
import * as webcrypto from "ext:bindery/crypto.js";
import { bind } from "ext:bindery/binding/held.js";
import "ext:bindery/binding/kinds.js";
import { callRefused, callReply } from "ext:bindery/call.js";
import { fetch } from "ext:bindery/fetch.js";
import { Headers } from "ext:bindery/http/headers.js";
import { FixedLengthStream, IdentityTransformStream } from "ext:bindery/http/identity_stream.js";
import { FormData } from "ext:bindery/http/form_data.js";
import "ext:bindery/rpc/bodies.js";
import { rpcFinished, rpcReleased } from "ext:bindery/rpc/exports.js";
import { slotBroken } from "ext:bindery/rpc/stub.js";
import { bodyCredit, bodyOver } from "ext:bindery/http/pump.js";
import { Request } from "ext:bindery/http/request.js";
import { Response } from "ext:bindery/http/response.js";
import * as event from "ext:bindery/event.js";
import * as scope from "ext:bindery/scope.js";
import * as stray from "ext:bindery/stray.js";
import * as workers from "ext:bindery/workers.js";
// Behind crypto, which has to be the first to load the engine's script of keys.
import { Cache, caches, CacheStorage } from "ext:bindery/cache.js";

const load = (name) => core.loadExtScript(`ext:deno_web/${name}.js`);
const { DOMException } = load("01_dom_exception");
const url = load("00_url");
const { URLPattern } = load("01_urlpattern");
const events = load("02_event");
const abort = load("03_abort_signal");
const base64 = load("05_base64");
const streams = load("06_streams");
const encoding = load("08_text_encoding");
const file = load("09_file");
const ports = load("13_message_port");
const compression = load("14_compression");
load("02_timers");

// A signal's timeout is a timer of the event's, as any other.
Object.defineProperty(abort.AbortSignal, "timeout", {
  configurable: true,
  writable: true,
  value: {
    timeout(milliseconds) {
      const controller = new abort.AbortController();
      const error = new DOMException("The operation was aborted due to timeout", "TimeoutError");
      timers.setTimeout(() => controller.abort(error), milliseconds);
      return controller.signal;
    },
  }.timeout,
});

// Nobody could fetch what they name.
for (const name of ["createObjectURL", "revokeObjectURL"]) {
  url.URL[name] = {
    [name]() {
      throw new Error(`URL.${name}() is not implemented`);
    },
  }[name];
}

class Navigator {
  get userAgent() {
    return "Cloudflare-Workers";
  }

  get language() {
    return "en";
  }
}

const CLASSES = {
  AbortController: abort.AbortController,
  AbortSignal: abort.AbortSignal,
  Blob: file.Blob,
  Cache,
  CacheStorage,
  ByteLengthQueuingStrategy: streams.ByteLengthQueuingStrategy,
  CompressionStream: compression.CompressionStream,
  CountQueuingStrategy: streams.CountQueuingStrategy,
  Crypto: webcrypto.Crypto,
  CryptoKey: webcrypto.CryptoKey,
  CustomEvent: events.CustomEvent,
  DecompressionStream: compression.DecompressionStream,
  DOMException,
  ErrorEvent: events.ErrorEvent,
  Event: events.Event,
  EventTarget: events.EventTarget,
  ExecutionContext: event.ExecutionContext,
  File: file.File,
  FixedLengthStream,
  FormData,
  Headers,
  IdentityTransformStream,
  MessageChannel: ports.MessageChannel,
  MessageEvent: events.MessageEvent,
  MessagePort: ports.MessagePort,
  Navigator,
  Performance: time.Performance,
  PromiseRejectionEvent: stray.PromiseRejectionEvent,
  ReadableByteStreamController: streams.ReadableByteStreamController,
  ReadableStream: streams.ReadableStream,
  ReadableStreamBYOBReader: streams.ReadableStreamBYOBReader,
  ReadableStreamBYOBRequest: streams.ReadableStreamBYOBRequest,
  ReadableStreamDefaultController: streams.ReadableStreamDefaultController,
  ReadableStreamDefaultReader: streams.ReadableStreamDefaultReader,
  Request,
  Response,
  ServiceWorkerGlobalScope: scope.ServiceWorkerGlobalScope,
  SubtleCrypto: webcrypto.SubtleCrypto,
  TextDecoder: encoding.TextDecoder,
  TextDecoderStream: encoding.TextDecoderStream,
  TextEncoder: encoding.TextEncoder,
  TextEncoderStream: encoding.TextEncoderStream,
  TransformStream: streams.TransformStream,
  TransformStreamDefaultController: streams.TransformStreamDefaultController,
  URL: url.URL,
  URLPattern,
  URLSearchParams: url.URLSearchParams,
  WorkerGlobalScope: scope.WorkerGlobalScope,
  WritableStream: streams.WritableStream,
  WritableStreamDefaultController: streams.WritableStreamDefaultController,
  WritableStreamDefaultWriter: streams.WritableStreamDefaultWriter,
};

// How objects of these classes stand in the log.
const uncurry = Function.prototype.bind.bind(Function.prototype.call);
inspect.showAs(
  url.URL,
  uncurry(Object.getOwnPropertyDescriptor(url.URL.prototype, "href").get),
);
for (const type of [FormData, Headers, url.URLSearchParams]) {
  const forEach = uncurry(type.prototype.forEach);
  inspect.showAs(type, (value) => {
    const pairs = inspect.plainList();
    let count = 0;
    forEach(value, (text, name) => pairs[count++] = [name, text]);
    return pairs;
  });
}
inspect.showGetters(Request, ["method", "url", "headers"]);
inspect.showGetters(Response, ["status", "statusText", "headers"]);
inspect.showGetters(file.Blob, ["size", "type"]);
inspect.showGetters(file.File, ["name", "size", "type"]);
inspect.showGetters(abort.AbortSignal, ["aborted", "reason"]);
inspect.showGetters(events.Event, ["type"]);

const VALUES = {
  atob: base64.atob,
  btoa: base64.btoa,
  caches,
  clearInterval: timers.clearInterval,
  clearTimeout: timers.clearTimeout,
  console,
  crypto: webcrypto.crypto,
  fetch,
  navigator: new Navigator(),
  performance: time.performance,
  reportError: stray.reportError,
  scheduler: timers.scheduler,
  self: globalThis,
  setInterval: timers.setInterval,
  setTimeout: timers.setTimeout,
  structuredClone: ports.structuredClone,
};

// What ops throw besides the language's own errors.
const ERRORS = [
  "DataCloneError",
  "DataError",
  "IndexSizeError",
  "InvalidAccessError",
  "InvalidCharacterError",
  "InvalidStateError",
  "NotSupportedError",
  "OperationError",
  "QuotaExceededError",
  "SyntaxError",
  "TypeMismatchError",
];

for (const [name, value] of Object.entries({ ...CLASSES, ...VALUES })) {
  Object.defineProperty(globalThis, name, {
    value,
    writable: true,
    enumerable: name in VALUES,
    configurable: true,
  });
}
for (const name of ERRORS) {
  core.registerErrorBuilder(`DOMException${name}`, (message) => new DOMException(message, name));
}

scope.adoptGlobal();
stray.catchLateHandlers();

// What the engine left on the global object and on errors for itself.
function harden() {
  time.freezeTemporal();
  stray.catchStrays();
  for (const name of ["Deno", "__bootstrap", "__bindery", "SharedArrayBuffer"]) {
    delete globalThis[name];
  }
  delete WebAssembly.compileStreaming;
  delete WebAssembly.instantiateStreaming;
}

/** What the host takes, by place: `Entry` in the runtime names the functions in this order. */
globalThis.__bindery = [
  harden,
  event.prepare,
  event.start,
  event.fetchEvent,
  timers.timerFired,
  bodyChunk,
  bodyEnd,
  bodyCredit,
  bodyOver,
  event.cancelEvent,
  event.dropEvent,
  callReply,
  callRefused,
  event.describeForHost,
  event.handlerEvent,
  bind,
  event.rpcEvent,
  event.rpcInvoke,
  rpcReleased,
  rpcFinished,
  slotBroken,
  { ...workers },
];
