// Calls from worker to worker. The classes are exports of `cloudflare:workers`.

/** What is returned by a call: a promise whose every name leads on, before it has settled. */
type RpcResult<Value> = Promise<Stubbed<Value>> & Stubbed<Value> & Disposable;

/** What a value is on the other side: functions and targets are stubs there. */
type Stubbed<Value> = Value extends (...args: infer Args) => infer Result
  ? ((...args: Args) => RpcResult<Awaited<Result>>) & RpcStubMembers
  : Value extends RpcTargetBrand ? StubbedMembers<Value> & RpcStubMembers
  : Value extends object ? StubbedMembers<Value>
  : Value;

type StubbedMembers<Value> = {
  [Name in keyof Value]: Value[Name] extends (...args: infer Args) => infer Result
    ? (...args: Args) => RpcResult<Awaited<Result>>
    : RpcResult<Awaited<Value[Name]>>;
};

interface RpcTargetBrand {
  readonly __RPC_TARGET?: never;
}

interface RpcStubMembers extends Disposable {
  /** Another stub for the same: what it stands for lasts until both are disposed of. */
  dup(): this;
  /** Calls back when what it stands for can not be called any more. */
  onRpcBroken(callback: (error: Error) => void): void;
}

/** An export of a worker of the tenant's: a binding of the type `service`, or `ctx.exports.X({})`. */
type Service<Entrypoint = unknown> = Fetcher & StubbedMembers<Entrypoint>;

interface Fetcher {
  /** Has the export answer a request, in an event of its own. */
  fetch(input: Request | URL | string, init?: RequestInit | Request): Promise<Response>;
  /** Not supported yet: throws. */
  connect(): never;
}

/** An export of the worker itself. Called, it is one that sees `props`. */
type Loopback<Entrypoint = unknown> =
  & Service<Entrypoint>
  & ((options: { props?: unknown }) => Service<Entrypoint>);
