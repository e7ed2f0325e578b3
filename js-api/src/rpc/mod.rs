//! Calls from worker to worker, and the values that travel with them.
//!
//! Every name of a service or a stub leads on without a word to anybody; a call sends the path with
//! it, at once, also where the result that it is made of is not there yet. Calls of one stub arrive in
//! the order in which they are made. A method runs in an event of its own, or in the event that handed
//! over what is called; that one lasts for as long as somebody holds something of it. Of an instance
//! only what its class has can be called.
//!
//! What an event has made or handed over itself it calls without the host. Between two events of one
//! isolate the host stands as between any two: it alone knows whether the other one goes on, and
//! charges it.
//!
//! - `fetcher.js`: what stands for an export of a worker.
//! - `loopback.js`: a worker's own exports.
//! - `stub.js`: stubs, promises of results, and what is made of either.
//! - `method.js`: calls that are sent, and what comes of them.
//! - `resolve.js`: where names lead to.
//! - `serve.js`: what others call here.
//! - `exports.js`: what an event has handed over, until nobody holds it.
//! - `value.js`: values as bytes that the engine writes, with a table of what bytes can not carry.
//! - `bodies.js`: requests, responses, streams and blobs in that table.
//!
//! Behaviour is that of workerd but for these, on purpose:
//! - A target's `Symbol.dispose` runs when nobody holds it any more, in a callee too.
//! - `onRpcBroken` calls back; there it is the name of a method like any other.
//! - Any binding can be handed on, not services alone.
//! - A number leads on from a promise as any other name does: `promise[0].name()`.
//!
//! Absent on purpose: `connect`, until there are sockets.

pub(crate) mod ops;
