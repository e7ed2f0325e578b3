// Workers that are loaded: who they are, and how they are called.

const DATE = "2026-08-01";

/** Code of one module. */
const code = (source, more = {}) => ({
  compatibilityDate: DATE,
  mainModule: "main.js",
  modules: { "main.js": source },
  ...more,
});
const COUNTER = `let count = 0;
  export default { fetch: () => new Response(String(++count)) };`;
const ask = async (stub, path = "/") => (await stub.fetch(`http://x${path}`)).text();

export const differs = {
  "a failure is not kept": "workerd answers with the first failure and calls no further callback",
};

export default {
  async "code is loaded and answers"({ LOADER }, t) {
    const worker = LOADER.load(
      code(`export default { async fetch(request) {
        return new Response(request.method + " " + new URL(request.url).pathname + " " +
          await request.text(), { status: 201, headers: { "x-a": "b" } });
      } };`),
    );
    const response = await worker.getEntrypoint().fetch("http://x/path", {
      method: "POST",
      body: "body",
    });
    t.equal(response.status, 201);
    t.equal(response.headers.get("x-a"), "b");
    t.equal(await response.text(), "POST /path body");
  },

  async "a name is loaded once and keeps what its module holds"({ LOADER }, t) {
    let calls = 0;
    const get = () =>
      LOADER.get("once", async () => {
        calls++;
        return code(COUNTER);
      }).getEntrypoint();
    t.equal(await ask(get()), "1");
    t.equal(await ask(get()), "2");
    const [one, two] = [get(), get()];
    t.deepEqual((await Promise.all([ask(one), ask(two)])).sort(), ["3", "4"]);
    t.equal(calls, 1);
  },

  async "names that are asked for at once are loaded once"({ LOADER }, t) {
    let calls = 0;
    const get = () =>
      LOADER.get("at once", async () => {
        calls++;
        await new Promise((resolve) => setTimeout(resolve, 10));
        return code(COUNTER);
      }).getEntrypoint();
    const answers = await Promise.all([get(), get(), get()].map((stub) => ask(stub)));
    t.deepEqual(answers.sort(), ["1", "2", "3"]);
    t.equal(calls, 1);
  },

  async "without a name each is a worker of its own"({ LOADER }, t) {
    let calls = 0;
    for (const name of [null, undefined, null]) {
      const worker = LOADER.get(name, () => {
        calls++;
        return code(COUNTER);
      });
      t.equal(await ask(worker.getEntrypoint()), "1");
    }
    t.equal(calls, 3);
    t.equal(await ask(LOADER.load(code(COUNTER)).getEntrypoint()), "1");
  },

  async "every export is an entrypoint, each with props of its own"({ LOADER }, t) {
    const worker = LOADER.load(
      code(`import { WorkerEntrypoint } from "cloudflare:workers";
        let count = 0;
        export class Named extends WorkerEntrypoint {
          fetch() { return Response.json(["Named", this.ctx.props, ++count]); }
        }
        export const plain = { fetch: (r, e, ctx) => Response.json(["plain", ctx.props, ++count]) };
        export default { fetch: (r, e, ctx) => Response.json(["default", ctx.props, ++count]) };`),
    );
    const of = async (...given) => JSON.parse(await ask(worker.getEntrypoint(...given)));
    t.deepEqual(await of(), ["default", {}, 1]);
    t.deepEqual(await of("Named", { props: { a: [1, null] } }), ["Named", { a: [1, null] }, 2]);
    t.deepEqual(await of("Named", { props: { b: 2 } }), ["Named", { b: 2 }, 3]);
    t.deepEqual(await of("plain"), ["plain", {}, 4]);
    t.deepEqual(await of(null), ["default", {}, 5]);
    t.throws(() => worker.getEntrypoint("plain", { props: "text" }), TypeError);
  },

  async "an export that is not there is an error of its calls"({ LOADER }, t) {
    const worker = LOADER.load(code(COUNTER));
    const stub = worker.getEntrypoint("Missing");
    await t.rejects(stub.fetch("http://x/"), /Worker has no such entrypoint: Missing/);
    t.equal(await ask(worker.getEntrypoint()), "1");
  },

  async "what the callback throws is thrown by every call"({ LOADER }, t) {
    const worker = LOADER.get("throws", async () => {
      throw new RangeError("boo");
    });
    await t.rejects(worker.getEntrypoint().fetch("http://x/"), /RangeError: boo/);
    await t.rejects(worker.getEntrypoint("Other").fetch("http://x/"), /RangeError: boo/);
    const nothing = LOADER.get("nothing", () => undefined);
    await t.rejects(nothing.getEntrypoint().fetch("http://x/"), TypeError);
  },

  async "a failure is not kept"({ LOADER }, t) {
    let calls = 0;
    const get = (make) =>
      LOADER.get("not kept", () => {
        calls++;
        return make();
      }).getEntrypoint();
    const boo = () => {
      throw new Error("boo");
    };
    await t.rejects(get(boo).fetch("http://x/"), /boo/);
    await t.rejects(get(() => code("throw new Error('top');")).fetch("http://x/"), /top/);
    t.equal(await ask(get(() => code(COUNTER))), "1");
    t.equal(calls, 3);
  },

  async "code that does not start is an error of every call"({ LOADER }, t) {
    const fails = async (source, message) => {
      const worker = LOADER.load(code(source));
      for (const name of [undefined, "Other"]) {
        const stub = worker.getEntrypoint(name);
        await t.rejects(stub.fetch("http://x/"), message);
      }
    };
    await fails("throw new RangeError('top');", /Failed to start Worker:\nUncaught RangeError: top/);
    await fails("export default {", /Failed to start Worker:\nUncaught SyntaxError: /);
    await fails("export let a = 1;", /Failed to start Worker:\nUncaught TypeError: Incorrect type for map entry 'a'/);
    await fails("import './q.js';", /Failed to start Worker:\nUncaught Error: No such module/);
  },

  async "nothing is loaded in global scope"({ LOADER }, t) {
    const worker = LOADER.load(
      code(`import { env } from "cloudflare:workers";
        let thrown;
        try { env.FETCHER.fetch("http://x/").catch((error) => { thrown = error; }); }
        catch (error) { thrown = error; }
        export default { fetch: () => new Response(String(thrown)) };`, { env: {} }),
    );
    t.ok((await ask(worker.getEntrypoint())).startsWith("TypeError"));
  },

  async "the callback must be a function"({ LOADER }, t) {
    t.throws(() => LOADER.get("x"), TypeError);
    t.throws(() => LOADER.get("x", code(COUNTER)), TypeError);
    t.throws(() => LOADER.load(), TypeError);
  },

  async "a response is streamed through"({ LOADER }, t) {
    const worker = LOADER.load(
      code(`export default { fetch: (request) => new Response(request.body) };`),
    );
    const bytes = new Uint8Array(300_000).fill(7);
    const response = await worker.getEntrypoint().fetch("http://x/", { method: "PUT", body: bytes });
    t.equal((await response.arrayBuffer()).byteLength, bytes.length);
  },
};
