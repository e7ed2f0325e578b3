import { ServiceStub } from "cloudflare:workers";

export default {
  async "a service answers requests in another worker"({ CALLEE }, t) {
    const response = await CALLEE.fetch("http://any/path");
    t.deepEqual(await response.json(), { props: {}, path: "/path" });
  },

  async "an entrypoint sees the props of the binding and nothing of the caller"({ NAMED }, t) {
    const response = await NAMED.fetch(new Request("http://any/", { method: "POST", body: "b" }));
    const props = { role: "reader", list: [1, null] };
    t.deepEqual(await response.json(), { method: "POST", url: "http://any/", body: "b", props });
  },

  async "bodies go through both ways"({ CALLEE }, t) {
    const body = "x".repeat(300_000);
    const response = await CALLEE.fetch("http://any/bytes", { method: "POST", body });
    t.equal(await response.text(), body);
  },

  async "a redirect is followed in the service"({ CALLEE }, t) {
    const response = await CALLEE.fetch("http://any/redirect");
    t.equal((await response.json()).path, "/props");
    const manual = await CALLEE.fetch("http://any/redirect", { redirect: "manual" });
    t.equal(manual.status, 302);
  },

  "a service is a Fetcher that nobody can make"({ CALLEE }, t) {
    t.equal(Object.prototype.toString.call(CALLEE), "[object Fetcher]");
    t.ok(CALLEE instanceof ServiceStub);
    t.throws(() => new ServiceStub(), TypeError);
  },
};

export const differs = {
  "a service is a Fetcher that nobody can make": "workerd's global object has no Fetcher",
};
