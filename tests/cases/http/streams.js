// Streams that pass bytes on, and those that promise how many.

const bytes = (count) => new Uint8Array(count).fill(65);

export default {
  async "bytes pass as they are"(env, t) {
    const { readable, writable } = new IdentityTransformStream();
    const writer = writable.getWriter();
    writer.write(bytes(3));
    writer.close();
    t.equal(await new Response(readable).text(), "AAA");
  },

  async "text passes as its bytes"(env, t) {
    const { readable, writable } = new IdentityTransformStream();
    const writer = writable.getWriter();
    const text = new Response(readable).text();
    await writer.write("\u20ac");
    await writer.close();
    t.equal(await text, "\u20ac");
  },

  async "anything else does not pass"(env, t) {
    const { readable, writable } = new IdentityTransformStream();
    readable.getReader().read().catch(() => {});
    await t.rejects(writable.getWriter().write({}), TypeError);
  },

  async "a write waits for its reader"(env, t) {
    const { readable, writable } = new IdentityTransformStream();
    let written = false;
    const write = writable.getWriter().write(bytes(3)).then(() => written = true);
    for (let turn = 0; turn < 20; turn++) await null;
    t.equal(written, false);
    await readable.getReader().read();
    await write;
    t.equal(written, true);
  },

  async "the length that was promised passes"(env, t) {
    for (const length of [4, 4n]) {
      const { readable, writable } = new FixedLengthStream(length);
      const writer = writable.getWriter();
      writer.write(bytes(1));
      writer.write(bytes(3));
      writer.close();
      t.equal((await new Response(readable).bytes()).length, 4);
    }
  },

  async "more or less than promised is an error to the reader"(env, t) {
    for (const [length, error] of [[2, /too many bytes/], [4, /did not see all expected bytes/]]) {
      const { readable, writable } = new FixedLengthStream(length);
      const read = t.rejects(new Response(readable).arrayBuffer(), error);
      const writer = writable.getWriter();
      const settled = [writer.write(bytes(3)), writer.close(), writer.closed];
      await read;
      for (const promise of settled) promise.catch(() => {});
    }
  },

  "a length is a whole number"(env, t) {
    t.throws(() => new FixedLengthStream("x"), /not an integer/);
    t.throws(() => new FixedLengthStream(-1), /negative/);
    t.throws(() => new FixedLengthStream(), TypeError);
  },

  "each is a kind of the more general one"(env, t) {
    t.ok(new FixedLengthStream(1) instanceof IdentityTransformStream);
    t.ok(new IdentityTransformStream() instanceof TransformStream);
  },

  async "a pipe into a response carries everything"(env, t) {
    const { readable, writable } = new IdentityTransformStream();
    const piped = new Response("abc").body.pipeTo(writable);
    t.equal(await new Response(readable).text(), "abc");
    await piped;
  },
};
