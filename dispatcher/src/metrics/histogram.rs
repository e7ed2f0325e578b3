//! How long things take, by a fixed scale.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Counts, Family};

/// Upper bounds of all classes but the last, in microseconds.
const BOUNDS_US: [u64; 16] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000, 30_000_000,
];

/// How often something took how long.
#[derive(Debug, Default)]
pub struct Histogram {
    counts: Counts<{ BOUNDS_US.len() + 1 }>,
    sum_us: AtomicU64,
}

impl Histogram {
    /// Counts something that took so long.
    pub fn observe(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.counts.one(BOUNDS_US.partition_point(|bound| *bound < us));
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// The figures, in seconds.
    pub fn family(&self, name: &'static str, help: &'static str) -> Family {
        let mut count = 0;
        let mut family = Family::histogram(name, help);
        let bounds = BOUNDS_US.iter().map(|us| format!("le=\"{}\"", seconds(*us)));
        let bounds = bounds.chain([r#"le="+Inf""#.to_owned()]);
        for (bound, own) in bounds.zip(self.counts.read()) {
            count += own;
            family = family.sample("_bucket", bound, count as f64);
        }
        let sum = seconds(self.sum_us.load(Ordering::Relaxed));
        family.sample("_sum", String::new(), sum).sample("_count", String::new(), count as f64)
    }
}

fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::text;

    #[test]
    fn each_class_counts_what_is_not_longer_than_its_bound() {
        let histogram = Histogram::default();
        for us in [0, 250, 251, 30_000_000, 30_000_001] {
            histogram.observe(Duration::from_micros(us));
        }
        let text = text(&[histogram.family("x_seconds", "How long.")]);
        for line in [
            "# HELP x_seconds How long.",
            "# TYPE x_seconds histogram",
            r#"x_seconds_bucket{le="0.00025"} 2"#,
            r#"x_seconds_bucket{le="0.0005"} 3"#,
            r#"x_seconds_bucket{le="10"} 3"#,
            r#"x_seconds_bucket{le="30"} 4"#,
            r#"x_seconds_bucket{le="+Inf"} 5"#,
            "x_seconds_sum 60.000502",
            "x_seconds_count 5",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
        }
        assert_eq!(text.lines().count(), 2 + BOUNDS_US.len() + 1 + 2);
    }
}
