//! The console: each call is one record of the tenant's log.
//!
//! Arguments travel as JSON: plain data stays data, anything else becomes a text. Depth, entries
//! and characters of one call are bounded here; bytes per event are bounded in Rust. To show a
//! value runs none of the worker's code: a getter is shown as one, a proxy as one, and methods
//! that the worker has changed are not used. The stack of an error is the exception: the engine
//! writes it when it is first looked at, through `Error.prepareStackTrace` if the worker has one.
//! Two costs are the worker's own, since the engine has no cheaper way: the names of all
//! properties of an object, and one flat copy of a string that was put together from parts.
//!
//! The prefix of `group` is an argument of its own. `table` keeps its data, narrowed to the
//! columns that it is given. `trace` is a debug message that ends with the stack. workerd passes
//! format directives on as they are; here the log holds what they make.
