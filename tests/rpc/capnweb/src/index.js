// Both ends of capnweb sessions over HTTP, and the runtime's own RPC behind them.

import { WorkerEntrypoint } from "cloudflare:workers";
import { newHttpBatchRpcSession, newWorkersRpcResponse, RpcTarget } from "capnweb";

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

class Api extends RpcTarget {
  #native;

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

  fails() {
    throw new RangeError("on purpose");
  }

  echo(value) {
    return value;
  }

  /** Stubs of the runtime itself, handed on over capnweb. */
  native() {
    return this.#native;
  }

  nativeCounter(value) {
    return this.#native.counter(value);
  }
}

export class Native extends WorkerEntrypoint {
  double(number) {
    return number * 2;
  }

  counter(value) {
    return new Counter(value);
  }
}

export class Server extends WorkerEntrypoint {
  fetch(request) {
    return newWorkersRpcResponse(request, new Api(this.env.NATIVE));
  }
}

const session = () => newHttpBatchRpcSession("http://server/");

const CASES = {
  call: () => session().greet("Ada"),
  async pipelined() {
    const api = session();
    const counter = api.counter(1);
    const [one, two, value] = await Promise.all([counter.add(1), counter.add(2), counter.value]);
    return { one, two, value };
  },
  async fails() {
    return session().fails().catch((error) => `${error.name}: ${error.message}`);
  },
  async values() {
    const { date, bytes, list } = await session().echo({
      date: new Date(5),
      bytes: new Uint8Array([1, 2]),
      list: [1n, undefined, { a: "b" }],
    });
    return [date.getTime(), [...bytes], String(list[0]), list[1] === undefined, list[2].a];
  },
  service: () => session().native().double(21),
  target: () => session().nativeCounter(5).add(1),
};

export default {
  async fetch(request) {
    const name = new URL(request.url).pathname.slice(1);
    return Response.json(await CASES[name]());
  },
};
