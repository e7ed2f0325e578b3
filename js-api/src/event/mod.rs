//! Events: a reason to run a handler of the worker, and all that follows from it.
//!
//! The main module's exports are entrypoints: an object with handlers, or a class of which one
//! instance serves one event. An event lasts until its response has gone out whole and every
//! promise under `waitUntil` has settled; its timers end with it. What nobody catches goes to the
//! log under the event that it belongs to, makes its outcome an exception, and never ends the
//! isolate. When the client goes away, the request's signal aborts and the response's stream is
//! cancelled; promises under `waitUntil` go on.
//!
//! Behaviour is that of workerd. Absent on purpose: passing through on an exception, for there is
//! no origin.
