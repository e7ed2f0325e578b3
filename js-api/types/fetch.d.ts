// Requests that a worker makes. They belong to the event that makes them and end with it; none can
// be made in global scope.

/**
 * Sends a request and gives its response once that has begun. Redirects are followed unless
 * `redirect` is "manual"; a body of a response that is only passed on moves no byte through the
 * worker. Everything that is wrong is a rejection.
 */
declare function fetch(
  input: string | URL | Request,
  init?: RequestInit | Request,
): Promise<Response>;
