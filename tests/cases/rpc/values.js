// Values as arguments and results.

export default {
  async "data is copied, with its cycles and its classes"({ METHODS }, t) {
    const value = {
      list: [1, , "two", null, undefined, -0, NaN, 10n],
      date: new Date(5),
      pattern: /a+/gi,
      map: new Map([["k", new Set([1])]]),
      bytes: new Uint8Array([1, 2, 3]),
      empty: undefined,
    };
    value.self = value;
    const copy = await METHODS.echo(value);
    t.ok(copy !== value);
    t.equal(copy.self, copy);
    t.deepEqual(copy.list, value.list);
    t.ok(!(1 in copy.list), "a hole stays one");
    t.ok(Object.is(copy.list[5], -0));
    t.equal(copy.date.getTime(), 5);
    t.equal(String(copy.pattern), "/a+/gi");
    t.deepEqual([...copy.map.get("k")], [1]);
    t.deepEqual([...copy.bytes], [1, 2, 3]);
    t.ok("empty" in copy);
  },

  async "arguments are as many as were given"({ METHODS }, t) {
    t.equal(await METHODS.count(), 0);
    t.equal(await METHODS.count(undefined, undefined), 2);
    t.equal(await METHODS.nothing(), undefined);
    t.equal(await METHODS.echo(null), null);
  },

  async "errors keep their class, message and what they own, but not their stack"({ METHODS }, t) {
    const error = Object.assign(new RangeError("m"), { code: 7, list: [1] });
    const { inner } = await METHODS.echo({ inner: error });
    t.ok(inner instanceof RangeError);
    t.equal(inner.message, "m");
    t.equal(inner.code, 7);
    t.deepEqual(inner.list, [1]);
    t.ok(!String(inner.stack).includes("values.js"));
  },

  async "what can not be copied is refused where it is sent"({ METHODS }, t) {
    class Point {}
    const cases = [
      [new Point(), 'Could not serialize object of type "Point". This type does not support serialization.'],
      [new URL("http://a/"), 'Could not serialize object of type "URL". This type does not support serialization.'],
      [new FormData(), 'Could not serialize object of type "FormData". This type does not support serialization.'],
      [Symbol("s"), "Symbol(s) could not be cloned."],
      [new WeakMap(), "#<WeakMap> could not be cloned."],
      [Promise.resolve(), "#<Promise> could not be cloned."],
      [METHODS.answer, 'Could not serialize object of type "RpcProperty". This type does not support serialization.'],
    ];
    for (const [value, message] of cases) {
      const error = await t.rejects(METHODS.echo({ value }), DOMException);
      t.equal(error.name, "DataCloneError");
      t.equal(error.message, message);
      t.equal(error.remote, undefined);
    }
  },

  async "what can not be copied is refused where it is returned"({ METHODS }, t) {
    for (const [what, message] of [
      ["point", 'Could not serialize object of type "Point". This type does not support serialization.'],
      ["symbol", "Symbol(s) could not be cloned."],
      ["promise", "#<Promise> could not be cloned."],
    ]) {
      const error = await t.rejects(METHODS.unfit(what), DOMException);
      t.equal(error.name, "DataCloneError");
      t.equal(error.message, message);
      t.equal(error.remote, true);
    }
  },

  async "a value of more than 32 MiB is refused on either side"({ METHODS }, t) {
    const text = /^Error: Serialized RPC arguments or return values are limited to 32MiB, but the size of this value was: \d+ bytes\./;
    t.equal((await t.rejects(METHODS.echo("x".repeat(33 << 20)), text)).remote, undefined);
    t.equal((await t.rejects(METHODS.long(33 << 20), text)).remote, true);
  },

  async "long values come through whole and in order"({ METHODS }, t) {
    const long = "x".repeat(3 << 20);
    const counter = await METHODS.counter();
    const first = counter.add(1);
    const echoed = METHODS.echo(long);
    t.equal(await echoed, long);
    t.equal(await first, 1);
    t.equal((await METHODS.long(5 << 20)).length, 5 << 20);
  },

  async "results can be disposed of"({ METHODS }, t) {
    for (const value of [{ a: 1 }, [1], new Map()]) {
      const copy = await METHODS.echo(value);
      const property = Object.getOwnPropertyDescriptor(copy, Symbol.dispose);
      t.equal(typeof property.value, "function");
      t.equal(property.enumerable, false);
      copy[Symbol.dispose]();
    }
  },
};
