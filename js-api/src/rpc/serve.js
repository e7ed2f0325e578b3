// What others call in the events of this isolate.

import { core } from "ext:core/mod.js";
import { HostBody } from "ext:bindery/http/host_body.js";
import { awaitBody } from "ext:bindery/http/pump.js";
import { Shared } from "ext:bindery/rpc/exports.js";
import { LATE, RETURNED, THREW } from "ext:bindery/rpc/method.js";
import { missing, remote, thrown } from "ext:bindery/rpc/resolve.js";
import { apply, disposeOf } from "ext:bindery/rpc/stub.js";
import { attach, CALLED, deserialize, handedFrom, serialize, waitFor } from "ext:bindery/rpc/value.js";

const { op_door_return } = core.ops;
const { Promise, TypeError } = globalThis;
const then = Function.prototype.call.bind(Promise.prototype.then);

/** What an invocation is made of; the numbers are the host's. */
const EXPORT = 1, RESULT = 2;

/** One call of something here. */
class Invocation {
  #event;
  #served;
  #number;
  #target;
  #path;
  #calls;
  #handed;
  #isFirst;

  constructor(event, [number, kind, target, path, calls], handed) {
    this.#event = event;
    this.#served = event.served;
    this.#number = number;
    this.#target = [kind, target];
    this.#path = path;
    this.#calls = calls;
    this.#handed = handed;
    this.#isFirst = kind === 0 && number === 0;
  }

  /** Runs it with the bytes of its arguments. */
  run(bytes) {
    let result;
    try {
      const args = this.#calls ? deserialize(bytes, this.#handed) : undefined;
      result = this.#start(args);
    } catch (error) {
      return this.#threw(error);
    }
    if (result === LATE) return this.#say(LATE, undefined);
    then(Promise.resolve(result), (value) => this.#returned(value), (error) => this.#threw(error));
  }

  #start(args) {
    const [kind, number] = this.#target;
    const served = this.#served;
    const path = this.#path;
    if (kind === RESULT) {
      const former = served.results.get(number);
      if (former === undefined) return LATE;
      return this.#keep(then(former.promise, (value) => apply(value, path, args)));
    }
    if (kind === EXPORT) {
      const value = served.exports.get(number);
      if (value === undefined) throw missing(path[0] ?? "");
      return this.#keep(apply(value instanceof Shared ? value.target : value, path, args));
    }
    const { target, isInstance, extra } = served.entrypoint();
    return this.#keep(apply(target, path, args, isInstance, extra));
  }

  /** Has more be made of its result, which may still be a promise. */
  #keep(result) {
    const promise = Promise.resolve(result);
    then(promise, undefined, () => {});
    this.#served.results.set(this.#number, { promise, handed: [] });
    return promise;
  }

  #returned(value) {
    let written;
    try {
      written = serialize(value, CALLED);
    } catch (error) {
      return this.#threw(error);
    }
    const { results } = this.#served;
    if (written.attached.length === 0) {
      results.delete(this.#number);
    } else {
      this.#served.hold();
      this.#handOn(results.get(this.#number), written.attached);
    }
    this.#say(RETURNED, written);
  }

  /** What was handed over and is in the result lasts for as long as more may be made of that. */
  #handOn(result, attached) {
    const isGiven = (value) => attached.some(({ object }) => object === value);
    result.handed = this.#handed.filter(isGiven);
    this.#handed = this.#handed.filter((value) => !isGiven(value));
  }

  #threw(error) {
    this.#served.results.delete(this.#number);
    if (this.#isFirst) this.#event.report(error);
    let written;
    try {
      written = serialize(thrown(error), CALLED);
    } catch (other) {
      written = serialize(other, CALLED);
    }
    this.#say(THREW, written);
  }

  #say(how, written) {
    const event = this.#event;
    let body = 0;
    try {
      if (written !== undefined) attach(written.attached, event);
      body = op_door_return(event.id, this.#number, how, written?.bytes ?? null);
    } catch {
      // The event has ended: nobody waits.
    }
    for (let at = 0; at < this.#handed.length; at++) disposeOf(this.#handed[at]);
    if (this.#isFirst) event.returned();
    if (body === 0) return this.#served.release();
    awaitBody(body, () => this.#served.release());
  }
}

/**
 * Runs an invocation in an event: its number, what it is made of, the names from there, whether it
 * is a call, the body of its arguments with its length, and what was handed over with them.
 */
export function invoke(event, number, kind, target, path, calls, body, length, list) {
  const { served } = event;
  served.hold();
  const handed = handedFrom(list);
  const invocation = new Invocation(event, [number, kind, target, path, calls], handed);
  const whole = typeof body === "number" ? undefined : waitFor(body, handed);
  if (typeof body !== "number" && whole === undefined && served.arriving === null) {
    return invocation.run(body);
  }
  // In the order in which they were made, also when some arguments take longer.
  const bytes = argumentBytes(body, length, handed);
  const before = served.arriving ?? Promise.resolve();
  const ready = then(before, () => then(bytes, (bytes) => invocation.run(bytes), () => {}));
  served.arriving = ready;
  then(ready, () => {
    if (served.arriving === ready) served.arriving = null;
  });
}

/** The bytes of arguments, once all that they need is here. */
async function argumentBytes(body, length, handed) {
  const bytes = typeof body === "number" ? await new HostBody(body, length).all() : body;
  await waitFor(bytes, handed);
  return bytes;
}

const ARGUMENTS = (name) =>
  `Attempted to call RPC function "${name}" with the wrong number of arguments. When calling a ` +
  "top-level handler function that is not declared as part of a class, you must always send exactly " +
  "one argument. In order to support variable numbers of arguments, the server must use " +
  "class-based syntax (extending WorkerEntrypoint) instead.";

/** The arguments of a method of an object with handlers, which gets `env` and `ctx` too. */
export function handlerArguments(args, path, env, ctx) {
  if (path.length !== 1) return args;
  if (args.length !== 1) throw remote(new TypeError(ARGUMENTS(path[0])));
  return [args[0], env, ctx];
}
