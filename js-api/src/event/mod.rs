//! Events: a reason to run a handler of the worker, and all that follows from it.
//!
//! The main module's exports are entrypoints: an object with handlers, or a class of which one
//! instance serves one event. An event lasts until its response has gone out whole, or its
//! handler has returned if it has none, and every promise under `waitUntil` has settled; its
//! timers end with it. What nobody catches goes to the log under the event that it belongs to,
//! makes its outcome an exception, and never ends the isolate. When the client goes away, the
//! request's signal aborts and the response's stream is cancelled; promises under `waitUntil`
//! go on.
//!
//! What a `queue` or `scheduled` handler decides is told to Rust as it is said, so that it counts
//! however the event ends. `ctx.abort` ends the event at once; the isolate stays.
//!
//! The global object is a target of events: `unhandledrejection`, `rejectionhandled`, and `error`
//! for what `reportError` and microtasks throw. What a listener throws leaves `dispatchEvent`.
//!
//! Behaviour is that of workerd but for these, on purpose:
//! - `preventDefault` on `unhandledrejection` keeps the rejection out of the log; there it does
//!   nothing.
//! - `ctx.abort` throws its reason; there the code is ended, and with it whatever else the isolate
//!   had ready to run.
//! - `delaySeconds` is at least 0 and at most a day.
//! - A plain class is an entrypoint too; there it is taken for the class of an object.
//! - URLs in a trace item are shown whole.
//!
//! Absent on purpose: passing through on an exception, for there is no origin.
