//! Caches: responses that a worker keeps for a while.
//!
//! A cache is the tenant's own, and all of its workers find the same in it. It may lose anything at
//! any time and is empty after a start of the server. What is kept, for how long and for whom, the
//! dispatcher says (`dispatcher/src/cache`); the scripts here say how arguments are read. A body
//! that is only passed on, into a cache or out of it, moves no byte into the isolate.
//!
//! - `cache.js`: a cache, and the global `caches`.
//!
//! Behaviour is that of workerd before Cloudflare's own caches but for these, on purpose:
//! - `Vary` is honoured.
//! - A response that is larger than one may be makes `put` fail, and is not passed over in silence.
//! - The part of a URL behind `#` is no part of what a response is found by.
