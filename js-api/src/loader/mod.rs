//! Loaders: bindings through which a worker loads other workers while it runs, and calls them.
//!
//! `get` is synchronous and loads in the background: calls of what it returns wait, and each gets
//! the error if there is one. What `load` can say of the code it throws. A loaded worker is the
//! loading worker's tenant's: it counts against the same quotas, and its limits are the lower of the
//! two. Its records stand in the tail under the loading worker's name, a `/` and its own.
//!
//! Otherwise than in workerd: no failure is kept, the next `get` of a name calls its callback; a name
//! is known to one binding of one version of one worker; every binding can be in `env` and `props`,
//! with no more rights than [`only`](../../types/loader.d.ts) left it; limits apply; a compatibility
//! date or flag that is not known is an error of the calls and not of `load`. There are no Python
//! modules and no streaming tails.
//!
//! - `loader.js`: the objects, and what they ask of the host.
//! - `code.js`: code on its way there.

pub(crate) mod ops;
