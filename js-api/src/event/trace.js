// What a `tail` handler is given: what other workers' events did.

const { parse } = JSON;
const { defineProperty } = Object;

const SECRET = /auth|cookie|key|secret|token/i;
const REDACTED = "REDACTED";

/** A request, without the values of headers whose names sound secret. */
class TraceRequest {
  #whole;

  constructor(request) {
    this.#whole = request;
    const headers = {};
    for (const [name, value] of Object.entries(request.headers ?? {})) {
      headers[name] = SECRET.test(name) ? REDACTED : value;
    }
    for (const [name, value] of Object.entries({ ...request, headers })) {
      defineProperty(this, name, { value, enumerable: true });
    }
  }

  /** The same with every value. */
  getUnredacted() {
    return this.#whole;
  }
}

/** What one event did. */
export class TraceItem {
  constructor(item) {
    for (const [name, value] of Object.entries(item)) {
      defineProperty(this, name, { value, enumerable: true });
    }
  }
}

for (const type of [TraceRequest, TraceItem]) {
  defineProperty(type.prototype, Symbol.toStringTag, { value: type.name, configurable: true });
}

/** The items of a tail event, from their JSON. */
export function traceItems(json) {
  return parse(json).map((item) => {
    const request = item.event?.request;
    if (typeof request === "object" && request !== null) {
      item.event.request = new TraceRequest(request);
    }
    return new TraceItem(item);
  });
}
