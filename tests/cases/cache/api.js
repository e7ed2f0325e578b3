// What the methods of caches take, give and say.

const URL_A = "http://cache.test/a";

const fresh = (body, headers = {}, status = 200) =>
  new Response(body, { status, headers: { "cache-control": "max-age=60", ...headers } });

const post = (url) => new Request(url, { method: "POST" });

export default {
  "caches is an object with a cache of no name"(env, t) {
    t.equal(Object.prototype.toString.call(caches), "[object CacheStorage]");
    t.equal(Object.prototype.toString.call(caches.default), "[object Cache]");
    t.equal(caches.default, caches.default);
    t.equal(Object.keys(caches).join(), "default");
    for (const name of ["match", "put", "delete"]) t.equal(caches.default[name].length, 0);
    t.equal(caches.open.length, 0);
  },

  "nobody makes caches"(env, t) {
    t.throws(() => new Cache(), /TypeError: Illegal constructor/);
    t.throws(() => new CacheStorage(), /TypeError: Illegal constructor/);
  },

  "what is not there says so"(env, t) {
    const missing = (name, type) =>
      new RegExp(`^Error: Failed to execute '${name}' on '${type}': the method is not implemented`);
    for (const name of ["add", "addAll", "keys", "matchAll"]) {
      t.throws(() => caches.default[name](), missing(name, "Cache"));
    }
    for (const name of ["delete", "has", "keys", "match"]) {
      t.throws(() => caches[name]("x"), missing(name, "CacheStorage"));
    }
  },

  async "a response comes back with its status, headers and body"(env, t) {
    const response = fresh("body", { "x-a": "b" }, 203);
    t.equal(await caches.default.put(URL_A, response), undefined);
    t.equal(response.bodyUsed, true);
    const found = await caches.default.match(URL_A);
    t.ok(found instanceof Response);
    t.equal(found.status, 203);
    t.equal(found.statusText, "Non-Authoritative Information");
    t.equal(found.url, "");
    t.equal(found.redirected, false);
    t.equal(found.headers.get("x-a"), "b");
    t.equal(found.headers.get("cache-control"), "max-age=60");
    t.equal(found.headers.get("content-type"), "text/plain;charset=UTF-8");
    t.equal(found.headers.get("content-length"), "4");
    t.equal(found.headers.get("cf-cache-status"), "HIT");
    t.throws(() => found.headers.set("x-a", "c"), /TypeError: Can't modify immutable headers\./);
    t.equal(await found.text(), "body");
    t.equal(await (await caches.default.match(URL_A)).text(), "body");
  },

  async "nothing is found where nothing was put"(env, t) {
    t.equal(await caches.default.match("http://cache.test/nowhere"), undefined);
    t.equal(await caches.default.match("http://cache.test/nowhere", null), undefined);
    t.equal(await caches.default.delete("http://cache.test/nowhere"), false);
  },

  async "what is deleted is gone"(env, t) {
    const url = "http://cache.test/deleted";
    await caches.default.put(url, fresh("x"));
    t.equal(await caches.default.delete(url), true);
    t.equal(await caches.default.match(url), undefined);
    t.equal(await caches.default.delete(url), false);
  },

  async "the newest response is found"(env, t) {
    const url = "http://cache.test/newest";
    for (const body of ["one", "two", "three"]) await caches.default.put(url, fresh(body));
    t.equal(await (await caches.default.match(url)).text(), "three");
  },

  async "only GET requests have responses"(env, t) {
    const url = "http://cache.test/methods";
    await caches.default.put(url, fresh("x"));
    t.equal(await caches.default.match(post(url)), undefined);
    t.equal(await caches.default.match(new Request(url, { method: "HEAD" })), undefined);
    t.equal(await caches.default.match(post(url), { ignoreMethod: false }), undefined);
    const found = await caches.default.match(post(url), { ignoreMethod: true });
    t.equal(await found.text(), "x");
    t.equal(await caches.default.delete(post(url)), false);
    t.equal(await caches.default.delete(post(url), { ignoreMethod: true }), true);
    t.equal(await caches.default.match(url), undefined);
  },

  async "a request that is looked up keeps its body"(env, t) {
    const request = new Request(URL_A, { method: "POST", body: "b" });
    await caches.default.match(request, { ignoreMethod: true });
    t.equal(request.bodyUsed, false);
    t.equal(await request.text(), "b");
  },

  async "requests, URLs and texts are the same key"(env, t) {
    const url = "http://cache.test/keys?q=1";
    await caches.default.put(new Request(url), fresh("x"));
    for (const key of [url, new URL(url), new Request(url), { toString: () => url }]) {
      t.equal((await caches.default.match(key))?.status, 200);
    }
    for (const key of ["http://cache.test/keys", "http://cache.test/keys?q=2", url + "x"]) {
      t.equal(await caches.default.match(key), undefined);
    }
    t.equal(await caches.default.match("https" + url.slice(4)), undefined);
  },

  async "caches of different names hold different things"(env, t) {
    const url = "http://cache.test/names";
    const names = ["", "a", "A", "a/b", "\0", "\n", "../a", "null", "default", "\u00e9", "e\u0301"];
    await caches.default.put(url, fresh("default cache"));
    for (const name of names.slice(1)) {
      t.equal(await (await caches.open(name)).match(url), undefined);
      await (await caches.open(name)).put(url, fresh(name));
    }
    for (const name of names.slice(1)) {
      t.equal(await (await (await caches.open(name)).match(url)).text(), name);
    }
    t.equal(await (await caches.default.match(url)).text(), "default cache");
    await (await caches.open("a")).delete(url);
    t.equal((await (await caches.open("A")).match(url)).status, 200);
  },

  async "a name has a bound"(env, t) {
    t.ok(caches.open("x") instanceof Promise);
    t.ok(await caches.open("x".repeat(1023)) instanceof Cache);
    await t.rejects(caches.open("x".repeat(1024)), /^TypeError: Cache name is too long\.$/);
    await t.rejects(caches.open("\u00e9".repeat(512)), /^TypeError: Cache name is too long\.$/);
    await t.rejects(
      caches.open(),
      /^TypeError: Failed to execute 'open' on 'CacheStorage': parameter 1 is not of type /,
    );
  },

  async "arguments are checked, and what is wrong rejects"(env, t) {
    const cache = caches.default;
    const not = (method, place, type) =>
      new RegExp(
        `^TypeError: Failed to execute '${method}' on 'Cache': parameter ${place} is not of type` +
          ` '${type}'\\.$`,
      );
    for (const method of ["match", "put", "delete"]) {
      await t.rejects(cache[method](), not(method, 1, "Request or string"));
    }
    await t.rejects(cache.put(URL_A), not("put", 2, "Response"));
    await t.rejects(cache.put(URL_A, "x"), not("put", 2, "Response"));
    await t.rejects(cache.match(URL_A, 5), not("match", 2, "CacheQueryOptions"));
    for (const method of ["match", "delete"]) {
      await t.rejects(cache[method]("/a"), /^TypeError: Invalid URL: \/a$/);
      await t.rejects(cache[method](null), /^TypeError: Invalid URL: null$/);
    }
    await t.rejects(cache.put("/a", fresh("x")), /^TypeError: Invalid URL: \/a$/);
  },

  async "what is no whole response of a GET request is not put"(env, t) {
    const cache = caches.default;
    const head = new Request(URL_A, { method: "HEAD" });
    const notGet = /^TypeError: Cannot cache response to non-GET request\.$/;
    await t.rejects(cache.put(post(URL_A), fresh("x")), notGet);
    await t.rejects(cache.put(head, fresh("x")), notGet);
    await t.rejects(
      cache.put(URL_A, fresh("x", {}, 206)),
      /^TypeError: Cannot cache response to a range request \(206 Partial Content\)\.$/,
    );
    const vary = /^TypeError: Cannot cache response with 'Vary: \*' header\.$/;
    await t.rejects(cache.put(URL_A, fresh("x", { vary: "*" })), vary);
    await t.rejects(cache.put(URL_A, fresh("x", { vary: "accept, *" })), vary);
    await t.rejects(
      cache.put(URL_A, Response.error()),
      /^TypeError: Cache is unable to store an error response$/,
    );
  },

  async "a response that was not modified is passed over"(env, t) {
    const url = "http://cache.test/304";
    await caches.default.put(url, fresh("x"));
    t.equal(await caches.default.put(url, fresh(null, {}, 304)), undefined);
    t.equal(await (await caches.default.match(url)).text(), "x");
  },

  async "a body is used once, and one that fails is not kept"(env, t) {
    const url = "http://cache.test/failing";
    const used = fresh("x");
    await used.text();
    await t.rejects(caches.default.put(url, used), /^TypeError: Body has already been used\./);
    const stream = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode("begun"));
      },
      pull(controller) {
        controller.error(new RangeError("boom"));
      },
    });
    await t.rejects(caches.default.put(url, fresh(stream)), /RangeError: boom/);
    t.equal(await caches.default.match(url), undefined);
  },

  async "bodies of any length come back"(env, t) {
    for (const length of [0, 1, 65_536, 65_537, 300_000]) {
      const url = `http://cache.test/length/${length}`;
      await caches.default.put(url, fresh("x".repeat(length)));
      const found = await caches.default.match(url);
      t.equal(found.headers.get("content-length"), `${length}`);
      t.equal((await found.text()).length, length);
    }
  },

  async "a stream comes back as bytes"(env, t) {
    const url = "http://cache.test/stream";
    const { readable, writable } = new TransformStream();
    const put = caches.default.put(url, fresh(readable));
    const writer = writable.getWriter();
    for (let i = 0; i < 40; i++) await writer.write(new Uint8Array(10_000).fill(97));
    await writer.close();
    await put;
    t.equal(await (await caches.default.match(url)).text(), "a".repeat(400_000));
  },
};
