// Responses. One made of a string and nothing else costs an object with four fields.

import { core } from "ext:core/mod.js";
import {
  Body,
  copyBody,
  extract,
  found,
  MAKE,
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

export class Response extends Body {
  #status;
  #statusText;
  /** A flat string until somebody reads the headers. */
  #headers;
  /** The text of `cf` until somebody reads it; undefined if there is none. */
  #cf = undefined;

  static {
    parts = (response) => response.#give();
  }

  constructor(body = null, init = undefined) {
    if (body === RAW) {
      super(MAKE, init.kind, init.data);
      this.#status = init.status;
      this.#statusText = init.statusText;
      this.#headers = init.headers;
      this.#cf = init.cf;
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
    return new Response(RAW, { kind, data, status, statusText: "", headers, cf: undefined });
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
    const out = { status, headers: flat, kind: NONE, body: null, length: -1 };
    out.kind = sendParts(this, out);
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
    return this.#headers = headersFromFlat(headers, MUTABLE);
  }

  get ok() {
    return this.#status >= 200 && this.#status < 300;
  }

  get redirected() {
    return false;
  }

  get url() {
    return "";
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
    return new Response(RAW, {
      kind,
      data,
      status: this.#status,
      statusText: this.#statusText,
      headers: typeof headers === "string" ? headers : new Headers(headers),
      cf: typeof this.#cf === "object" ? stringify(this.#cf) : this.#cf,
    });
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

/**
 * Uses a response up for sending it. Returns `{ status, headers, kind, body, length }`: headers are
 * flat, the kind is 0 none, 1 string, 2 bytes, 3 ReadableStream, 4 a body of the host's by number;
 * the length is of the kinds 3 and 4, and -1 if nobody knows. Throws what the worker should see.
 */
export const responseParts = parts;
