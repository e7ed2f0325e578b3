// A worker's own exports, as it calls them itself. The case file is a module of the worker, so its
// exports are not: the main module has an entrypoint `Own`.

import { env, exports, withEnv, withEnvAndExports, withExports } from "cloudflare:workers";

export default {
  async "an export is called in an event of its own"(_, t, { ctx }) {
    t.deepEqual(Object.keys(ctx.exports).sort(), ["Own", "default"]);
    t.equal(typeof ctx.exports.Own, "function");
    t.equal(ctx.exports.Own.constructor.name, "LoopbackServiceStub");
    t.deepEqual(await ctx.exports.Own.props(), {});
    t.equal(await ctx.exports.Own.text(), "a text");
    const response = await ctx.exports.Own.fetch("http://any/path");
    t.equal(await response.text(), "own /path");
    t.equal(ctx.exports.None, undefined);
  },

  async "called, it is the same with props"(_, t, { ctx }) {
    const stub = ctx.exports.Own({ props: { z: [1, new Date(5)] } });
    t.equal(stub.constructor.name, "Fetcher");
    const props = await stub.props();
    t.equal(props.z[0], 1);
    t.equal(props.z[1].getTime(), 5);
    t.deepEqual(await ctx.exports.Own({}).props(), {});
    const options = /^TypeError: Failed to execute '\(called as function\)' on 'LoopbackServiceStub'/;
    t.throws(() => ctx.exports.Own(), options);
    t.throws(() => ctx.exports.Own(5), options);
  },

  async "props are bounded, each and together"(_, t, { ctx }) {
    const own = (bytes) => ctx.exports.Own({ props: { z: new Uint8Array(bytes) } });
    const one = t.throws(() => own((1 << 20) + 1), RangeError);
    t.ok(/^props of \d+ bytes; the limit is 1048576$/.test(one.message), one.message);
    const held = [];
    const all = t.throws(() => {
      for (;;) held.push(own((1 << 20) - 1000));
    }, RangeError);
    t.ok(/props are too large together/.test(all.message), all.message);
    t.equal(held.length, 16);
    t.equal((await held[15].props()).z.length, (1 << 20) - 1000);
    t.equal(await ctx.exports.Own.text(), "a text");
  },

  async "only the one with props is handed on"({ METHODS }, t, { ctx }) {
    const error = await t.rejects(METHODS.echo(ctx.exports.Own), DOMException);
    t.equal(error.message, 'Could not serialize object of type "LoopbackServiceStub". This type does not support serialization.');
    const back = await METHODS.echo(ctx.exports.Own({ props: { z: 2 } }));
    t.deepEqual(await back.props(), { z: 2 });
  },

  async "props hold services, and nothing that ends with an event"({ METHODS }, t, { ctx }) {
    const stub = ctx.exports.Own({ props: { service: METHODS } });
    t.equal(await stub.through(), 42);
    t.throws(() => ctx.exports.Own({ props: { f() {} } }), /could not be cloned/);
    const counter = await METHODS.counter();
    t.throws(() => ctx.exports.Own({ props: { counter } }), DOMException);
  },

  async "the module has them too, and something else in their place for a while"(_, t) {
    t.deepEqual(await exports.Own.props(), {});
    t.equal(exports.None, undefined);
    const seen = await withExports({ Own: 1 }, async () => {
      await 0;
      return [exports.Own, env.TEXT];
    });
    t.deepEqual(seen, [1, "a text"]);
    t.deepEqual(withEnvAndExports({ TEXT: 2 }, { Own: 3 }, () => [env.TEXT, exports.Own]), [2, 3]);
    t.equal(withEnv({ TEXT: 4 }, () => withExports({}, () => env.TEXT)), 4);
    t.equal(env.TEXT, "a text");
  },
};

export const differs = {
  "props are bounded, each and together": "workerd has no such bound",
};
