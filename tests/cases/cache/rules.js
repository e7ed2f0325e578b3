// What is kept, for how long and for whom, and what of it a request gets. Workerd leaves all of it
// to the service that its operator puts behind it.

const DATE = "Sun, 06 Nov 1994 08:49:37 GMT";
const LATER = "Sun, 06 Nov 1994 08:49:38 GMT";
const EARLIER = "Sun, 06 Nov 1994 08:49:36 GMT";

let count = 0;
const url = () => `http://cache.test/${count++}`;

const cache = caches.default;

/** Puts a response of these headers; whether it is found. */
async function kept(headers, status = 200, request = {}) {
  const key = url();
  await cache.put(new Request(key, request), new Response("body", { status, headers }));
  return (await cache.match(key)) !== undefined;
}

/** A match of a kept response of ten bytes. */
async function asked(request, headers = {}) {
  const key = url();
  const own = { "cache-control": "max-age=60", ...headers };
  await cache.put(key, new Response("0123456789", { headers: own }));
  return await cache.match(new Request(key, { headers: request }));
}

const cases = {
  async "only what says how long it is fresh is kept"(env, t) {
    const soon = new Date(Date.now() + 60_000).toUTCString();
    for (
      const headers of [
        { "cache-control": "max-age=60" },
        { "cache-control": "public, s-maxage=60, max-age=0" },
        { "cache-control": "Max-Age=60" },
        { expires: soon },
        { "cache-control": "max-age=60", expires: "0" },
        { "cache-control": "max-age=60", pragma: "no-cache" },
      ]
    ) t.ok(await kept(headers), JSON.stringify(headers));
    for (
      const headers of [
        {},
        { "cache-control": "public" },
        { etag: '"x"', "last-modified": DATE },
        { "cache-control": "max-age=0" },
        { "cache-control": "s-maxage=0, max-age=60" },
        { expires: "0" },
        { expires: DATE },
      ]
    ) t.ok(!await kept(headers), JSON.stringify(headers));
  },

  async "what is not for everybody is not kept"(env, t) {
    for (const directive of ["no-store", "private", "no-cache", "Private", "NO-STORE"]) {
      t.ok(!await kept({ "cache-control": `max-age=60, ${directive}` }), directive);
    }
  },

  async "what the request says of caches does not matter"(env, t) {
    const headers = { "cache-control": "no-store", pragma: "no-cache" };
    t.ok(await kept({ "cache-control": "max-age=60" }, 200, { headers }));
    const found = await asked({ "cache-control": "no-cache, max-age=0", pragma: "no-cache" });
    t.equal(found.status, 200);
  },

  async "a response to a user is kept if it says so"(env, t) {
    const request = { headers: { authorization: "Bearer x" } };
    t.ok(!await kept({ "cache-control": "max-age=60" }, 200, request));
    t.ok(await kept({ "cache-control": "public, max-age=60" }, 200, request));
  },

  async "any status is kept that says how long"(env, t) {
    for (const status of [200, 301, 404, 403, 500]) {
      t.ok(await kept({ "cache-control": "max-age=60" }, status), status);
    }
    const key = url();
    const headers = { "cache-control": "max-age=60" };
    await cache.put(key, new Response(null, { status: 204, headers }));
    const found = await cache.match(key);
    t.equal(found.status, 204);
    t.equal(found.body, null);
  },

  async "cookies are not kept"(env, t) {
    const cookie = { "set-cookie": "a=b" };
    t.ok(!await kept({ "cache-control": "max-age=60", ...cookie }));
    t.ok(!await kept({ "cache-control": "public, max-age=60", ...cookie }));
    for (const control of ["private=set-cookie", 'private="Set-Cookie"', 'no-cache="set-cookie"']) {
      const key = url();
      const headers = { "cache-control": `${control}, max-age=60`, "x-a": "b", ...cookie };
      await cache.put(key, new Response("x", { headers }));
      const found = await cache.match(key);
      t.equal(found.headers.get("set-cookie"), null);
      t.equal(found.headers.get("x-a"), "b");
    }
  },

  async "what is not kept leaves what was"(env, t) {
    const key = url();
    await cache.put(key, new Response("one", { headers: { "cache-control": "max-age=60" } }));
    const large = new Response("x".repeat(200_000), { headers: { "cache-control": "no-store" } });
    await cache.put(key, large);
    t.ok(large.bodyUsed);
    t.equal(await (await cache.match(key)).text(), "one");
  },

  async "an age is told and counts"(env, t) {
    t.equal((await asked({})).headers.get("age"), "0");
    t.equal((await asked({}, { age: "20" })).headers.get("age"), "20");
    t.ok(!await kept({ "cache-control": "max-age=60", age: "60" }));
  },

  async "headers of a connection are not kept"(env, t) {
    const found = await asked({}, { connection: "x-hop", "x-hop": "1", "x-a": "b" });
    t.equal(found.headers.get("x-hop"), null);
    t.equal(found.headers.get("connection"), null);
    t.equal(found.headers.get("x-a"), "b");
  },

  async "headers come back byte for byte"(env, t) {
    const found = await asked({}, { "x-latin": "\u00e9\u00ff", "x-empty": "" });
    t.equal(found.headers.get("x-latin"), "\u00e9\u00ff");
    t.equal(found.headers.get("x-empty"), "");
  },

  async "a response is for requests that say what Vary names"(env, t) {
    const key = url();
    const ask = (headers) => new Request(key, { headers });
    const put = (language) =>
      cache.put(
        ask({ "accept-language": language, cookie: "x" }),
        new Response(language, {
          headers: { "cache-control": "max-age=60", vary: "Accept-Language" },
        }),
      );
    await put("de");
    t.equal(await cache.match(key), undefined);
    t.equal(await cache.match(ask({ "accept-language": "en" })), undefined);
    await put("en");
    for (const language of ["de", "en"]) {
      const found = await cache.match(ask({ "accept-language": language, cookie: "y" }));
      t.equal(await found.text(), language);
    }
    await cache.put(key, new Response("all", { headers: { "cache-control": "max-age=60" } }));
    t.equal(await (await cache.match(ask({ "accept-language": "de" }))).text(), "all");
    t.equal(await cache.delete(key), true);
    t.equal(await cache.match(ask({ "accept-language": "de" })), undefined);
  },

  async "a key of its own stands for the URL"(env, t) {
    const key = url();
    const [one, two] = [url(), url()];
    const cf = { cacheKey: key };
    await cache.put(
      new Request(one, { cf }),
      new Response("x", { headers: { "cache-control": "max-age=60" } }),
    );
    t.equal(await cache.match(one), undefined);
    t.equal(await (await cache.match(new Request(two, { cf }))).text(), "x");
    t.equal(await (await cache.match(key)).text(), "x");
    t.equal(await cache.delete(new Request(two, { cf })), true);
  },

  async "the fragment of a URL is no part of the key"(env, t) {
    const key = url();
    const response = new Response("x", { headers: { "cache-control": "max-age=60" } });
    await cache.put(`${key}#a`, response);
    t.equal(await (await cache.match(`${key}#b`)).text(), "x");
  },

  async "whoever has it is told so"(env, t) {
    const validators = { etag: '"a"', "last-modified": DATE };
    for (
      const [request, status] of [
        [{ "if-none-match": '"a"' }, 304],
        [{ "if-none-match": 'W/"a"' }, 304],
        [{ "if-none-match": '"b", "a"' }, 304],
        [{ "if-none-match": "*" }, 304],
        [{ "if-none-match": '"b"' }, 200],
        [{ "if-none-match": '"b"', "if-modified-since": LATER }, 200],
        [{ "if-modified-since": DATE }, 304],
        [{ "if-modified-since": LATER }, 304],
        [{ "if-modified-since": EARLIER }, 200],
        [{ "if-modified-since": "nonsense" }, 200],
      ]
    ) {
      const found = await asked(request, validators);
      t.equal(found.status, status);
      t.equal(found.headers.get("etag"), '"a"');
      t.equal(found.headers.get("cf-cache-status"), "HIT");
      t.equal(await found.text(), status === 304 ? "" : "0123456789");
    }
  },

  async "a range is a part"(env, t) {
    for (
      const [range, body, content] of [
        ["bytes=2-4", "234", "bytes 2-4/10"],
        ["bytes=7-", "789", "bytes 7-9/10"],
        ["bytes=-3", "789", "bytes 7-9/10"],
        ["bytes=0-99", "0123456789", "bytes 0-9/10"],
      ]
    ) {
      const found = await asked({ range });
      t.equal(found.status, 206);
      t.equal(found.statusText, "Partial Content");
      t.equal(found.headers.get("content-range"), content);
      t.equal(found.headers.get("content-length"), `${body.length}`);
      t.equal(await found.text(), body);
    }
    for (const range of ["bytes=0-1,3-4", "lines=0-1", "bytes=4-2", "nonsense"]) {
      const found = await asked({ range });
      t.equal(found.status, 200);
      t.equal(await found.text(), "0123456789");
    }
  },

  async "a range beyond the end is not satisfied"(env, t) {
    const found = await asked({ range: "bytes=10-" });
    t.equal(found.status, 416);
    t.equal(found.headers.get("content-range"), "bytes */10");
    t.equal(found.headers.get("cf-cache-status"), "HIT");
    t.equal(await found.text(), "");
  },

  async "a part is given only of what somebody has the rest of"(env, t) {
    const validators = { etag: '"a"', "last-modified": DATE };
    const expected = [['"a"', 206], [DATE, 206], ['"b"', 200], ['W/"a"', 200], [LATER, 200]];
    for (const [condition, status] of expected) {
      const found = await asked({ range: "bytes=0-1", "if-range": condition }, validators);
      t.equal(found.status, status);
    }
  },

  async "a part of a large response is read from where it begins"(env, t) {
    const key = url();
    const body = Array.from({ length: 30_000 }, (_, i) => `${i}`.padStart(9, "0")).join(" ");
    await cache.put(key, new Response(body, { headers: { "cache-control": "max-age=60" } }));
    const headers = { range: "bytes=200000-200008" };
    const found = await cache.match(new Request(key, { headers }));
    t.equal(found.headers.get("content-range"), `bytes 200000-200008/${body.length}`);
    t.equal(await found.text(), "000020000");
  },

  async "an encoded body comes back as what it says"(env, t) {
    const key = url();
    const packed = await new Response(
      new Blob(["packed ".repeat(100)]).stream().pipeThrough(new CompressionStream("gzip")),
    ).bytes();
    const headers = { "cache-control": "max-age=60", "content-encoding": "gzip" };
    await cache.put(key, new Response(packed, { headers, encodeBody: "manual" }));
    const found = await cache.match(key);
    t.equal(found.headers.get("content-encoding"), "gzip");
    t.equal(await found.text(), "packed ".repeat(100));
  },

  async "a URL has a bound"(env, t) {
    const long = `http://cache.test/${"x".repeat(16_384)}`;
    await t.rejects(cache.match(long), /TypeError: The URL is too long\. .*cache_key_bytes_max/);
  },
};

export default cases;

const REASON = "workerd leaves it to the service behind its caches, which is the operator's";
export const differs = Object.fromEntries(Object.keys(cases).map((name) => [name, REASON]));
