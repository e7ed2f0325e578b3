// Calls from worker to worker.

/** An export of a worker of the tenant's: a binding of the type `service`. */
declare class Fetcher {
  private constructor();
  /** Has the export answer a request, in an event of its own. */
  fetch(input: Request | URL | string, init?: RequestInit | Request): Promise<Response>;
  /** Not supported yet: throws. */
  connect(): never;
}
