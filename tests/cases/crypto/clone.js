// Where this is not as workerd: keys can be cloned, and costly work is refused before it begins.

const { subtle } = crypto;

export const differs = {
  "a key can be cloned, and the clone is as good": "workerd does not clone keys",
  "a clone of a key that may not leave may not leave": "workerd does not clone keys",
  "PBKDF2 beyond a hundred thousand iterations is refused": "only Cloudflare itself refuses",
  "what would take too long is refused before it begins": "workerd has bounds of its own",
};

export default {
  async "PBKDF2 beyond a hundred thousand iterations is refused"(env, t) {
    const password = await subtle.importKey("raw", new Uint8Array(1), "PBKDF2", false, [
      "deriveBits",
    ]);
    const algorithm = {
      name: "PBKDF2",
      hash: "SHA-256",
      salt: new Uint8Array(8),
      iterations: 100_001,
    };
    const error = await t.rejects(subtle.deriveBits(algorithm, password, 256));
    t.equal(error.name, "NotSupportedError");
  },

  async "a key can be cloned, and the clone is as good"(env, t) {
    const key = await subtle.generateKey({ name: "AES-GCM", length: 128 }, true, [
      "encrypt",
      "decrypt",
    ]);
    const { clone } = structuredClone({ clone: key });
    t.ok(clone instanceof CryptoKey);
    t.ok(clone !== key);
    const use = { name: "AES-GCM", iv: new Uint8Array(12) };
    const sealed = await subtle.encrypt(use, key, new Uint8Array(3));
    t.equal((await subtle.decrypt(use, clone, sealed)).byteLength, 3);
  },

  async "a clone of a key that may not leave may not leave"(env, t) {
    const key = await subtle.generateKey({ name: "AES-GCM", length: 128 }, false, ["encrypt"]);
    const clone = structuredClone(key);
    t.equal(clone.extractable, false);
    t.equal((await t.rejects(subtle.exportKey("raw", clone))).name, "InvalidAccessError");
  },

  async "what would take too long is refused before it begins"(env, t) {
    const rsa = (modulusLength) => ({
      name: "RSA-PSS",
      hash: "SHA-256",
      modulusLength,
      publicExponent: new Uint8Array([1, 0, 1]),
    });
    const error = await t.rejects(subtle.generateKey(rsa(16384), false, ["sign"]));
    t.equal(error.name, "NotSupportedError");
    const password = await subtle.importKey("raw", new Uint8Array(1), "PBKDF2", false, [
      "deriveBits",
    ]);
    const derive = (iterations, bits) =>
      subtle.deriveBits(
        { name: "PBKDF2", hash: "SHA-256", salt: new Uint8Array(8), iterations },
        password,
        bits,
      );
    t.equal((await t.rejects(derive(100_000, 1 << 20))).name, "NotSupportedError");
    let reads = 0;
    const sly = { name: "PBKDF2", hash: "SHA-256", salt: new Uint8Array(8) };
    Object.defineProperty(sly, "iterations", { get: () => (reads++ === 0 ? 1 : 2 ** 31) });
    await subtle.deriveBits(sly, password, 256);
    t.equal(reads, 1);
  },
};
