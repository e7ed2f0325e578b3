//! KV: namespaces of keys and values that the tenant keeps.
//!
//! Whatever is written is durable when its promise resolves, and every later read sees it, from
//! whichever isolate. Values to 25 MiB; one that is only passed on (into a response, or from a
//! request) moves no byte into the isolate. Which names, values and times there may be is said by
//! the dispatcher: the scripts here say how arguments are read.
//!
//! - `kv.js`: a namespace, and a binding that has many by name.
//!
//! Behaviour is that of workerd with its usual service but for these, on purpose:
//! - Nothing is cached: `cacheTtl` is checked and has no effect, `cacheStatus` is null.
//! - A cursor is for the namespace that it was given out for.
