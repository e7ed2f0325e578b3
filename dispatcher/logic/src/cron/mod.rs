//! Crons: when they come, and what becomes of a run.
//!
//! Guarantees: a schedule that parses comes some day. One occurrence is run until it succeeds, is
//! given up or says that it is not to be tried again; occurrences that pass meanwhile, or while
//! nothing runs, are left out. So runs of one cron never overlap, and what was missed runs once.

mod run;
mod schedule;

pub use run::{Ended, Next, RETRY_COUNT, after_run, ended};
pub use schedule::{Error, Schedule};
