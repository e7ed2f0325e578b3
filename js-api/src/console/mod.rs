//! The console: each call is one record of the tenant's log.
//!
//! Arguments travel as JSON: plain data stays data, anything else becomes a text. Depth, entries
//! and characters are bounded here, for good messages; bytes per event are bounded in Rust. A
//! value whose getters throw, or a prototype that the worker has changed, makes a poorer record
//! and never an exception. The prefix of `group` is an argument of its own.
