// Streams of the standard, and those that change bytes on their way.

const text = (stream) => new Response(stream).text();

function from(...chunks) {
  const encoder = new TextEncoder();
  return new ReadableStream({
    pull(controller) {
      const chunk = chunks.shift();
      if (chunk === undefined) controller.close();
      else controller.enqueue(encoder.encode(chunk));
    },
  });
}

export const differs = {
  "a stream is pulled no faster than it is read": "workerd pulls one chunk less ahead",
};

export default {
  async "a stream is read chunk by chunk"(env, t) {
    const reader = new ReadableStream({
      start(controller) {
        controller.enqueue("a");
        controller.enqueue({ b: 1 });
        controller.close();
      },
    }).getReader();
    t.deepEqual(await reader.read(), { value: "a", done: false });
    t.deepEqual(await reader.read(), { value: { b: 1 }, done: false });
    t.equal((await reader.read()).done, true);
    await reader.closed;
  },

  async "a stream is pulled no faster than it is read"(env, t) {
    let pulls = 0;
    const stream = new ReadableStream(
      { pull: (controller) => controller.enqueue(++pulls) },
      { highWaterMark: 2 },
    );
    await scheduler.wait(1);
    t.equal(pulls, 2);
    const reader = stream.getReader();
    await reader.read();
    await scheduler.wait(1);
    t.equal(pulls, 3);
  },

  async "a stream ends with its error"(env, t) {
    const stream = new ReadableStream({
      pull: (controller) => controller.error(new RangeError("m")),
    });
    await t.rejects(stream.getReader().read(), RangeError);
    let cancelled;
    await new ReadableStream({ cancel: (reason) => void (cancelled = reason) }).cancel("why");
    t.equal(cancelled, "why");
  },

  async "a stream can be walked, made from a list, and told apart"(env, t) {
    const seen = [];
    for await (const chunk of ReadableStream.from([1, 2, 3])) seen.push(chunk);
    t.deepEqual(seen, [1, 2, 3]);
    const [a, b] = from("x", "y").tee();
    t.equal(await text(a), "xy");
    t.equal(await text(b), "xy");
  },

  async "a reader brings its own buffer"(env, t) {
    const stream = new ReadableStream({
      type: "bytes",
      pull(controller) {
        controller.byobRequest.view[0] = 7;
        controller.byobRequest.respond(1);
      },
    });
    const { value } = await stream.getReader({ mode: "byob" }).read(new Uint8Array(4));
    t.deepEqual([...value], [7]);
  },

  async "a transform sits between two ends"(env, t) {
    const upper = new TransformStream({
      transform: (chunk, controller) => controller.enqueue(chunk.toUpperCase()),
      flush: (controller) => controller.enqueue("!"),
    });
    const stream = from("a", "b")
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(upper)
      .pipeThrough(new TextEncoderStream());
    t.equal(await text(stream), "AB!");
  },

  async "a pipe writes what it reads"(env, t) {
    const seen = [];
    await from("a", "b").pipeTo(
      new WritableStream({
        write: (chunk) => void seen.push(chunk[0]),
        close: () => void seen.push("closed"),
      }),
    );
    t.deepEqual(seen, [97, 98, "closed"]);
    const signal = AbortSignal.abort(new Error("enough"));
    await t.rejects(from("a").pipeTo(new WritableStream(), { signal }), /enough/);
  },

  async "bytes are packed and unpacked"(env, t) {
    const plain = "some text ".repeat(1000);
    for (const format of ["gzip", "deflate", "deflate-raw"]) {
      const packed = from(plain).pipeThrough(new CompressionStream(format));
      const bytes = await new Response(packed).bytes();
      t.ok(bytes.length < 500, `${format}: ${bytes.length}`);
      const unpacked = new Response(bytes).body.pipeThrough(new DecompressionStream(format));
      t.equal(await text(unpacked), plain);
    }
    t.throws(() => new CompressionStream("nothing"), TypeError);
    await t.rejects(text(from("not packed").pipeThrough(new DecompressionStream("gzip"))));
  },

  async "a writer waits for room"(env, t) {
    const { readable, writable } = new TransformStream();
    const writer = writable.getWriter();
    let written = false;
    const writing = writer
      .write("a")
      .then(() => writer.write("b"))
      .then(() => (written = true));
    await scheduler.wait(1);
    t.equal(written, false);
    const reader = readable.getReader();
    t.equal((await reader.read()).value, "a");
    t.equal((await reader.read()).value, "b");
    await writing;
    t.equal(written, true);
  },
};
