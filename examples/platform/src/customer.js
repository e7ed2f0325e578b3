// What a customer's code is started with: things of its own, and nothing else.

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
    },
    limits: { cpuMs: 50, subRequests: 20 },
    // No way to the internet.
    globalOutbound: null,
    tails: [env.METER],
  };
}
