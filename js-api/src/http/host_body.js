// A body that comes from the host in chunks, asked for only when somebody reads it.
//
// At most WINDOW_BYTES are on their way or waiting here: credit goes back as chunks leave for
// the reader. Whoever reads all of it gets the chunks joined once, past the stream machinery.

import { core } from "ext:core/mod.js";
import { bodyCancel, bodyPull, onBody } from "ext:bindery/door.js";

const {
  createReadableByteStream,
  readableByteStreamControllerClose: closeController,
  readableByteStreamControllerEnqueue: enqueue,
  readableByteStreamControllerError: errorController,
} = core.loadExtScript("ext:deno_web/06_streams.js");

const { add, remove } = core.loadExtScript("ext:deno_web/03_abort_signal.js");

const { Error, Promise, Uint8Array } = globalThis;
const uncurry = Function.prototype.bind.bind(Function.prototype.call);
const setBytes = uncurry(Uint8Array.prototype.set);

/** How far the host may be ahead of the reader. */
const WINDOW_BYTES = 256 << 10;
/** Credit is given back in steps of this. */
const STEP_BYTES = 64 << 10;

const OPEN = 0;
const WHOLE = 1;
const CUT = 2;

const nothing = () => {};

/** Chunks as one array. A single chunk is not copied. */
export function joined(chunks, size) {
  if (chunks.length === 1) return chunks[0];
  const bytes = new Uint8Array(size);
  let at = 0;
  for (let i = 0; i < chunks.length; i++) {
    setBytes(bytes, chunks[i], at);
    at += chunks[i].length;
  }
  return bytes;
}

/** Ends a byte stream, also under a reader that waits with a buffer of its own. */
export function closeBytes(controller) {
  closeController(controller);
  const request = controller.byobRequest;
  if (request !== null) request.respond(0);
}

/** A byte stream over bytes that are all here. */
export function streamOfBytes(bytes) {
  return createReadableByteStream(
    nothing,
    (controller) => {
      if (bytes.length !== 0) enqueue(controller, bytes);
      closeBytes(controller);
    },
    async () => {},
  );
}

const lost = () => new Error("Network connection lost.");

export class HostBody {
  /** What the host calls this body; it may be handed back unread. */
  id;
  /** Its bytes, or -1 if nobody knows. */
  length;
  #asked = false;
  #state = OPEN;
  #chunks = [];
  #first = 0;
  #eaten = 0;
  /** The controller of a stream whose reader waits. */
  #waiting = null;
  /** Whoever waits for all of it. */
  #whole = null;
  /** The controller of a stream over it. */
  #controller = null;
  /** What a signal was fired with that ended it. */
  #reason = undefined;
  /** The signal that ends it, and where that is written down; or null. */
  #binding = null;

  constructor(id, length) {
    this.id = id;
    this.length = length;
  }

  /** A stream over it that asks for nothing before its first read. */
  stream() {
    return createReadableByteStream(
      (controller) => {
        this.#controller = controller;
      },
      (controller) => this.#pull(controller),
      async () => this.#cancel(),
    );
  }

  /** Has the signal end it: `{ signal, bound }`, where `bound` holds all that listens. */
  bind(binding) {
    this.abort = () => this.#abort(binding.signal.reason);
    binding.signal[add](this.abort);
    binding.bound.add(this);
    this.#binding = binding;
  }

  /** Listens to no signal any more. */
  unbind() {
    const binding = this.#binding;
    if (binding === null) return;
    this.#binding = null;
    binding.signal[remove](this.abort);
    binding.bound.delete(this);
  }

  #abort(reason) {
    if (this.#state !== OPEN) return;
    this.unbind();
    this.#state = CUT;
    this.#reason = { error: reason };
    this.#chunks = [];
    this.#first = 0;
    this.#waiting = null;
    bodyCancel(this.id);
    if (this.#whole !== null) this.#whole.reject(reason);
    else if (this.#controller !== null) errorController(this.#controller, reason);
  }

  #failure() {
    return this.#reason === undefined ? lost() : this.#reason.error;
  }

  /** All of it, as bytes. */
  all() {
    return new Promise((resolve, reject) => {
      if (this.#state === CUT) return reject(this.#failure());
      this.#whole = { resolve, reject };
      this.#ask();
    });
  }

  /** From the host: bytes, which are ours from now on. */
  chunk(bytes) {
    if (this.#state !== OPEN) return;
    const controller = this.#waiting;
    if (controller !== null) {
      this.#waiting = null;
      this.#eat(bytes.length);
      enqueue(controller, bytes);
      return;
    }
    this.#chunks[this.#chunks.length] = bytes;
    if (this.#whole !== null) this.#eat(bytes.length);
  }

  /** From the host: there is no more. */
  end(whole) {
    if (this.#state !== OPEN) return;
    this.#state = whole ? WHOLE : CUT;
    this.unbind();
    if (this.#whole !== null) this.#settle();
    else if (this.#waiting !== null) this.#finish(this.#waiting);
  }

  #ask() {
    if (this.#asked) return;
    this.#asked = true;
    onBody(this.id, this);
    bodyPull(this.id, WINDOW_BYTES);
  }

  #eat(bytes) {
    this.#eaten += bytes;
    if (this.#eaten < STEP_BYTES || this.#state !== OPEN) return;
    bodyPull(this.id, this.#eaten);
    this.#eaten = 0;
  }

  #pull(controller) {
    if (this.#reason !== undefined) return this.#finish(controller);
    this.#ask();
    const bytes = this.#shift();
    if (bytes !== null) {
      this.#eat(bytes.length);
      enqueue(controller, bytes);
      if (this.#state === WHOLE && this.#chunks.length === 0) this.#finish(controller);
    } else if (this.#state === OPEN) this.#waiting = controller;
    else this.#finish(controller);
  }

  #shift() {
    const chunks = this.#chunks;
    if (this.#first === chunks.length) return null;
    const bytes = chunks[this.#first];
    chunks[this.#first++] = null;
    if (this.#first === chunks.length) {
      this.#chunks = [];
      this.#first = 0;
    }
    return bytes;
  }

  #finish(controller) {
    this.#waiting = null;
    if (this.#state === WHOLE) closeBytes(controller);
    else errorController(controller, this.#failure());
  }

  #settle() {
    const { resolve, reject } = this.#whole;
    const chunks = this.#chunks;
    this.#chunks = [];
    if (this.#state === CUT) {
      reject(this.#failure());
      return;
    }
    let size = 0;
    for (let i = 0; i < chunks.length; i++) size += chunks[i].length;
    resolve(joined(chunks, size));
  }

  #cancel() {
    this.#waiting = null;
    this.#chunks = [];
    this.#first = 0;
    if (this.#state !== OPEN) return;
    this.#state = CUT;
    this.unbind();
    bodyCancel(this.id);
  }
}
