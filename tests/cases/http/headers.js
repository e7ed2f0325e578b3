// Header lists: names, values, order and what is refused.

export default {
  "names are compared without case and shown in lower case"(env, t) {
    const headers = new Headers({ "Content-Type": "a/b" });
    t.equal(headers.get("cOnTeNt-TyPe"), "a/b");
    t.ok(headers.has("CONTENT-TYPE"));
    t.deepEqual([...headers.keys()], ["content-type"]);
  },

  "values are trimmed and kept as text"(env, t) {
    const headers = new Headers();
    headers.set("a", " \t\r\n x y \n");
    headers.set("b", 5);
    headers.set("c", null);
    t.equal(headers.get("a"), "x y");
    t.equal(headers.get("b"), "5");
    t.equal(headers.get("c"), "null");
    t.equal(headers.get("d"), null);
  },

  "characters of Latin-1 survive"(env, t) {
    t.equal(new Headers([["a", "x\u00e9y"]]).get("a"), "x\u00e9y");
  },

  "names and values that would break a message are refused"(env, t) {
    const headers = new Headers();
    for (const name of ["a b", "a:", "a\n", "a\r\nb"]) {
      t.throws(() => headers.set(name, "x"), /Invalid header name/);
      t.throws(() => headers.append(name, "x"), TypeError);
      t.throws(() => headers.get(name), TypeError);
      t.throws(() => headers.has(name), TypeError);
      t.throws(() => headers.delete(name), TypeError);
    }
    for (const value of ["x\ny", "x\ry", "x\0y", "x\r\nset-cookie: a=b"]) {
      t.throws(() => headers.set("a", value), /Invalid header value/);
      t.throws(() => new Headers({ a: value }), TypeError);
    }
    t.deepEqual([...headers], []);
  },

  "appended values are combined"(env, t) {
    const headers = new Headers({ a: "1" });
    headers.append("A", "2");
    headers.append("a", "");
    t.equal(headers.get("a"), "1, 2, ");
  },

  "set replaces every value and keeps the rest"(env, t) {
    const headers = new Headers([["a", "1"], ["b", "2"], ["a", "3"], ["c", "4"]]);
    headers.set("A", "5");
    t.deepEqual([...headers], [["a", "5"], ["b", "2"], ["c", "4"]]);
    headers.delete("B");
    headers.delete("none");
    t.deepEqual([...headers], [["a", "5"], ["c", "4"]]);
  },

  "iteration is sorted, combined, and keeps cookies apart"(env, t) {
    const headers = new Headers([
      ["b", "1"], ["A", "2"], ["set-cookie", "x=1"], ["Set-Cookie", "y=2, 3"], ["b", "3"],
    ]);
    t.deepEqual([...headers], [
      ["a", "2"], ["b", "1, 3"], ["set-cookie", "x=1"], ["set-cookie", "y=2, 3"],
    ]);
    t.deepEqual([...headers.keys()], ["a", "b", "set-cookie", "set-cookie"]);
    t.deepEqual([...headers.values()], ["2", "1, 3", "x=1", "y=2, 3"]);
    t.deepEqual([...headers.entries()], [...headers]);
  },

  "cookies are read one by one"(env, t) {
    const headers = new Headers();
    t.deepEqual(headers.getSetCookie(), []);
    headers.append("Set-Cookie", "a=1");
    headers.append("set-cookie", "b=2");
    t.deepEqual(headers.getSetCookie(), ["a=1", "b=2"]);
    t.deepEqual(headers.getAll("Set-Cookie"), ["a=1", "b=2"]);
    t.equal(headers.get("set-cookie"), "a=1, b=2");
    t.throws(() => headers.getAll("a"), /only be used with the header name "Set-Cookie"/);
  },

  "forEach gives value, name and list"(env, t) {
    const headers = new Headers({ b: "2", a: "1" });
    const seen = [];
    headers.forEach(function (value, name, list) {
      seen.push([value, name, list === headers, this.mark]);
    }, { mark: 7 });
    t.deepEqual(seen, [["1", "a", true, 7], ["2", "b", true, 7]]);
    t.throws(() => headers.forEach(3), TypeError);
  },

  "a list is made of lists, pairs or a record"(env, t) {
    const made = [
      new Headers([["a", "1"]]), new Headers({ a: "1" }), new Headers(new Map([["a", "1"]])),
      new Headers(new Headers({ a: "1" })), new Headers([new Set(["a", "1"])]),
    ];
    for (const headers of made) t.deepEqual([...headers], [["a", "1"]]);
    t.deepEqual([...new Headers()], []);
    t.deepEqual([...new Headers(undefined)], []);
    t.equal(new Headers({ a: undefined }).get("a"), "undefined");
  },

  "a copy does not change with its source"(env, t) {
    const source = new Headers({ a: "1" });
    const copy = new Headers(source);
    source.set("a", "2");
    copy.set("b", "3");
    t.deepEqual([...copy], [["a", "1"], ["b", "3"]]);
    t.deepEqual([...source], [["a", "2"]]);
  },

  "what is not a list is refused"(env, t) {
    for (const init of ["abc", 1, true, null]) {
      t.throws(() => new Headers(init), /is not of type 'Headers or Sequence or object'/);
    }
    for (const init of [[["a"]], [["a", "b", "c"]], [[]]]) {
      t.throws(() => new Headers(init), /must have exactly two elements/);
    }
  },

  "missing arguments are refused"(env, t) {
    const headers = new Headers();
    t.throws(() => headers.get(), /parameter 1 is not of type 'string'/);
    t.throws(() => headers.set("a"), /parameter 2 is not of type 'string'/);
    t.throws(() => headers.append("a"), TypeError);
    t.throws(() => headers.has(), TypeError);
    t.throws(() => headers.delete(), TypeError);
  },

  "a change while iterating does not disturb it"(env, t) {
    const headers = new Headers({ a: "1", b: "2" });
    const seen = [];
    for (const [name] of headers) {
      seen.push(name);
      headers.delete("b");
      headers.set("c", "3");
    }
    t.deepEqual(seen, ["a", "b"]);
    t.deepEqual([...headers.keys()], ["a", "c"]);
  },

  "methods refuse a foreign receiver"(env, t) {
    t.throws(() => Headers.prototype.get.call({}, "a"), TypeError);
    t.throws(() => Headers(), TypeError);
    t.equal(Object.prototype.toString.call(new Headers()), "[object Headers]");
  },

  "a list of a thousand headers works"(env, t) {
    const headers = new Headers();
    for (let i = 0; i < 1000; i++) headers.append(`x-${i}`, `${i}`);
    t.equal(headers.get("x-999"), "999");
    t.equal([...headers].length, 1000);
  },
};
