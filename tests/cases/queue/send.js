// Sending to a queue: what is taken, and how what is wrong is refused.

export default {
  async "a message that is sent is answered with what waits"({ QUEUE }, t) {
    const { metadata } = await QUEUE.send({ a: 1 });
    t.equal(typeof metadata.metrics.backlogCount, "number");
    t.equal(typeof metadata.metrics.backlogBytes, "number");
  },

  async "messages are sent together from anything that can be iterated"({ QUEUE }, t) {
    function* messages() {
      yield { body: "text", contentType: "text" };
      yield { body: new Uint8Array([1]), contentType: "bytes", delaySeconds: 1 };
      yield { body: new Map([[1, new Date()]]), contentType: "v8" };
      yield { body: null };
    }
    const { metadata } = await QUEUE.sendBatch(messages(), { delaySeconds: 2 });
    t.equal(typeof metadata.metrics.backlogCount, "number");
    await QUEUE.sendBatch(new Set([{ body: 1 }]));
  },

  async "metrics tell what waits"({ QUEUE }, t) {
    await QUEUE.send("x");
    const { backlogCount, backlogBytes, oldestMessageTimestamp } = await QUEUE.metrics();
    t.ok(backlogCount >= 1);
    t.ok(backlogBytes >= 1);
    t.ok(oldestMessageTimestamp instanceof Date);
  },

  async "undefined is no body"({ QUEUE }, t) {
    await t.rejects(QUEUE.send(undefined), /^TypeError: Message body cannot be undefined$/);
    await t.rejects(QUEUE.send(undefined, { contentType: "v8" }), /cannot be undefined$/);
    await t.rejects(QUEUE.sendBatch([{ body: undefined }]), /^TypeError: Message body cannot be/);
    await t.rejects(QUEUE.sendBatch([{}]), /^TypeError: Message body cannot be undefined$/);
  },

  async "a batch has at least one message"({ QUEUE }, t) {
    const wanted = /^TypeError: sendBatch\(\) requires at least one message$/;
    await t.rejects(QUEUE.sendBatch([]), wanted);
  },

  async "an unknown content type is refused by name"({ QUEUE }, t) {
    const wanted = /^TypeError: Unsupported queue message content type: zz$/;
    await t.rejects(QUEUE.send("x", { contentType: "zz" }), wanted);
    await t.rejects(QUEUE.sendBatch([{ body: "x", contentType: "zz" }]), wanted);
  },

  async "a text is a string"({ QUEUE }, t) {
    const wanted =
      /^TypeError: Content Type "text" requires a value of type string, but received: number$/;
    await t.rejects(QUEUE.send(5, { contentType: "text" }), wanted);
    await t.rejects(QUEUE.sendBatch([{ body: 5, contentType: "text" }]), wanted);
  },

  async "bytes are a view"({ QUEUE }, t) {
    const wanted =
      /^TypeError: Content Type "bytes" requires a value of type ArrayBufferView, but received: /;
    await t.rejects(QUEUE.send("text", { contentType: "bytes" }), wanted);
    await t.rejects(QUEUE.send(new ArrayBuffer(1), { contentType: "bytes" }), wanted);
    await QUEUE.send(new DataView(new ArrayBuffer(8), 2, 3), { contentType: "bytes" });
  },

  async "what can not be cloned is no v8 body"({ QUEUE }, t) {
    await t.rejects(QUEUE.send(() => {}, { contentType: "v8" }), /could not be cloned/);
  },

  async "a body without JSON is refused"({ QUEUE }, t) {
    await t.rejects(QUEUE.send(() => {}), TypeError);
    await t.rejects(QUEUE.send(1n), TypeError);
  },

  async "a delay is at least 0 and at most a day"({ QUEUE }, t) {
    for (const delaySeconds of [-1, 86_401, Infinity, "soon"]) {
      await t.rejects(QUEUE.send("x", { delaySeconds }), TypeError);
      await t.rejects(QUEUE.sendBatch([{ body: "x" }], { delaySeconds }), TypeError);
      await t.rejects(QUEUE.sendBatch([{ body: "x", delaySeconds }]), TypeError);
    }
    await QUEUE.send("x", { delaySeconds: 86_400 });
    await QUEUE.send("x", { delaySeconds: undefined });
  },

  async "a message and a batch have their largest size"({ QUEUE }, t) {
    const long = "x".repeat(129_000);
    await t.rejects(
      QUEUE.send(long, { contentType: "text" }),
      /^Error: Queue send failed: message length of 129000 bytes exceeds limit of 128000/,
    );
    const body = "x".repeat(100_000);
    await t.rejects(
      QUEUE.sendBatch([1, 2, 3].map(() => ({ body, contentType: "text" }))),
      /^Error: Queue sendBatch failed: batch size of 300000 bytes exceeds limit of 256000/,
    );
    await t.rejects(
      QUEUE.sendBatch(Array.from({ length: 101 }, () => ({ body: 1 }))),
      /^Error: Queue sendBatch failed: batch message count of 101 exceeds limit of 100/,
    );
    const most = Array.from({ length: 100 }, () => ({ body: "x".repeat(2_558) }));
    await QUEUE.sendBatch(most);
    await QUEUE.send("x".repeat(128_000), { contentType: "text" });
  },

  "nobody makes a queue by hand"({ QUEUE }, t) {
    const { constructor } = QUEUE;
    t.equal(constructor.name, "Queue");
    t.throws(() => new constructor(), /^TypeError: Illegal constructor$/);
  },
};

export const differs = {
  "a delay is at least 0 and at most a day": "workerd takes any delay",
  "a message and a batch have their largest size": "whoever stands behind workerd's queue says this",
  "nobody makes a queue by hand": "the class of workerd's binding is called WorkerQueue",
  "a body without JSON is refused": "workerd sends the text `undefined` for a function",
};
