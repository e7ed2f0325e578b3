// crypto: the engine's algorithms behind a class that refuses global scope and unbounded work.
//
// The work of an algorithm runs on a thread of its own, where no watchdog can end it, so what
// one call may cost is bounded before it starts. Parameters are read once, into plain objects:
// a getter can not show one value to the check and another to the algorithm.

import { core, internals } from "ext:core/mod.js";
import { requireEvent } from "ext:bindery/door.js";

internals.kKeyObject = Symbol("key");
const native = core.loadExtScript("ext:deno_crypto/00_crypto.js");
const { DOMException } = core.loadExtScript("ext:deno_web/01_dom_exception.js");
const { CryptoKey } = native;

const ITERATION_COUNT_MAX = 100_000;
const PBKDF2_ROUND_COUNT_MAX = 2_000_000;
const MODULUS_BITS_MAX = 4096;
const PARAMETERS = [
  "name", "hash", "length", "iterations", "salt", "info", "public", "namedCurve",
  "modulusLength", "publicExponent", "iv", "additionalData", "tagLength", "counter", "label",
  "saltLength", "context",
];

// What a tenant may not call: makers of keys, and the way to a key that is not extractable.
const { fromCloneData } = CryptoKey;
core.getCloneableDeserializers().CryptoKey = (data) => fromCloneData.call(CryptoKey, data);
for (const name of ["exportNodeMaterial", "fromCloneData", "importSync"]) delete CryptoKey[name];

function refuse(message) {
  throw new DOMException(message, "NotSupportedError");
}

function bounded(algorithm, length) {
  if (typeof algorithm !== "object" || algorithm === null) return algorithm;
  const own = { __proto__: null };
  for (const name of PARAMETERS) {
    const value = algorithm[name];
    if (value !== undefined) own[name] = value;
  }
  for (const name of ["iterations", "modulusLength", "length"]) {
    if (own[name] !== undefined) own[name] = Number(own[name]);
  }
  if (own.iterations > ITERATION_COUNT_MAX) {
    refuse(`PBKDF2: ${own.iterations} iterations; the limit is ${ITERATION_COUNT_MAX}.`);
  }
  if (own.iterations * Math.ceil((length ?? 0) / 256) > PBKDF2_ROUND_COUNT_MAX) {
    refuse(`PBKDF2: ${length} bits at ${own.iterations} iterations are too many.`);
  }
  if (own.modulusLength > MODULUS_BITS_MAX) {
    refuse(`RSA: a modulus of ${own.modulusLength} bits; the limit is ${MODULUS_BITS_MAX}.`);
  }
  if (typeof own.hash === "object") own.hash = bounded(own.hash);
  return own;
}

let subtle;

/** `crypto.subtle`. */
class SubtleCrypto {
  #native;

  constructor(token) {
    if (token !== subtleToken) throw new TypeError("Illegal constructor");
  }

  // The native object can not be in a snapshot: it is made when first used.
  #real() {
    requireEvent();
    return this.#native ??= native.crypto.subtle;
  }

  async decrypt(algorithm, key, data) {
    return await this.#real().decrypt(bounded(algorithm), key, data);
  }

  async deriveBits(algorithm, key, length) {
    const bits = length === undefined || length === null ? length : Number(length);
    return await this.#real().deriveBits(bounded(algorithm, bits), key, bits);
  }

  async deriveKey(algorithm, key, derived, extractable, usages) {
    const type = bounded(derived);
    const from = bounded(algorithm, type?.length ?? 512);
    return await this.#real().deriveKey(from, key, type, extractable, usages);
  }

  async digest(algorithm, data) {
    return await this.#real().digest(bounded(algorithm), data);
  }

  async encrypt(algorithm, key, data) {
    return await this.#real().encrypt(bounded(algorithm), key, data);
  }

  async exportKey(format, key) {
    return await this.#real().exportKey(format, key);
  }

  async generateKey(algorithm, extractable, usages) {
    return await this.#real().generateKey(bounded(algorithm), extractable, usages);
  }

  async importKey(format, data, algorithm, extractable, usages) {
    return await this.#real().importKey(format, data, bounded(algorithm), extractable, usages);
  }

  async sign(algorithm, key, data) {
    return await this.#real().sign(bounded(algorithm), key, data);
  }

  timingSafeEqual(a, b) {
    const left = bytesOf(a), right = bytesOf(b);
    if (left.byteLength !== right.byteLength) {
      throw new TypeError("Input buffers must have the same byte length");
    }
    let difference = 0;
    for (let at = 0; at < left.byteLength; at++) difference |= left[at] ^ right[at];
    return difference === 0;
  }

  async unwrapKey(format, wrapped, key, algorithm, type, extractable, usages) {
    return await this.#real().unwrapKey(
      format, wrapped, key, bounded(algorithm), bounded(type), extractable, usages,
    );
  }

  async verify(algorithm, key, signature, data) {
    return await this.#real().verify(bounded(algorithm), key, signature, data);
  }

  async wrapKey(format, key, wrapping, algorithm) {
    return await this.#real().wrapKey(format, key, wrapping, bounded(algorithm));
  }
}

function bytesOf(value) {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  throw new TypeError("The argument is not a buffer");
}

const subtleToken = Symbol("subtle");

/** `crypto`. */
class Crypto {
  constructor(token) {
    if (token !== subtleToken) throw new TypeError("Illegal constructor");
  }

  get subtle() {
    return subtle;
  }

  getRandomValues(array) {
    requireEvent();
    return native.crypto.getRandomValues(array);
  }

  randomUUID() {
    requireEvent();
    return native.crypto.randomUUID();
  }
}

for (const type of [Crypto, SubtleCrypto]) {
  Object.defineProperty(type.prototype, Symbol.toStringTag, { value: type.name, configurable: true });
}
subtle = new SubtleCrypto(subtleToken);
export const crypto = new Crypto(subtleToken);
export { Crypto, CryptoKey, SubtleCrypto };
