// The module `cloudflare:workers`.

import * as workers from "cloudflare:workers";
import { env as imported, waitUntil, WorkerEntrypoint } from "cloudflare:workers";

const atStart = imported.TEXT;

export default {
  "env is the handler's"(env, t) {
    t.equal(imported.TEXT, env.TEXT);
    t.equal(atStart, "a text");
    t.deepEqual(Object.keys(imported).sort(), ["TEXT", "VALUE"]);
    t.ok("VALUE" in imported);
    t.ok(!("NONE" in imported));
    t.deepEqual(imported.VALUE, env.VALUE);
  },

  "a change of one env is a change of the other"(env, t) {
    imported.MORE = "more";
    t.equal(env.MORE, "more");
    delete imported.MORE;
    t.equal(env.MORE, undefined);
  },

  "waitUntil is the current event's"(env, t) {
    t.equal(waitUntil(Promise.resolve()), undefined);
    waitUntil(new Promise((resolve) => setTimeout(resolve, 1)));
  },

  async "waitUntil is found after a wait"(env, t) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    waitUntil(Promise.resolve());
  },

  "a subclass of WorkerEntrypoint holds its context and env"(env, t, { ctx }) {
    t.equal(typeof WorkerEntrypoint, "function");
    class Own extends WorkerEntrypoint {
      fetch() {}
    }
    t.equal(Object.getPrototypeOf(Own), WorkerEntrypoint);
    t.equal(Own.name, "Own");
  },

  "the bases of classes are there"(env, t) {
    for (const name of [
      "DurableObject",
      "RpcStub",
      "RpcTarget",
      "WorkerEntrypoint",
      "WorkflowEntrypoint",
    ]) {
      t.equal(typeof workers[name], "function", name);
      t.equal(workers[name].name, name);
      // A class that is only declared must not keep a worker from starting.
      (class extends workers[name] {});
    }
  },

  "env can be replaced for a while"(env, t) {
    t.equal(typeof workers.withEnv, "function");
    t.equal(
      workers.withEnv({ TEXT: "other" }, () => imported.TEXT),
      "other",
    );
    t.equal(imported.TEXT, "a text");
  },

  async "a replaced env lasts over a wait, and only there"(env, t) {
    const inside = workers.withEnv({ TEXT: "other" }, async () => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      return imported.TEXT;
    });
    t.equal(imported.TEXT, "a text");
    t.equal(await inside, "other");
    t.equal(imported.TEXT, "a text");
  },

  async "a dynamic import gives the same module"(env, t) {
    const again = await import("cloudflare:workers");
    t.equal(again.WorkerEntrypoint, WorkerEntrypoint);
    t.equal(again.env, imported);
  },
};
