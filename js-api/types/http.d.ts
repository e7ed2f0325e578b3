// The HTTP classes that a worker finds on its global object.

type HeadersInit = Headers | Iterable<Iterable<string>> | Record<string, string>;

/** A list of HTTP headers; names are compared without case. */
declare class Headers implements Iterable<[name: string, value: string]> {
  constructor(init?: HeadersInit);
  /** Every value of the header, joined by `", "`, or null. */
  get(name: string): string | null;
  /** Each value of `Set-Cookie`; refuses any other name. */
  getAll(name: "Set-Cookie" | "set-cookie"): string[];
  getSetCookie(): string[];
  has(name: string): boolean;
  /**
   * Replaces every value. Throws a TypeError if the headers belong to a request that came in or to
   * a response that was fetched.
   */
  set(name: string, value: string): void;
  append(name: string, value: string): void;
  delete(name: string): void;
  forEach<This = unknown>(
    callback: (this: This, value: string, name: string, parent: Headers) => void,
    thisArg?: This,
  ): void;
  /** Sorted by name and combined; each cookie by itself. */
  entries(): IterableIterator<[name: string, value: string]>;
  keys(): IterableIterator<string>;
  values(): IterableIterator<string>;
  [Symbol.iterator](): IterableIterator<[name: string, value: string]>;
}

type BodyInit =
  | string
  | ArrayBuffer
  | ArrayBufferView
  | Blob
  | FormData
  | URLSearchParams
  | ReadableStream<Uint8Array>
  | Iterable<ArrayBuffer | ArrayBufferView>
  | AsyncIterable<ArrayBuffer | ArrayBufferView>;

/** What requests and responses have in common: a body that is read once. */
declare abstract class Body {
  /** The body as a stream of bytes; passing it on unread moves no byte. */
  get body(): ReadableStream<Uint8Array> | null;
  get bodyUsed(): boolean;
  arrayBuffer(): Promise<ArrayBuffer>;
  bytes(): Promise<Uint8Array>;
  text(): Promise<string>;
  json<T = unknown>(): Promise<T>;
  formData(): Promise<FormData>;
  blob(): Promise<Blob>;
}

interface RequestInit<Cf = unknown> {
  method?: string;
  headers?: HeadersInit;
  body?: BodyInit | null;
  redirect?: "follow" | "manual";
  signal?: AbortSignal | null;
  cf?: Cf;
  cache?: "no-store" | "no-cache";
  /** Only the empty string. */
  integrity?: "";
  /** Only null for now. */
  fetcher?: null;
}

/** An HTTP request, that came in or is about to go out. */
declare class Request<Cf = unknown> extends Body {
  constructor(input: string | URL | Request<Cf>, init?: RequestInit<Cf> | Request<Cf>);
  get method(): string;
  get url(): string;
  /** Of a request that came in: can not be changed. */
  get headers(): Headers;
  get redirect(): "follow" | "manual";
  /** Of a request that came in: aborts when the client goes away. */
  get signal(): AbortSignal;
  get cf(): Cf | undefined;
  get fetcher(): null;
  get integrity(): string;
  get keepalive(): boolean;
  get cache(): "no-store" | "no-cache" | undefined;
  clone(): Request<Cf>;
}

interface ResponseInit {
  /** 200 to 599. */
  status?: number;
  statusText?: string;
  headers?: HeadersInit;
  cf?: unknown;
  /** Only null for now. */
  webSocket?: null;
  /** "manual": the body is sent as it is under a `content-encoding` of gzip or br. */
  encodeBody?: "automatic" | "manual";
}

/** An HTTP response. */
declare class Response extends Body {
  constructor(body?: BodyInit | null, init?: ResponseInit | Response);
  static json(value: unknown, init?: ResponseInit | Response): Response;
  static redirect(url: string | URL, status?: 301 | 302 | 303 | 307 | 308): Response;
  static error(): Response;
  get status(): number;
  get statusText(): string;
  get headers(): Headers;
  get ok(): boolean;
  /** Of a response that was fetched: whether a redirect led to it. */
  get redirected(): boolean;
  /** Of a response that was fetched: where it came from. */
  get url(): string;
  get type(): "default" | "error";
  get webSocket(): null;
  get cf(): unknown;
  clone(): Response;
}

type FormDataEntryValue = File | string;

/** The entries of a form, in order; a name may occur more than once. */
declare class FormData implements Iterable<[name: string, value: FormDataEntryValue]> {
  constructor();
  append(name: string, value: string | Blob, filename?: string): void;
  set(name: string, value: string | Blob, filename?: string): void;
  delete(name: string): void;
  get(name: string): FormDataEntryValue | null;
  getAll(name: string): FormDataEntryValue[];
  has(name: string): boolean;
  forEach<This = unknown>(
    callback: (this: This, value: FormDataEntryValue, name: string, parent: FormData) => void,
    thisArg?: This,
  ): void;
  entries(): IterableIterator<[name: string, value: FormDataEntryValue]>;
  keys(): IterableIterator<string>;
  values(): IterableIterator<FormDataEntryValue>;
  [Symbol.iterator](): IterableIterator<[name: string, value: FormDataEntryValue]>;
}

/** Passes bytes on as they are; a write waits until they are read. */
declare class IdentityTransformStream
  extends TransformStream<ArrayBuffer | ArrayBufferView | string, Uint8Array> {
  constructor();
}

/** The same for exactly so many bytes; a response made of it has a content length. */
declare class FixedLengthStream extends IdentityTransformStream {
  constructor(length: number | bigint);
}
