//! `fetch`: requests that a worker makes.
//!
//! A call is one frame, written from the request's flat headers, and its reply resolves the promise
//! under the event that made it. A response's body stays the host's number until somebody reads
//! it: returned, put into another response or sent on in another request, it moves no byte into
//! the isolate. Six calls of an event are out at once and the others wait here; where they may go,
//! how many there may be and how long a message is, is the dispatcher's to say.
//!
//! - `fetch.js`: arguments, the calls under way, signals.
//! - `data_url.js`: the one scheme that needs no network.
//!
//! Behaviour is that of workerd but for these, on purpose:
//! - Header names are sent in lower case.
//! - A request's body that fails makes the call fail with the same error.
//! - A failure of the network says what failed behind `Network connection lost.`.
//! - `cf` of a request is kept and has no effect; `statusText` is the standard's text of a status.
//! - A body that was passed on ends with its reader, not with the signal of the call.

pub mod ops;
