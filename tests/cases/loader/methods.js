// Methods of loaded workers: the same as those of any other.

const SOURCE = `
import { RpcTarget, WorkerEntrypoint } from "cloudflare:workers";
class Counter extends RpcTarget {
  #value = 0;
  add(number) { return this.#value += number; }
  fails() { throw Object.assign(new TypeError("in a target"), { code: 9 }); }
  get self() { return this; }
}
class Odd extends Error { name = "Odd"; }
export class Main extends WorkerEntrypoint {
  echo(value) { return value; }
  props() { return this.ctx.props; }
  named() { return this.env.NAME; }
  counter() { return new Counter(); }
  get deep() { return { twice: (x) => x * 2 }; }
  async calls(f, times) {
    const seen = [];
    for (let at = 0; at < times; at++) seen.push(await f(at));
    return seen;
  }
  range() { throw Object.assign(new RangeError("out of range"), { code: 7, list: [1] }); }
  odd() { throw Object.assign(new Odd("odd"), { cause: new TypeError("inner") }); }
  plain() { throw { plain: 1 }; }
  async through(f) { return f(); }
  async outer(stub) { try { return await stub.fails(); } catch (error) {
    return [error instanceof TypeError, error.message, error.code, error.remote]; } }
}
export const plain = { one: (argument, env) => [argument, env.NAME] };
export default class extends WorkerEntrypoint { hello(name) { return "hello " + name; } }
`;

const load = ({ LOADER }, source = SOURCE) =>
  LOADER.load({
    compatibilityDate: "2026-08-01",
    mainModule: "main.js",
    modules: { "main.js": source },
    env: { NAME: "loaded" },
  });

export default {
  async "every export has methods, with props of its own"(env, t) {
    const worker = load(env);
    t.equal(await worker.getEntrypoint().hello("Ada"), "hello Ada");
    const main = worker.getEntrypoint("Main", { props: { a: [1] } });
    t.deepEqual(await main.props(), { a: [1] });
    t.equal(await main.named(), "loaded");
    t.deepEqual(await worker.getEntrypoint("plain").one(5), [5, "loaded"]);
    await t.rejects(main.none(), /^TypeError: The RPC receiver does not implement the method "none"/);
  },

  async "values, stubs and functions go both ways"(env, t) {
    const main = load(env).getEntrypoint("Main");
    const map = await main.echo(new Map([["a", new Date(5)]]));
    t.equal(map.get("a").getTime(), 5);
    using counter = await main.counter();
    t.equal(await counter.add(2), 2);
    t.equal(await (await counter.self).add(3), 5);
    t.deepEqual(await main.calls((x) => x * 10, 3), [0, 10, 20]);
    t.deepEqual(await main.outer(counter), [true, "in a target", 9, true]);
  },

  async "calls are made of what is not there yet, in their order"(env, t) {
    const main = load(env).getEntrypoint("Main");
    const counter = main.counter();
    t.deepEqual(await Promise.all([counter.add(1), counter.add(2), counter.self.add(3)]), [1, 3, 6]);
    t.equal(await main.deep.twice(4), 8);
  },

  async "errors keep their class, their message and what they own, through every hop"(env, t) {
    const main = load(env).getEntrypoint("Main");
    for (const call of [() => main.range(), () => main.through(() => main.range())]) {
      const range = await t.rejects(call(), /^RangeError: out of range$/);
      t.ok(range instanceof RangeError);
      t.deepEqual([range.code, range.list, range.remote], [7, [1], true]);
      t.ok(!String(range.stack).includes("main.js:"));
    }
    const odd = await t.rejects(main.odd(), /^Odd: odd$/);
    t.ok(odd instanceof Error && odd.cause instanceof TypeError);
    t.equal(odd.remote, true);
    const plain = await main.plain().catch((thrown) => thrown);
    t.deepEqual(plain, { plain: 1, remote: true });
  },

  async "what does not start fails every call with the reason"(env, t) {
    const main = load(env, "throw new TypeError('no start');").getEntrypoint("Main");
    for (let at = 0; at < 2; at++) await t.rejects(main.echo(1), /no start/);
    const missing = load(env).getEntrypoint("Missing");
    await t.rejects(missing.echo(1), /Worker has no such entrypoint: Missing/);
  },

  async "a stub of one loaded worker is called by another"(env, t) {
    const [one, two] = [load(env).getEntrypoint("Main"), load(env).getEntrypoint("Main")];
    using counter = await one.counter();
    t.deepEqual(await two.outer(counter), [true, "in a target", 9, true]);
    using there = await two.echo(counter);
    t.equal(await there.add(4), 4);
    t.equal(await counter.add(1), 5);
  },
};
