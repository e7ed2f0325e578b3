// Both ends of capnweb sessions, and the runtime's own RPC behind them: a case for each thing that
// the package does and that needs no WebSocket. `/` names the cases, `/NAME` runs one.

import { RpcTarget as OwnTarget, WorkerEntrypoint } from "cloudflare:workers";
import {
  deserialize,
  newHttpBatchRpcSession,
  newMessagePortRpcSession,
  newWorkersRpcResponse,
  RpcSession,
  RpcStub,
  RpcTarget,
  serialize,
} from "capnweb";
import { t } from "./t.js";

class Counter extends RpcTarget {
  #value;

  constructor(value) {
    super();
    this.#value = value;
  }

  add(number) {
    return this.#value += number;
  }

  get value() {
    return this.#value;
  }
}

class Odd extends Error {
  name = "Odd";
}

class Api extends RpcTarget {
  #native;
  disposed = 0;

  constructor(native) {
    super();
    this.#native = native;
  }

  greet(name) {
    return `Hello, ${name}!`;
  }

  counter(value) {
    return new Counter(value);
  }

  range() {
    throw new RangeError("on purpose");
  }

  odd() {
    throw new Odd("odd");
  }

  echo(value) {
    return value;
  }

  ids() {
    return [1, 2, 3];
  }

  twice(number) {
    return number * 2;
  }

  async call(callback, ...args) {
    return `called: ${await callback(...args)}`;
  }

  async body(response) {
    return { status: response.status, text: await response.text() };
  }

  numbers(count) {
    let at = 0;
    return new ReadableStream({
      pull(controller) {
        if (at === count) controller.close();
        else controller.enqueue(at++);
      },
    });
  }

  /** Stubs of the runtime itself, handed on over capnweb. */
  native() {
    return this.#native;
  }

  nativeCounter(value) {
    return this.#native.counter(value);
  }

  nativeMultiplier(by) {
    return this.#native.multiplier(by);
  }

  [Symbol.dispose]() {
    this.disposed++;
  }
}

class NativeCounter extends OwnTarget {
  #value;

  constructor(value) {
    super();
    this.#value = value;
  }

  add(number) {
    return this.#value += number;
  }
}

export class Native extends WorkerEntrypoint {
  double(number) {
    return number * 2;
  }

  counter(value) {
    return new NativeCounter(value);
  }

  capnwebCounter(value) {
    return new Counter(value);
  }

  multiplier(by) {
    return (number) => number * by;
  }

  async call(callback, value) {
    return `native: ${await callback(value)}`;
  }
}

export class Server extends WorkerEntrypoint {
  fetch(request) {
    return newWorkersRpcResponse(request, new Api(this.env.NATIVE));
  }
}

const batch = () => newHttpBatchRpcSession("http://server/");

/** Two ends whose messages wait in lists: a session in both directions, without a connection. */
function pair(native) {
  const lists = [[], []];
  const waiting = [null, null];
  let broken = null;
  const end = (own) => ({
    async send(message) {
      const other = 1 - own;
      if (waiting[other] === null) return void lists[other].push(message);
      waiting[other].resolve(message);
      waiting[other] = null;
    },
    receive() {
      if (broken !== null) return Promise.reject(broken);
      if (lists[own].length > 0) return Promise.resolve(lists[own].shift());
      waiting[own] = Promise.withResolvers();
      return waiting[own].promise;
    },
    abort(reason) {
      broken = reason;
    },
  });
  const api = new Api(native);
  const server = new RpcSession(end(0), api);
  const client = new RpcSession(end(1));
  return {
    api,
    client,
    main: client.getRemoteMain(),
    server,
    cut(error) {
      broken = error;
      for (const side of waiting) side?.reject(error);
    },
  };
}

const CASES = {
  async "batch: a call"() {
    t.equal(await batch().greet("Ada"), "Hello, Ada!");
  },

  async "batch: calls of what is not there yet go in one request"() {
    const api = batch();
    const counter = api.counter(1);
    t.deepEqual(await Promise.all([counter.add(1), counter.add(2), counter.value]), [2, 4, 4]);
  },

  async "batch: a result is the argument of another call"() {
    const api = batch();
    const inner = api.twice(2);
    t.equal(await api.twice(inner), 8);
  },

  async "batch: a list is mapped on the other side"() {
    const api = batch();
    t.deepEqual(await api.ids().map((id) => api.twice(id)), [2, 4, 6]);
  },

  async "batch: errors keep their class and message"() {
    const error = await t.rejects(batch().range(), RangeError);
    t.equal(error.message, "on purpose");
    t.equal((await t.rejects(batch().odd(), Error)).message, "odd");
    await t.rejects(batch().none(), TypeError);
  },

  async "batch: what comes too late is refused"() {
    const api = batch();
    await api.greet("Ada");
    await t.rejects(api.greet("Bob"), /Batch RPC request ended/);
  },

  async "batch: values of every kind"() {
    const given = {
      date: new Date(5),
      bytes: new Uint8Array([1, 2, 255]),
      list: [1n, undefined, null, NaN, Infinity, { a: "\u{1f600}" }],
      error: new TypeError("sent"),
      url: new URL("http://x/y?z"),
      headers: new Headers({ a: "b" }),
    };
    const { date, bytes, list, error, headers } = await batch().echo(given);
    t.equal(date.getTime(), 5);
    t.deepEqual([...bytes], [1, 2, 255]);
    t.deepEqual(list, given.list);
    t.ok(error instanceof TypeError && error.message === "sent");
    t.equal(headers.get("a"), "b");
  },

  async "batch: a response with its body"() {
    const made = new Response("some text", { status: 201 });
    t.deepEqual(await batch().body(made), { status: 201, text: "some text" });
  },

  "values as text"() {
    const value = { a: [1n, new Date(7)], b: new Uint8Array([9]) };
    const read = deserialize(serialize(value));
    t.deepEqual([read.a[0], read.a[1].getTime(), ...read.b], [1n, 7, 9]);
  },

  async "runtime: a service binding is handed on"() {
    t.equal(await batch().native().double(21), 42);
  },

  async "runtime: what a service returns is handed on"() {
    t.equal(await batch().nativeCounter(5).add(1), 6);
    t.equal(await batch().nativeMultiplier(3)(7), 21);
  },

  async "runtime: the package's targets are targets of the runtime's RPC"({ NATIVE }) {
    using counter = await NATIVE.capnwebCounter(1);
    t.equal(await counter.add(2), 3);
  },

  async "runtime: the package's stubs are arguments of the runtime's RPC"({ NATIVE }) {
    const { main } = pair(NATIVE);
    using stub = await main.counter(3);
    using add = new RpcStub((number) => stub.add(number));
    t.equal(await NATIVE.call(add, 4), "native: 7");
  },

  async "both ways: the other side calls back"({ NATIVE }) {
    const { main } = pair(NATIVE);
    t.equal(await main.call((a, b) => a + b, 1, 2), "called: 3");
    const failing = () => {
      throw new RangeError("from here");
    };
    await t.rejects(main.call(failing), /^RangeError: from here$/);
  },

  async "both ways: a stream is read with the other side's pace"({ NATIVE }) {
    const { main } = pair(NATIVE);
    const seen = [];
    for await (const number of await main.numbers(5)) seen.push(number);
    t.deepEqual(seen, [0, 1, 2, 3, 4]);
  },

  async "both ways: who is let go of is told, and nothing is left"({ NATIVE }) {
    const { api, client, main } = pair(NATIVE);
    const counter = await main.counter(1);
    const copy = counter.dup();
    counter[Symbol.dispose]();
    t.equal(await copy.add(1), 2);
    copy[Symbol.dispose]();
    await client.drain();
    t.deepEqual(client.getStats(), { imports: 1, exports: 1 });
    main[Symbol.dispose]();
    for (let at = 0; at < 100 && api.disposed === 0; at++) await scheduler.wait(1);
    t.equal(api.disposed, 1);
  },

  async "both ways: a session that breaks breaks its stubs with the reason"({ NATIVE }) {
    const { cut, main } = pair(NATIVE);
    const { promise, resolve } = Promise.withResolvers();
    const counter = await main.counter(1);
    counter.onRpcBroken(resolve);
    const call = main.call(() => new Promise(() => {}));
    cut(new Error("cut off"));
    await t.rejects(call, /cut off/);
    t.equal((await promise).message, "cut off");
    await t.rejects(counter.add(1), /cut off/);
  },

  async "ports: a session over a pair of them"({ NATIVE }) {
    const { port1, port2 } = new MessageChannel();
    newMessagePortRpcSession(port1, new Api(NATIVE));
    using main = newMessagePortRpcSession(port2);
    t.equal(await main.greet("Ada"), "Hello, Ada!");
    t.equal(await main.call((a) => a + 1, 1), "called: 2");
  },

  async "WebSocket: the server says that it needs one"() {
    const request = new Request("http://server/", { headers: { upgrade: "none" } });
    t.equal((await newWorkersRpcResponse(request, new Api())).status, 400);
  },
};

export default {
  async fetch(request, env) {
    const name = decodeURIComponent(new URL(request.url).pathname.slice(1));
    if (name === "") return Response.json(Object.keys(CASES));
    try {
      await CASES[name](env);
    } catch (error) {
      return new Response(`${error}\n${error?.stack}`, { status: 418 });
    }
    return new Response("passed");
  },
};
