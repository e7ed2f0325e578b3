// What fetch takes, and what it says of the rest.

const ORIGIN = "http://origin.test";

export default {
  async "it is a function without a length"(env, t) {
    t.equal(fetch.name, "fetch");
    t.equal(fetch.length, 0);
    t.equal(typeof globalThis.fetch, "function");
  },

  async "what is wrong rejects and is never thrown"(env, t) {
    const promise = fetch("nonsense");
    t.ok(promise instanceof Promise);
    await t.rejects(promise, /TypeError: Invalid URL: nonsense/);
  },

  async "an argument is needed, and what it is does not matter"(env, t) {
    await t.rejects(
      fetch(),
      /TypeError: Failed to execute 'fetch' on 'ServiceWorkerGlobalScope': parameter 1 is not of type 'Request or string'\./,
    );
    await t.rejects(fetch(null), /Invalid URL: null/);
    await t.rejects(fetch("/path"), /Invalid URL: \/path/);
    t.equal((await fetch({ toString: () => `${ORIGIN}/status/201` })).status, 201);
    t.equal((await fetch(new URL(`${ORIGIN}/status/202`))).status, 202);
  },

  async "the second argument is a dictionary"(env, t) {
    await t.rejects(
      fetch(ORIGIN, 5),
      /TypeError: Failed to execute 'fetch' on 'ServiceWorkerGlobalScope': parameter 2 is not of type 'RequestInitializerDict or Request'\./,
    );
    await t.rejects(fetch(ORIGIN, { method: "F O" }), /TypeError: Invalid HTTP method string: F O/);
    await t.rejects(fetch(ORIGIN, { body: "x" }), /GET or HEAD method cannot have a body/);
    await t.rejects(fetch(ORIGIN, { redirect: "error" }), /Invalid redirect value/);
    await t.rejects(fetch(ORIGIN, { headers: { "a b": "c" } }), TypeError);
    t.equal((await fetch(`${ORIGIN}/status/200`, null)).status, 200);
    t.equal((await fetch(`${ORIGIN}/status/200`, undefined)).status, 200);
  },

  async "it is called without an object or on the global one"(env, t) {
    const url = `${ORIGIN}/status/200`;
    const bare = fetch;
    t.equal((await bare(url)).status, 200);
    t.equal((await fetch.call(null, url)).status, 200);
    t.equal((await globalThis.fetch(url)).status, 200);
    t.equal((await self.fetch(url)).status, 200);
    t.throws(() => ({ fetch }).fetch(url), /TypeError: Illegal invocation/);
  },

  async "only http, https and data are fetched"(env, t) {
    for (const url of ["ftp://a/b", "file:///etc/passwd", "blob:x", "about:blank", "ws://a/"]) {
      await t.rejects(fetch(url), /TypeError: Fetch API cannot load: /);
    }
  },

  async "a data URL is its own response"(env, t) {
    const plain = await fetch("data:,hi%20there");
    t.equal(plain.status, 200);
    t.equal(await plain.text(), "hi there");
    t.equal(await (await fetch("data:text/html;base64,PGI+")).text(), "<b>");
    t.equal((await fetch("data:text/html,x")).headers.get("content-type"), "text/html");
    await t.rejects(fetch("data:nothing"), TypeError);
  },

  async "a body is sent once"(env, t) {
    const request = new Request(`${ORIGIN}/echo`, { method: "POST", body: "x" });
    await fetch(request);
    t.equal(request.bodyUsed, true);
    await t.rejects(fetch(request), /TypeError: Cannot reconstruct a Request with a used body\./);
    const get = new Request(`${ORIGIN}/status/200`);
    t.equal((await fetch(get)).status, 200);
    t.equal((await fetch(get)).status, 200);
  },

  async "what is given beside a request comes before what it says"(env, t) {
    const request = new Request(`${ORIGIN}/echo`, { headers: { a: "1" } });
    const sent = await (await fetch(request, { headers: { b: "2" }, method: "PATCH" })).json();
    t.equal(sent.method, "PATCH");
    const names = sent.headers.map(([name]) => name);
    t.ok(names.includes("b") && !names.includes("a"), names.join());
  },
};
