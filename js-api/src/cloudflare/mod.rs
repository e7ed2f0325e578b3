//! The module `cloudflare:workers`.
//!
//! `env` is that of the handlers, and `withEnv` replaces it for a function and for all that
//! follows from it. `waitUntil` is the current event's. Classes that later releases own can be
//! extended, so that a worker that has one starts; to make an instance throws.
