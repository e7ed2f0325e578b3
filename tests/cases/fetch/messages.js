// What is sent, and what comes back.

const ORIGIN = "http://origin.test";

async function sent(init, path = "/echo") {
  return (await fetch(`${ORIGIN}${path}`, init)).json();
}

const header = (message, name) => message.headers.find(([other]) => other === name)?.[1];

export default {
  async "a request arrives as it was made"(env, t) {
    const message = await sent({ method: "PUT", headers: { "x-a": "1" }, body: "text" }, "/echo?q=1#f");
    t.equal(message.method, "PUT");
    t.equal(message.url, `${ORIGIN}/echo?q=1`);
    t.equal(message.body, "text");
    t.equal(header(message, "x-a"), "1");
    t.equal(header(message, "content-type"), "text/plain;charset=UTF-8");
  },

  async "a body may be of every kind"(env, t) {
    const post = (body) => sent({ method: "POST", body });
    t.equal((await post(new Uint8Array([104, 105]))).body, "hi");
    t.equal((await post(new Uint8Array([104, 105]).buffer)).body, "hi");
    const blob = await post(new Blob(["blob"], { type: "x/y" }));
    t.equal(blob.body, "blob");
    t.equal(header(blob, "content-type"), "x/y");
    const fields = await post(new URLSearchParams({ a: "b c" }));
    t.equal(fields.body, "a=b+c");
    const form = new FormData();
    form.append("name", "value");
    const multipart = await post(form);
    t.ok(/^multipart\/form-data; boundary=/.test(header(multipart, "content-type")));
    t.ok(multipart.body.includes('name="name"'));
    const stream = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode("from a "));
        controller.enqueue(new TextEncoder().encode("stream"));
        controller.close();
      },
    });
    t.equal((await post(stream)).body, "from a stream");
    t.equal((await post(null)).body, "");
    t.equal((await post("x".repeat(300_000))).body.length, 300_000);
  },

  async "a response is what came"(env, t) {
    const response = await fetch(`${ORIGIN}/cookies?a#b`);
    t.equal(response.status, 200);
    t.equal(response.statusText, "OK");
    t.equal(response.ok, true);
    t.equal(response.type, "default");
    t.equal(response.url, `${ORIGIN}/cookies?a`);
    t.equal(response.redirected, false);
    t.deepEqual(response.headers.getSetCookie(), ["a=b", "c=d"]);
    t.equal(response.headers.get("x-a"), "1");
    t.equal(await response.text(), "");
    const missing = await fetch(`${ORIGIN}/nowhere`);
    t.equal(missing.status, 404);
    t.equal(missing.ok, false);
    t.equal(missing.statusText, "Not Found");
  },

  async "its headers can not be changed until it is made anew"(env, t) {
    const response = await fetch(`${ORIGIN}/cookies`);
    t.throws(() => response.headers.set("a", "b"), /TypeError: Can't modify immutable headers\./);
    t.throws(() => response.clone().headers.set("a", "b"), /Can't modify immutable headers\./);
    const own = new Response(response.body, response);
    own.headers.set("a", "b");
    t.equal(own.headers.get("x-a"), "1");
    t.equal(own.url, "");
  },

  async "a body is there unless the status has none"(env, t) {
    for (const status of [204, 304]) {
      const response = await fetch(`${ORIGIN}/status/${status}`);
      t.equal(response.status, status);
      t.equal(response.body, null);
      t.equal(await response.text(), "");
    }
    const head = await fetch(`${ORIGIN}/status/200`, { method: "HEAD" });
    t.equal(await head.text(), "");
    const full = await fetch(`${ORIGIN}/status/200`);
    t.ok(full.body instanceof ReadableStream);
    t.equal(await full.text(), "text");
    await t.rejects(full.text(), /Body has already been used/);
  },

  async "a body goes from one server to another"(env, t) {
    const first = await fetch(`${ORIGIN}/status/200`);
    const second = await fetch(`${ORIGIN}/bytes`, { method: "POST", body: first.body });
    t.equal(await second.text(), "text");
    t.equal(first.bodyUsed, true);
  },

  async "a clone reads as much as the response"(env, t) {
    const response = await fetch(`${ORIGIN}/status/200`);
    const copy = response.clone();
    t.equal(copy.url, response.url);
    t.equal(await copy.text(), "text");
    t.equal(await response.text(), "text");
  },

  async "a body comes in pieces while it is made"(env, t) {
    const { readable, writable } = new TransformStream();
    const writer = writable.getWriter();
    const response = fetch(`${ORIGIN}/bytes`, { method: "POST", body: readable });
    writer.write(new TextEncoder().encode("one"));
    const reader = (await response).body.getReader();
    t.equal(new TextDecoder().decode((await reader.read()).value), "one");
    writer.write(new TextEncoder().encode("two"));
    t.equal(new TextDecoder().decode((await reader.read()).value), "two");
    writer.close();
    t.equal((await reader.read()).done, true);
  },

  async "an encoded body reads as what it says"(env, t) {
    const response = await fetch(`${ORIGIN}/gzip`);
    t.equal(response.headers.get("content-encoding"), "gzip");
    t.equal(await response.text(), "hello");
    const cloned = (await fetch(`${ORIGIN}/gzip`)).clone();
    t.equal(await cloned.text(), "hello");
    const again = new Response((await fetch(`${ORIGIN}/gzip`)).body);
    t.equal(await again.text(), "hello");
    const sent = { method: "POST", body: (await fetch(`${ORIGIN}/gzip`)).body };
    t.equal((await (await fetch(`${ORIGIN}/echo`, sent)).json()).body, "hello");
  },

  async "many requests at once are all answered"(env, t) {
    const all = Array.from({ length: 20 }, (_, at) => fetch(`${ORIGIN}/status/${200 + at % 3}`));
    const statuses = (await Promise.all(all)).map((response) => response.status);
    t.deepEqual(statuses, Array.from({ length: 20 }, (_, at) => 200 + at % 3));
  },
};
