// Namespaces of keys and values, as bindings of `env`.

/** One namespace. A write is durable when its promise resolves, and every later read sees it. */
interface KVNamespace<Key extends string = string> {
  get(key: Key, options?: KVGetOptions<undefined>): Promise<string | null>;
  get(key: Key, type: "text" | KVGetOptions<"text">): Promise<string | null>;
  get<Value = unknown>(key: Key, type: "json" | KVGetOptions<"json">): Promise<Value | null>;
  get(key: Key, type: "arrayBuffer" | KVGetOptions<"arrayBuffer">): Promise<ArrayBuffer | null>;
  get(key: Key, type: "stream" | KVGetOptions<"stream">): Promise<ReadableStream | null>;
  /** At most 100 keys, of 25 MiB together, in their order. */
  get(keys: Key[], type?: "text" | KVGetOptions<"text">): Promise<Map<string, string | null>>;
  get<Value = unknown>(
    keys: Key[],
    type: "json" | KVGetOptions<"json">,
  ): Promise<Map<string, Value | null>>;

  getWithMetadata<Metadata = unknown>(
    key: Key,
    options?: "text" | KVGetOptions<"text" | undefined>,
  ): Promise<KVValue<string, Metadata>>;
  getWithMetadata<Value = unknown, Metadata = unknown>(
    key: Key,
    type: "json" | KVGetOptions<"json">,
  ): Promise<KVValue<Value, Metadata>>;
  getWithMetadata<Metadata = unknown>(
    key: Key,
    type: "arrayBuffer" | KVGetOptions<"arrayBuffer">,
  ): Promise<KVValue<ArrayBuffer, Metadata>>;
  getWithMetadata<Metadata = unknown>(
    key: Key,
    type: "stream" | KVGetOptions<"stream">,
  ): Promise<KVValue<ReadableStream, Metadata>>;
  getWithMetadata<Value = string, Metadata = unknown>(
    keys: Key[],
    type?: "text" | "json" | KVGetOptions<"text" | "json">,
  ): Promise<Map<string, { value: Value | null; metadata: Metadata | null }>>;

  /** Sets a key, with its time and metadata: what it had before is gone. At most 25 MiB. */
  put(
    key: Key,
    value: string | ArrayBuffer | ArrayBufferView | ReadableStream,
    options?: KVPutOptions,
  ): Promise<void>;

  /** Deletes a key, if it is there. */
  delete(key: Key): Promise<void>;

  /** Keys in the order of the bytes of their names. */
  list<Metadata = unknown>(options?: KVListOptions): Promise<KVPage<Metadata, Key>>;
}

/** The tenant's namespaces by name: made at their first write. */
interface KVNamespaces {
  get(name: string): KVNamespace;
}

interface KVGetOptions<Type> {
  type?: Type;
  /** At least 30. It has no effect: what is read is the newest. */
  cacheTtl?: number;
}

interface KVValue<Value, Metadata> {
  value: Value | null;
  metadata: Metadata | null;
  cacheStatus: string | null;
}

interface KVPutOptions {
  /** The second since 1970 from which on the key is not there: at least 60 away. */
  expiration?: number;
  /** After how many seconds it is not there: at least 60. It counts before `expiration`. */
  expirationTtl?: number;
  /** At most 1,024 bytes as JSON. */
  metadata?: unknown;
}

interface KVListOptions {
  prefix?: string | null;
  /** At most 1,000, which is also what counts where nothing is said. */
  limit?: number;
  /** From the page before, of the same namespace. */
  cursor?: string | null;
}

type KVPage<Metadata, Key extends string> =
  & { keys: KVKey<Metadata, Key>[]; cacheStatus: string | null }
  & ({ list_complete: false; cursor: string } | { list_complete: true });

interface KVKey<Metadata, Key extends string> {
  name: Key;
  expiration?: number;
  metadata?: Metadata;
}
