// fetch: from a worker's request to the host's call, and back to a response.

import { core } from "ext:core/mod.js";
import { Call } from "ext:bindery/call.js";
import { requireEvent } from "ext:bindery/door.js";
import { dataResponse } from "ext:bindery/fetch/data_url.js";
import { STREAM } from "ext:bindery/http/body.js";
import { asRequest, requestParts } from "ext:bindery/http/request.js";
import { responseFromHost } from "ext:bindery/http/response.js";

const { op_fetch_send } = core.ops;

// A worker may take them off the global object.
const { Promise, TypeError, globalThis: global } = globalThis;

const then = Function.prototype.call.bind(Promise.prototype.then);

/** The slot of the global `fetch`. */
const OUTBOUND_SLOT = 0;

const ILLEGAL = "Illegal invocation: function called with incorrect `this` reference. See " +
  "https://developers.cloudflare.com/workers/observability/errors/#illegal-invocation-errors" +
  " for details.";
const FAILED = "Failed to execute 'fetch' on 'ServiceWorkerGlobalScope': ";

/** One request, until its response has begun. */
class Fetch extends Call {
  #parts;
  #slot;

  constructor(event, parts, slot) {
    super(event, parts.signal);
    this.#slot = slot;
    this.#parts = parts;
    if (parts.kind === STREAM) this.stream = parts.body;
  }

  send(id, event) {
    const { method, url, headers, follow, kind, body, length } = this.#parts;
    return op_fetch_send(id, event, this.#slot, method, url, headers, kind, body, length, follow);
  }

  answered(status, statusText, url, headers, body, length) {
    const { signal } = this.#parts;
    const redirected = url !== undefined;
    return responseFromHost(
      { status, statusText, headers },
      { url: redirected ? url : this.#parts.url, redirected },
      body,
      length,
      signal === null ? null : { signal, bound: this.bound },
    );
  }
}

function send(slot, given, input, init) {
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
  if (typeof slot === "number") return new Fetch(event, parts, slot).start();
  return then(slot, (slot) => new Fetch(event, parts, slot).start());
}

/** Sends a request to what a slot holds, or a promise of a slot. Whatever is wrong is a rejection. */
export function sendTo(slot, given, input, init) {
  try {
    const sent = send(slot, given, input, init);
    return sent instanceof Promise ? sent : Promise.resolve(sent);
  } catch (error) {
    return Promise.reject(error);
  }
}

/** Sends a request. What is wrong with it is a rejection; a method of something else is thrown. */
export const { fetch } = {
  fetch(input = undefined, init = undefined) {
    if (this !== undefined && this !== null && this !== global) throw new TypeError(ILLEGAL);
    return sendTo(OUTBOUND_SLOT, arguments.length, input, init);
  },
};
