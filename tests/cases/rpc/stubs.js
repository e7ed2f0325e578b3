// Stubs: what they are, how long they last, and in which order calls arrive.

import { RpcPromise, RpcStub, RpcTarget } from "cloudflare:workers";

const DISPOSED = /^Error: RPC stub used after being disposed\.$/;

class Here extends RpcTarget {
  disposed = 0;
  seen = [];

  note(what) {
    this.seen.push(what);
    return this.seen.length;
  }

  get size() {
    return this.seen.length;
  }

  [Symbol.dispose]() {
    this.disposed++;
  }
}

const until = async (check) => {
  for (let at = 0; at < 200 && !check(); at++) await scheduler.wait(5);
};

export default {
  async "a target or a function arrives as a stub"({ METHODS }, t) {
    const counter = await METHODS.counter(5);
    t.ok(counter instanceof RpcStub);
    t.equal(typeof counter, "function");
    t.equal(Object.prototype.toString.call(counter), "[object JsRpcStub]");
    t.equal(await counter.add(2), 7);
    t.equal(await counter.value, 7);
    t.equal(await (await METHODS.multiplier(3))(4), 12);
    t.equal(await counter, counter);
    t.deepEqual(await METHODS.describe(() => 1), ["function", "[object JsRpcStub]", "RpcStub"]);
  },

  async "calls are made of results that are not there yet"({ METHODS }, t) {
    const promise = METHODS.counter(1);
    t.ok(promise instanceof RpcPromise);
    t.equal(await promise.add(1), 2);
    t.equal(await METHODS.counter(1).nest().nest().add(1), 4);
    t.equal(await METHODS.counter(1).nest().value, 2);
    t.equal(await METHODS.multiplier(3)(4), 12);
    t.equal(await METHODS.counters(1, 2).first, 1);
    t.equal(await METHODS.echo({ a: { b: 1 } }).a.b, 1);
    const kept = METHODS.counter(1);
    await kept;
    t.equal(await kept.add(1), 2);
  },

  async "a failure reaches all that is made of it"({ METHODS }, t) {
    const failed = METHODS.throws("range");
    await t.rejects(failed.a.b(), /^RangeError: out of range$/);
    await t.rejects(failed.c, /^RangeError: out of range$/);
    await t.rejects(failed, /^RangeError: out of range$/);
  },

  async "calls of one stub arrive in the order in which they are made"({ METHODS }, t) {
    const here = new Here();
    const counter = await METHODS.counter();
    const all = [];
    for (let at = 0; at < 50; at++) all.push(counter.add(1));
    t.deepEqual(await Promise.all(all), Array.from({ length: 50 }, (_, at) => at + 1));
    const pipelined = METHODS.counter();
    const more = [];
    for (let at = 0; at < 50; at++) more.push(pipelined.add(1));
    t.deepEqual(await Promise.all(more), Array.from({ length: 50 }, (_, at) => at + 1));
    const long = "x".repeat(200_000);
    const mixed = [METHODS.calls((at) => here.note(at), 20), METHODS.call((a) => a.length, long)];
    t.deepEqual(await mixed[0], Array.from({ length: 20 }, (_, at) => at + 1));
    t.equal(await mixed[1], 200_000);
    t.deepEqual(here.seen, Array.from({ length: 20 }, (_, at) => at));
  },

  async "what waits does not hold up what comes after it"({ METHODS }, t) {
    const counter = await METHODS.counter();
    const slow = counter.slowly(30);
    t.equal(await counter.add(1), 1);
    t.equal(await slow, 2);
  },

  async "the callee calls back, and back again"({ METHODS }, t) {
    t.equal(await METHODS.call((x) => x * 7, 6), 42);
    const error = await t.rejects(
      METHODS.call(() => {
        throw new RangeError("from here");
      }),
      /^RangeError: from here$/,
    );
    t.equal(error.remote, true);
    const down = (depth) => depth === 0 ? "bottom" : METHODS.call(down, depth - 1);
    t.equal(await down(5), "bottom");
    const here = new Here();
    const back = await METHODS.echo(here);
    t.equal(await back.note("a"), 1);
    t.equal(await back.size, 1);
    t.deepEqual(here.seen, ["a"]);
  },

  async "a stub of an argument ends with its call, unless it is kept"({ METHODS }, t) {
    await METHODS.keep(() => "late");
    t.equal(await METHODS.useKept(), String(new Error("RPC stub used after being disposed.")));
    t.deepEqual(await METHODS.useTwice(() => "once"), [
      "once",
      "Error: RPC stub used after being disposed.",
    ]);
  },

  async "a target learns when nobody holds it any more"({ METHODS }, t) {
    const here = new Here();
    const back = await METHODS.echo(here);
    const copy = back.dup();
    back[Symbol.dispose]();
    await scheduler.wait(20);
    t.equal(here.disposed, 0);
    t.equal(await copy.note("b"), 1);
    copy[Symbol.dispose]();
    await until(() => here.disposed > 0);
    t.equal(here.disposed, 1);
    await METHODS.count(new Here(), here, here);
    await until(() => here.disposed > 1);
    t.equal(here.disposed, 2);
  },

  async "a stub that was disposed of is not used"({ METHODS }, t) {
    const counter = await METHODS.counter();
    const copy = counter.dup();
    counter[Symbol.dispose]();
    await t.rejects(counter.add(1), DISPOSED);
    t.equal(await copy.add(1), 1);
    const counters = await METHODS.counters(1);
    counters[Symbol.dispose]();
    await t.rejects(counters.list[0].add(1), DISPOSED);
  },

  async "a stub of something here behaves as one of something elsewhere"(_, t) {
    const here = new Here();
    const stub = new RpcStub(here);
    t.equal(typeof stub, "function");
    t.equal(await stub.note("c"), 1);
    t.equal(await stub.size, 1);
    await t.rejects(stub.seen, /does not implement the method "seen"/);
    const copy = stub.dup();
    stub[Symbol.dispose]();
    await t.rejects(stub.note("d"), DISPOSED);
    t.equal(here.disposed, 0);
    t.equal(await copy.note("e"), 2);
    copy[Symbol.dispose]();
    await until(() => here.disposed > 0);
    t.equal(here.disposed, 1);
    t.equal(await new RpcStub((x) => x + 1)(4), 5);
    t.equal(await new RpcStub({ f: () => 2 }).f(), 2);
    const given = {};
    let seen;
    await new RpcStub((value) => {
      seen = value;
    })(given);
    t.ok(seen !== given, "arguments are copied");
    let began = false;
    const call = new RpcStub(() => {
      began = true;
    })();
    t.equal(began, false, "code that calls goes on first");
    await call;
    const failed = await t.rejects(
      new RpcStub(() => {
        throw new RangeError("r");
      })(),
      /^RangeError: r$/,
    );
    t.equal(failed.remote, true);
    t.throws(() => new RpcStub(5), /^TypeError: Failed to construct 'JsRpcStub'/);
    t.throws(() => new RpcPromise(), TypeError);
  },

  async "a stub can be handed on and back"({ METHODS }, t) {
    const here = new Here();
    const stub = new RpcStub(here);
    t.equal(await METHODS.call(stub.dup().note, "x").catch((error) => error.name), "DataCloneError");
    const twice = await METHODS.echo(await METHODS.echo(stub));
    t.equal(await twice.note("y"), 1);
    const counter = await METHODS.counter(1);
    const same = await METHODS.echo(counter);
    t.equal(await same.add(1), 2);
    t.equal(await counter.value, 2);
    const service = await METHODS.echo(METHODS);
    t.equal(service.constructor.name, "Fetcher");
    t.equal(await service.answer, 42);
  },

  async "what was called before a stub came home arrives before"({ METHODS }, t) {
    const here = new Here();
    const promise = METHODS.echo(here);
    const first = [];
    for (let at = 0; at < 20; at++) first.push(promise.note(at));
    const back = await promise;
    const then = [back.note("then"), back.dup().note("at last")];
    t.equal(await then[1], 22);
    t.deepEqual(here.seen, [...first.keys(), "then", "at last"]);
    t.equal(await back.note("and now"), 23);
    await Promise.all([...first, ...then]);
  },

  async "a stub that came home copies what it is given, and gives copies"({ METHODS }, t) {
    const given = { list: [1] };
    const home = await METHODS.echo((value) => {
      if (value === undefined) throw new RangeError("nothing");
      value.list.push(2);
      return value;
    });
    const result = await home(given);
    t.deepEqual([given, result], [{ list: [1] }, { list: [1, 2] }]);
    const error = await t.rejects(home(), /^RangeError: nothing$/);
    t.equal(error.remote, true);
    t.equal((await t.rejects(home(new WeakMap()), DOMException)).name, "DataCloneError");
  },

  async "a proxy of an object is called where it is"({ METHODS }, t) {
    const seen = await METHODS.describe(new Proxy({ a: 1 }, {}));
    t.equal(seen[2], "RpcStub");
  },
};
