// The module `cloudflare:workers`.

declare module "cloudflare:workers" {
  /** The base of a class that is an entrypoint: one instance serves one event. */
  export class WorkerEntrypoint<Env = unknown, Props = unknown> {
    constructor(ctx: ExecutionContext<Props>, env: Env);
    protected ctx: ExecutionContext<Props>;
    protected env: Env;
  }

  /** The `env` of the handlers, or what `withEnv` put in its place. */
  export const env: Record<string, unknown>;

  /** Runs a function, and what follows from it, with another `env`. Gives what it returns. */
  export function withEnv<Result>(env: unknown, run: () => Result): Result;

  /** Keeps the current event alive until the promise settles. Throws in global scope. */
  export function waitUntil(promise: unknown): void;

  // Can be extended; an instance can not be made yet.
  export class DurableObject {}
  export class RpcStub {}
  export class RpcTarget {}
  export class WorkflowEntrypoint {}
}
