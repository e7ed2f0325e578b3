// Requests, responses, headers, streams and blobs as arguments and results.

const encode = (text) => new TextEncoder().encode(text);
const long = "0123456789".repeat(30_000);

export default {
  async "a request goes with its method, headers and body"({ BODIES }, t) {
    const headers = { "x-a": "b" };
    const request = new Request("http://a/b?c", { method: "POST", body: "text", headers });
    const seen = await BODIES.request(request);
    t.deepEqual(seen, { type: "Request", method: "POST", url: "http://a/b?c", a: "b", text: "text" });
    t.ok(request.bodyUsed);
    const plain = await BODIES.request(new Request("http://a/"));
    t.equal(plain.method, "GET");
    t.equal(plain.text, "");
  },

  async "a response comes with its status, headers and body"({ BODIES }, t) {
    const response = await BODIES.response("short");
    t.ok(response instanceof Response);
    t.equal(response.status, 201);
    t.equal(response.headers.get("x-a"), "b");
    t.equal(await response.text(), "short");
    const longer = await BODIES.response(long);
    t.equal(await longer.text(), long);
    t.equal((await BODIES.response(null)).body, null);
  },

  async "streams of bytes go both ways, and are locked where they were"({ BODIES }, t) {
    const { readable, writable } = new IdentityTransformStream();
    const read = BODIES.read(readable);
    t.ok(readable.locked);
    const writer = writable.getWriter();
    await writer.write(encode("one "));
    await writer.write(encode("two"));
    await writer.close();
    t.equal(await read, "one two");
    const stream = await BODIES.stream(long);
    t.ok(stream instanceof ReadableStream);
    t.equal(await new Response(stream).text(), long);
  },

  async "a body is passed on without being read"({ BODIES, METHODS }, t) {
    const response = await BODIES.response(long);
    t.equal(await BODIES.read(response.body), long);
    const stream = await METHODS.echo(await BODIES.stream(long));
    t.equal(await new Response(stream).text(), long);
  },

  async "a body is passed on as often as one likes"({ BODIES, METHODS }, t) {
    let stream = await BODIES.stream(long);
    for (let times = 0; times < 100; times++) stream = await METHODS.echo(stream);
    t.equal(await new Response(stream).text(), long);
  },

  async "more streams than an event may send at once are an error"({ METHODS }, t) {
    const streams = () => Array.from({ length: 900 }, () => new ReadableStream());
    const calls = [METHODS.echo(streams()), METHODS.echo(streams()), METHODS.echo(streams())];
    const error = await t.rejects(calls[2], RangeError);
    t.ok(/^too many bodies and streams are sent at once/.test(error.message), error.message);
    t.equal(await METHODS.echo(1), 1);
  },

  async "a stream to write to is written to from elsewhere"({ BODIES }, t) {
    const { readable, writable } = new IdentityTransformStream();
    const written = BODIES.write(writable, ["a", "b", "c"]);
    t.equal(await new Response(readable).text(), "abc");
    t.equal(await written, 3);
  },

  async "headers and blobs keep what they hold"({ METHODS, BODIES }, t) {
    const headers = await METHODS.echo(new Headers([["set-cookie", "a=b"], ["set-cookie", "c=d"], ["x", "y"]]));
    t.ok(headers instanceof Headers);
    t.deepEqual([...headers], [["set-cookie", "a=b"], ["set-cookie", "c=d"], ["x", "y"]]);
    headers.set("x", "z");
    const blob = new Blob(["abc", long], { type: "text/x" });
    t.deepEqual(await BODIES.blob(blob), { type: "text/x", size: long.length + 3, start: "abc012" });
    const back = await METHODS.echo({ blob });
    t.ok(back.blob instanceof Blob);
    t.equal(await back.blob.text(), "abc" + long);
  },

  async "a signal can not be sent"({ METHODS }, t) {
    const error = await t.rejects(METHODS.echo(new AbortController().signal), DOMException);
    t.equal(error.message, "AbortSignal serialization is not enabled.");
  },
};

export const differs = {
  "more streams than an event may send at once are an error": "workerd has no such bound",
};
