// Values: what is written is read again, in each of the types.

const bytes = (...list) => new Uint8Array(list);
const stream = (...chunks) =>
  new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
const read = async (body) => [...new Uint8Array(await new Response(body).arrayBuffer())];

export default {
  async "a string is read as text, JSON, bytes and a stream"({ KV }, t) {
    t.equal(await KV.put("json", '{"a":[1,"\u00e9"]}'), undefined);
    t.equal(await KV.get("json"), '{"a":[1,"\u00e9"]}');
    t.equal(await KV.get("json", "text"), '{"a":[1,"\u00e9"]}');
    t.equal(await KV.get("json", { type: "text", cacheTtl: 60 }), '{"a":[1,"\u00e9"]}');
    t.deepEqual(await KV.get("json", "json"), { a: [1, "\u00e9"] });
    t.deepEqual(await KV.get("json", { type: "json" }), { a: [1, "\u00e9"] });
    await KV.put("three", "abc");
    const buffer = await KV.get("three", "arrayBuffer");
    t.ok(buffer instanceof ArrayBuffer);
    t.deepEqual([...new Uint8Array(buffer)], [97, 98, 99]);
    const body = await KV.get("three", { type: "stream" });
    t.ok(body instanceof ReadableStream);
    t.deepEqual(await read(body), [97, 98, 99]);
  },

  async "what is not there is null in every type"({ KV }, t) {
    for (const type of ["text", "json", "arrayBuffer", "stream"]) {
      t.equal(await KV.get("nothing", type), null);
      const found = await KV.getWithMetadata("nothing", type);
      t.equal(found.value, null);
      t.equal(found.metadata, null);
    }
  },

  async "bytes of every kind and streams are values"({ KV }, t) {
    const whole = bytes(0, 255, 128, 10);
    await KV.put("buffer", whole.buffer);
    await KV.put("view", whole.subarray(1, 3));
    await KV.put("data view", new DataView(whole.buffer, 2));
    await KV.put("stream", stream(bytes(1, 2), bytes(3)));
    const get = async (name) => [...new Uint8Array(await KV.get(name, "arrayBuffer"))];
    t.deepEqual(await get("buffer"), [0, 255, 128, 10]);
    t.deepEqual(await get("view"), [255, 128]);
    t.deepEqual(await get("data view"), [128, 10]);
    t.deepEqual(await get("stream"), [1, 2, 3]);
  },

  async "a buffer is written as it was when put was called"({ KV }, t) {
    const value = bytes(1, 2, 3);
    const put = KV.put("kept", value);
    value.fill(9);
    await put;
    t.deepEqual([...new Uint8Array(await KV.get("kept", "arrayBuffer"))], [1, 2, 3]);
  },

  async "what is no object is its text"({ KV }, t) {
    await KV.put("number", 7.5);
    t.equal(await KV.get("number"), "7.5");
    await KV.put("boolean", true);
    t.equal(await KV.get("boolean"), "true");
    await KV.put(12, "a number as a name");
    t.equal(await KV.get("12"), "a number as a name");
  },

  async "an empty value is a value"({ KV }, t) {
    await KV.put("empty", "");
    t.equal(await KV.get("empty"), "");
    t.equal((await KV.get("empty", "arrayBuffer")).byteLength, 0);
    t.deepEqual(await read(await KV.get("empty", "stream")), []);
    await KV.put("empty stream", stream());
    t.equal(await KV.get("empty stream"), "");
    await t.rejects(KV.get("empty", "json"), SyntaxError);
  },

  async "a value is as large as 25 MiB, by any way"({ KV }, t) {
    const hash = async (data) => {
      const digest = await crypto.subtle.digest("SHA-256", data);
      return [...new Uint8Array(digest)].join();
    };
    for (const size of [4096, 4097, 65_536, 65_537, 1 << 20, (1 << 20) + 1, 25 << 20]) {
      const value = new Uint8Array(size);
      for (let at = 0; at < size; at += 251) value[at] = at / 251;
      const wanted = await hash(value);
      await KV.put("large", value);
      t.equal(await hash(await KV.get("large", "arrayBuffer")), wanted);
      if (size === 25 << 20) continue;
      await KV.put("streamed", await KV.get("large", "stream"));
      t.equal(await hash(await KV.get("streamed", "arrayBuffer")), wanted);
    }
  },

  async "a value over 25 MiB is refused and what was there stays"({ KV }, t) {
    await KV.put("over", "before");
    await t.rejects(
      KV.put("over", new Uint8Array((25 << 20) + 1)),
      /KV PUT failed: 413 Value length of 26214401 exceeds limit of 26214400\./,
    );
    t.equal(await KV.get("over"), "before");
  },

  async "a stream that fails fails the write and what was there stays"({ KV }, t) {
    await KV.put("broken", "before");
    let count = 0;
    const broken = new ReadableStream({
      pull(controller) {
        if (count++ < 30) controller.enqueue(new Uint8Array(100_000));
        else controller.error(new RangeError("broke"));
      },
    });
    await t.rejects(KV.put("broken", broken), /broke/);
    t.equal(await KV.get("broken"), "before");
  },

  async "a delete takes a key away, and one that is not there is fine"({ KV }, t) {
    await KV.put("gone", "x");
    t.equal(await KV.delete("gone"), undefined);
    t.equal(await KV.get("gone"), null);
    t.equal(await KV.delete("gone"), undefined);
  },

  async "metadata comes with the value and goes with the next one"({ KV }, t) {
    const metadata = { a: [1, null, "\u00e9\ud83d\ude00"], b: { c: true } };
    await KV.put("with", "v", { metadata });
    const { value, metadata: found } = await KV.getWithMetadata("with");
    t.equal(value, "v");
    t.deepEqual(found, metadata);
    const { value: json } = await KV.getWithMetadata("with", "arrayBuffer");
    t.equal(json.byteLength, 1);
    await KV.put("with", "w");
    t.equal((await KV.getWithMetadata("with", { type: "text" })).metadata, null);
    for (const plain of ["text", 0, false]) {
      await KV.put("plain", "v", { metadata: plain });
      t.equal((await KV.getWithMetadata("plain")).metadata, plain);
    }
  },

  async "many keys are read together, in the order that was asked for"({ KV }, t) {
    await KV.put("m1", "1", { metadata: { of: 1 } });
    await KV.put("m2", '{"two":2}');
    await KV.put("m3", "");
    const found = await KV.get(["m2", "none", "m1", "m3"]);
    t.ok(found instanceof Map);
    t.deepEqual([...found], [["m2", '{"two":2}'], ["none", null], ["m1", "1"], ["m3", ""]]);
    const parsed = await KV.get(["m1", "m2", "none"], "json");
    t.deepEqual([...parsed], [["m1", 1], ["m2", { two: 2 }], ["none", null]]);
    const pairs = await KV.getWithMetadata(["m1", "m2", "none"], { type: "text" });
    t.deepEqual(pairs.get("m1"), { value: "1", metadata: { of: 1 } });
    t.equal(pairs.get("m2").metadata, null);
    const large = "x".repeat(300_000);
    await Promise.all(["l1", "l2", "l3"].map((name) => KV.put(name, large + name)));
    const all = await KV.get(["l3", "l1", "l2"]);
    for (const name of ["l1", "l2", "l3"]) t.equal(all.get(name), large + name);
  },

  async "calls of one event see each other, at once or one after another"({ KV }, t) {
    for (let at = 0; at < 20; at++) {
      await KV.put("counter", `${at}`);
      t.equal(await KV.get("counter"), `${at}`);
    }
    await Promise.all(Array.from({ length: 40 }, (_, at) => KV.put(`p${at}`, `${at}`)));
    const read = await Promise.all(Array.from({ length: 40 }, (_, at) => KV.get(`p${at}`)));
    t.deepEqual(read, Array.from({ length: 40 }, (_, at) => `${at}`));
    await Promise.all(Array.from({ length: 20 }, (_, at) => KV.put("same", `${at}`)));
    t.ok(Number(await KV.get("same")) < 20);
  },

  async "a response of a value streams it"({ KV }, t) {
    const text = "0123456789".repeat(50_000);
    await KV.put("page", text);
    const response = new Response(await KV.get("page", "stream"));
    t.equal(await response.text(), text);
  },
};
