// What a `queue` handler is given, and what it says of it.

import { core } from "ext:core/mod.js";
import { warn } from "ext:bindery/console.js";

const { op_door_settle } = core.ops;
const { parse } = JSON;
const { defineProperties } = Object;

// Verdicts; from LATER on with a delay in seconds. The numbers are the op's.
const UNSAID = 0, ACK = 1, RETRY = 2, LATER = 3;
const WHOLE_BATCH = -1;
// Kinds of bodies that are no text and no bytes; the numbers are the host's.
const JSON_BODY = 0, V8_BODY = 3;
const DELAY_S_MAX = 86_400;

function warnOf(call, before, of = "") {
  const about = of === "" ? "" : ` on message ${of}`;
  const what = of === "" ? `${call}()` : `${call}() on a message`;
  warn(
    `Received a call to ${call}()${about} after ${before}() was already called. ` +
      `Calling ${what} after calling ${before}() has no effect.`,
  );
}

// The verdict that asks for another delivery.
function retryAfter(options) {
  const delay = options?.delaySeconds;
  if (delay === undefined) return RETRY;
  const seconds = Math.trunc(Number(delay)) || 0;
  if (seconds < 0 || seconds > DELAY_S_MAX) {
    throw new TypeError(
      `Value out of range. Must be between 0 and ${DELAY_S_MAX} (inclusive): delaySeconds.`,
    );
  }
  return LATER + seconds;
}

function valueOf(kind, body) {
  if (kind === JSON_BODY) return parse(body);
  return kind === V8_BODY ? core.deserialize(body, { forStorage: true }) : body;
}

/** One message. What is said first of it counts. */
export class QueueMessage {
  #batch;
  #at;
  #said = UNSAID;

  constructor(batch, at, { id, timestamp, attempts, body }) {
    this.#batch = batch;
    this.#at = at;
    defineProperties(this, {
      attempts: { value: attempts, enumerable: true },
      body: { value: body, enumerable: true },
      timestamp: { value: timestamp, enumerable: true },
      id: { value: id, enumerable: true },
    });
  }

  /** The message is done with, however the handler ends. */
  ack() {
    const batch = this.#batch.said;
    if (batch === ACK) return;
    if (batch !== UNSAID) return warnOf("ack", "retryAll", this.id);
    if (this.#said >= RETRY) return warnOf("ack", "retry", this.id);
    this.#say(ACK);
  }

  /** The message is to be delivered again. */
  retry(options) {
    const verdict = retryAfter(options);
    const batch = this.#batch.said;
    if (batch >= RETRY) return;
    if (batch === ACK) return warnOf("retry", "ackAll", this.id);
    if (this.#said === ACK) return warnOf("retry", "ack", this.id);
    if (this.#said === UNSAID || verdict >= LATER) this.#say(verdict);
  }

  #say(verdict) {
    op_door_settle(this.#batch.event, this.#at, verdict);
    this.#said = verdict;
  }
}

/** The messages that are delivered together. */
export class QueueController {
  #said;

  /** `flat` holds five values for each message: id, time, attempts, kind of body, body. */
  constructor(event, queue, flat, metrics) {
    const said = { event: event.id, said: UNSAID };
    this.#said = said;
    const messages = [];
    for (let at = 0; at * 5 < flat.length; at++) {
      const [id, sent, attempts, kind, body] = flat.slice(at * 5, at * 5 + 5);
      const parts = { id, timestamp: new Date(sent), attempts, body: valueOf(kind, body) };
      messages[at] = new QueueMessage(said, at, parts);
    }
    const [backlogCount, backlogBytes, oldest] = metrics;
    const shown = { backlogCount, backlogBytes };
    if (oldest >= 0) shown.oldestMessageTimestamp = new Date(oldest);
    defineProperties(this, {
      metadata: { value: { metrics: shown }, enumerable: true },
      queue: { value: queue, enumerable: true },
      messages: { value: messages, enumerable: true },
    });
  }

  /** Every message is done with of which nothing else was said, however the handler ends. */
  ackAll() {
    if (this.#said.said >= RETRY) return warnOf("ackAll", "retryAll");
    this.#say(ACK);
  }

  /** Every message of which nothing else was said is to be delivered again. */
  retryAll(options) {
    const verdict = retryAfter(options);
    if (this.#said.said === ACK) return warnOf("retryAll", "ackAll");
    if (this.#said.said === UNSAID || verdict >= LATER) this.#say(verdict);
  }

  #say(verdict) {
    op_door_settle(this.#said.event, WHOLE_BATCH, verdict);
    this.#said.said = verdict;
  }
}

for (const type of [QueueMessage, QueueController]) {
  const tag = { value: type.name, configurable: true };
  Object.defineProperty(type.prototype, Symbol.toStringTag, tag);
}
