//! How many events ended, and how, of all tenants together.

use std::sync::atomic::{AtomicU64, Ordering};

use bindery_wire::Outcome;
use bindery_wire::log::Spent;

use crate::metrics::{Counts, Family};

/// Counts ends of events.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    counts: Counts<{ Outcome::ALL.len() }>,
    cpu_us: AtomicU64,
}

impl Outcomes {
    pub(super) fn count(&self, spent: Spent) {
        self.counts.one(spent.outcome as usize);
        self.cpu_us.fetch_add(spent.cpu_us, Ordering::Relaxed);
    }

    pub(super) fn measure(&self) -> Vec<Family> {
        let counts = Outcome::ALL.iter().map(|outcome| outcome.as_str()).zip(self.counts.read());
        let cpu = self.cpu_us.load(Ordering::Relaxed) as f64 / 1e6;
        vec![
            Family::counters(("bindery_events_total", "Events that ended."), "outcome", counts),
            Family::counter("bindery_events_cpu_seconds_total", "CPU time of events.", cpu),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_counted_under_its_own_name() {
        for (place, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, place, "{outcome}");
            let outcomes = Outcomes::default();
            outcomes.count(Spent { outcome, cpu_us: 0, wall_us: 0 });
            let text = crate::metrics::text(&outcomes.measure());
            assert!(text.contains(&format!("{{outcome=\"{outcome}\"}} 1\n")), "{text}");
        }
    }
}
