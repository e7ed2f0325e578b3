// What belongs to an event is found after every kind of wait.

import { waitUntil } from "cloudflare:workers";

const { subtle } = crypto;

// Throws where no event is current.
function here() {
  waitUntil(undefined);
  clearTimeout(setTimeout(() => {}, 1000));
}

export default {
  "at once"() {
    here();
  },

  async "after a promise, a microtask and a thenable"() {
    await null;
    here();
    await new Promise((resolve) => queueMicrotask(() => resolve(here())));
    await { then: (resolve) => resolve(here()) };
    here();
  },

  async "after a timer, and within it"() {
    await new Promise((resolve) => setTimeout(() => resolve(here()), 1));
    here();
    await scheduler.wait(1);
    here();
  },

  async "after work of the engine's"() {
    await subtle.digest("SHA-256", new Uint8Array(1));
    here();
    await subtle.generateKey({ name: "AES-GCM", length: 128 }, true, ["encrypt"]);
    here();
    await new Blob(["x"]).text();
    here();
  },

  async "in the methods of streams"(env, t) {
    const stream = new ReadableStream({
      async pull(controller) {
        await scheduler.wait(1);
        here();
        controller.close();
      },
    });
    t.equal(await new Response(stream).text(), "");
    here();
  },

  async "after a dynamic import"() {
    await import("cloudflare:workers");
    here();
  },

  async "in listeners of a signal that time aborts"() {
    const signal = AbortSignal.timeout(1);
    await new Promise((resolve) => signal.addEventListener("abort", () => resolve(here())));
    here();
  },

  async "in generators and iterators"() {
    async function* numbers() {
      for (let at = 0; at < 3; at++) {
        await scheduler.wait(0);
        here();
        yield at;
      }
    }
    for await (const _ of numbers()) here();
  },
};
