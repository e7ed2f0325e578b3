// Queues, as workers send to them.

import { core } from "ext:core/mod.js";
import { ask, contentOf } from "ext:bindery/binding/ask.js";
import { ALL, hold, nowFit } from "ext:bindery/binding/held.js";

const { Date, Error, TypeError, Uint8Array } = globalThis;
const { stringify } = JSON;
const { isView } = ArrayBuffer;

const MAKE = Symbol();
const DELAY_S_MAX = 86_400;
const UNKEPT = "The options of this queue are not kept yet, and whoever it is handed to would not " +
  "know them: have it answer once, as with `await queue.metrics()`, and hand it on then.";
const OPTIONS = [
  "consumer",
  "deadLetterQueue",
  "deliveryDelay",
  "maxBatchSize",
  "maxBatchTimeout",
  "maxConcurrency",
  "maxRetries",
  "messageRetentionPeriod",
  "retryDelay",
];

function wrongType(contentType, wanted, body) {
  return new TypeError(
    `Content Type "${contentType}" requires a value of type ${wanted}, but received: ${typeof body}`,
  );
}

function bytesOf(view) {
  const { buffer, byteOffset, byteLength } = view;
  return new Uint8Array(buffer, byteOffset, byteLength);
}

// The bytes of a body, by the name of what it is.
const ENCODE = {
  __proto__: null,
  json(body) {
    const text = stringify(body);
    if (text === undefined) throw new TypeError("Message body cannot be undefined");
    return core.encode(text);
  },
  text(body) {
    if (typeof body !== "string") throw wrongType("text", "string", body);
    return core.encode(body);
  },
  bytes(body) {
    if (!isView(body)) throw wrongType("bytes", "ArrayBufferView", body);
    return bytesOf(body);
  },
  v8(body) {
    return core.serialize(body, { forStorage: true });
  },
};

function delayOf(options) {
  const delay = options?.delaySeconds;
  if (delay === undefined || delay === null) return null;
  const seconds = Math.trunc(Number(delay));
  if (!(seconds >= 0 && seconds <= DELAY_S_MAX)) {
    throw new TypeError(
      `Value out of range. Must be between 0 and ${DELAY_S_MAX} (inclusive): delaySeconds.`,
    );
  }
  return seconds;
}

function encoded(body, options) {
  if (body === undefined) throw new TypeError("Message body cannot be undefined");
  const contentType = options?.contentType ?? "json";
  const encode = ENCODE[contentType];
  if (encode === undefined) {
    throw new TypeError(`Unsupported queue message content type: ${contentType}`);
  }
  return { contentType, bytes: encode(body), delay: delayOf(options) };
}

// The bytes of all messages, one behind the other.
function joined(messages) {
  if (messages.length === 1) return messages[0].bytes;
  let length = 0;
  for (const { bytes } of messages) length += bytes.byteLength;
  const all = new Uint8Array(length);
  let at = 0;
  for (const { bytes } of messages) {
    all.set(bytes, at);
    at += bytes.byteLength;
  }
  return all;
}

function metricsOf({ count, bytes, oldest }) {
  const metrics = { backlogCount: count, backlogBytes: bytes };
  if (oldest !== null) metrics.oldestMessageTimestamp = new Date(oldest);
  return metrics;
}

/** A queue that messages are sent to. */
export class Queue {
  #slot;
  #name;
  #options;

  constructor(make, slot, name, options) {
    if (make !== MAKE) throw new TypeError("Illegal constructor");
    this.#slot = slot;
    this.#name = name;
    this.#options = options;
  }

  /** Sends one message. Resolves when it is durable. */
  async send(body, options) {
    return { metadata: { metrics: await this.#send("send", [encoded(body, options)], null) } };
  }

  /** Sends messages together. Resolves when all are durable. */
  async sendBatch(messages, options) {
    const all = [];
    for (const message of messages) all.push(encoded(message.body, message));
    if (all.length === 0) throw new TypeError("sendBatch() requires at least one message");
    return { metadata: { metrics: await this.#send("sendBatch", all, delayOf(options)) } };
  }

  /** What waits in the queue. */
  async metrics() {
    return this.#ask("metrics", "metrics");
  }

  #send(verb, messages, delay) {
    const heads = [];
    for (const { contentType, bytes, delay } of messages) {
      heads.push([contentType, bytes.byteLength, delay]);
    }
    const send = delay === null ? { messages: heads } : { messages: heads, delay_s: delay };
    return this.#ask(verb, { send }, contentOf(joined(messages)));
  }

  async #ask(verb, call, content) {
    const head = { call };
    if (this.#name !== undefined) head.queue = this.#name;
    const options = this.#options;
    if (options !== undefined) head.options = options;
    try {
      const answer = await ask(this.#slot, head, content);
      // The host has kept them.
      if (options !== undefined && this.#options === options) {
        this.#options = undefined;
        nowFit(this);
      }
      return metricsOf(answer.head);
    } catch (error) {
      throw new Error(`Queue ${verb} failed: ${error.message}`);
    }
  }
}

// The options of a handle as they are now, so that a later change of the object changes nothing.
function optionsOf(given) {
  if (given === undefined || given === null) return undefined;
  if (typeof given !== "object") throw new TypeError("The options of a queue must be an object");
  for (const name of Object.keys(given)) {
    if (!OPTIONS.includes(name)) throw new TypeError(`Unknown option of a queue: ${name}`);
  }
  const options = {};
  for (const name of OPTIONS) {
    const value = given[name];
    if (value === undefined) continue;
    options[name] = name === "consumer" ? consumerOf(value) : valueOf(name, value);
  }
  return options;
}

function consumerOf(value) {
  if (typeof value === "string") return value;
  const { service, entrypoint } = Object(value);
  const known = (part) => part === undefined || typeof part === "string";
  if (typeof value === "object" && value !== null && known(service) && known(entrypoint)) {
    return { service, entrypoint };
  }
  throw new TypeError(
    "The consumer of a queue must be the name of a worker or { service, entrypoint }",
  );
}

function valueOf(name, value) {
  const wanted = name === "deadLetterQueue" ? "string" : "number";
  if (typeof value === wanted && (wanted === "string" || Number.isFinite(value))) return value;
  throw new TypeError(`The option ${name} of a queue must be a ${wanted}`);
}

/** The tenant's queues, by name. */
export class QueueNamespace {
  #slot;

  constructor(make, slot) {
    if (make !== MAKE) throw new TypeError("Illegal constructor");
    this.#slot = slot;
  }

  /** A handle of a queue, which is made on first use. Its first call has the host keep the options. */
  get(name, options) {
    if (typeof name !== "string") throw new TypeError("The name of a queue must be a string");
    // Two that differ in such halves only would be the same text.
    if (!name.isWellFormed()) {
      throw new TypeError("The name of a queue must not contain half of a surrogate pair");
    }
    const slot = this.#slot;
    const known = optionsOf(options);
    const one = new Queue(MAKE, slot, name, known);
    return hold(one, "queue", slot, ALL, name, known === undefined ? undefined : UNKEPT);
  }
}

for (const type of [Queue, QueueNamespace]) {
  const tag = { value: type === Queue ? "WorkerQueue" : type.name, configurable: true };
  Object.defineProperty(type.prototype, Symbol.toStringTag, tag);
}

/** Makes what stands for a queue in `env`. */
export function queue(slot) {
  return new Queue(MAKE, slot);
}

/** Makes what stands for all queues in `env`. */
export function queues(slot) {
  return new QueueNamespace(MAKE, slot);
}
