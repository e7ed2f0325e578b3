//! What a shared cache may keep, for whom it stands, and what of it a request gets.
//!
//! The rules are those of RFC 9111 for a cache that many clients share, and stricter in this: only
//! what says for how long it is fresh is kept, and nothing is given out that is not.

pub mod control;
pub mod freshness;
pub mod select;
pub mod serve;
