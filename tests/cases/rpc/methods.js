// Which members can be called, and what is thrown.

const missing = (name) => new RegExp(`^TypeError: The RPC receiver does not implement the method "${name}"\\.$`);

export default {
  async "methods and getters of the class can be used"({ METHODS }, t) {
    t.equal(await METHODS.count(1, 2), 2);
    t.equal(await METHODS.answer, 42);
    t.equal(await METHODS.deep.a.b.twice(4), 8);
  },

  async "what an instance owns and what every object has can not"({ METHODS }, t) {
    for (const name of ["own", "env", "ctx", "none", "queue", "scheduled"]) {
      t.equal((await t.rejects(METHODS[name], missing(name))).remote, true);
      t.equal((await t.rejects(METHODS[name](), missing(name))).remote, true);
    }
    await t.rejects(METHODS.dup(), /^TypeError: 'dup' is a reserved method and cannot be called over RPC\.$/);
    using counter = await METHODS.counter();
    await t.rejects(counter.own, missing("own"));
    await t.rejects(counter.none(), missing("none"));
  },

  async "what is no function is not called"({ METHODS }, t) {
    await t.rejects(METHODS.answer(), /^TypeError: "answer" is not a function\.$/);
    await t.rejects(METHODS.answer.x.y, missing("answer"));
    await t.rejects(METHODS.echo({ a: 1 }).a(), /^TypeError: "a" is not a function\.$/);
    await t.rejects(METHODS.echo({ a: 1 }).b.c, missing("b"));
    await t.rejects(METHODS.echo("text").length, missing("length"));
  },

  async "a plain object's methods get env and ctx and one argument"({ PLAIN }, t) {
    t.deepEqual(await PLAIN.one(1), ["one", 1, "object", "function"]);
    t.equal(await PLAIN.number, 3);
    const number = /^TypeError: Attempted to call RPC function "one" with the wrong number of arguments\. /;
    await t.rejects(PLAIN.one(), number);
    await t.rejects(PLAIN.one(1, 2), number);
    await t.rejects(PLAIN.none(1), missing("none"));
    await t.rejects(PLAIN.number(1), /^TypeError: "number" is not a function\.$/);
  },

  async "what is thrown arrives as it was, and says that it came from elsewhere"({ METHODS }, t) {
    const range = await t.rejects(METHODS.throws("range"), /^RangeError: out of range$/);
    t.ok(range instanceof RangeError);
    t.equal(range.code, 7);
    t.equal(range.remote, true);
    t.ok(!range.stack.includes("callee.js"));
    const odd = await t.rejects(METHODS.throws("odd"), /^Odd: odd$/);
    t.ok(odd instanceof Error);
    t.equal(odd.code, 7);
    const plain = await METHODS.throws("plain").catch((thrown) => thrown);
    t.deepEqual(plain, { plain: 1, remote: true });
    const text = await t.rejects(METHODS.throws("text"), /^Error: a text$/);
    t.equal(text.remote, true);
    const dom = await t.rejects(METHODS.throws("dom"), DOMException);
    t.equal(dom.name, "AbortError");
    const outer = await t.rejects(METHODS.throws("cause"), /^Error: outer$/);
    t.ok(outer.cause instanceof TypeError);
    t.equal(outer.cause.message, "inner");
  },

  async "a service is an object of which every name leads on"({ METHODS }, t) {
    t.equal(typeof METHODS, "object");
    t.equal(METHODS.constructor.name, "Fetcher");
    t.equal(METHODS.then, undefined);
    t.ok("anything" in METHODS);
    t.equal(typeof METHODS.anything, "function");
    t.equal(Object.prototype.toString.call(METHODS.anything), "[object JsRpcProperty]");
    let deep = METHODS;
    for (let at = 0; at < 65; at++) deep = deep.a;
    t.throws(() => deep.a, /^TypeError: RPC pipelined property path is too deep \(max 64\)\./);
    t.equal(await METHODS, METHODS);
  },

  async "props are those of the binding"({ NAMED }, t) {
    t.deepEqual(await NAMED.props(), { role: "reader", list: [1, null] });
  },
};
