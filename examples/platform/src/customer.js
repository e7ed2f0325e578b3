// What a customer's code is started with: things of its own, and nothing else.

const queueOf = (name) => `jobs-${name}`;

/** What runs a customer's code when nobody is calling. */
export function customerTriggers(name) {
  return {
    crons: ["*/5 * * * *"],
    queueConsumers: [{ queue: queueOf(name), max_batch_timeout: 1 }],
  };
}

/** The code of a customer, for the loader. */
export function customerCode(env, name, source) {
  return {
    compatibilityDate: "2026-08-01",
    mainModule: "index.js",
    modules: { "index.js": source },
    env: {
      CUSTOMER: name,
      // A namespace that no other customer's code can name, and one that all may read.
      STORE: env.STORES.get(`store-${name}`),
      NEWS: env.LOADER.only(env.NEWS, "read"),
      // Its own queue: to be sent to here, and taken from by its `queue` handler.
      QUEUE: env.LOADER.only(env.QUEUES.get(queueOf(name)), "send"),
    },
    limits: { cpuMs: 50, subRequests: 20 },
    // No way to the internet.
    globalOutbound: null,
    tails: [env.METER],
  };
}
