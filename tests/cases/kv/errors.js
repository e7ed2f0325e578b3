// What is refused, and in which words.

const now = () => Math.floor(Date.now() / 1000);
const long = "\u00e9".repeat(256) + "x";

export default {
  async "names that no key can have"({ KV }, t) {
    const calls = [(name) => KV.get(name), (name) => KV.put(name, ""), (name) => KV.delete(name)];
    for (const call of calls) {
      await t.rejects(call(""), /^TypeError: Key name cannot be empty\.$/);
      await t.rejects(call("."), /^TypeError: "\." is not allowed as a key name\.$/);
      await t.rejects(call(".."), /^TypeError: "\.\." is not allowed as a key name\.$/);
    }
    const told = "UTF-8 encoded length of 513 exceeds key length limit of 512.";
    t.equal((await t.rejects(KV.get(long))).message, `KV GET failed: 414 ${told}`);
    t.equal((await t.rejects(KV.put(long, ""))).message, `KV PUT failed: 414 ${told}`);
    t.equal((await t.rejects(KV.delete(long))).message, `KV DELETE failed: 414 ${told}`);
    const most = "\u00e9".repeat(256);
    await KV.put(most, "most");
    t.equal(await KV.get(most), "most");
    await KV.put("...", "dots");
    t.equal(await KV.get("..."), "dots");
  },

  async "values that are none"({ KV }, t) {
    const told = "KV put() accepts only strings, ArrayBuffers, ArrayBufferViews, and ReadableStreams" +
      " as values.";
    for (const value of [{}, [1], new Date(0), new Response("x"), new Map()]) {
      const error = await t.rejects(KV.put("a", value), TypeError);
      t.equal(error.message, told);
    }
  },

  async "types that are none"({ KV }, t) {
    await KV.put("typed", "x");
    const told =
      'Unknown response type. Possible types are "text", "arrayBuffer", "json", and "stream".';
    const error = await t.rejects(KV.get("typed", "blob"), TypeError);
    t.equal(error.message, told);
    const bulk = await t.rejects(KV.get(["typed"], "arrayBuffer"));
    t.equal(
      bulk.message,
      'KV GET_BULK failed: 400 "arrayBuffer" is not a valid type. Use "json" or "text"',
    );
  },

  async "times that are too near or over"({ KV }, t) {
    const put = async (options) => (await t.rejects(KV.put("a", "", options), Error)).message;
    t.equal(
      await put({ expirationTtl: 59 }),
      "KV PUT failed: 400 Invalid expiration_ttl of 59. Expiration TTL must be at least 60.",
    );
    t.equal(
      await put({ expiration: 5 }),
      "KV PUT failed: 400 Invalid expiration of 5. Please specify integer greater than the current" +
        " number of seconds since the UNIX epoch.",
    );
    const near = now() + 30;
    t.equal(
      await put({ expiration: near }),
      `KV PUT failed: 400 Invalid expiration of ${near}. Expiration times must be at least 60` +
        " seconds in the future.",
    );
    await KV.put("far", "x", { expiration: now() + 120 });
    await KV.put("ttl wins", "x", { expiration: 5, expirationTtl: 60 });
    for (const ttl of [0, -1]) {
      t.equal(
        await put({ expirationTtl: ttl }),
        `KV PUT failed: 400 Invalid expiration_ttl of ${ttl}. Please specify integer greater than 0.`,
      );
    }
    t.ok((await put({ expiration: 0 })).includes("Invalid expiration of 0. Please specify"));
  },

  async "metadata over its limit"({ KV }, t) {
    const of = (length) => "x".repeat(length - 2);
    await KV.put("most", "", { metadata: of(1024) });
    t.equal(
      (await t.rejects(KV.put("more", "", { metadata: of(1025) }))).message,
      "KV PUT failed: 413 Metadata length of 1025 exceeds limit of 1024.",
    );
    t.equal(await KV.get("more"), null);
  },

  async "metadata at its limit in bytes of UTF-8"({ KV }, t) {
    const metadata = "\u00e9".repeat(511);
    await KV.put("accents", "", { metadata });
    t.equal((await KV.getWithMetadata("accents")).metadata, metadata);
    await t.rejects(KV.put("more", "", { metadata: metadata + "x" }), /413 Metadata length of 1025/);
  },

  async "caching for too short"({ KV }, t) {
    t.equal(
      (await t.rejects(KV.get("a", { cacheTtl: 29 }))).message,
      "KV GET failed: 400 Invalid cache_ttl of 29. Cache TTL must be at least 30.",
    );
  },

  async "too many keys, too few, and values that are no JSON"({ KV }, t) {
    const many = Array.from({ length: 101 }, (_, at) => `k${at}`);
    const get = async (...parts) => (await t.rejects(KV.get(...parts), Error)).message;
    t.equal(await get(many), "KV GET_BULK failed: 400 You can request a maximum of 100 keys");
    t.equal(await get([]), "KV GET_BULK failed: 400 You must request a minimum of 1 key");
    t.equal((await KV.get(many.slice(1))).size, 100);
    await KV.put("no json", "{");
    t.equal(
      await get(["no json"], "json"),
      "KV GET_BULK failed: 400 At least one of the requested keys corresponds to a non-json value",
    );
    await t.rejects(KV.get("no json", "json"), SyntaxError);
    t.equal(await get(["a", ""]), "KV GET_BULK failed: 400 Key names must not be empty");
    t.equal(
      await get(["."]),
      'KV GET_BULK failed: 400 Illegal key name ".". Please use a different name.',
    );
  },

  async "too much together"({ KV }, t) {
    const value = new Uint8Array(9 << 20);
    const names = ["t1", "t2", "t3"];
    for (const name of names) await KV.put(name, value);
    t.equal(
      (await t.rejects(KV.get(names))).message,
      "KV GET_BULK failed: 413 Total size of request exceeds the limit of 25MB",
    );
    for (const name of names) await KV.delete(name);
  },

  async "pages that are too long, and cursors that are none"({ KV }, t) {
    t.equal(
      (await t.rejects(KV.list({ limit: 1001 }))).message,
      "KV GET failed: 400 Invalid key_count_limit of 1001. Please specify an integer less than" +
        " 1000.",
    );
    await t.rejects(KV.list({ cursor: "\u00e9" }), /KV GET failed: 400 Invalid cursor\./);
    await t.rejects(KV.list({ prefix: long }), /414 UTF-8 encoded length of 513/);
  },

  async "arguments that are missing"({ KV }, t) {
    await t.rejects(async () => KV.get(), TypeError);
    await t.rejects(async () => KV.put("a"), TypeError);
    await t.rejects(async () => KV.delete(), TypeError);
  },
};
