//! What the scheduler counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::metrics::{Counts, Family, Histogram, Measured};

/// How a delivery ends.
const ENDS: [&str; 2] = ["settled", "put_off"];

/// Figures of deliveries.
#[derive(Debug, Default)]
pub struct Figures {
    started: AtomicU64,
    ends: Counts<{ ENDS.len() }>,
    lag: Histogram,
}

impl Figures {
    /// Counts a delivery that begins so long after its time.
    pub(super) fn start(&self, late_ms: u64) {
        self.started.fetch_add(1, Ordering::Relaxed);
        self.lag.observe(Duration::from_millis(late_ms));
    }

    pub(super) fn end(&self, settled: bool) {
        self.ends.one(usize::from(!settled));
    }
}

impl Measured for Figures {
    fn measure(&self) -> Vec<Family> {
        // Ends before starts, so that what runs is never less than nothing.
        let ends: Vec<u64> = self.ends.read().collect();
        let running = self.started.load(Ordering::Relaxed).saturating_sub(ends.iter().sum());
        let deliveries =
            ("bindery_deliveries_total", "What was due and handed to its owner, by its end.");
        let late = "How long after its time what was due was handed to its owner.";
        vec![
            Family::counters(deliveries, "end", ENDS.into_iter().zip(ends)),
            Family::gauge("bindery_deliveries_running", "Deliveries now.", running as f64),
            self.lag.family("bindery_delivery_lag_seconds", late),
        ]
    }
}
