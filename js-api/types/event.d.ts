// What the main module of a worker exports, and what its handlers are given.

/** A default or named export that is an object with handlers. */
interface ExportedHandler<Env = unknown, Props = unknown> {
  fetch?(
    request: Request,
    env: Env,
    ctx: ExecutionContext<Props>,
  ): Response | PromiseLike<Response>;
}

/** The event as its handler sees it. */
declare class ExecutionContext<Props = unknown> {
  private constructor();
  /** What the caller's binding was given; undefined for a request from outside. */
  get props(): Props;
  /** Keeps the event alive until the promise settles; a rejection is logged. */
  waitUntil(promise: unknown): void;
  /** There is no origin to pass to: nothing changes. */
  passThroughOnException(): void;
}

/** Puts an error into the log, as if nobody had caught it. */
declare function reportError(error: unknown): void;
