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

  /** The worker's own exports, as `ctx.exports` has them. */
  export const exports: Record<string, Loopback>;

  /** The same with other exports, or with both. */
  export function withExports<Result>(exports: unknown, run: () => Result): Result;
  export function withEnvAndExports<Result>(
    env: unknown,
    exports: unknown,
    run: () => Result,
  ): Result;

  /** The base of classes whose instances are handed over to be called. */
  export class RpcTarget implements RpcTargetBrand {
    readonly __RPC_TARGET?: never;
  }

  /** What stands for a function or a target elsewhere, or here. */
  export class RpcStub<Value = unknown> {
    constructor(value: Value);
    dup(): this;
    onRpcBroken(callback: (error: Error) => void): void;
    [Symbol.dispose](): void;
  }

  /** The classes of what stands for results, their properties, and services. */
  export class RpcPromise {
    private constructor();
  }
  export class RpcProperty {
    private constructor();
  }
  export class ServiceStub {
    private constructor();
  }

  // Can be extended; an instance can not be made yet.
  export class DurableObject {}
  export class WorkflowEntrypoint {}
}
