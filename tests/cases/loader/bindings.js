// Every kind of binding that there is, as a loaded worker has it in `env`, in `ctx.props` and as the
// argument of a call: what each can do there, and what can not be handed on.

const SOURCE = `
import { WorkerEntrypoint } from "cloudflare:workers";
const said = (promise) => Promise.resolve(promise).catch((error) => error.message);
export class Main extends WorkerEntrypoint {
  inEnv() { return this.use(this.env.GIVEN); }
  inProps() { return this.use(this.ctx.props.GIVEN); }
  async use(GIVEN) { return await (USE); }
}`;

const loaded = (use, env) => ({
  compatibilityDate: "2026-08-01",
  mainModule: "main.js",
  modules: { "main.js": SOURCE.replace("USE", use) },
  env,
});

const NOT_FOR_READING = "Queue metrics failed: this handle of the queue is for sending only";
const INNER = `({ compatibilityDate: "2026-08-01", mainModule: "a.js", modules: { "a.js":
  "export default { fetch: () => new Response('inner') };" } })`;
const sends = (queue) => `${queue}.send(1).then((sent) => typeof sent.metadata.metrics.backlogCount)`;
const counts = (queue) => `said(${queue}.metrics().then((known) => typeof known.backlogCount))`;

// What is given, what is done with it there, and what comes of that.
const KINDS = {
  "a text": [({ TEXT }) => TEXT, "GIVEN", "a text"],
  "a secret": [({ SECRET }) => SECRET, "GIVEN", "hidden"],
  "json": [({ VALUE }) => VALUE, "[GIVEN.b, GIVEN.a.z]", [[1, null], true]],
  "a namespace of keys": [({ KV }) => KV, 'GIVEN.put("k", "v").then(() => GIVEN.get("k"))', "v"],
  "one that can be read": [
    ({ KV, LOADER }) => LOADER.only(KV, "read"),
    'Promise.all([GIVEN.get("none"), said(GIVEN.put("k", "v"))])',
    [null, "KV PUT failed: 403 the binding was not handed on for this"],
  ],
  "all namespaces of keys": [
    ({ KVS }) => KVS,
    'GIVEN.get("a").put("k", "w").then(() => GIVEN.get("a").get("k"))',
    "w",
  ],
  "one of all": [({ KVS }) => KVS.get("b"), 'GIVEN.put("k", "x").then(() => GIVEN.get("k"))', "x"],
  "one of all that can be read": [
    ({ KVS, LOADER }) => LOADER.only(KVS.get("b"), "read"),
    'said(GIVEN.delete("k"))',
    "KV DELETE failed: 403 the binding was not handed on for this",
  ],
  "a queue": [
    ({ QUEUE }) => QUEUE,
    `Promise.all([${sends("GIVEN")}, ${counts("GIVEN")}])`,
    ["number", "number"],
  ],
  "a queue that can be sent to": [
    ({ LOADER, QUEUE }) => LOADER.only(QUEUE, "send"),
    `Promise.all([${sends("GIVEN")}, ${counts("GIVEN")}])`,
    ["number", NOT_FOR_READING],
  ],
  "all queues": [
    ({ QUEUES }) => QUEUES,
    `Promise.all([${sends('GIVEN.get("c")')}, ${counts('GIVEN.get("c")')}])`,
    ["number", "number"],
  ],
  "all queues, to be sent to": [
    ({ LOADER, QUEUES }) => LOADER.only(QUEUES, "send"),
    `Promise.all([${sends('GIVEN.get("c")')}, ${counts('GIVEN.get("c")')},
      said(GIVEN.get("c", { maxRetries: 1 }).send(1))])`,
    [
      "number",
      NOT_FOR_READING,
      "Queue send failed: this handle of the queue is for sending only",
    ],
  ],
  "one queue of all": [
    ({ QUEUES }) => QUEUES.get("d"),
    `Promise.all([${sends("GIVEN")}, ${counts("GIVEN")}, typeof GIVEN.get])`,
    ["number", "number", "undefined"],
  ],
  "one queue of all, to be sent to": [
    ({ LOADER, QUEUES }) => LOADER.only(QUEUES.get("d"), "send"),
    `Promise.all([${sends("GIVEN")}, ${counts("GIVEN")}])`,
    ["number", NOT_FOR_READING],
  ],
  "a queue whose options are kept": [
    async ({ QUEUES }) => {
      const queue = QUEUES.get("e", { maxRetries: 1 });
      await queue.metrics();
      return queue;
    },
    sends("GIVEN"),
    "number",
  ],
  "a service": [
    ({ NAMED }) => NAMED,
    `Promise.all([GIVEN.fetch("http://x/").then((r) => r.json()), GIVEN.props()])
      .then(([seen, props]) => [seen.method, props.role])`,
    ["GET", "reader"],
  ],
  "a loader": [
    ({ LOADER }) => LOADER,
    `GIVEN.load(${INNER}).getEntrypoint().fetch("http://x/").then((r) => r.text())`,
    "inner",
  ],
  "an export of the loading worker": [
    (_, ctx) => ctx.exports.Own({ props: { service: 5 } }),
    "GIVEN.props()",
    { service: 5 },
  ],
};

// What can not be put into env or props, and why.
const REFUSED = {
  "an export without props, as in workerd": [
    (_, ctx) => ctx.exports.Own,
    /object of type "LoopbackServiceStub"/,
  ],
  "an export of a loaded worker: nobody could start it": [
    ({ LOADER }) => LOADER.load(loaded("1")).getEntrypoint("Main"),
    /^DataCloneError: Entrypoints to dynamically-loaded workers cannot be transferred/,
  ],
  "a stub: it ends with the event": [
    ({ METHODS }) => METHODS.counter(),
    /^DataCloneError: Remote RPC references can only be serialized for RPC\.$/,
  ],
  "a function: it ends with the event": [() => () => 1, /could not be cloned/],
  "a cache: every worker has its own": [() => caches.default, /object of type "Cache"/],
  "a queue whose options are not kept: they would be lost": [
    ({ QUEUES }) => QUEUES.get("f", { maxRetries: 1 }),
    /^DataCloneError: The options of this queue are not kept yet/,
  ],
  "a name that nothing has": [
    ({ KVS }) => KVS.get(""),
    /^DataCloneError: What has a name of 0 bytes can not be handed on: it has 1 to 256\.$/,
  ],
};

const cases = {};
for (const [name, [make, use, wanted]] of Object.entries(KINDS)) {
  cases[`${name} can be used there`] = async (env, t, { ctx }) => {
    const GIVEN = await make(env, ctx);
    const worker = env.LOADER.load(loaded(use, { GIVEN, deep: [{ GIVEN }] }));
    const main = worker.getEntrypoint("Main", { props: { GIVEN } });
    t.deepEqual(await main.inEnv(), wanted);
    t.deepEqual(await main.inProps(), wanted);
    // There is nothing that the loading worker could do with one that was left less.
    t.deepEqual(await main.use(GIVEN), wanted);
  };
}
for (const [name, [make, text]] of Object.entries(REFUSED)) {
  cases[`${name}: refused`] = async (env, t, { ctx }) => {
    const value = await make(env, ctx);
    const worker = env.LOADER.load(loaded("1"));
    t.throws(() => env.LOADER.load(loaded("1", { value })), text);
    t.throws(() => worker.getEntrypoint("Main", { props: { value } }), text);
  };
}

export default cases;

const reason = "workerd serializes services and what it clones, and has no rights to leave";
export const differs = Object.fromEntries(Object.keys(cases).map((name) => [name, reason]));
