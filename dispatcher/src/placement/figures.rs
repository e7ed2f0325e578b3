//! What is counted of cold starts and of the isolates that live.

use std::time::Duration;

use super::{Failed, Placement, Ready};
use crate::metrics::{Counts, Family, Histogram};

/// How a start ends.
const ENDS: [&str; 5] = ["started", "refused", "lost", "overloaded", "failed"];

/// Counts of starts.
#[derive(Debug, Default)]
pub(super) struct Figures {
    ends: Counts<{ ENDS.len() }>,
    took: Histogram,
}

impl Figures {
    pub(super) fn ended(&self, took: Duration, result: &Result<Ready, Failed>) {
        self.ends.one(match result {
            Ok(_) => {
                self.took.observe(took);
                0
            }
            Err(Failed::Refused(..)) => 1,
            Err(Failed::Lost(_)) => 2,
            Err(Failed::Overloaded { .. }) => 3,
            Err(Failed::Host(_)) => 4,
        });
    }
}

impl Placement {
    /// The figures now.
    pub fn measure(&self) -> Vec<Family> {
        let figures = &self.0.figures;
        let (running, waiting) = self.0.gate.counts();
        let live = self.isolate_count();
        let ends = ENDS.into_iter().zip(figures.ends.read());
        let starts = ("bindery_starts_total", "Cold starts by their end.");
        let took = "How long cold starts took that ended well, with their wait.";
        vec![
            Family::gauge("bindery_isolates", "Isolates that have not ended.", live as f64),
            Family::counters(starts, "end", ends),
            Family::gauge("bindery_starts_running", "Cold starts that run.", running as f64),
            Family::gauge("bindery_starts_waiting", "Cold starts that wait.", waiting as f64),
            figures.took.family("bindery_start_seconds", took),
        ]
    }
}
