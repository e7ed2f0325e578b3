// Lists: order, prefixes, pages.

async function all(namespace, options) {
  const names = [];
  let pages = 0;
  for (let cursor;;) {
    const page = await namespace.list({ ...options, cursor });
    names.push(...page.keys.map((key) => key.name));
    pages++;
    if (page.list_complete) return { names, pages, page };
    cursor = page.cursor;
  }
}

export default {
  async "keys come in the order of their bytes"({ KV }, t) {
    const names = ["b", "a", "B", "\u00e9", "e\u0301", "\ud83d\ude00", "\uffff", "a/b", "aa", "a\u0000"];
    for (const name of names) await KV.put(`order:${name}`, name);
    const bytes = (text) => [...new TextEncoder().encode(text)];
    const compare = (one, two) => {
      const [a, b] = [bytes(one), bytes(two)];
      for (let at = 0; at < Math.min(a.length, b.length); at++) {
        if (a[at] !== b[at]) return a[at] - b[at];
      }
      return a.length - b.length;
    };
    const page = await KV.list({ prefix: "order:" });
    t.deepEqual(page.keys.map((key) => key.name.slice(6)), [...names].sort(compare));
    t.equal(page.list_complete, true);
    t.equal(page.cursor, undefined);
    t.equal(page.cacheStatus, null);
    for (const name of names) t.equal(await KV.get(`order:${name}`), name);
  },

  async "a prefix of letters of several bytes"({ KV }, t) {
    for (const name of ["\u00e9", "\u00e9a", "\u00ea", "e\u0301"]) await KV.put(`p${name}`, "");
    const { keys } = await KV.list({ prefix: "p\u00e9" });
    t.deepEqual(keys.map((key) => key.name), ["p\u00e9", "p\u00e9a"]);
  },

  async "900 keys in pages"({ KV }, t) {
    const name = (at) => `page:${String(at).padStart(5, "0")}`;
    for (let from = 0; from < 900; from += 6) {
      await Promise.all([0, 1, 2, 3, 4, 5].map((at) => KV.put(name(from + at), "x")));
    }
    const wanted = Array.from({ length: 900 }, (_, at) => name(at));
    const { names, pages } = await all(KV, { prefix: "page:", limit: 250 });
    t.deepEqual(names, wanted);
    t.equal(pages, 4);
    const exact = await all(KV, { prefix: "page:", limit: 300 });
    t.deepEqual(exact.names, wanted);
    t.equal(exact.pages, 3);
  },

  async "a page says when a key expires and what was said of it"({ KV }, t) {
    const expiration = Math.floor(Date.now() / 1000) + 3600;
    await KV.put("said:a", "", { expiration, metadata: { a: "\u00e9" } });
    await KV.put("said:b", "");
    const { keys } = await KV.list({ prefix: "said:" });
    t.deepEqual(keys, [{ name: "said:a", expiration, metadata: { a: "\u00e9" } }, { name: "said:b" }]);
    await KV.put("said:a", "");
    const again = await KV.list({ prefix: "said:", limit: 1 });
    t.deepEqual(again.keys, [{ name: "said:a" }]);
    t.equal(again.list_complete, false);
  },

  async "what is deleted is not listed"({ KV }, t) {
    await KV.put("del:a", "");
    await KV.put("del:b", "");
    await KV.delete("del:a");
    const { keys } = await KV.list({ prefix: "del:" });
    t.deepEqual(keys, [{ name: "del:b" }]);
    const none = await KV.list({ prefix: "nothing:" });
    t.deepEqual(none.keys, []);
    t.equal(none.list_complete, true);
  },

  async "a limit of nothing is the usual one"({ KV }, t) {
    await KV.put("lim:a", "");
    t.equal((await KV.list({ prefix: "lim:", limit: 0 })).keys.length, 1);
    t.equal((await KV.list({ prefix: "lim:", cursor: null })).keys.length, 1);
    t.ok((await KV.list()).keys.length >= 1);
  },
};
