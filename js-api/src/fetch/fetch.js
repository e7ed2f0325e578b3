// fetch: from a worker's request to the host's call, and back to a response.
//
// A few calls of an event are out at once, the others wait here in order: the host takes no more.
// A call belongs to its event and goes with it.

import { core } from "ext:core/mod.js";
import { requireEvent } from "ext:bindery/door.js";
import { pumpBody, awaitBody, stopBody } from "ext:bindery/http/pump.js";
import { dataResponse } from "ext:bindery/fetch/data_url.js";
import { asRequest, requestParts } from "ext:bindery/http/request.js";
import { responseFromHost } from "ext:bindery/http/response.js";

const { getAsyncContext, setAsyncContext } = core;
const { op_fetch_abort, op_fetch_send } = core.ops;
const { add, remove } = core.loadExtScript("ext:deno_web/03_abort_signal.js");

// A worker may take them off the global object.
const { Error, Map, Promise, Set, TypeError, globalThis: global } = globalThis;

/** The kind of a body that is a stream: `body.js` has the list. */
const STREAM = 3;
/** Calls of one event whose responses have not begun. */
const CALL_COUNT_MAX = 6;

const ILLEGAL = "Illegal invocation: function called with incorrect `this` reference. See " +
  "https://developers.cloudflare.com/workers/observability/errors/#illegal-invocation-errors" +
  " for details.";
const FAILED = "Failed to execute 'fetch' on 'ServiceWorkerGlobalScope': ";

// Calls that are out, by number.
const calls = new Map();
let last = 0;

/** What an event has under way. */
class EventCalls {
  out = 0;
  /** Calls that wait for their turn, from `first` on. */
  waiting = [];
  /** Calls and responses that listen to a signal. */
  bound = new Set();
}

/** One request, until its response has begun. */
class Call {
  id = 0;
  #event;
  #own;
  #context = getAsyncContext();
  #parts;
  #resolve;
  #reject;
  #body = 0;
  #settled = false;

  constructor(event, parts, resolve, reject) {
    this.#event = event;
    this.#own = event.calls ??= new EventCalls();
    this.#parts = parts;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Sends it, or has it wait for its turn. */
  start() {
    const { signal } = this.#parts;
    const { waiting, out, bound } = this.#own;
    if (signal !== null) {
      this.abort = () => this.#abort(signal.reason);
      signal[add](this.abort);
      bound.add(this);
    }
    if (out < CALL_COUNT_MAX) this.#send();
    else waiting.push(this);
  }

  isOf(event) {
    return this.#event === event;
  }

  /** Stops listening. */
  unbind() {
    const { signal } = this.#parts;
    if (signal === null) return;
    signal[remove](this.abort);
    this.#own.bound.delete(this);
  }

  #send() {
    const event = this.#event;
    const { method, url, headers, follow, kind, body, length } = this.#parts;
    const id = ++last;
    let number;
    try {
      number = op_fetch_send(id, event.id, method, url, headers, kind, body, length, follow);
    } catch (error) {
      this.#settled = true;
      this.unbind();
      this.#reject(error);
      return;
    }
    this.id = id;
    calls.set(id, this);
    this.#own.out++;
    if (number === 0) return;
    // The response may be over before the request is.
    this.#body = number;
    event.hold();
    const over = (failed, error) => {
      this.#body = 0;
      if (failed && !this.#settled) this.#abort(error);
      event.release();
    };
    if (kind === STREAM) pumpBody(number, body, over);
    else awaitBody(number, over);
  }

  #abort(reason) {
    if (this.#settled) return;
    this.#settled = true;
    this.unbind();
    if (this.id !== 0) {
      op_fetch_abort(this.id);
      this.#out();
    } else {
      const { waiting } = this.#own;
      waiting.splice(waiting.indexOf(this), 1);
    }
    if (this.#body !== 0) stopBody(this.#body, reason);
    this.#reject(reason);
  }

  /** It is out no more: the next may go. */
  #out() {
    calls.delete(this.id);
    const own = this.#own;
    own.out--;
    while (own.waiting.length > 0 && own.out < CALL_COUNT_MAX) own.waiting.shift().#send();
  }

  reply(status, statusText, url, headers, body, length) {
    this.#settled = true;
    this.unbind();
    const { signal } = this.#parts;
    const redirected = url !== undefined;
    const response = responseFromHost(
      { status, statusText, headers },
      { url: redirected ? url : this.#parts.url, redirected },
      body,
      length,
      signal === null ? null : { signal, bound: this.#own.bound },
    );
    setAsyncContext(this.#context);
    this.#resolve(response);
    this.#out();
  }

  refuse(error) {
    this.#settled = true;
    this.unbind();
    setAsyncContext(this.#context);
    if (this.#body !== 0) stopBody(this.#body, error);
    this.#reject(error);
    this.#out();
  }
}

function send(given, input, init) {
  if (given === 0) throw new TypeError(`${FAILED}parameter 1 is not of type 'Request or string'.`);
  if (init !== undefined && init !== null && typeof init !== "object" && typeof init !== "function") {
    throw new TypeError(
      `${FAILED}parameter 2 is not of type 'RequestInitializerDict or Request'.`,
    );
  }
  const event = requireEvent();
  const request = asRequest(input, init);
  const parts = requestParts(request);
  const { url, signal } = parts;
  if (signal !== null && signal.aborted) throw signal.reason;
  if (!url.startsWith("http://") && !url.startsWith("https://")) {
    if (url.startsWith("data:")) return dataResponse(url);
    throw new TypeError(`Fetch API cannot load: ${url}`);
  }
  return new Promise((resolve, reject) => new Call(event, parts, resolve, reject).start());
}

/** Sends a request. What is wrong with it is a rejection; a method of something else is thrown. */
export const { fetch } = {
  fetch(input = undefined, init = undefined) {
    if (this !== undefined && this !== null && this !== global) throw new TypeError(ILLEGAL);
    try {
      const sent = send(arguments.length, input, init);
      return sent instanceof Promise ? sent : Promise.resolve(sent);
    } catch (error) {
      return Promise.reject(error);
    }
  },
};

/** A response has begun: called by the host. */
export function callReply(id, status, statusText, url, headers, body, length) {
  calls.get(id)?.reply(status, statusText, url, headers, body, length);
}

/** There will be no response: called by the host. */
export function callRefused(id, wrong, message) {
  calls.get(id)?.refuse(wrong ? new TypeError(message) : new Error(message));
}

/** Forgets the calls of an event that has ended: the host has canceled them already. */
export function dropCalls(event) {
  const own = event.calls;
  if (own === null) return;
  event.calls = null;
  own.waiting.length = 0;
  for (const bound of [...own.bound]) bound.unbind();
  if (own.out === 0) return;
  for (const [id, call] of calls) {
    if (call.isOf(event)) calls.delete(id);
  }
}
