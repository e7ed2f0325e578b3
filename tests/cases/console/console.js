// The console: what it takes without a word, however strange.

const METHODS = [
  "assert", "clear", "count", "countReset", "debug", "dir", "dirxml", "error", "group",
  "groupCollapsed", "groupEnd", "info", "log", "table", "time", "timeEnd", "timeLog", "timeStamp",
  "trace", "warn",
];

const trap = () => { throw new Error("trapped"); };
const handler = new Proxy({}, { get: trap });

function hostile() {
  const cycle = { name: "cycle", list: [] };
  cycle.self = cycle;
  cycle.list.push(cycle);
  const deep = {};
  for (let at = 0, last = deep; at < 10_000; at++) last = last.next = {};
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  const wide = [];
  wide.length = 2 ** 32 - 1;
  const error = new Error("x");
  Object.defineProperty(error, "stack", { get: trap });
  const name = () => {};
  Object.defineProperty(name, "name", { get: trap });
  return [
    cycle, deep, proxy, wide, error, name,
    new Proxy({}, handler),
    new Proxy([], handler),
    new Proxy(() => {}, handler),
    { get a() { return trap(); } },
    { toJSON: trap, toString: trap, valueOf: trap, [Symbol.toPrimitive]: trap },
    { get [Symbol.toStringTag]() { return trap(); } },
    { get constructor() { return trap(); } },
    Object.create(null),
    Object.create(Error.prototype),
    Object.create(Date.prototype),
    Object.create(Map.prototype),
    Object.create(Headers.prototype),
    Object.assign(new Map([[{}, trap]]), { [Symbol.iterator]: trap }),
    new Set([1, new Set()]),
    new WeakMap(), new WeakRef({}), Symbol("s"), 10n, -0, NaN, undefined, null, true,
    "\ud800", "\0", "x".repeat(100_000), "%s %d %i %f %j %o %O %c %%",
    new Date(NaN), /x/g, new Uint8Array(1e6), new ArrayBuffer(8), Promise.reject(1).catch(() => {}),
    class A { static #x = 1; }, function* () {}, globalThis, new Response("x"), new Blob(["x"]),
  ];
}

export default {
  "the console has its methods and is one"(env, t) {
    for (const name of METHODS) t.equal(typeof console[name], "function", name);
    t.equal(Object.prototype.toString.call(console), "[object console]");
  },

  "a method gives nothing back"(env, t) {
    for (const name of METHODS) t.equal(console[name](), undefined, name);
    t.equal(console.log("a", 1), undefined);
    t.equal(console.assert(true), undefined);
    t.equal(console.assert(false, "said"), undefined);
  },

  "a method works on its own"(env, t) {
    for (const name of METHODS) {
      const method = console[name];
      method("alone");
    }
  },

  "hostile values do not throw"(env, t) {
    for (const value of hostile()) {
      for (const name of ["debug", "error", "info", "log", "warn"]) {
        console[name](value);
        console[name]("%s", 5, value);
        console[name]({ value }, [value]);
      }
    }
  },

  "hostile values do not throw in the other methods"(env, t) {
    for (const value of hostile()) {
      for (const name of ["assert", "dir", "dirxml", "group", "groupEnd", "table", "trace"]) {
        try {
          console[name](value);
        } catch (error) {
          throw new Error(`${name}: ${error.stack}`);
        }
      }
    }
  },

  "a broken prototype does not break the console"() {
    const { toJSON } = Object.prototype;
    const { join, push } = Array.prototype;
    Object.prototype.toJSON = trap;
    Array.prototype.join = trap;
    Array.prototype.push = trap;
    try {
      console.log("a", { b: 1 }, [1]);
    } finally {
      Array.prototype.join = join;
      Array.prototype.push = push;
      delete Object.prototype.toJSON;
      if (toJSON) Object.prototype.toJSON = toJSON;
    }
  },

  "a worker can put its own in the place of a method"(env, t) {
    const { log } = console;
    let seen;
    console.log = (...args) => seen = args;
    console.log(1, 2);
    console.log = log;
    t.deepEqual(seen, [1, 2]);
  },

  "counting and timing take any label"() {
    for (const label of [undefined, "a", 5, {}]) {
      console.count(label);
      console.countReset(label);
      console.time(label);
      console.timeLog(label, 1, {});
      console.timeEnd(label);
      console.timeEnd(label);
    }
  },
};
