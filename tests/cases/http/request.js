// Requests that a worker makes.

const URL_TEXT = "http://a.b/c?d#e";
const post = (body, init) => new Request(URL_TEXT, { method: "POST", body, ...init });

export default {
  "a request is a GET that follows redirects"(env, t) {
    const request = new Request(URL_TEXT);
    t.equal(request.method, "GET");
    t.equal(request.url, URL_TEXT);
    t.equal(request.redirect, "follow");
    t.equal(request.body, null);
    t.equal(request.bodyUsed, false);
    t.equal(request.cf, undefined);
    t.equal(request.integrity, "");
    t.equal(request.keepalive, false);
    t.deepEqual([...request.headers], []);
    t.equal(Object.prototype.toString.call(request), "[object Request]");
  },

  "the URL is absolute and normalised"(env, t) {
    t.equal(new Request("HTTP://A.b:80").url, "http://a.b/");
    t.equal(new Request(new URL(URL_TEXT)).url, URL_TEXT);
    t.throws(() => new Request("/x"), /Invalid URL/);
    t.throws(() => new Request(""), TypeError);
    t.throws(() => new Request(), TypeError);
  },

  "methods are known and written in upper case"(env, t) {
    for (const method of ["get", "Post", "PATCH", "patch", "delete", "trace", "PUT", "options"]) {
      t.equal(new Request(URL_TEXT, { method }).method, method.toUpperCase());
    }
    for (const method of ["FOO", "a b", "", "CONNECT", "GET\r\n"]) {
      t.throws(() => new Request(URL_TEXT, { method }), /Invalid HTTP method string/);
    }
  },

  "GET and HEAD have no body"(env, t) {
    for (const method of ["GET", "HEAD"]) {
      t.throws(() => new Request(URL_TEXT, { method, body: "x" }), /cannot have a body/);
      t.equal(new Request(URL_TEXT, { method, body: null }).body, null);
      t.equal(new Request(URL_TEXT, { method, body: undefined }).body, null);
    }
  },

  async "a body brings its content type"(env, t) {
    const request = post("x");
    t.deepEqual([...request.headers], [["content-type", "text/plain;charset=UTF-8"]]);
    t.equal(await request.text(), "x");
    t.ok(request.bodyUsed);
    await t.rejects(request.text(), /Body has already been used/);
    t.equal(post("x", { headers: { "content-type": "a/b" } }).headers.get("content-type"), "a/b");
  },

  async "a stream needs no further word"(env, t) {
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(new Uint8Array([65]));
        controller.close();
      },
    });
    const request = post(body);
    t.deepEqual([...request.headers], []);
    t.equal(await request.text(), "A");
  },

  "redirect is follow or manual"(env, t) {
    t.equal(new Request(URL_TEXT, { redirect: "manual" }).redirect, "manual");
    t.throws(() => new Request(URL_TEXT, { redirect: "error" }), /Invalid redirect value/);
    t.throws(() => new Request(URL_TEXT, { redirect: "x" }), TypeError);
  },

  "cache is no-store or no-cache"(env, t) {
    t.equal(new Request(URL_TEXT, { cache: "no-store" }).cache, "no-store");
    t.equal(new Request(URL_TEXT, { cache: "no-cache" }).cache, "no-cache");
    t.throws(() => new Request(URL_TEXT, { cache: "reload" }), /Unsupported cache mode: reload/);
  },

  "integrity is not checked, so it is not taken"(env, t) {
    t.equal(new Request(URL_TEXT, { integrity: "" }).integrity, "");
    t.throws(() => new Request(URL_TEXT, { integrity: "sha256-x" }), TypeError);
  },

  "members without a meaning here are ignored"(env, t) {
    const init = { mode: "cors", credentials: "omit", keepalive: true, duplex: "half" };
    t.equal(new Request(URL_TEXT, init).method, "GET");
  },

  "the signal is the one that was given"(env, t) {
    const controller = new AbortController();
    const request = new Request(URL_TEXT, { signal: controller.signal });
    const copy = request.clone();
    const other = new Request(request);
    controller.abort("why");
    for (const made of [request, copy, other]) {
      t.ok(made.signal.aborted);
      t.equal(made.signal.reason, "why");
    }
    t.throws(() => new Request(URL_TEXT, { signal: {} }), /'signal' field/);
  },

  "without one there is a signal that waits"(env, t) {
    for (const init of [undefined, { signal: null }, { signal: undefined }]) {
      const { signal } = new Request(URL_TEXT, init);
      t.ok(signal instanceof AbortSignal);
      t.ok(!signal.aborted);
    }
    const request = new Request(URL_TEXT);
    t.equal(request.signal, request.signal);
  },

  "cf is a copy of what was given"(env, t) {
    const cf = { a: { b: 1 } };
    const request = new Request(URL_TEXT, { cf });
    cf.a.b = 2;
    t.deepEqual(request.cf, { a: { b: 1 } });
    t.deepEqual(new Request(request).cf, { a: { b: 1 } });
    t.deepEqual(request.clone().cf, { a: { b: 1 } });
    t.deepEqual(new Request(request, { cf: { c: 3 } }).cf, { c: 3 });
  },

  "init is an object"(env, t) {
    t.throws(() => new Request(URL_TEXT, 5), TypeError);
    t.equal(new Request(URL_TEXT, null).method, "GET");
    t.throws(() => new Request(URL_TEXT, { headers: 5 }), TypeError);
  },

  async "a request made of another takes its body"(env, t) {
    const source = post("q", { headers: { a: "b" }, redirect: "manual" });
    const request = new Request(source);
    t.ok(source.bodyUsed);
    t.equal(request.url, URL_TEXT);
    t.equal(request.method, "POST");
    t.equal(request.redirect, "manual");
    request.headers.set("a", "c");
    t.equal(source.headers.get("a"), "b");
    t.equal(await request.text(), "q");
    t.throws(() => new Request(source), /Cannot reconstruct a Request with a used body/);
  },

  async "unless a body is given"(env, t) {
    const source = post("q");
    const request = new Request(source, { body: "z" });
    t.equal(source.bodyUsed, false);
    t.equal(await request.text(), "z");
    t.equal(await source.text(), "q");
    t.equal(await new Request(source, { body: "y" }).text(), "y");
    t.equal(new Request(source, { body: null }).body, null);
  },

  async "init may be a request"(env, t) {
    const init = post("q", { headers: { a: "b" } });
    const request = new Request("http://x/", init);
    t.equal(request.url, "http://x/");
    t.equal(request.method, "POST");
    t.equal(request.headers.get("a"), "b");
    t.equal(await request.text(), "q");
    t.ok(init.bodyUsed);
  },

  "headers that are given replace all of the source's"(env, t) {
    const source = new Request(URL_TEXT, { headers: { a: "b" } });
    const request = new Request(source, { headers: { c: "d" } });
    t.deepEqual([...request.headers], [["c", "d"]]);
  },

  "a body does not become a GET's"(env, t) {
    const source = post("q");
    t.throws(() => new Request(source, { method: "GET" }), /cannot have a body/);
  },

  async "a copy says the same and is read apart"(env, t) {
    const request = post("q", { headers: { a: "b" } });
    const copy = request.clone();
    copy.headers.set("a", "c");
    t.equal(copy.method, "POST");
    t.equal(copy.url, URL_TEXT);
    t.equal(request.headers.get("a"), "b");
    t.equal(await request.text(), "q");
    t.equal(await copy.text(), "q");
    t.throws(() => request.clone(), TypeError);
  },

  async "the body of a request is the body of a response"(env, t) {
    const request = post("q");
    const response = new Response(request.body);
    t.equal(await response.text(), "q");
    t.ok(request.bodyUsed);
  },
};
