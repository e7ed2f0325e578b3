// What browsers have too: text, base64, URLs, blobs, clones, events, signals and channels.

const after = (delay) => new Promise((resolve) => setTimeout(resolve, delay));

export default {
  "text becomes bytes and comes back"(env, t) {
    t.deepEqual(
      [...new TextEncoder().encode("a\u00e9\ud83d\ude00")],
      [97, 195, 169, 240, 159, 152, 128],
    );
    t.equal(new TextDecoder().decode(new Uint8Array([0xef, 0xbb, 0xbf, 97])), "a");
    t.equal(
      new TextDecoder("utf-8", { ignoreBOM: true }).decode(new Uint8Array([0xef, 0xbb, 0xbf])),
      "\ufeff",
    );
    t.equal(new TextDecoder("latin1").decode(new Uint8Array([0x80, 0xe9])), "\u20ac\u00e9");
    t.equal(new TextDecoder("utf-16le").decode(new Uint8Array([97, 0])), "a");
    t.throws(
      () => new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array([255])),
      TypeError,
    );
    t.throws(() => new TextDecoder("nothing"), RangeError);
    const decoder = new TextDecoder();
    t.equal(
      decoder.decode(new Uint8Array([0xc3]), { stream: true }) +
        decoder.decode(new Uint8Array([0xa9])),
      "\u00e9",
    );
    const { read, written } = new TextEncoder().encodeInto("\u00e9\u00e9", new Uint8Array(3));
    t.deepEqual([read, written], [1, 2]);
  },

  "base64 goes both ways"(env, t) {
    t.equal(btoa("a\u00e9\0"), "YekA");
    t.equal(atob(" Y ekA\n"), "a\u00e9\0");
    t.equal(t.throws(() => btoa("\u0100")).name, "InvalidCharacterError");
    const error = t.throws(() => atob("*"));
    t.equal(error.name, "InvalidCharacterError");
    t.ok(error instanceof DOMException);
  },

  "URLs are parsed as the standard says"(env, t) {
    const url = new URL("../b?x=1&y=%20#h", "https://User:p@EXAMPLE.com:443/a/c");
    t.equal(url.href, "https://User:p@example.com/b?x=1&y=%20#h");
    t.equal(url.searchParams.get("y"), " ");
    url.searchParams.append("z", "\u00e9&");
    t.equal(url.search, "?x=1&y=+&z=%C3%A9%26");
    t.equal(new URL("http://\u00fc.example/").host, "xn--tda.example");
    t.throws(() => new URL("nothing"), TypeError);
    t.equal(URL.canParse("nothing"), false);
    t.equal(URL.parse("nothing"), null);
    t.deepEqual(
      [...new URLSearchParams("a=1&b=2&a=3")],
      [
        ["a", "1"],
        ["b", "2"],
        ["a", "3"],
      ],
    );
    const pattern = new URLPattern({ pathname: "/users/:id" });
    t.equal(pattern.exec("https://x.example/users/7").pathname.groups.id, "7");
  },

  async "blobs hold bytes, and parts of them"(env, t) {
    const blob = new Blob(["ab", new Uint8Array([99]), new Blob(["d"])], { type: "Text/Plain" });
    t.equal(blob.size, 4);
    t.equal(blob.type, "text/plain");
    t.equal(await blob.text(), "abcd");
    t.equal(await blob.slice(1, 3).text(), "bc");
    t.equal((await blob.arrayBuffer()).byteLength, 4);
    t.equal((await blob.bytes())[0], 97);
    t.equal(await new Response(blob.stream()).text(), "abcd");
    const file = new File(["x"], "name.txt", { lastModified: 5 });
    t.deepEqual([file.name, file.lastModified, await file.text()], ["name.txt", 5, "x"]);
    t.ok(file instanceof Blob);
  },

  "a clone is deep, and keeps what JSON would lose"(env, t) {
    const value = {
      map: new Map([[1, { a: 1 }]]),
      set: new Set([1]),
      date: new Date(5),
      big: 10n,
      re: /x/gi,
      bytes: new Uint8Array([1, 2]),
      error: new RangeError("m"),
      none: undefined,
      list: [, 1],
    };
    value.self = value;
    const clone = structuredClone(value);
    t.ok(clone !== value && clone.self === clone);
    t.equal(clone.map.get(1).a, 1);
    t.equal(clone.date.getTime(), 5);
    t.equal(clone.big, 10n);
    t.equal(String(clone.re), "/x/gi");
    t.deepEqual([...clone.bytes], [1, 2]);
    t.ok(clone.error instanceof RangeError);
    t.equal(0 in clone.list, false);
  },

  "what can not be cloned is refused, and what is transferred is gone"(env, t) {
    for (const value of [() => {}, Symbol("s"), { f() {} }, new WeakMap()]) {
      t.equal(t.throws(() => structuredClone(value)).name, "DataCloneError");
    }
    const buffer = new ArrayBuffer(8);
    t.equal(structuredClone(buffer, { transfer: [buffer] }).byteLength, 8);
    t.equal(buffer.byteLength, 0);
  },

  "events go to their listeners"(env, t) {
    const target = new EventTarget();
    const seen = [];
    target.addEventListener("x", (event) => seen.push(event.detail));
    target.addEventListener("x", { handleEvent: () => seen.push("object") }, { once: true });
    const event = new CustomEvent("x", { detail: 5, cancelable: true });
    t.equal(target.dispatchEvent(event), true);
    t.equal(target.dispatchEvent(new CustomEvent("x", { detail: 6 })), true);
    t.deepEqual(seen, [5, "object", 6]);
  },

  async "signals abort by hand, by time and together"(env, t) {
    const controller = new AbortController();
    const any = AbortSignal.any([controller.signal, new AbortController().signal]);
    let heard = 0;
    any.addEventListener("abort", () => heard++);
    controller.abort(new Error("why"));
    t.equal(any.reason.message, "why");
    t.equal(heard, 1);
    t.throws(() => any.throwIfAborted(), /why/);
    t.equal(AbortSignal.abort().reason.name, "AbortError");
    const timeout = AbortSignal.timeout(5);
    t.equal(timeout.aborted, false);
    await new Promise((resolve) => timeout.addEventListener("abort", resolve));
    t.equal(timeout.reason.name, "TimeoutError");
    t.ok(timeout.reason instanceof DOMException);
  },

  async "a channel carries clones from port to port"(env, t) {
    const { port1, port2 } = new MessageChannel();
    const message = { a: [1] };
    const came = new Promise((resolve) => (port2.onmessage = (event) => resolve(event.data)));
    port1.postMessage(message);
    const data = await came;
    t.deepEqual(data, message);
    t.ok(data !== message);
    port1.close();
  },

  async "microtasks run in order, before anything else"(env, t) {
    const order = [];
    const timer = after(0).then(() => order.push("timer"));
    queueMicrotask(() => order.push("a"));
    Promise.resolve().then(() => order.push("b"));
    queueMicrotask(() => order.push("c"));
    order.push("now");
    await timer;
    t.deepEqual(order, ["now", "a", "b", "c", "timer"]);
    t.throws(() => queueMicrotask("code"), TypeError);
  },

  "an exception of the DOM has its name and code"(env, t) {
    const error = new DOMException("m", "AbortError");
    t.equal(error.name, "AbortError");
    t.equal(error.code, 20);
    t.equal(String(error), "AbortError: m");
    t.ok(error instanceof Error);
    t.equal(DOMException.ABORT_ERR, 20);
  },

  "objects have no URLs"(env, t) {
    for (const name of ["createObjectURL", "revokeObjectURL"]) {
      const error = t.throws(() => URL[name](new Blob(["x"])), Error);
      t.equal(error.message, `URL.${name}() is not implemented`);
    }
  },
};
