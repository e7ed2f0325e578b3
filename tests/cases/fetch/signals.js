// Signals: before a request, while it waits, and while its response comes.

const ORIGIN = "http://origin.test";

export default {
  async "a signal that has fired keeps the request back"(env, t) {
    await t.rejects(fetch(ORIGIN, { signal: AbortSignal.abort() }), /AbortError/);
    const reason = new RangeError("why");
    const error = await t.rejects(fetch(ORIGIN, { signal: AbortSignal.abort(reason) }));
    t.equal(error, reason);
    const request = new Request(ORIGIN, { signal: AbortSignal.abort(reason) });
    t.equal(await t.rejects(fetch(request)), reason);
  },

  async "a signal ends a request that waits"(env, t) {
    const controller = new AbortController();
    const waits = fetch(`${ORIGIN}/slow`, { signal: controller.signal });
    controller.abort();
    await t.rejects(waits, /AbortError/);
    await t.rejects(fetch(`${ORIGIN}/slow`, { signal: AbortSignal.timeout(30) }), /TimeoutError/);
  },

  async "a signal ends a response that is read"(env, t) {
    const controller = new AbortController();
    const response = await fetch(`${ORIGIN}/drip`, { signal: controller.signal });
    const reader = response.body.getReader();
    t.equal((await reader.read()).done, false);
    controller.abort(new RangeError("enough"));
    const error = await t.rejects(async () => {
      for (;;) await reader.read();
    });
    t.equal(error.message, "enough");
    const timed = await fetch(`${ORIGIN}/drip`, { signal: AbortSignal.timeout(50) });
    await t.rejects(timed.text(), /TimeoutError/);
  },

  async "a signal after the end changes nothing"(env, t) {
    const controller = new AbortController();
    const response = await fetch(`${ORIGIN}/status/200`, { signal: controller.signal });
    const text = await response.text();
    controller.abort();
    t.equal(text, "text");
  },

  async "requests behind others wait for their turn and can be given up"(env, t) {
    const controller = new AbortController();
    const slow = Array.from({ length: 6 }, () =>
      fetch(`${ORIGIN}/slow`, { signal: controller.signal }));
    const own = new AbortController();
    const behind = fetch(`${ORIGIN}/status/200`, { signal: own.signal });
    own.abort(new Error("given up"));
    await t.rejects(behind, /given up/);
    const next = fetch(`${ORIGIN}/status/201`);
    controller.abort();
    for (const one of slow) await t.rejects(one, /AbortError/);
    t.equal((await next).status, 201);
  },
};
