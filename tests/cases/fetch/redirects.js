// Redirects, followed and not.

const ORIGIN = "http://origin.test";

async function after(status, init) {
  const response = await fetch(`${ORIGIN}/redirect/${status}`, init);
  t_url = response.url;
  return response.json();
}
let t_url;

export default {
  async "a redirect is followed"(env, t) {
    const response = await fetch(`${ORIGIN}/redirect/302?to=/echo%3Fx`);
    t.equal(response.status, 200);
    t.equal(response.redirected, true);
    t.equal(response.url, `${ORIGIN}/echo?x`);
    t.equal((await response.json()).url, `${ORIGIN}/echo?x`);
  },

  async "methods change as the standard says"(env, t) {
    const table = [
      [301, "POST", "GET", ""],
      [302, "POST", "GET", ""],
      [302, "PUT", "PUT", "x"],
      [303, "PUT", "GET", ""],
      [307, "POST", "POST", "x"],
      [308, "PATCH", "PATCH", "x"],
    ];
    for (const [status, method, becomes, body] of table) {
      const message = await after(status, { method, body: "x" });
      t.equal(message.method, becomes);
      t.equal(message.body, body);
      t.equal(t_url, `${ORIGIN}/echo`);
    }
  },

  async "a redirect is the response if it is asked for"(env, t) {
    const response = await fetch(`${ORIGIN}/redirect/302`, { redirect: "manual" });
    t.equal(response.status, 302);
    t.equal(response.redirected, false);
    t.equal(response.url, `${ORIGIN}/redirect/302`);
    t.equal(response.headers.get("location"), "/echo");
    t.equal(await response.text(), "moved");
  },

  async "a stream is not sent twice"(env, t) {
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(new Uint8Array([1]));
        controller.close();
      },
    });
    await t.rejects(
      fetch(`${ORIGIN}/redirect/307`, { method: "POST", body }),
      /TypeError: A request with a one-time-use body/,
    );
  },

  async "redirects without an end are an error"(env, t) {
    await t.rejects(fetch(`${ORIGIN}/loop`), /TypeError: Too many redirects\./);
  },
};
