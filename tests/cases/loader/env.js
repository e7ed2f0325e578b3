// What a loaded worker is given, and where its requests go.

const code = (source, more = {}) => ({
  compatibilityDate: "2026-08-01",
  mainModule: "main.js",
  modules: { "main.js": source },
  ...more,
});
const answering = (expression) =>
  `import * as workers from "cloudflare:workers";
   export default { async fetch(request, env, ctx) {
     try { return Response.json(await (${expression})); }
     catch (error) { return Response.json({ threw: String(error) }); }
   } };`;

async function answer(env, expression, more) {
  const worker = env.LOADER.load(code(answering(expression), more));
  return (await worker.getEntrypoint().fetch("http://x/")).json();
}

const NOT_PERMITTED = "This worker is not permitted to access the internet via global functions " +
  "like fetch(). It must use capabilities (such as bindings in 'env') to talk to the outside world.";

export const differs = {
  "a namespace can be handed on, wherever it stands": "workerd does not serialize one",
  "of many namespaces one can be handed on, or all": "workerd does not serialize one",
  "a binding is handed on with no more rights than it was left": "ours",
  "only rights that a binding has can be left": "ours",
  "a loader can be handed on": "workerd does not serialize one",
  "a way out that was given is handed down": "workerd does not serialize a loader",
};

export default {
  async "data arrives as it is"(env, t) {
    const given = {
      text: "t",
      date: new Date(5),
      map: new Map([["a", new Set([1])]]),
      bytes: new Uint8Array([1, 2]),
      nested: { list: [null, { deep: true }] },
    };
    const expression = `[env.text, env.date.getTime(), [...env.map.get("a")], [...env.bytes],
      env.nested, Object.keys(env).sort()]`;
    t.deepEqual(await answer(env, expression, { env: given }), [
      "t",
      5,
      [1],
      [1, 2],
      { list: [null, { deep: true }] },
      ["bytes", "date", "map", "nested", "text"],
    ]);
  },

  async "without env there is nothing in it"(env, t) {
    t.deepEqual(await answer(env, "Object.keys(env)"), []);
  },

  async "env can be imported"(env, t) {
    t.equal(await answer(env, "workers.env.A === env.A && env.A", { env: { A: 1 } }), 1);
  },

  async "a service can be called, wherever it stands in env or props"(env, t) {
    const expression = `(async () => {
      const ask = async (fetcher) => (await (await fetcher.fetch("http://y/a")).json()).props;
      return [await ask(env.SVC), await ask(env.deep.list[0])];
    })()`;
    const given = { SVC: env.NAMED, deep: { list: [env.NAMED] } };
    const props = { role: "reader", list: [1, null] };
    t.deepEqual(await answer(env, expression, { env: given }), [props, props]);

    const source = answering(`ctx.props.SVC.fetch("http://y/b").then((r) => r.json())`);
    const worker = env.LOADER.load(code(source));
    const stub = worker.getEntrypoint("default", { props: { SVC: env.CALLEE } });
    t.deepEqual(await (await stub.fetch("http://x/")).json(), { props: {}, path: "/b" });
  },

  async "a service in env is there for later events"(env, t) {
    const get = () =>
      env.LOADER.get("later", () =>
        code(answering(`env.SVC.fetch("http://y/c").then((r) => r.json())`), {
          env: { SVC: env.CALLEE },
        })).getEntrypoint();
    for (let at = 0; at < 3; at++) {
      t.deepEqual(await (await get().fetch("http://x/")).json(), { props: {}, path: "/c" });
    }
  },

  async "what ends with the event has no place in env"(env, t) {
    for (const value of [() => 1, { f() {} }]) {
      t.throws(() => env.LOADER.load(code("", { env: { value } })), /could not be cloned/);
    }
    t.throws(() => env.LOADER.load(code("", { env: { value: Promise.resolve() } })), Error);
    class Own {}
    t.throws(
      () => env.LOADER.load(code("", { env: { value: new Own() } })),
      /Could not serialize object of type "Own". This type does not support serialization./,
    );
  },

  async "a stub of a loaded worker stays with who loaded it"(env, t) {
    const inner = env.LOADER.load(code(answering("1"))).getEntrypoint();
    const text = /Entrypoints to dynamically-loaded workers cannot be transferred to other Workers/;
    t.throws(() => env.LOADER.load(code("", { env: { inner } })), text);
  },

  async "a namespace can be handed on, wherever it stands"(env, t) {
    await env.KV.put("key", "value");
    const expression = `(async () => {
      await env.KV.put("other", await env.deep.KV.get("key"));
      return [await env.KV.get("other"), Object.prototype.toString.call(env.KV)];
    })()`;
    const given = { KV: env.KV, deep: { KV: env.KV } };
    t.deepEqual(await answer(env, expression, { env: given }), ["value", "[object KvNamespace]"]);
    t.equal(await env.KV.get("other"), "value");
  },

  async "of many namespaces one can be handed on, or all"(env, t) {
    await env.KVS.get("mine").put("key", "mine");
    await env.KVS.get("others").put("key", "others");
    const one = `env.ONE.get("key").then((value) => [value, typeof env.ONE.get("others").put])`;
    t.deepEqual(await answer(env, one, { env: { ONE: env.KVS.get("mine") } }), ["mine", "undefined"]);
    const all = `env.ALL.get("others").get("key")`;
    t.equal(await answer(env, all, { env: { ALL: env.KVS } }), "others");
  },

  async "a binding is handed on with no more rights than it was left"(env, t) {
    await env.KV.put("key", "value");
    const expression = `(async () => {
      const refused = (promise) => promise.then(() => "done", (error) => error.message);
      const again = env.LOADER.load({
        compatibilityDate: "2026-08-01", mainModule: "main.js", env: { KV: env.KV },
        modules: { "main.js": "export default { fetch: (r, env) => env.KV.put('key', 'x')" +
          ".then(() => new Response('done'), (error) => new Response(error.message)) };" },
      }).getEntrypoint();
      return [await env.KV.get("key"), (await env.KV.list({ prefix: "key" })).keys.length,
        await refused(env.KV.put("key", "x")), await refused(env.KV.delete("key")),
        await (await again.fetch("http://y/")).text()];
    })()`;
    const given = { KV: env.LOADER.only(env.KV, "read"), LOADER: env.LOADER };
    const [value, count, put, deleted, again] = await answer(env, expression, { env: given });
    t.deepEqual([value, count], ["value", 1]);
    t.equal(put, "KV PUT failed: 403 the binding was not handed on for this");
    t.equal(deleted, "KV DELETE failed: 403 the binding was not handed on for this");
    t.equal(again, put);
    const one = `env.ONE.put("key", "x").then(() => "done", (error) => error.message)`;
    const mine = env.LOADER.only(env.KVS.get("mine"), "read");
    t.equal(await answer(env, one, { env: { ONE: mine } }), put);
  },

  async "only rights that a binding has can be left"({ CALLEE, KV, LOADER }, t) {
    t.throws(() => LOADER.only(KV, "send"), TypeError);
    t.throws(() => LOADER.only(KV, "everything"), TypeError);
    t.throws(() => LOADER.only(CALLEE, "read"), TypeError);
    t.throws(() => LOADER.only({}, "read"), TypeError);
    t.throws(() => LOADER.only(undefined, "read"), TypeError);
    t.equal(LOADER.only(LOADER.only(KV, "read"), "read") !== undefined, true);
  },

  async "a loader can be handed on"(env, t) {
    const expression = `(async () => {
      const worker = env.LOADER.load({
        compatibilityDate: "2026-08-01", mainModule: "main.js",
        modules: { "main.js": "export default { fetch: () => new Response('inner') };" },
      });
      return (await worker.getEntrypoint().fetch("http://y/")).text();
    })()`;
    t.equal(await answer(env, expression, { env: { LOADER: env.LOADER } }), "inner");
  },

  async "fetch goes where that of the loading worker goes"(env, t) {
    const expression = `fetch("http://origin.test/echo").then((r) => r.json())`;
    t.equal((await answer(env, expression)).url, "http://origin.test/echo");
    t.equal((await answer(env, expression, { globalOutbound: undefined })).method, "GET");
  },

  async "without a way out there is none"(env, t) {
    const expression = `fetch("http://origin.test/echo").then((r) => r.text())`;
    const { threw } = await answer(env, expression, { globalOutbound: null });
    t.equal(threw, `Error: ${NOT_PERMITTED}`);
  },

  async "a worker can stand before the way out"(env, t) {
    const expression = `fetch("http://elsewhere.test/path?q", { method: "PUT", body: "b" })
      .then((r) => r.json())`;
    t.deepEqual(await answer(env, expression, { globalOutbound: env.NAMED }), {
      method: "PUT",
      url: "http://elsewhere.test/path?q",
      body: "b",
      props: { role: "reader", list: [1, null] },
    });
  },

  async "a way out that was given is handed down"(env, t) {
    const expression = `(async () => {
      const worker = env.LOADER.load({
        compatibilityDate: "2026-08-01", mainModule: "main.js",
        modules: { "main.js": "export default { fetch: () => fetch('http://deep.test/') };" },
      });
      return (await worker.getEntrypoint().fetch("http://y/")).json();
    })()`;
    const given = { globalOutbound: env.NAMED, env: { LOADER: env.LOADER } };
    const found = await answer(env, expression, given);
    t.equal(found.url, "http://deep.test/");
  },
};
