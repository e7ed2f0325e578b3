// Caches. They are the tenant's own: all of its workers find the same in them, and no other tenant
// does. They may lose anything at any time, and are empty after a start of the server.

interface CacheQueryOptions {
  /** Takes a request of any method for one of GET. */
  ignoreMethod?: boolean;
}

/** Responses that are kept for as long as their headers say. */
declare class Cache {
  private constructor();
  /**
   * The response to a GET request, if one is kept that is fresh and fits to the headers that its
   * `Vary` names. It has `CF-Cache-Status: HIT` and an `Age`. `If-None-Match` and
   * `If-Modified-Since` may lead to a 304, `Range` to a 206 or 416.
   */
  match(
    request: Request | URL | string,
    options?: CacheQueryOptions,
  ): Promise<Response | undefined>;
  /**
   * Keeps a response and uses its body up; resolves when that is done, or when its headers do not
   * let it be kept. It has to say for how long it is fresh, by `s-maxage`, `max-age` or `Expires`,
   * and may not set cookies unless it has `Cache-Control: private=set-cookie`: those are left out.
   * A request with `Authorization` asks for `public`, `s-maxage` or `must-revalidate`. It is found
   * by the request's URL, or by `cf.cacheKey`.
   */
  put(request: Request | URL | string, response: Response): Promise<void>;
  /** Drops the response to a GET request; whether there was one. */
  delete(request: Request | URL | string, options?: CacheQueryOptions): Promise<boolean>;
}

declare class CacheStorage {
  private constructor();
  /** The cache without a name. */
  readonly default: Cache;
  /** The cache of a name of at most 1,023 bytes. */
  open(name: string): Promise<Cache>;
}

declare const caches: CacheStorage;
