// What the main module of a worker exports, and what its handlers are given.

/** A default or named export that is an object with handlers. */
interface ExportedHandler<Env = unknown, Props = unknown> {
  fetch?(
    request: Request,
    env: Env,
    ctx: ExecutionContext<Props>,
  ): Response | PromiseLike<Response>;
  scheduled?(
    controller: ScheduledController,
    env: Env,
    ctx: ExecutionContext<Props>,
  ): void | PromiseLike<void>;
  queue?(batch: MessageBatch, env: Env, ctx: ExecutionContext<Props>): void | PromiseLike<void>;
  tail?(events: TraceItem[], env: Env, ctx: ExecutionContext<Props>): void | PromiseLike<void>;
}

/** A time that the worker asked for has come. */
interface ScheduledController {
  /** Milliseconds since 1970. */
  readonly scheduledTime: number;
  readonly cron: string;
  /** Even if the handler fails, it is not to be run again for this time. */
  noRetry(): void;
}

/** Messages that are delivered together. A handler that fails gets again what it did not ack. */
interface MessageBatch<Body = unknown> {
  readonly queue: string;
  readonly messages: readonly Message<Body>[];
  readonly metadata: {
    metrics: { backlogCount: number; backlogBytes: number; oldestMessageTimestamp?: Date };
  };
  /** Every message is done with of which nothing else was said. */
  ackAll(): void;
  /** Every message of which nothing else was said is to be delivered again. */
  retryAll(options?: QueueRetryOptions): void;
}

/** One message; what is said first of it counts. */
interface Message<Body = unknown> {
  readonly id: string;
  readonly timestamp: Date;
  /** How often it was delivered, this time included. */
  readonly attempts: number;
  readonly body: Body;
  /** It is done with, however the handler ends. */
  ack(): void;
  /** It is to be delivered again. */
  retry(options?: QueueRetryOptions): void;
}

interface QueueRetryOptions {
  /** At least 0 and at most 86,400. */
  delaySeconds?: number;
}

/** What one event of another worker did. */
interface TraceItem {
  readonly event: object | null;
  readonly eventTimestamp: number | null;
  readonly logs: { timestamp: number; level: string; message: unknown }[];
  readonly exceptions: { timestamp: number; name: string; message: string; stack?: string }[];
  readonly scriptName: string | null;
  readonly outcome: string;
  readonly [name: string]: unknown;
}

/** The event as its handler sees it. */
declare class ExecutionContext<Props = unknown> {
  private constructor();
  /** What the caller's binding was given; an empty object for an event from outside. */
  get props(): Props;
  /** Keeps the event alive until the promise settles; a rejection is logged. */
  waitUntil(promise: unknown): void;
  /** There is no origin to pass to: nothing changes. */
  passThroughOnException(): void;
  /** The worker's own exports: each call of one is an event of its own. */
  get exports(): Record<string, Loopback>;
  /** Ends the event at once, with the reason as its exception, and throws it. */
  abort(reason?: unknown): never;
}

/** Puts an error into the log, as if nobody had caught it. */
declare function reportError(error: unknown): void;

/** A promise was rejected and nobody handled that, or somebody does now. */
declare class PromiseRejectionEvent extends Event {
  private constructor();
  get promise(): Promise<unknown>;
  get reason(): unknown;
}

/** The class of the global object. */
declare class WorkerGlobalScope extends EventTarget {
  private constructor();
}
declare class ServiceWorkerGlobalScope extends WorkerGlobalScope {}

interface GlobalEvents {
  /** Of an exception that `reportError` or a microtask threw. */
  error: ErrorEvent;
  rejectionhandled: PromiseRejectionEvent;
  /** `preventDefault` keeps the rejection out of the log. */
  unhandledrejection: PromiseRejectionEvent;
}
declare function addEventListener<Type extends keyof GlobalEvents>(
  type: Type,
  listener: (event: GlobalEvents[Type]) => void,
  options?: boolean | { capture?: boolean; once?: boolean; signal?: AbortSignal },
): void;
declare function removeEventListener<Type extends keyof GlobalEvents>(
  type: Type,
  listener: (event: GlobalEvents[Type]) => void,
  options?: boolean | { capture?: boolean },
): void;
declare function dispatchEvent(event: Event): boolean;
