// Bodies: what they may be made of, how they are read, and that they are read once.

const USED = /Body has already been used/;
const encode = (text) => new TextEncoder().encode(text);
const stream = (...chunks) =>
  new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(encode(chunk));
      controller.close();
    },
  });

export default {
  async "every kind of body is read back as text"(env, t) {
    const url = new URL("http://a/b");
    const bodies = [
      ["x", "x"], ["", ""], [5, "5"], [false, "false"], [{}, "[object Object]"],
      [url, "http://a/b"],
      [encode("h\u00e4"), "h\u00e4"], [encode("x").buffer, "x"],
      [new DataView(encode("xyz").buffer, 1, 1), "y"], [new Uint16Array([0x6261]), "ab"],
      [new Blob(["q", "r"]), "qr"], [new URLSearchParams({ a: "b c" }), "a=b+c"],
      [stream("l", "m"), "lm"], [null, ""], [undefined, ""],
    ];
    for (const [body, text] of bodies) t.equal(await new Response(body).text(), text);
  },

  "a body brings its content type"(env, t) {
    const type = (body) => new Response(body).headers.get("content-type");
    t.equal(type("x"), "text/plain;charset=UTF-8");
    t.equal(type(5), "text/plain;charset=UTF-8");
    t.equal(type(new URLSearchParams()), "application/x-www-form-urlencoded;charset=UTF-8");
    t.equal(type(new Blob(["x"], { type: "A/b" })), "a/b");
    t.equal(type(new Blob(["x"])), null);
    t.equal(type(encode("x")), null);
    t.equal(type(stream()), null);
    t.equal(type(null), null);
    t.ok(/^multipart\/form-data; boundary=[-\w]{16,}$/.test(type(new FormData())));
  },

  "a content type that is given stays"(env, t) {
    const response = new Response("x", { headers: { "Content-Type": "a/b" } });
    t.deepEqual([...response.headers], [["content-type", "a/b"]]);
  },

  async "every form of reading works"(env, t) {
    const make = () => new Response('{"a":"\u20ac"}', { headers: { "content-type": "x/y" } });
    t.equal((await make().json()).a, "\u20ac");
    t.equal((await make().arrayBuffer()).byteLength, 11);
    const bytes = await make().bytes();
    t.ok(bytes instanceof Uint8Array);
    t.equal(bytes.length, 11);
    const blob = await make().blob();
    t.equal(blob.type, "x/y");
    t.equal(await blob.text(), '{"a":"\u20ac"}');
  },

  async "bytes are taken when the body is made"(env, t) {
    const bytes = encode("abc");
    const response = new Response(bytes);
    bytes[0] = 120;
    t.equal(await response.text(), "abc");
    const view = new Uint8Array(encode("abcd").buffer, 1, 2);
    t.equal((await new Response(view).arrayBuffer()).byteLength, 2);
  },

  async "text is UTF-8, without its mark"(env, t) {
    t.equal(await new Response(new Uint8Array([0xef, 0xbb, 0xbf, 65])).text(), "A");
    t.equal(await new Response(new Uint8Array([0xff, 65])).text(), "\ufffdA");
    t.equal(await new Response(new Uint8Array([0xef, 0xbb, 0xbf, 49])).json(), 1);
  },

  async "a body is read once"(env, t) {
    for (const body of ["x", encode("x"), stream("x"), new Blob(["x"])]) {
      const response = new Response(body);
      t.equal(response.bodyUsed, false);
      const text = response.text();
      t.equal(response.bodyUsed, true);
      await text;
      for (const read of ["text", "json", "arrayBuffer", "bytes", "blob"]) {
        await t.rejects(response[read](), USED);
      }
      t.throws(() => response.clone(), TypeError);
    }
  },

  async "no body can be read for ever"(env, t) {
    const response = new Response(null);
    t.equal(response.body, null);
    t.equal(await response.text(), "");
    t.equal((await response.arrayBuffer()).byteLength, 0);
    t.equal((await response.blob()).size, 0);
    t.equal(response.bodyUsed, false);
    await t.rejects(response.json(), SyntaxError);
  },

  async "bad JSON is a SyntaxError"(env, t) {
    await t.rejects(new Response("{a").json(), SyntaxError);
    await t.rejects(new Response("").json(), SyntaxError);
  },

  async "the stream of a body is one object and gives bytes"(env, t) {
    const response = new Response("abc");
    t.ok(response.body instanceof ReadableStream);
    t.equal(response.body, response.body);
    const reader = response.body.getReader();
    const { value } = await reader.read();
    t.ok(value instanceof Uint8Array);
    t.equal(value.length, 3);
    t.ok((await reader.read()).done);
    t.ok(response.bodyUsed);
  },

  async "a reader may bring its own buffer"(env, t) {
    const reader = new Response("abc").body.getReader({ mode: "byob" });
    const first = await reader.read(new Uint8Array(2));
    t.deepEqual([...first.value], [97, 98]);
    const second = await reader.read(new Uint8Array(2));
    t.deepEqual([...second.value], [99]);
    t.ok((await reader.read(new Uint8Array(2))).done);
  },

  async "a locked body is not used but can not be read"(env, t) {
    const response = new Response("x");
    const reader = response.body.getReader();
    t.equal(response.bodyUsed, false);
    await t.rejects(response.text(), /currently locked to a reader/);
    t.throws(() => response.clone(), TypeError);
    reader.releaseLock();
    t.equal(await response.text(), "x");
  },

  async "reading or cancelling the stream uses the body"(env, t) {
    const read = new Response("x");
    const reader = read.body.getReader();
    await reader.read();
    reader.releaseLock();
    t.ok(read.bodyUsed);
    await t.rejects(read.text(), USED);
    const canceled = new Response("x");
    await canceled.body.cancel();
    t.ok(canceled.bodyUsed);
  },

  async "the stream of one body is the body of another"(env, t) {
    const first = new Response("x");
    const second = new Response(first.body, { status: 201 });
    t.equal(first.bodyUsed, false);
    t.equal(await second.text(), "x");
    t.ok(first.bodyUsed && second.bodyUsed);
    await t.rejects(first.text(), USED);
  },

  async "a stream that was touched is no body"(env, t) {
    const locked = new ReadableStream();
    locked.getReader();
    t.throws(() => new Response(locked), /is locked to a reader, and cannot be used as a body/);
    const used = stream("x", "y");
    const reader = used.getReader();
    await reader.read();
    reader.releaseLock();
    t.throws(() => new Response(used), /is disturbed/);
  },

  async "the copies of a body are read apart"(env, t) {
    for (const body of ["abc", encode("abc"), stream("ab", "c"), new Blob(["abc"])]) {
      const response = new Response(body);
      const copy = response.clone();
      const third = copy.clone();
      t.equal(await response.text(), "abc");
      t.equal(await third.text(), "abc");
      t.equal(await copy.text(), "abc");
    }
  },

  async "copies do not share bytes"(env, t) {
    const response = new Response(encode("abc"));
    const copy = response.clone();
    (await response.bytes())[0] = 0;
    t.equal(await copy.text(), "abc");
  },

  async "an error of the stream reaches the reader"(env, t) {
    const broken = () =>
      new Response(new ReadableStream({ pull: () => Promise.reject(new RangeError("boo")) }));
    await t.rejects(broken().text(), RangeError);
    await t.rejects(broken().body.getReader().read(), /boo/);
  },

  async "a stream of something else than bytes is refused"(env, t) {
    const strange = new ReadableStream({
      start(controller) {
        controller.enqueue({});
        controller.close();
      },
    });
    await t.rejects(new Response(strange).text(), TypeError);
  },

  async "iterables of bytes are bodies"(env, t) {
    function* some() {
      yield encode("a");
      yield encode("b");
    }
    async function* later() {
      yield encode("c");
      yield encode("d");
    }
    t.equal(await new Response(some()).text(), "ab");
    t.equal(await new Response(later()).text(), "cd");
    t.equal(await new Response([encode("e")]).text(), "e");
  },

  async "a long body in many chunks arrives whole"(env, t) {
    let left = 256;
    const long = new ReadableStream({
      pull(controller) {
        controller.enqueue(new Uint8Array(4096).fill(left));
        if (--left === 0) controller.close();
      },
    });
    const bytes = await new Response(long).bytes();
    t.equal(bytes.length, 256 * 4096);
    t.equal(bytes[4095], 0);
    t.equal(bytes[4096], 255);
    t.equal(bytes[bytes.length - 1], 1);
  },

  "a symbol is no body"(env, t) {
    t.throws(() => new Response(Symbol("x")), TypeError);
  },
};
