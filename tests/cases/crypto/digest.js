// Digests, random values, and the comparison that takes the same time for any content.

const bytes = (text) => new TextEncoder().encode(text);
const hex = (buffer) =>
  [...new Uint8Array(buffer)].map((b) => b.toString(16).padStart(2, "0")).join("");

export default {
  async "digests have their known values"(env, t) {
    const known = {
      "SHA-1": "a9993e364706816aba3e25717850c26c9cd0d89d",
      "SHA-256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      "SHA-384":
        "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed" +
        "8086072ba1e7cc2358baeca134c825a7",
      "SHA-512":
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a" +
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    };
    for (const [name, value] of Object.entries(known)) {
      t.equal(hex(await crypto.subtle.digest(name, bytes("abc"))), value);
      t.equal(hex(await crypto.subtle.digest({ name }, bytes("abc").buffer)), value);
    }
    t.equal(hex(await crypto.subtle.digest("sha-256", bytes("abc"))), known["SHA-256"]);
  },

  async "a digest takes a part of a buffer, as it is at the call"(env, t) {
    const all = bytes("xabcx");
    const promise = crypto.subtle.digest("SHA-1", all.subarray(1, 4));
    all.fill(0);
    t.equal(hex(await promise), "a9993e364706816aba3e25717850c26c9cd0d89d");
  },

  async "an unknown algorithm is refused"(env, t) {
    const error = await t.rejects(crypto.subtle.digest("SHA-9", bytes("")));
    t.equal(error.name, "NotSupportedError");
    await t.rejects(crypto.subtle.digest("SHA-256", "text"), TypeError);
    await t.rejects(crypto.subtle.digest());
  },

  "randomUUID gives version 4"(env, t) {
    const seen = new Set();
    for (let at = 0; at < 100; at++) {
      const id = crypto.randomUUID();
      t.ok(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id), id);
      seen.add(id);
    }
    t.equal(seen.size, 100);
  },

  "getRandomValues fills what it is given and gives it back"(env, t) {
    for (const Type of [
      Uint8Array,
      Int8Array,
      Uint16Array,
      Int32Array,
      Uint32Array,
      BigInt64Array,
    ]) {
      const array = new Type(64);
      t.equal(crypto.getRandomValues(array), array);
      t.ok(
        array.some((value) => value != 0),
        Type.name,
      );
    }
    const part = new Uint8Array(64);
    crypto.getRandomValues(part.subarray(32));
    t.ok(part.subarray(0, 32).every((value) => value === 0));
  },

  "getRandomValues refuses floats and too much"(env, t) {
    t.equal(t.throws(() => crypto.getRandomValues(new Float64Array(1))).name, "TypeMismatchError");
    t.equal(
      t.throws(() => crypto.getRandomValues(new Uint8Array(65537))).name,
      "QuotaExceededError",
    );
    t.throws(() => crypto.getRandomValues());
    t.throws(() => crypto.getRandomValues("x"));
    crypto.getRandomValues(new Uint8Array(65536));
    crypto.getRandomValues(new Uint8Array(0));
  },

  "timingSafeEqual compares bytes"(env, t) {
    const { subtle } = crypto;
    t.equal(subtle.timingSafeEqual(bytes("abc"), bytes("abc")), true);
    t.equal(subtle.timingSafeEqual(bytes("abc"), bytes("abd")), false);
    t.equal(subtle.timingSafeEqual(bytes("abc").buffer, bytes("abc")), true);
    t.equal(subtle.timingSafeEqual(new Uint8Array(0), new Uint8Array(0)), true);
    t.throws(() => subtle.timingSafeEqual(bytes("abc"), bytes("ab")), TypeError);
    t.throws(() => subtle.timingSafeEqual("abc", "abc"), TypeError);
  },

  "the classes can not be made"(env, t) {
    t.throws(() => new Crypto(), TypeError);
    t.throws(() => new SubtleCrypto(), TypeError);
    t.throws(() => new CryptoKey(), TypeError);
    t.ok(crypto instanceof Crypto);
    t.ok(crypto.subtle instanceof SubtleCrypto);
    t.equal(crypto.subtle, crypto.subtle);
  },

  "a method belongs to its object"(env, t) {
    const { digest } = crypto.subtle;
    return t.rejects(async () => await digest("SHA-1", bytes("")), TypeError);
  },
};
