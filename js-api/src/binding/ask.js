// Bindings ask the host through here: a head that is JSON, and a body beside it.

import { core } from "ext:core/mod.js";
import { Call } from "ext:bindery/call.js";
import { requireEvent } from "ext:bindery/door.js";
import {
  Body,
  BYTES,
  extract,
  found,
  HOST,
  MAKE,
  NONE,
  sendParts,
  STREAM,
} from "ext:bindery/http/body.js";
import { HostBody } from "ext:bindery/http/host_body.js";
import { attach, handedFrom } from "ext:bindery/rpc/value.js";

const { op_door_ask } = core.ops;
const { parse, stringify } = JSON;

/** The slot of the global `caches`. */
export const CACHES_SLOT = 1;

const NOTHING = { kind: NONE, body: null, length: -1 };

/** A value as the body of a call: what `fetch` takes as one, used up by this. */
export function contentOf(value) {
  const parts = { kind: NONE, body: null, length: -1 };
  parts.kind = sendParts(new Body(MAKE, extract(value), found.data), parts);
  return parts;
}

class Ask extends Call {
  #slot;
  #head;
  #content;
  #attached;

  constructor(event, slot, head, content, attached) {
    super(event);
    this.#attached = attached;
    this.#slot = slot;
    this.#head = stringify(head);
    this.#content = content;
    if (content.kind === STREAM) this.stream = content.body;
  }

  send(id, event) {
    const { kind, body, length } = this.#content;
    if (this.#attached !== null) attach(this.#attached);
    return op_door_ask(id, event, this.#slot, this.#head, kind, body, length);
  }

  answered(head, body, length, handed) {
    return { head: parse(head), body: bodyFromHost(body, length), handed: handedFrom(handed) };
  }
}

// Null, bytes or the number of a body, as something that is read once.
function bodyFromHost(body, length) {
  if (body === null) return new Body(MAKE, NONE, null);
  if (typeof body !== "number") return new Body(MAKE, BYTES, body);
  return new Body(MAKE, HOST, new HostBody(body, length));
}

/**
 * Asks the binding of a slot; resolves with the `head` and the `body` of its answer, and a list of
 * what was `handed` over with it. The body has `text()`, `json()`, `arrayBuffer()` and `bytes()`, or
 * a stream as its own `body`. `attached` is what goes with a value that `serialize` wrote.
 */
export function ask(slot, head, content = NOTHING, attached = null) {
  return new Ask(requireEvent(), slot, head, content, attached).start();
}
