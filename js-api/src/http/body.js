// Bodies of requests and responses: what one may be made of, and how it is read.
//
// A body stays what it was given as (a string, bytes, a number of the host's) until something
// needs more. A stream over it is made when `body` is read; as long as nobody has read from
// that stream or locked it, whoever gets it gets what is under it, and no byte moves.

import { core } from "ext:core/mod.js";
import { isForm } from "ext:bindery/http/form_data.js";
import { joined, streamOfBytes } from "ext:bindery/http/host_body.js";
import { encodeMultipart, parseForm } from "ext:bindery/http/multipart.js";

const { configureInterface } = core.loadExtScript("ext:deno_webidl/00_webidl.js");
const { Blob } = core.loadExtScript("ext:deno_web/09_file.js");
const { URLSearchParams } = core.loadExtScript("ext:deno_web/00_url.js");
const random = core.loadExtScript("ext:deno_crypto/00_crypto.js");
const {
  acquireReadableStreamDefaultReader: readerOf,
  createProxy,
  isReadableStreamDisturbed: isDisturbed,
  isReadableStreamLocked: isLocked,
  ReadableStream,
  ReadableStreamDefaultReader,
  readableStreamDisturb: disturb,
  readableStreamTee: tee,
} = core.loadExtScript("ext:deno_web/06_streams.js");

const { ArrayBuffer, JSON, Symbol, TypeError, Uint8Array } = globalThis;
const uncurry = Function.prototype.bind.bind(Function.prototype.call);
const bytesOf = uncurry(Blob.prototype.bytes);
const fieldsOf = uncurry(URLSearchParams.prototype.toString);
const { from: streamFrom } = ReadableStream;
const { isView } = ArrayBuffer;
const { parse } = JSON;
const read = uncurry(ReadableStreamDefaultReader.prototype.read);
const sizeOf = uncurry(Object.getOwnPropertyDescriptor(Blob.prototype, "size").get);
const streamOfBlob = uncurry(Blob.prototype.stream);
const typeOf = uncurry(Object.getOwnPropertyDescriptor(Blob.prototype, "type").get);

export const NONE = 0;
export const STRING = 1;
export const BYTES = 2;
export const STREAM = 3;
export const HOST = 4;
export const BLOB = 5;
const USED = 6;

/** Only the host's own classes make bodies. */
export const MAKE = Symbol("make");

export const TEXT_TYPE = "text/plain;charset=UTF-8";

const USED_TEXT =
  "Body has already been used. It can only be used once. Use tee() first if you need to read it" +
  " twice.";
const LOCKED_TEXT = "This ReadableStream is currently locked to a reader.";
const NO_BYTES_TEXT = "This ReadableStream did not return bytes.";

/** Marks a stream with what is under it, as a private field that a worker can not see. */
class Under extends (function (stream) {
  return stream;
}) {
  #kind;
  #data;

  constructor(stream, kind, data) {
    super(stream);
    this.#kind = kind;
    this.#data = data;
  }

  static kind(stream) {
    return #kind in stream ? stream.#kind : NONE;
  }

  static data(stream) {
    return stream.#data;
  }
}
const { kind: kindUnder, data: dataUnder } = Under;

/** A stream over a body of this kind: unread, it is passed on as what is under it. */
export function streamUnder(kind, data) {
  const stream = streamOver(kind, data);
  new Under(stream, kind, data);
  return stream;
}

/** Says how many bytes a stream will have. */
export function setLength(stream, length) {
  new Under(stream, STREAM, length);
}

/** What `extract` found besides the kind: the data, and the content type or null. */
export const found = { data: null, type: null };

function result(kind, data, type) {
  found.data = data;
  found.type = type;
  return kind;
}

/** What a value is as a body: the kind; the rest is in `found`. */
export function extract(value) {
  if (typeof value === "string") return result(STRING, value, TEXT_TYPE);
  if (value === null || value === undefined) return result(NONE, null, null);
  if (typeof value !== "object") return result(STRING, `${value}`, TEXT_TYPE);
  if (value instanceof ReadableStream) return result(STREAM, usable(value), null);
  if (isView(value)) {
    const { buffer, byteOffset, byteLength } = value;
    return result(BYTES, new Uint8Array(new Uint8Array(buffer, byteOffset, byteLength)), null);
  }
  if (core.isAnyArrayBuffer(value)) {
    return result(BYTES, new Uint8Array(new Uint8Array(value)), null);
  }
  return extractObject(value);
}

function extractObject(value) {
  if (value instanceof Blob) return result(BLOB, value, typeOf(value) || null);
  if (value instanceof URLSearchParams) {
    const type = "application/x-www-form-urlencoded;charset=UTF-8";
    return result(STRING, fieldsOf(value), type);
  }
  if (isForm(value)) {
    const boundary = random.crypto.randomUUID().replaceAll("-", "");
    const data = encodeMultipart(value, boundary);
    const kind = typeof data === "string" ? STRING : BLOB;
    return result(kind, data, `multipart/form-data; boundary=${boundary}`);
  }
  const iterable = value[Symbol.asyncIterator] !== undefined ||
    value[Symbol.iterator] !== undefined && !core.isStringObject(value);
  if (iterable) return result(STREAM, streamFrom(value), null);
  return result(STRING, `${value}`, TEXT_TYPE);
}

function usable(stream) {
  if (isDisturbed(stream)) {
    throw new TypeError(
      "This ReadableStream is disturbed (has already been read from), and cannot be used as a" +
        " body.",
    );
  }
  if (isLocked(stream)) {
    throw new TypeError("This ReadableStream is locked to a reader, and cannot be used as a body.");
  }
  return stream;
}

/** A chunk of a stream as bytes; what a worker may put into a body. */
export function chunkBytes(chunk) {
  if (isView(chunk)) {
    if (chunk instanceof Uint8Array) return chunk;
    return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  }
  if (core.isAnyArrayBuffer(chunk)) return new Uint8Array(chunk);
  throw new TypeError(NO_BYTES_TEXT);
}

function streamOver(kind, data) {
  if (kind === HOST) return data.stream();
  if (kind === BLOB) return streamOfBlob(data);
  return streamOfBytes(kind === STRING ? core.encode(data) : data);
}

/** All that a reader gets, as bytes. */
async function drain(reader) {
  const chunks = [];
  let size = 0;
  for (;;) {
    const { value, done } = await read(reader);
    // Not the very chunk: whoever made it may still hold it.
    if (done) return chunks.length === 1 ? new Uint8Array(chunks[0]) : joined(chunks, size);
    const bytes = chunkBytes(value);
    chunks[chunks.length] = bytes;
    size += bytes.length;
  }
}

/** Bytes whose buffer holds nothing else, as they are handed to a worker. */
function whole(bytes) {
  return bytes.length === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);
}

const textOf = (data) => {
  if (data === null) return "";
  if (typeof data !== "string") return core.decode(data);
  const text = data.charCodeAt(0) === 0xfeff ? data.slice(1) : data;
  return text.toWellFormed();
};

const bytesFrom = (data) => {
  if (data === null) return new Uint8Array(0);
  return typeof data === "string" ? core.encode(data) : whole(data);
};

let kindOf;
let takeParts;
let moveInto;
let copyInto;

export class Body {
  #kind;
  #data;
  /** The stream that `body` gave away, or null. */
  #stream = null;

  static {
    kindOf = (body) => body.#kind;
    takeParts = (body, parts) => body.#giveTo(parts);
    moveInto = (body) => body.#move();
    copyInto = (body) => body.#copy();
  }

  constructor(make, kind, data) {
    if (make !== MAKE) throw new TypeError("Illegal constructor");
    this.#kind = kind;
    this.#data = data;
    if (kind === STREAM) this.#stream = data;
  }

  get body() {
    return this.#open();
  }

  get bodyUsed() {
    if (this.#stream !== null) return isDisturbed(this.#stream);
    return this.#kind === USED;
  }

  #open() {
    const kind = this.#kind;
    if (this.#stream !== null || kind === NONE) return this.#stream;
    const used = kind === USED;
    const stream = used ? streamOfBytes(new Uint8Array(0)) : streamOver(kind, this.#data);
    if (used) this.#lock(stream);
    else new Under(stream, kind, this.#data);
    this.#stream = stream;
    return stream;
  }

  #lock(stream) {
    const reader = readerOf(stream);
    disturb(stream);
    return reader;
  }

  /** Uses the body up; returns the kind of what was under it and leaves the rest in `found`. */
  #take(lockedText) {
    const stream = this.#stream;
    if (stream === null) {
      const kind = this.#kind;
      if (kind === USED) throw new TypeError(USED_TEXT);
      found.data = this.#data;
      if (kind !== NONE) {
        this.#kind = USED;
        this.#data = null;
      }
      return kind;
    }
    if (isDisturbed(stream)) throw new TypeError(USED_TEXT);
    if (isLocked(stream)) throw new TypeError(lockedText);
    const kind = kindUnder(stream);
    if (kind === NONE || kind === STREAM) {
      found.data = stream;
      return STREAM;
    }
    found.data = dataUnder(stream);
    this.#lock(stream);
    return kind;
  }

  /** All of it: a string, bytes, null if there is no body, or a promise of bytes. */
  #all() {
    const kind = this.#take(LOCKED_TEXT);
    const { data } = found;
    found.data = null;
    if (kind === STREAM) return drain(this.#lock(data));
    if (kind === HOST) return data.all();
    return kind === BLOB ? bytesOf(data) : data;
  }

  #giveTo(parts) {
    const kind = this.#take("The ReadableStream has been locked to a reader.");
    const { data } = found;
    found.data = null;
    if (kind === STREAM) {
      if (kindUnder(data) === STREAM) parts.length = dataUnder(data);
      parts.body = data;
      return STREAM;
    }
    if (kind === HOST) {
      parts.length = data.length;
      data.unbind();
    }
    if (kind === BLOB) {
      parts.length = sizeOf(data);
      parts.body = streamOfBlob(data);
      return STREAM;
    }
    parts.body = kind === HOST ? data.id : data;
    return kind;
  }

  #move() {
    const kind = this.#take(LOCKED_TEXT);
    if (kind === STREAM) {
      const stream = found.data;
      found.data = createProxy(stream);
      if (kindUnder(stream) === STREAM) setLength(found.data, dataUnder(stream));
    }
    return kind;
  }

  #copy() {
    const kind = this.#kind;
    if (this.#stream === null && kind !== HOST) {
      if (kind === USED) throw new TypeError(USED_TEXT);
      found.data = kind === BYTES ? new Uint8Array(this.#data) : this.#data;
      return kind;
    }
    const stream = this.#open();
    if (isDisturbed(stream)) throw new TypeError(USED_TEXT);
    if (isLocked(stream)) throw new TypeError(LOCKED_TEXT);
    const branches = tee(stream, true);
    this.#kind = STREAM;
    this.#data = this.#stream = branches[0];
    found.data = branches[1];
    return STREAM;
  }

  async arrayBuffer() {
    return bytesFrom(await this.#all()).buffer;
  }

  async bytes() {
    return bytesFrom(await this.#all());
  }

  async text() {
    return textOf(await this.#all());
  }

  async json() {
    return parse(textOf(await this.#all()));
  }

  async formData() {
    const type = this.headers.get("content-type");
    return parseForm(bytesFrom(await this.#all()), type);
  }

  async blob() {
    const type = this.headers.get("content-type") ?? "";
    return new Blob([bytesFrom(await this.#all())], { __proto__: null, type });
  }
}
configureInterface(Body);

/**
 * Uses a body up for whoever sends it: returns NONE, STRING, BYTES, STREAM or HOST, and sets
 * `parts.body` (a string, bytes, a ReadableStream, or the host's number) and `parts.length`
 * (of a stream or a host's body, where somebody knows it).
 */
export const sendParts = takeParts;

/** Whether there is a body, read or not. */
export const hasBody = (body) => kindOf(body) !== NONE;

/** The kind of a body that another is made of; its data is in `found`. */
export const moveBody = moveInto;

/** The kind of a copy of a body; its data is in `found`. */
export const copyBody = copyInto;

