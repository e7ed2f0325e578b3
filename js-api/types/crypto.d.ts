// Web Crypto. Every member refuses to work in global scope.

declare class Crypto {
  private constructor();
  get subtle(): SubtleCrypto;
  /** Fills at most 65,536 bytes. */
  getRandomValues<T extends ArrayBufferView>(array: T): T;
  randomUUID(): string;
}

type BufferSource = ArrayBuffer | ArrayBufferView;
/** A name, or an object with the name and the parameters that the standard gives it. */
type AlgorithmIdentifier = string | { name: string };
type KeyFormat = "jwk" | "pkcs8" | "raw" | "spki";
type KeyUsage =
  | "decrypt"
  | "deriveBits"
  | "deriveKey"
  | "encrypt"
  | "sign"
  | "unwrapKey"
  | "verify"
  | "wrapKey";
type KeyPair = { privateKey: CryptoKey; publicKey: CryptoKey };

/** PBKDF2 has at most 100,000 iterations, and RSA at most 4,096 bits. */
declare class SubtleCrypto {
  private constructor();
  decrypt(algorithm: AlgorithmIdentifier, key: CryptoKey, data: BufferSource): Promise<ArrayBuffer>;
  deriveBits(
    algorithm: AlgorithmIdentifier,
    key: CryptoKey,
    length?: number | null,
  ): Promise<ArrayBuffer>;
  deriveKey(
    algorithm: AlgorithmIdentifier,
    key: CryptoKey,
    derived: AlgorithmIdentifier,
    extractable: boolean,
    usages: KeyUsage[],
  ): Promise<CryptoKey>;
  digest(algorithm: AlgorithmIdentifier, data: BufferSource): Promise<ArrayBuffer>;
  encrypt(algorithm: AlgorithmIdentifier, key: CryptoKey, data: BufferSource): Promise<ArrayBuffer>;
  exportKey(format: KeyFormat, key: CryptoKey): Promise<ArrayBuffer | object>;
  generateKey(
    algorithm: AlgorithmIdentifier,
    extractable: boolean,
    usages: KeyUsage[],
  ): Promise<CryptoKey | KeyPair>;
  importKey(
    format: KeyFormat,
    data: BufferSource | object,
    algorithm: AlgorithmIdentifier,
    extractable: boolean,
    usages: KeyUsage[],
  ): Promise<CryptoKey>;
  sign(algorithm: AlgorithmIdentifier, key: CryptoKey, data: BufferSource): Promise<ArrayBuffer>;
  /** Takes the same time for any content. Throws if the lengths differ. */
  timingSafeEqual(a: BufferSource, b: BufferSource): boolean;
  unwrapKey(
    format: KeyFormat,
    wrapped: BufferSource,
    key: CryptoKey,
    algorithm: AlgorithmIdentifier,
    type: AlgorithmIdentifier,
    extractable: boolean,
    usages: KeyUsage[],
  ): Promise<CryptoKey>;
  verify(
    algorithm: AlgorithmIdentifier,
    key: CryptoKey,
    signature: BufferSource,
    data: BufferSource,
  ): Promise<boolean>;
  wrapKey(
    format: KeyFormat,
    key: CryptoKey,
    wrapping: CryptoKey,
    algorithm: AlgorithmIdentifier,
  ): Promise<ArrayBuffer | object>;
}

/** A key; it can be cloned. */
declare class CryptoKey {
  private constructor();
  get algorithm(): { name: string };
  get extractable(): boolean;
  get type(): "private" | "public" | "secret";
  get usages(): KeyUsage[];
}

declare const crypto: Crypto;
