// What tails are told of a loaded worker's events.

async function told({ CALLEE }, count) {
  const items = [];
  for (let tries = 0; items.length < count && tries < 200; tries++) {
    items.push(...await (await CALLEE.fetch("http://any/told")).json());
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return items;
}

function load({ CALLEE, LOADER }, source) {
  return LOADER.load({
    compatibilityDate: "2026-08-01",
    mainModule: "main.js",
    modules: { "main.js": source },
    tails: [CALLEE],
  }).getEntrypoint();
}

export default {
  async "each event is one item with its logs"(env, t) {
    const stub = load(env, `export default { fetch(request) {
      console.log("one", { two: 2 });
      console.warn("three");
      return new Response("", { status: 202 });
    } };`);
    const headers = { "x-a": "b", authorization: "secret" };
    await (await stub.fetch("http://x/path?q=1", { headers })).text();
    const items = await told(env, 1);
    t.equal(items.length, 1);
    const [item] = items;
    t.equal(item.outcome, "ok");
    t.deepEqual(item.logs.map(({ level, message }) => [level, message]), [
      ["log", ["one", { two: 2 }]],
      ["warn", ["three"]],
    ]);
    t.deepEqual(item.exceptions, []);
    t.equal(item.event.request.url, "http://x/path?q=1");
    t.equal(item.event.request.method, "GET");
    t.equal(item.event.request.headers["x-a"], "b");
    t.equal(item.event.request.headers.authorization, "REDACTED");
    t.equal(item.event.response.status, 202);
    t.ok(item.eventTimestamp > 0);
  },

  async "half a surrogate pair is told like any other text"(env, t) {
    const stub = load(env, `export default { fetch() {
      console.log("\\ud800", [["\\udfff"]]);
      return new Response("");
    } };`);
    await (await stub.fetch("http://x/")).text();
    const [item] = await told(env, 1);
    t.deepEqual(item.logs[0].message, ["\ud800", [["\udfff"]]]);
    t.equal(await (await stub.fetch("http://x/")).text(), "");
    t.equal((await told(env, 1)).length, 1);
  },

  async "an exception stands in the item"(env, t) {
    const stub = load(env, `export default { async fetch() {
      console.log("before");
      throw new RangeError("boo");
    } };`);
    await t.rejects(stub.fetch("http://x/"), Error);
    const [item, ...more] = await told(env, 1);
    t.equal(more.length, 0);
    t.equal(item.outcome, "exception");
    t.equal(item.logs.length, 1);
    t.deepEqual(item.exceptions.map(({ name, message }) => [name, message]), [["RangeError", "boo"]]);
  },

  async "a tail that is told of many misses none"(env, t) {
    const stub = load(env, `export default { fetch(request) {
      console.log(new URL(request.url).pathname);
      return new Response("");
    } };`);
    const paths = Array.from({ length: 30 }, (_, at) => `/${at}`);
    await Promise.all(
      paths.map(async (path) => (await stub.fetch(`http://x${path}`)).text()),
    );
    const items = await told(env, 30);
    t.deepEqual(items.map((item) => item.logs[0].message[0]).sort(), paths.sort());
  },
};
