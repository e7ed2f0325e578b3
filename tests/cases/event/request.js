// The request of an event, and the life of what belongs to one.

let others;

export default {
  "the request is a Request with the client's URL"(env, t, { request }) {
    t.ok(request instanceof Request);
    t.equal(request.method, "GET");
    const url = new URL(request.url);
    t.equal(url.protocol, "http:");
    t.equal(url.searchParams.get("case"), "the request is a Request with the client's URL");
    t.equal(request.body, null);
  },

  "its headers can not be changed"(env, t, { request }) {
    t.throws(() => request.headers.set("a", "b"), /immutable/);
    const copy = new Request(request);
    copy.headers.set("a", "b");
    t.equal(copy.headers.get("a"), "b");
  },

  "its signal has not aborted"(env, t, { request }) {
    t.ok(request.signal instanceof AbortSignal);
    t.equal(request.signal.aborted, false);
  },

  "module state is kept from event to event"(env, t) {
    others = new Promise((resolve) => setTimeout(resolve, 0, "first"));
  },

  async "a promise of an event that has ended can be looked at"(env, t) {
    t.ok(others instanceof Promise);
  },
};
