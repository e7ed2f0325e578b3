// Workers that are kept, so that they start when nobody is calling.

const code = (source, more = {}) => ({
  compatibilityDate: "2026-08-01",
  mainModule: "main.js",
  modules: { "main.js": source },
  ...more,
});
const answering = (text) => `export default { fetch: () => new Response("${text}") };`;
const ask = async (stub) => (await stub.getEntrypoint().fetch("http://x/")).text();

const REASON = "ours: workerd keeps no code";
export const differs = {
  "what is registered is found by its name": REASON,
  "what is registered anew replaces what was there": REASON,
  "env and props are kept with all that they hold": REASON,
  "what does not start is not kept": REASON,
  "what ends with the event is not kept": REASON,
  "what is forgotten is gone": REASON,
  "a name has no slash and triggers are checked": REASON,
};

export default {
  async "what is registered is found by its name"({ LOADER }, t) {
    await LOADER.register("one", code(answering("one")));
    t.equal(await ask(LOADER.registered("one")), "one");
    const { message } = await t.rejects(ask(LOADER.registered("none")), Error);
    t.equal(message, "There is no registered worker `main/none`.");
  },

  async "what is registered anew replaces what was there"({ LOADER }, t) {
    await LOADER.register("again", code(answering("first")));
    t.equal(await ask(LOADER.registered("again")), "first");
    await LOADER.register("again", code(answering("second")));
    t.equal(await ask(LOADER.registered("again")), "second");
    await LOADER.register("again", code(answering("second")));
    t.equal(await ask(LOADER.registered("again")), "second");
  },

  async "env and props are kept with all that they hold"(env, t) {
    const source = `export class Named {}
      export default { async fetch(request, env, ctx) {
        const { props } = await (await env.deep.SVC.fetch("http://y/")).json();
        return Response.json([env.text, [...env.map], props, ctx.props]);
      } };`;
    const given = { text: "t", map: new Map([[1, 2]]), deep: { SVC: env.NAMED } };
    await env.LOADER.register("kept", code(source, { env: given }));
    const stub = env.LOADER.registered("kept").getEntrypoint("default", { props: { a: 1 } });
    t.deepEqual(await (await stub.fetch("http://x/")).json(), [
      "t",
      [[1, 2]],
      { role: "reader", list: [1, null] },
      { a: 1 },
    ]);
  },

  async "what does not start is not kept"({ LOADER }, t) {
    await LOADER.register("bad", code(answering("good")));
    await t.rejects(
      LOADER.register("bad", code("throw new RangeError('top');")),
      /Failed to start Worker:\nUncaught RangeError: top/,
    );
    t.equal(await ask(LOADER.registered("bad")), "good");
    await t.rejects(LOADER.register("bad", code("", { mainModule: "q.js" })), /No such module: q.js/);
  },

  async "what ends with the event is not kept"({ LOADER }, t) {
    const worker = LOADER.load(code(answering("x"))).getEntrypoint();
    const text = /cannot be transferred to other Workers/;
    await t.rejects(LOADER.register("x", code("", { env: { worker } })), text);
    await t.rejects(LOADER.register("x", code("", { env: { f() {} } })), /could not be cloned/);
  },

  async "what is forgotten is gone"({ LOADER }, t) {
    await LOADER.register("gone", code(answering("x")));
    t.equal(await LOADER.unregister("gone"), true);
    t.equal(await LOADER.unregister("gone"), false);
    await t.rejects(ask(LOADER.registered("gone")), /There is no registered worker/);
  },

  async "a name has no slash and triggers are checked"({ LOADER }, t) {
    const register = (name, more) => LOADER.register(name, code(answering("x")), more);
    await t.rejects(register("a/b"), /1 to 512 bytes and no slash/);
    await t.rejects(register(""), /1 to 512 bytes and no slash/);
    await t.rejects(register("x".repeat(513)), /1 to 512 bytes and no slash/);
    await t.rejects(register("x", { crons: "daily" }), /crons: expected a list of strings/);
    await t.rejects(register("x", { queueConsumers: [{}] }), /queue_consumers\[0\].queue: /);
  },
};
