// What a handler is given besides the request: `env` and `ctx`.

export default {
  "the context has its methods"(env, t, { ctx }) {
    t.equal(typeof ctx.waitUntil, "function");
    t.equal(typeof ctx.passThroughOnException, "function");
    t.equal(typeof ctx.abort, "function");
    t.equal(Object.prototype.toString.call(ctx), "[object ExecutionContext]");
  },

  "passing through on an exception does nothing by itself"(env, t, { ctx }) {
    t.equal(ctx.passThroughOnException(), undefined);
  },

  "waitUntil takes any value and gives nothing back"(env, t, { ctx }) {
    t.equal(ctx.waitUntil(Promise.resolve(5)), undefined);
    t.equal(ctx.waitUntil(5), undefined);
    t.equal(ctx.waitUntil(undefined), undefined);
    t.equal(ctx.waitUntil({ then(resolve) { resolve(1); } }), undefined);
  },

  "a rejection under waitUntil does not fail the request"(env, t, { ctx }) {
    ctx.waitUntil(Promise.reject(new Error("expected")));
  },

  "a method of the context belongs to it"(env, t, { ctx }) {
    const { waitUntil } = ctx;
    t.throws(() => waitUntil(Promise.resolve()), TypeError);
  },

  "props are an empty object for an event from outside"(env, t, { ctx }) {
    t.equal(JSON.stringify(ctx.props), "{}");
  },

  "the context can not be made"(env, t, { ctx }) {
    t.throws(() => new ctx.constructor(), TypeError);
  },

  "the context has room for the worker's own properties"(env, t, { ctx }) {
    ctx.own = 5;
    t.equal(ctx.own, 5);
  },

  "env holds texts and JSON"(env, t) {
    t.equal(env.TEXT, "a text");
    t.equal(JSON.stringify(env.VALUE), '{"b":[1,null],"a":{"z":true,"y":"\u00e9"}}');
    t.deepEqual(Object.keys(env).sort(), ["TEXT", "VALUE"]);
    t.equal(env.NONE, undefined);
  },

  "env is the same object in every event, and can be changed"(env, t) {
    env.MORE = 1;
    t.ok("MORE" in env);
    delete env.MORE;
    t.ok(!("MORE" in env));
  },
};
