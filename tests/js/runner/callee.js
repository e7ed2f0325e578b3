// What the cases call, on whichever runtime: another worker of the same tenant.

import { RpcTarget, WorkerEntrypoint } from "cloudflare:workers";

export class Named extends WorkerEntrypoint {
  async fetch(request) {
    const { method, url } = request;
    return Response.json({ method, url, body: await request.text(), props: this.ctx.props });
  }

  props() {
    return this.ctx.props;
  }
}

class Counter extends RpcTarget {
  #value;

  constructor(value) {
    super();
    this.#value = value;
    this.own = "not to be seen";
  }

  get value() {
    return this.#value;
  }

  add(number) {
    this.#value += number;
    return this.#value;
  }

  nest() {
    return new Counter(this.#value + 1);
  }

  async slowly(number) {
    await scheduler.wait(number);
    return this.add(1);
  }
}

class Point {
  x = 1;
}

class Odd extends Error {
  name = "Odd";
  code = 7;
}

const THROWS = {
  range: () => Object.assign(new RangeError("out of range"), { code: 7 }),
  odd: () => new Odd("odd"),
  plain: () => ({ plain: 1 }),
  text: () => "a text",
  dom: () => new DOMException("stopped", "AbortError"),
  cause: () => new Error("outer", { cause: new TypeError("inner") }),
};

let kept;

export class Methods extends WorkerEntrypoint {
  own = "not to be seen";

  echo(value) {
    return value;
  }

  nothing() {}

  count(...args) {
    return args.length;
  }

  throws(what) {
    throw THROWS[what]();
  }

  unfit(what) {
    return { point: new Point(), symbol: Symbol("s"), promise: { of: Promise.resolve() } }[what];
  }

  long(length) {
    return "x".repeat(length);
  }

  get answer() {
    return 42;
  }

  get deep() {
    return { a: { b: { twice: (x) => x * 2 } } };
  }

  counter(value = 0) {
    return new Counter(value);
  }

  counters(...values) {
    return { list: values.map((value) => new Counter(value)), first: values[0] };
  }

  multiplier(by) {
    return (x) => x * by;
  }

  call(f, ...args) {
    return f(...args);
  }

  async calls(f, count) {
    const all = [];
    for (let at = 0; at < count; at++) all.push(f(at));
    return Promise.all(all);
  }

  async describe(f) {
    return [typeof f, Object.prototype.toString.call(f), f.constructor.name];
  }

  keep(f) {
    kept = f;
  }

  async useKept() {
    try {
      return await kept();
    } catch (error) {
      return String(error);
    }
  }

  async useTwice(f) {
    const copy = f.dup();
    f[Symbol.dispose]();
    const first = await copy();
    try {
      return [first, await f()];
    } catch (error) {
      return [first, String(error)];
    }
  }

  async spin() {
    for (;;);
  }
}

export class Bodies extends WorkerEntrypoint {
  async request(request) {
    const { method, url, headers } = request;
    const type = request.constructor.name;
    return { type, method, url, a: headers.get("x-a"), text: await request.text() };
  }

  response(body) {
    return new Response(body, { status: 201, headers: { "x-a": "b" } });
  }

  async read(stream) {
    return new Response(stream).text();
  }

  stream(text) {
    return new Response(text).body;
  }

  async write(stream, texts) {
    const writer = stream.getWriter();
    for (const text of texts) await writer.write(new TextEncoder().encode(text));
    await writer.close();
    return texts.length;
  }

  async blob(blob) {
    return { type: blob.type, size: blob.size, start: (await blob.text()).slice(0, 6) };
  }
}

export const plain = {
  one: (argument, env, ctx) => ["one", argument, typeof env, typeof ctx.waitUntil],
  number: 3,
};

// What this worker was told of others' events.
const told = [];

export default {
  tail(items) {
    told.push(...JSON.parse(JSON.stringify(items)));
  },

  async fetch(request, env, ctx) {
    const url = new URL(request.url);
    switch (url.pathname) {
      case "/redirect":
        return new Response(null, { status: 302, headers: { location: "/props" } });
      case "/throw":
        throw new RangeError("thrown");
      case "/told":
        return Response.json(told.splice(0));
      case "/bytes":
        return new Response(request.body);
      default:
        return Response.json({ props: ctx.props, path: url.pathname });
    }
  },
};
