// Requests: those that come from the host, of which nothing is parsed or made before the
// worker touches it, and those that a worker makes.

import { core } from "ext:core/mod.js";
import {
  Body,
  BYTES,
  copyBody,
  extract,
  found,
  hasBody,
  HOST,
  MAKE,
  moveBody,
  NONE,
  sendParts,
} from "ext:bindery/http/body.js";
import {
  flatOf,
  Headers,
  headersFromFlat,
  headersOf,
  IMMUTABLE,
  MUTABLE,
  setMissing,
} from "ext:bindery/http/headers.js";
import { HostBody } from "ext:bindery/http/host_body.js";

const { configureInterface } = core.loadExtScript("ext:deno_webidl/00_webidl.js");
const { createFilteredInspectProxy } = core.loadExtScript("ext:deno_web/01_console.js");
const { URL } = core.loadExtScript("ext:deno_web/00_url.js");
const { AbortSignal, newSignal, signalAbort } = core.loadExtScript(
  "ext:deno_web/03_abort_signal.js",
);

const { JSON, Set, Symbol, TypeError } = globalThis;
const uncurry = Function.prototype.bind.bind(Function.prototype.call);
const setHas = uncurry(Set.prototype.has);
const { parse, stringify } = JSON;

/** For requests of the host and for copies: the fields are set from outside the constructor. */
const RAW = Symbol("raw");

/** What HTTP calls a method; CONNECT is not a request. */
const METHODS = new Set([
  "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PURGE", "COPY", "LOCK",
  "MKCOL", "MOVE", "PROPFIND", "PROPPATCH", "SEARCH", "UNLOCK", "ACL", "REPORT", "MKACTIVITY",
  "CHECKOUT", "MERGE", "MSEARCH", "NOTIFY", "SUBSCRIBE", "UNSUBSCRIBE", "QUERY", "BAN",
]);

function methodOf(value) {
  const method = `${value}`.toUpperCase();
  if (!setHas(METHODS, method)) throw new TypeError(`Invalid HTTP method string: ${value}`);
  return method;
}

function redirectOf(value) {
  if (value === "follow" || value === "manual") return value;
  throw new TypeError(
    'Invalid redirect value, must be one of "follow" or "manual" ("error" won\'t be' +
      ' implemented since it does not make sense at the edge; use "manual" and check the' +
      " response status code).",
  );
}

function cacheOf(value) {
  if (value === "no-store" || value === "no-cache") return value;
  throw new TypeError(`Unsupported cache mode: ${value}`);
}

function checkIntegrity(value) {
  if (value === "") return;
  throw new TypeError(
    "Subrequest integrity checking is not implemented. The integrity option must be either" +
      " undefined or an empty string.",
  );
}

function urlOf(input) {
  const text = `${input}`;
  try {
    return new URL(text).href;
  } catch {
    throw new TypeError(`Invalid URL: ${text}`);
  }
}

function checkInit(init) {
  if (typeof init === "object" || typeof init === "function") return;
  throw new TypeError(
    "Failed to construct 'Request': constructor parameter 2 is not of type" +
      " 'RequestInitializerDict or Request'.",
  );
}

/** A dictionary without members. */
const NOTHING = { __proto__: null };

let create;
let manual;
let abort;
let isRequest;
let parts;
let lookUp;

export class Request extends Body {
  #method = "GET";
  #url = "";
  /** A flat string until somebody reads the headers. */
  #headers = "";
  /** Whether headers made of the flat string may not be changed. */
  #guard = MUTABLE;
  /** The text of `cf` until somebody reads it; undefined if there is none. */
  #cf = undefined;
  #redirect = "follow";
  #cache = undefined;
  /** A signal that a worker gave, or null. */
  #given = null;
  /** A signal of its own, made when it is read. */
  #own = null;
  /** Why nobody waits for it any more. */
  #reason = undefined;

  static {
    create = (method, url, headers, cf, kind, data) => {
      const request = new Request(RAW, undefined, kind, data);
      request.#method = method;
      request.#url = url;
      request.#headers = headers;
      request.#guard = IMMUTABLE;
      if (cf !== "") request.#cf = cf;
      return request;
    };
    manual = (request) => request.#redirect = "manual";
    parts = (request) => request.#give();
    lookUp = (request) => request.#found();
    isRequest = (value) => typeof value === "object" && value !== null && #url in value;
    abort = (request, reason) => {
      request.#reason = reason;
      if (request.#own !== null) request.#own[signalAbort](reason);
    };
  }

  constructor(input, init = undefined, kind = NONE, data = null) {
    if (input === RAW) {
      super(MAKE, kind, data);
      return;
    }
    if (arguments.length === 0) {
      throw new TypeError(
        "Failed to construct 'Request': constructor parameter 1 is not of type 'Request or" +
          " string'.",
      );
    }
    if (init === undefined || init === null) init = NOTHING;
    else checkInit(init);
    const from = isRequest(input) ? input : null;
    const like = isRequest(init) ? init : null;
    const url = from === null ? urlOf(input) : from.#url;
    const method = Request.#methodFor(from, like, init);
    const bodyKind = Request.#bodyFor(from, like, init, method);
    const { data: bodyData, type } = found;
    found.data = found.type = null;
    super(MAKE, bodyKind, bodyData);
    this.#url = url;
    this.#method = method;
    if (from !== null) this.#copy(from);
    if (like === null) this.#fill(init);
    else this.#copy(like);
    if (type !== null) setMissing(this.headers, "content-type", type);
  }

  static #methodFor(from, like, init) {
    if (like !== null) return like.#method;
    const method = init.method;
    if (method !== undefined) return methodOf(method);
    return from === null ? "GET" : from.#method;
  }

  /** The kind of the body; the rest is in `found`. */
  static #bodyFor(from, like, init, method) {
    const body = like === null ? init.body : undefined;
    const source = like ?? (body === undefined ? from : null);
    found.data = found.type = null;
    if (source !== null && source.bodyUsed) {
      throw new TypeError("Cannot reconstruct a Request with a used body.");
    }
    const bodyless = method === "GET" || method === "HEAD";
    if (bodyless && (source === null ? body !== undefined && body !== null : hasBody(source))) {
      throw new TypeError("Request with a GET or HEAD method cannot have a body.");
    }
    return source === null ? extract(body) : moveBody(source);
  }

  /** What a call sends. A request whose signal has fired keeps its body. */
  #give() {
    const headers = this.#headers;
    const hash = this.#url.indexOf("#");
    const out = {
      method: this.#method,
      url: hash < 0 ? this.#url : this.#url.slice(0, hash),
      headers: typeof headers === "string" ? headers : flatOf(headers),
      follow: this.#redirect === "follow",
      signal: this.#given,
      kind: NONE,
      body: null,
      length: -1,
    };
    if (out.signal !== null && out.signal.aborted) return out;
    if (this.bodyUsed) throw new TypeError("Cannot reconstruct a Request with a used body.");
    out.kind = sendParts(this, out);
    return out;
  }

  /** What a response to it is found by. */
  #found() {
    const [headers, cf, url] = [this.#headers, this.#cf, this.#url];
    const hash = url.indexOf("#");
    let key = hash < 0 ? url : url.slice(0, hash);
    if (cf !== undefined && (typeof cf !== "string" || cf.includes('"cacheKey"'))) {
      const { cacheKey } = this.cf;
      if (typeof cacheKey === "string") key = cacheKey;
    }
    return {
      method: this.#method,
      key,
      headers: typeof headers === "string" ? headers : flatOf(headers),
    };
  }

  /** Takes over what another request says, but its body, method and URL. */
  #copy(from) {
    const headers = from.#headers;
    this.#headers = typeof headers === "string" ? headers : new Headers(headers);
    this.#cf = typeof from.#cf === "object" ? stringify(from.#cf) : from.#cf;
    this.#redirect = from.#redirect;
    this.#cache = from.#cache;
    this.#given = from.#given;
  }

  #fill(init) {
    const { headers, redirect, cf, cache, integrity, signal, fetcher } = init;
    if (headers !== undefined) this.#headers = headersOf(headers, "RequestInitializerDict");
    if (redirect !== undefined) this.#redirect = redirectOf(redirect);
    if (cf !== undefined && cf !== null) this.#cf = stringify(cf);
    if (cache !== undefined) this.#cache = cacheOf(cache);
    if (integrity !== undefined) checkIntegrity(integrity);
    if (signal !== undefined) this.#given = signalOf(signal);
    if (fetcher !== undefined && fetcher !== null) {
      throw new TypeError("fetcher is not supported yet");
    }
  }

  get method() {
    return this.#method;
  }

  get url() {
    return this.#url;
  }

  get headers() {
    const headers = this.#headers;
    if (typeof headers !== "string") return headers;
    return this.#headers = headersFromFlat(headers, this.#guard);
  }

  get redirect() {
    return this.#redirect;
  }

  get signal() {
    if (this.#given !== null) return this.#given;
    if (this.#own === null) {
      this.#own = newSignal();
      if (this.#reason !== undefined) this.#own[signalAbort](this.#reason);
    }
    return this.#own;
  }

  get cf() {
    if (typeof this.#cf === "string") this.#cf = parse(this.#cf);
    return this.#cf;
  }

  get fetcher() {
    return null;
  }

  get integrity() {
    return "";
  }

  get keepalive() {
    return false;
  }

  get cache() {
    return this.#cache;
  }

  clone() {
    const kind = copyBody(this);
    const { data } = found;
    found.data = null;
    const copy = new Request(RAW, undefined, kind, data);
    copy.#url = this.#url;
    copy.#method = this.#method;
    copy.#copy(this);
    const headers = this.#headers;
    copy.#guard = this.#guard;
    if (typeof headers !== "string" && this.#guard === IMMUTABLE) copy.#headers = flatOf(headers);
    return copy;
  }

  [Symbol.for("Deno.privateCustomInspect")](inspect, options) {
    const shown = {
      object: this,
      evaluate: isRequest(this),
      keys: ["method", "url", "headers", "redirect", "bodyUsed"],
    };
    return inspect(createFilteredInspectProxy(shown), options);
  }
}
configureInterface(Request);

function signalOf(value) {
  if (value === null) return null;
  if (value instanceof AbortSignal) return value;
  throw new TypeError(
    "Incorrect type for the 'signal' field on 'RequestInitializerDict': the provided value is not" +
      " of type 'AbortSignal'.",
  );
}

/**
 * The request of an event. `headers` is flat, `cf` the text of its JSON or "", `body` is null, a
 * Uint8Array that is ours from now on, or the number of a body of `length` bytes (-1 if nobody
 * knows) that the host sends when asked.
 */
export function requestFromHost(method, url, headers, cf, body, length = -1) {
  if (body === null || body === undefined) return create(method, url, headers, cf, NONE, null);
  if (typeof body !== "number") return create(method, url, headers, cf, BYTES, body);
  return create(method, url, headers, cf, HOST, new HostBody(body, length));
}

/** A request that another worker sent: `{ method, url, headers, follow }`, and its body. */
export function requestFromParts({ method, url, headers, follow }, kind, data) {
  const request = create(method, url, headers, "", kind, data);
  if (follow !== true) manual(request);
  return request;
}

/** Aborts the signal of a request of the host; one that was never read costs nothing. */
export const abortRequest = abort;

/** The request that arguments stand for: the very one, if it is one and nothing is added to it. */
export const asRequest = (input, init) => {
  if (isRequest(input) && (init === undefined || init === null)) return input;
  return new Request(input, init);
};

/**
 * Uses a request up for sending it. Returns `{ method, url, headers, follow, signal, kind, body,
 * length }`: the URL without its fragment, the signal or null, the rest as of a response.
 */
export const requestParts = parts;

/**
 * What a cache finds a response to a request by: `{ method, key, headers }`, headers flat. The
 * request is not used up.
 */
export const requestLookUp = lookUp;
