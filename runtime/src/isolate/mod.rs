//! One isolate on one thread: made blank, given one version's code, and ended with it.

pub(crate) mod blank;
mod common_js;
pub(crate) mod entry;
mod event;
pub(crate) mod host;
mod import;
pub(crate) mod line;
pub(crate) mod memory;
pub(crate) mod modules;
pub(crate) mod priority;
mod reply;
mod stack;
pub(crate) mod start;
pub(crate) mod watchdog;
