//! Bindings: objects in `env` that ask the host.
//!
//! An object holds the number of a slot and nothing else; what the slot stands for, the dispatcher
//! knows. A call is a head of JSON ([`bindery_wire::binding`]) and a body, and so is its answer:
//! bodies cross as those of `fetch` do, by credit, and one that is only passed on does not cross.
//! Calls of bindings and of `fetch` are counted together. None is made in global scope.
//!
//! - `ask.js`: the one way from a binding to the host.
//! - `held.js`: which slot an object stands for, for whoever hands it on.
//! - `kinds.js`: the one list of what stands for which kind.
