// Responses. One made of a string and nothing else costs an object with four fields.

import { core } from "ext:core/mod.js";
import {
  Body,
  BYTES,
  copyBody,
  extract,
  found,
  HOST,
  MAKE,
  moveBody,
  NONE,
  sendParts,
  STRING,
  TEXT_TYPE,
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

const { JSON, Math, Number, RangeError, Symbol, TypeError } = globalThis;
const { parse, stringify } = JSON;
const { trunc } = Math;

const JSON_TYPE = "application/json";
const TEXT_FLAT = `content-type\n${TEXT_TYPE}\n`;
const JSON_FLAT = `content-type\n${JSON_TYPE}\n`;

/** For responses that are made here, after the checks of the constructor. */
const RAW = Symbol("raw");

function checkInit(init) {
  if (typeof init !== "object" && typeof init !== "function") {
    throw new TypeError(
      "Failed to construct 'Response': constructor parameter 2 is not of type 'InitializerDict or" +
        " Response'.",
    );
  }
}

function statusOf(value) {
  if (value === undefined) return 200;
  const status = trunc(Number(value));
  if (status >= 200 && status <= 599) return status;
  throw new RangeError(
    "Responses may only be constructed with status codes in the range 200 to 599, inclusive.",
  );
}

function statusTextOf(value) {
  if (value === undefined) return "";
  const text = `${value}`;
  if (/[\0\r\n]/.test(text)) throw new TypeError("Invalid statusText");
  return text;
}

const isNullStatus = (status) => status === 204 || status === 205 || status === 304;

/** The kind of a body for a status; the rest is in `found`. */
function bodyFor(status, kind) {
  if (kind === NONE || !isNullStatus(status)) return kind;
  if (kind === STRING && found.data === "") {
    found.data = found.type = null;
    return NONE;
  }
  throw new TypeError(
    "Response with null body status (101, 204, 205, or 304) cannot have a body.",
  );
}

let parts;
let raw;
let brand;
let listed;

export class Response extends Body {
  #status;
  #statusText;
  /** A flat string until somebody reads the headers. */
  #headers;
  /** The text of `cf` until somebody reads it; undefined if there is none. */
  #cf = undefined;
  /** Of a response that was fetched, `{ url, redirected }`: its headers can not be changed. */
  #fetched = null;
  /** Whether the body is sent as it is under a content-encoding. */
  #encoded = false;

  static {
    parts = (response) => response.#give();
    brand = (value) => typeof value === "object" && value !== null && #status in value;
    listed = (response) => {
      const headers = response.#headers;
      return typeof headers === "string" ? headers : flatOf(headers);
    };
    raw = (init) => new Response(RAW, init);
  }

  constructor(body = null, init = undefined) {
    if (body === RAW) {
      super(MAKE, init.kind, init.data);
      this.#status = init.status;
      this.#statusText = init.statusText;
      this.#headers = init.headers;
      this.#cf = init.cf;
      this.#fetched = init.fetched;
      return;
    }
    if (init === undefined || init === null) {
      const kind = extract(body);
      const { data, type } = found;
      found.data = null;
      super(MAKE, kind, data);
      this.#status = 200;
      this.#statusText = "";
      this.#headers = type === TEXT_TYPE
        ? TEXT_FLAT
        : type === null
        ? ""
        : `content-type\n${type}\n`;
      return;
    }
    checkInit(init);
    const status = statusOf(init.status);
    const kind = bodyFor(status, extract(body));
    const { data, type } = found;
    found.data = null;
    super(MAKE, kind, data);
    this.#status = status;
    this.#statusText = statusTextOf(init.statusText);
    const given = init.headers;
    if (given === undefined) {
      this.#headers = type === null ? "" : `content-type\n${type}\n`;
    } else {
      this.#headers = headersOf(given, "InitializerDict");
      if (type !== null) setMissing(this.#headers, "content-type", type);
    }
    this.#fill(init);
  }

  /** The members that few workers give. */
  #fill(init) {
    const { cf, encodeBody, webSocket } = init;
    if (cf !== undefined && cf !== null) this.#cf = stringify(cf);
    if (encodeBody !== undefined && encodeBody !== "automatic" && encodeBody !== "manual") {
      throw new TypeError(`encodeBody: unexpected value: ${encodeBody}`);
    }
    this.#encoded = encodeBody === "manual";
    if (webSocket !== undefined && webSocket !== null) {
      throw new TypeError("webSocket is not supported yet");
    }
  }

  static json(value, init = undefined) {
    if (arguments.length === 0) {
      throw new TypeError(
        "Failed to execute 'json' on 'Response': parameter 1 is not of type 'Value'.",
      );
    }
    const data = `${stringify(value)}`;
    if (init === undefined || init === null) return Response.#raw(STRING, data, 200, JSON_FLAT);
    checkInit(init);
    const response = new Response(data, init);
    if (init.headers === undefined) response.#headers = JSON_FLAT;
    else {
      response.#headers = headersOf(init.headers, "InitializerDict");
      setMissing(response.#headers, "content-type", JSON_TYPE);
    }
    return response;
  }

  static redirect(url, status = 302) {
    if (arguments.length === 0) {
      throw new TypeError(
        "Failed to execute 'redirect' on 'Response': parameter 1 is not of type 'string'.",
      );
    }
    let target;
    try {
      target = new URL(`${url}`).href;
    } catch {
      throw new TypeError(`Unable to parse URL: ${url}`);
    }
    const code = trunc(Number(status));
    if (code !== 301 && code !== 302 && code !== 303 && code !== 307 && code !== 308) {
      throw new RangeError(
        `${code} is not a redirect status code. It must be one of: 301, 302, 303, 307, or 308.`,
      );
    }
    const headers = headersFromFlat(`location\n${target}\n`, IMMUTABLE);
    return Response.#raw(NONE, null, code, headers);
  }

  static error() {
    return Response.#raw(NONE, null, 0, headersFromFlat("", IMMUTABLE));
  }

  static #raw(kind, data, status, headers) {
    const rest = { statusText: "", headers, cf: undefined, fetched: null };
    return new Response(RAW, { kind, data, status, ...rest });
  }

  #give() {
    const status = this.#status;
    if (status === 0) {
      throw new TypeError(
        "Return value from serve handler must not be an error response (like Response.error())",
      );
    }
    const headers = this.#headers;
    const flat = typeof headers === "string" ? headers : flatOf(headers);
    const statusText = this.#statusText;
    const out = { status, statusText, headers: flat, kind: NONE, body: null, length: -1 };
    out.kind = sendParts(this, out);
    if (out.kind !== NONE && out.kind !== HOST && !this.#encoded) out.headers = unencoded(flat);
    return out;
  }

  get status() {
    return this.#status;
  }

  get statusText() {
    return this.#statusText;
  }

  get headers() {
    const headers = this.#headers;
    if (typeof headers !== "string") return headers;
    return this.#headers = headersFromFlat(headers, this.#fetched === null ? MUTABLE : IMMUTABLE);
  }

  get ok() {
    return this.#status >= 200 && this.#status < 300;
  }

  get redirected() {
    return this.#fetched !== null && this.#fetched.redirected;
  }

  get url() {
    return this.#fetched === null ? "" : this.#fetched.url;
  }

  get type() {
    return this.#status === 0 ? "error" : "default";
  }

  get webSocket() {
    return null;
  }

  get cf() {
    if (typeof this.#cf === "string") this.#cf = parse(this.#cf);
    return this.#cf;
  }

  clone() {
    const headers = this.#headers;
    const kind = copyBody(this);
    const { data } = found;
    found.data = null;
    const fetched = this.#fetched;
    const own = fetched === null ? (list) => new Headers(list) : flatOf;
    const copy = new Response(RAW, {
      kind,
      data,
      status: this.#status,
      statusText: this.#statusText,
      headers: typeof headers === "string" ? headers : own(headers),
      cf: typeof this.#cf === "object" ? stringify(this.#cf) : this.#cf,
      fetched,
    });
    copy.#encoded = this.#encoded;
    return copy;
  }

  [Symbol.for("Deno.privateCustomInspect")](inspect, options) {
    const shown = {
      object: this,
      evaluate: #status in this,
      keys: ["status", "statusText", "headers", "ok", "type", "url", "bodyUsed"],
    };
    return inspect(createFilteredInspectProxy(shown), options);
  }
}
configureInterface(Response);

const ENCODING = "content-encoding\n";
const ENCODED = /(?:^|\n)content-encoding\n(?:gzip|br)\n/i;

/**
 * Headers of a body that JavaScript made, which has no encoding: whoever reads the response of a
 * server gets what its bytes say, and may give its headers to what becomes of it.
 */
function unencoded(flat) {
  if (flat === TEXT_FLAT || !flat.includes(ENCODING) || !ENCODED.test(flat)) return flat;
  const list = flat.split("\n");
  let kept = "";
  for (let at = 0; at + 1 < list.length; at += 2) {
    if (list[at] !== "content-encoding") kept += `${list[at]}\n${list[at + 1]}\n`;
  }
  return kept;
}

/**
 * A response that the host fetched: `{ status, statusText, headers }`, headers flat, from where
 * `{ url, redirected }` says; `body` is null, a Uint8Array that is ours from now on, or the number of a body of `length`
 * bytes (-1 if nobody knows), which ends when the signal of `binding` fires, if there is one.
 */
export function responseFromHost(head, fetched, body, length, binding) {
  let [kind, data] = [NONE, null];
  if (typeof body === "number") {
    [kind, data] = [HOST, new HostBody(body, length)];
    if (binding !== null) data.bind(binding);
  } else if (body !== null) [kind, data] = [BYTES, body];
  const { status, statusText, headers } = head;
  return raw({ kind, data, status, statusText, headers, cf: undefined, fetched });
}

/** A response of a head as above and a body that nobody has read. */
export function responseOfBody(head, body) {
  const { status, statusText, headers } = head;
  const kind = moveBody(body);
  const { data } = found;
  found.data = null;
  const fetched = { url: "", redirected: false };
  return raw({ kind, data, status, statusText, headers, cf: undefined, fetched });
}

/** A response that another worker sent: `{ status, statusText, headers }`, and its body. */
export function responseFromParts({ status, statusText, headers }, kind, data) {
  return raw({ kind, data, status, statusText, headers, cf: undefined, fetched: null });
}

/** A response of bytes that came with their URL. */
export function responseOfBytes(url, type, bytes) {
  const head = { status: 200, statusText: "OK", headers: `content-type\n${type}\n` };
  return responseFromHost(head, { url, redirected: false }, bytes, -1, null);
}

/**
 * Uses a response up for sending it. Returns `{ status, statusText, headers, kind, body, length }`: headers are
 * flat, the kind is 0 none, 1 string, 2 bytes, 3 ReadableStream, 4 a body of the host's by number;
 * the length is of the kinds 3 and 4, and -1 if nobody knows. Throws what the worker should see.
 */
export const responseParts = parts;

/** Whether a value is a response. */
export const isResponse = brand;

/** The headers of a response as a flat string. */
export const responseHeaders = listed;
