// Names: any text is one, and no two texts are the same key.

export const differs = {
  "half a character is the one that stands for what can not be read":
    "workerd takes such a name for another one in its request, and loses the connection",
  "a namespace by name is the one that is bound under it":
    "workerd has no bindings of namespaces by name",
  "namespaces of any name are apart": "workerd has no bindings of namespaces by name",
  "a name that no namespace can have is refused at the first call":
    "workerd has no bindings of namespaces by name",
  "a cursor is for its own namespace": "workerd has no bindings of namespaces by name",
};

const NAMES = [
  "/",
  "//",
  "a",
  "a/",
  "a/b",
  "a\u0000",
  "\u0000",
  "a/../b",
  "../a",
  "%2f",
  "a?b=c",
  "a#b",
  "\u00e9",
  "e\u0301",
  "\ufffd",
  " ",
  "\n",
  "\u{10ffff}",
  "__proto__",
  "constructor",
];

export default {
  async "hostile names are keys of their own"({ KV }, t) {
    for (const name of NAMES) await KV.put(`n${name}`, `of ${name}`);
    for (const name of NAMES) t.equal(await KV.get(`n${name}`), `of ${name}`);
    const { keys } = await KV.list({ prefix: "n" });
    t.deepEqual(keys.map((key) => key.name.slice(1)).sort(), [...NAMES].sort());
    await KV.delete("na");
    t.equal(await KV.get("na"), null);
    t.equal(await KV.get("na/"), "of a/");
    const found = await KV.get(["n__proto__", "nconstructor"]);
    t.equal(found.get("n__proto__"), "of __proto__");
  },

  async "half a character is the one that stands for what can not be read"({ KV }, t) {
    await KV.put("half\ud800", "one");
    t.equal(await KV.get("half\ufffd"), "one");
    t.equal(await KV.get("half\udc00"), "one");
    const { keys } = await KV.list({ prefix: "half\ud801" });
    t.deepEqual(keys.map((key) => key.name), ["half\ufffd"]);
    await KV.put("value", "a\ud800b");
    t.equal(await KV.get("value"), "a\ufffdb");
  },

  async "a namespace by name is the one that is bound under it"({ KV, KVS }, t) {
    await KV.put("shared", "by both");
    const same = KVS.get("cases");
    t.equal(await same.get("shared"), "by both");
    await same.put("shared", "changed");
    t.equal(await KV.get("shared"), "changed");
    t.equal(same.constructor, KV.constructor);
  },

  async "namespaces of any name are apart"({ KVS }, t) {
    for (const name of NAMES) await KVS.get(name).put("key", `of ${name}`);
    for (const name of NAMES) {
      const namespace = KVS.get(name);
      t.equal(await namespace.get("key"), `of ${name}`);
      t.deepEqual((await namespace.list()).keys, [{ name: "key" }]);
      await namespace.delete("key");
    }
    t.equal(await KVS.get("a").get("key"), null);
  },

  async "a name that no namespace can have is refused at the first call"({ KVS }, t) {
    for (const name of ["", "x".repeat(257)]) {
      const namespace = KVS.get(name);
      await t.rejects(namespace.get("a"), /^TypeError: .*not the name of a namespace/);
    }
    t.throws(() => KVS.get(), TypeError);
  },

  async "a cursor is for its own namespace"({ KVS }, t) {
    const [one, two] = [KVS.get("cursors 1"), KVS.get("cursors 2")];
    for (const namespace of [one, two]) {
      await namespace.put("a", "");
      await namespace.put("b", "");
    }
    const { cursor } = await one.list({ limit: 1 });
    t.deepEqual((await one.list({ cursor })).keys, [{ name: "b" }]);
    await t.rejects(two.list({ cursor }), /KV GET failed: 400 Invalid cursor\./);
    await t.rejects(one.list({ cursor: cursor.slice(1) }), /Invalid cursor/);
  },

  async "a namespace is nothing that a worker can make"({ KV }, t) {
    t.equal(KV.constructor.name, "KvNamespace");
    t.throws(() => new KV.constructor(), TypeError);
    t.equal(Object.keys(KV).length, 0);
    await t.rejects(async () => KV.get.call({}, "a"), TypeError);
  },
};
