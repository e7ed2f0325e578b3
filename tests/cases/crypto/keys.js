// Keys: made, imported, exported, used, derived and wrapped.

const { subtle } = crypto;
const bytes = (text) => new TextEncoder().encode(text);
const text = (buffer) => new TextDecoder().decode(buffer);
const hex = (buffer) =>
  [...new Uint8Array(buffer)].map((b) => b.toString(16).padStart(2, "0")).join("");
const hmac = { name: "HMAC", hash: "SHA-256" };

export default {
  async "HMAC signs as RFC 4231 says, and verifies"(env, t) {
    const key = await subtle.importKey("raw", bytes("Jefe"), hmac, false, ["sign", "verify"]);
    const data = bytes("what do ya want for nothing?");
    const signature = await subtle.sign("HMAC", key, data);
    t.equal(hex(signature), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    t.equal(await subtle.verify("HMAC", key, signature, data), true);
    t.equal(await subtle.verify("HMAC", key, signature, bytes("other")), false);
    t.equal(await subtle.verify("HMAC", key, new Uint8Array(5), data), false);
  },

  async "a key says what it is"(env, t) {
    const key = await subtle.importKey("raw", bytes("0123456789abcdef"), hmac, true, ["sign"]);
    t.ok(key instanceof CryptoKey);
    t.equal(key.type, "secret");
    t.equal(key.extractable, true);
    t.deepEqual(key.usages, ["sign"]);
    t.equal(key.algorithm.name, "HMAC");
    t.equal(key.algorithm.hash.name, "SHA-256");
    t.equal(key.algorithm.length, 128);
    t.equal(hex(await subtle.exportKey("raw", key)), hex(bytes("0123456789abcdef")));
  },

  async "a key does only what it may"(env, t) {
    const key = await subtle.importKey("raw", bytes("k"), hmac, false, ["sign"]);
    const error = await t.rejects(subtle.verify("HMAC", key, new Uint8Array(32), bytes("")));
    t.equal(error.name, "InvalidAccessError");
    const kept = await t.rejects(subtle.exportKey("raw", key));
    t.equal(kept.name, "InvalidAccessError");
    const other = await t.rejects(
      subtle.encrypt({ name: "AES-GCM", iv: new Uint8Array(12) }, key, bytes("")),
    );
    t.equal(other.name, "InvalidAccessError");
    await t.rejects(subtle.importKey("raw", bytes("k"), hmac, false, ["encrypt"]));
    await t.rejects(subtle.importKey("raw", bytes("k"), hmac, false, []));
  },

  async "AES-GCM encrypts as NIST's test 4 says, and notices a change"(env, t) {
    const from = (text) => Uint8Array.from(text.match(/../g), (pair) => parseInt(pair, 16));
    const key = await subtle.importKey(
      "raw",
      from("feffe9928665731c6d6a8f9467308308"),
      "AES-GCM",
      false,
      ["encrypt", "decrypt"],
    );
    const algorithm = {
      name: "AES-GCM",
      iv: from("cafebabefacedbaddecaf888"),
      additionalData: from("feedfacedeadbeeffeedfacedeadbeefabaddad2"),
    };
    const plain = from(
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72" +
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
    );
    const sealed = await subtle.encrypt(algorithm, key, plain);
    t.ok(hex(sealed).endsWith("5bc94fbc3221a5db94fae95ae7121a47"));
    t.equal(hex(await subtle.decrypt(algorithm, key, sealed)), hex(plain));
    new Uint8Array(sealed)[0] ^= 1;
    t.equal((await t.rejects(subtle.decrypt(algorithm, key, sealed))).name, "OperationError");
  },

  async "AES in its other modes comes back"(env, t) {
    const modes = [
      { name: "AES-CBC", iv: new Uint8Array(16) },
      { name: "AES-CTR", counter: new Uint8Array(16), length: 64 },
    ];
    for (const mode of modes) {
      const key = await subtle.generateKey({ name: mode.name, length: 256 }, true, [
        "encrypt",
        "decrypt",
      ]);
      const sealed = await subtle.encrypt(mode, key, bytes("some text"));
      t.equal(text(await subtle.decrypt(mode, key, sealed)), "some text");
      const jwk = await subtle.exportKey("jwk", key);
      t.equal(jwk.kty, "oct");
      const again = await subtle.importKey("jwk", jwk, mode.name, false, ["decrypt"]);
      t.equal(text(await subtle.decrypt(mode, again, sealed)), "some text");
    }
  },

  async "ECDSA signs and verifies, and keys travel"(env, t) {
    const algorithm = { name: "ECDSA", namedCurve: "P-256" };
    const use = { name: "ECDSA", hash: "SHA-256" };
    const pair = await subtle.generateKey(algorithm, true, ["sign", "verify"]);
    t.equal(pair.privateKey.type, "private");
    t.equal(pair.publicKey.type, "public");
    const signature = await subtle.sign(use, pair.privateKey, bytes("x"));
    t.equal(signature.byteLength, 64);
    t.equal(await subtle.verify(use, pair.publicKey, signature, bytes("x")), true);
    t.equal(await subtle.verify(use, pair.publicKey, signature, bytes("y")), false);
    for (const [format, part] of [
      ["jwk", "publicKey"],
      ["spki", "publicKey"],
      ["raw", "publicKey"],
    ]) {
      const data = await subtle.exportKey(format, pair[part]);
      const key = await subtle.importKey(format, data, algorithm, true, ["verify"]);
      t.equal(await subtle.verify(use, key, signature, bytes("x")), true);
    }
    const data = await subtle.exportKey("pkcs8", pair.privateKey);
    const key = await subtle.importKey("pkcs8", data, algorithm, false, ["sign"]);
    const other = await subtle.sign(use, key, bytes("z"));
    t.equal(await subtle.verify(use, pair.publicKey, other, bytes("z")), true);
  },

  async "Ed25519 and RSA sign and verify"(env, t) {
    const ed = await subtle.generateKey("Ed25519", false, ["sign", "verify"]);
    const signature = await subtle.sign("Ed25519", ed.privateKey, bytes("x"));
    t.equal(await subtle.verify("Ed25519", ed.publicKey, signature, bytes("x")), true);
    const algorithm = {
      name: "RSASSA-PKCS1-v1_5",
      hash: "SHA-256",
      modulusLength: 2048,
      publicExponent: new Uint8Array([1, 0, 1]),
    };
    const rsa = await subtle.generateKey(algorithm, true, ["sign", "verify"]);
    const signed = await subtle.sign("RSASSA-PKCS1-v1_5", rsa.privateKey, bytes("x"));
    t.equal(signed.byteLength, 256);
    t.equal(await subtle.verify("RSASSA-PKCS1-v1_5", rsa.publicKey, signed, bytes("x")), true);
  },

  async "PBKDF2 and HKDF derive known bytes"(env, t) {
    const password = await subtle.importKey("raw", bytes("password"), "PBKDF2", false, [
      "deriveBits",
      "deriveKey",
    ]);
    const pbkdf2 = { name: "PBKDF2", hash: "SHA-1", salt: bytes("salt"), iterations: 4096 };
    t.equal(
      hex(await subtle.deriveBits(pbkdf2, password, 160)),
      "4b007901b765489abead49d926f721d065a429c1",
    );
    const key = await subtle.deriveKey(pbkdf2, password, { name: "AES-GCM", length: 256 }, true, [
      "encrypt",
    ]);
    t.equal(key.algorithm.length, 256);
    const secret = await subtle.importKey("raw", new Uint8Array(22).fill(0x0b), "HKDF", false, [
      "deriveBits",
    ]);
    const hkdf = {
      name: "HKDF",
      hash: "SHA-256",
      salt: Uint8Array.from({ length: 13 }, (_, at) => at),
      info: Uint8Array.from({ length: 10 }, (_, at) => 0xf0 + at),
    };
    t.ok(
      hex(await subtle.deriveBits(hkdf, secret, 336)).startsWith(
        "3cb25f25faacd57a90434f64d0362f2a",
      ),
    );
  },

  async "ECDH gives both sides the same bits"(env, t) {
    const algorithm = { name: "ECDH", namedCurve: "P-256" };
    const a = await subtle.generateKey(algorithm, false, ["deriveBits"]);
    const b = await subtle.generateKey(algorithm, false, ["deriveBits"]);
    const ab = await subtle.deriveBits({ name: "ECDH", public: b.publicKey }, a.privateKey, 256);
    const ba = await subtle.deriveBits({ name: "ECDH", public: a.publicKey }, b.privateKey, 256);
    t.equal(hex(ab), hex(ba));
  },

  async "a key can be wrapped and comes out the same"(env, t) {
    const wrapping = await subtle.generateKey({ name: "AES-KW", length: 256 }, false, [
      "wrapKey",
      "unwrapKey",
    ]);
    const key = await subtle.generateKey({ name: "AES-GCM", length: 128 }, true, ["encrypt"]);
    const wrapped = await subtle.wrapKey("raw", key, wrapping, "AES-KW");
    const again = await subtle.unwrapKey("raw", wrapped, wrapping, "AES-KW", "AES-GCM", true, [
      "encrypt",
    ]);
    t.equal(hex(await subtle.exportKey("raw", again)), hex(await subtle.exportKey("raw", key)));
  },

  async "malformed keys and parameters are refused"(env, t) {
    await t.rejects(subtle.importKey("raw", new Uint8Array(5), "AES-GCM", false, ["encrypt"]));
    await t.rejects(
      subtle.importKey("spki", new Uint8Array(5), { name: "ECDSA", namedCurve: "P-256" }, false, [
        "verify",
      ]),
    );
    await t.rejects(subtle.importKey("jwk", { kty: "oct" }, "AES-GCM", false, ["encrypt"]));
    await t.rejects(subtle.importKey("nothing", new Uint8Array(16), "AES-GCM", false, ["encrypt"]));
    await t.rejects(subtle.generateKey({ name: "AES-GCM", length: 100 }, false, ["encrypt"]));
    await t.rejects(subtle.generateKey({ name: "ECDSA", namedCurve: "P-1" }, false, ["sign"]));
    const key = await subtle.generateKey({ name: "AES-CBC", length: 128 }, false, ["encrypt"]);
    await t.rejects(subtle.encrypt({ name: "AES-CBC", iv: new Uint8Array(3) }, key, bytes("")));
  },
};
