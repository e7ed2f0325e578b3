// Loaders: bindings of the type `worker_loader`.

/** Loads workers while the worker runs. */
declare class WorkerLoader {
  private constructor();
  /**
   * A binding with fewer rights, to be put into `env` or props: a namespace of keys and values that
   * can be read and not changed, or a queue that can be sent to and not asked about.
   */
  only(binding: object, rights: "read" | "send"): object;
  /**
   * The worker of a name. `getCode` is called if it is not loaded: it may be called again at any
   * time, and must give the same code for the same name. Without a name, a new worker. Loads in the
   * background: what is wrong is thrown by every call of its exports, and not kept.
   */
  get(
    name: string | null | undefined,
    getCode: () => WorkerCode | PromiseLike<WorkerCode>,
  ): WorkerStub;
  /** A new worker. Throws what is wrong with the code. */
  load(code: WorkerCode): WorkerStub;
  /**
   * Keeps code under a name, once it has started. It is a worker of the tenant's, by the name of
   * this one, a `/` and its own: a queue can have it as its consumer, and it goes with this one.
   * What stands for exports of loaded workers can not be in its `env`.
   */
  register(name: string, code: WorkerCode, triggers?: WorkerTriggers): Promise<void>;
  /** The worker that is kept under a name. */
  registered(name: string): WorkerStub;
  /** Forgets what is kept under a name; whether there was something. */
  unregister(name: string): Promise<boolean>;
}

/** What runs a registered worker when nobody is calling. */
interface WorkerTriggers {
  crons?: string[];
  /** As `queue_consumers` of an upload: `{ queue, max_batch_size, ... }`. */
  queueConsumers?: object[];
}

/** A worker that was loaded. */
declare class WorkerStub {
  private constructor();
  /** An export, by default `default`. It is there for as long as the event that asked for it. */
  getEntrypoint(name?: string | null, options?: EntrypointOptions): Fetcher;
  /** Not supported yet: throws. */
  getDurableObjectClass(name?: string | null, options?: EntrypointOptions): never;
}

interface EntrypointOptions {
  /** What the export sees as `ctx.props`. */
  props?: object;
  limits?: WorkerLimits;
}

/** The lower of what is said here, of the worker's own and of the loading worker's applies. */
interface WorkerLimits {
  /** CPU time of one event. */
  cpuMs?: number;
  /** Outgoing requests and calls of bindings of one event. */
  subRequests?: number;
}

interface WorkerCode {
  compatibilityDate: string;
  compatibilityFlags?: string[];
  limits?: WorkerLimits;
  /** The name of the module whose exports are the entrypoints. */
  mainModule: string;
  /** At most 64 MiB. A string is a module of its name's extension, `.js`. */
  modules: Record<string, string | WebAssembly.Module | WorkerModule>;
  /** Data and bindings of any kind, at most 1 MiB. Nothing that ends with the event. */
  env?: object;
  /** Where `fetch` goes: as here if undefined, nowhere if null, or to another worker. */
  globalOutbound?: Fetcher | null;
  /** Workers whose `tail` is given one item for each event. At most 8. */
  tails?: Fetcher[];
}

/** Exactly one of these. */
interface WorkerModule {
  js?: string;
  cjs?: string;
  text?: string;
  data?: ArrayBuffer | ArrayBufferView;
  json?: unknown;
  wasm?: ArrayBuffer | ArrayBufferView | WebAssembly.Module;
}
