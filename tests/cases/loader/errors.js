// What a loader says of code that is not good.

const GOOD = "export default { fetch: () => new Response('') };";
const code = (more = {}) => ({
  compatibilityDate: "2026-08-01",
  mainModule: "main.js",
  modules: { "main.js": GOOD },
  ...more,
});

function refused({ LOADER }, t, more, type, message) {
  const error = t.throws(() => LOADER.load(code(more)), type);
  t.equal(error.message, message);
}

export const differs = {
  "a date or flag that is not known is an error of the calls": "workerd throws it from load",
};

export default {
  async "there must be a module"(env, t) {
    const message = "Dynamic Worker code must contain at least one module.";
    refused(env, t, { modules: {} }, TypeError, message);
  },

  async "a module is of one kind"(env, t) {
    const message = (count) =>
      "Each module must contain exactly one of 'js', 'cjs', 'text', 'data', 'json', 'py', or 'wasm'. " +
      `Module 'm.js' contained ${count} properties.`;
    const of = (module) => ({ modules: { "main.js": GOOD, "m.js": module } });
    refused(env, t, of({}), TypeError, message(0));
    refused(env, t, of({ js: "1", text: "2" }), TypeError, message(2));
  },

  async "a name says what a string is"(env, t) {
    const of = (name) => ({ modules: { "main.js": GOOD, [name]: "text" } });
    const message = (name) =>
      "Module name must end with '.js' or '.py' (or the content must be an object indicating the " +
      `type explicitly). Got: ${name}`;
    refused(env, t, of("a.txt"), TypeError, message("a.txt"));
    const bundle = ". If you're trying to load TypeScript, bundle it first with " +
      "'@cloudflare/worker-bundler' and pass the generated JavaScript modules.";
    for (const name of ["a.ts", "a.tsx", "a.jsx"]) {
      refused(env, t, of(name), TypeError, message(name) + bundle);
    }
  },

  async "Python stays with Python"(env, t) {
    const message = `Module "foo.py" is a Python module, but the main module isn't a Python module.`;
    for (const module of ["x", { py: "x" }]) {
      refused(env, t, { modules: { "main.js": GOOD, "foo.py": module } }, TypeError, message);
    }
  },

  async "the main module must be there"({ LOADER }, t) {
    const worker = LOADER.load(code({ mainModule: "q.js" }));
    const error = await t.rejects(worker.getEntrypoint().fetch("http://x/"), Error);
    t.equal(error.message, "Failed to start Worker:\nUncaught Error: No such module: q.js");
  },

  async "experiments are not allowed"(env, t) {
    refused(
      env,
      t,
      { allowExperimental: true },
      Error,
      "'allowExperimental' is only allowed when the calling worker has the 'experimental' compat " +
        "flag set.",
    );
    refused(
      env,
      t,
      { streamingTails: [] },
      Error,
      "Streaming tail workers are experimental. You must pass the option 'allowExperimental: true' " +
        "to the worker loader to use them",
    );
  },

  async "code has a largest size"(env, t) {
    const text = "x".repeat(64 * 1024 * 1024 - GOOD.length + 1);
    refused(
      env,
      t,
      { modules: { "main.js": GOOD, "t.txt": { text } } },
      Error,
      "Dynamic Worker code size (67108865 bytes) exceeds the maximum allowed size of 67108864 bytes.",
    );
  },

  async "env has a largest size"(env, t) {
    const error = t.throws(
      () => env.LOADER.load(code({ env: { a: "x".repeat(1 << 20) } })),
      Error,
    );
    const text = /^Dynamic Worker env size \(\d+ bytes\) exceeds the maximum allowed size of 1048576 bytes\.$/;
    t.ok(text.test(error.message), error.message);
    env.LOADER.load(code({ env: { a: "x".repeat((1 << 20) - 1000) } }));
  },

  async "a field must be of its type"({ LOADER }, t) {
    t.throws(() => LOADER.load(code({ modules: undefined })), TypeError);
    t.throws(() => LOADER.load(code({ tails: 5 })), TypeError);
    t.throws(() => LOADER.load(code({ globalOutbound: {} })), TypeError);
    t.throws(() => LOADER.load(5), TypeError);
  },

  async "a date or flag that is not known is an error of the calls"({ LOADER }, t) {
    const fails = (more, message) =>
      t.rejects(LOADER.load(code(more)).getEntrypoint().fetch("http://x/"), message);
    await fails({ compatibilityDate: "2100-01-01" }, /newest date supported/);
    await fails({ compatibilityDate: "nonsense" }, /not a date/);
    await fails({ compatibilityFlags: ["nope"] }, /nope/);
  },

  async "objects have no place in it yet"({ LOADER }, t) {
    const worker = LOADER.load(code());
    t.throws(() => worker.getDurableObjectClass("Missing").x.y, Error);
  },
};
