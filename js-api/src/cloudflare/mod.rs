//! The module `cloudflare:workers`.
//!
//! `env` is that of the handlers, and `withEnv` replaces it for a function and for all that
//! follows from it. `exports` are the worker's own, and
//! `withExports` replaces them likewise. `waitUntil` is the current event's. The classes of RPC are those
//! of `rpc`. Classes that later releases own can be
//! extended, so that a worker that has one starts; to make an instance throws.
