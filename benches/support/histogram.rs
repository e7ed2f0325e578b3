//! Durations in a fixed number of buckets: 64 for each power of two of nanoseconds, so that a
//! percentile is off by at most 1.6 %. Recording is an addition; nothing is allocated.

use std::time::Duration;

/// Buckets per power of two, as a power of two.
const FINE_BITS: u32 = 6;
const FINE: usize = 1 << FINE_BITS;
/// Up to 2^40 ns, eighteen minutes; what is longer counts as that.
const BITS_MAX: u32 = 40;

/// How often each duration was seen.
#[derive(Clone)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self { counts: vec![0; (BITS_MAX - FINE_BITS + 2) as usize * FINE], total: 0 }
    }

    /// One that holds these.
    pub(crate) fn of(durations: &[Duration]) -> Self {
        let mut histogram = Self::new();
        durations.iter().for_each(|duration| histogram.record(*duration));
        histogram
    }

    /// Counts one duration.
    pub(crate) fn record(&mut self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket(nanos.min((1 << BITS_MAX) - 1))] += 1;
        self.total += 1;
    }

    /// Counts what another one has counted.
    pub(crate) fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
        self.total += other.total;
    }

    /// How many were recorded.
    pub(crate) fn count(&self) -> u64 {
        self.total
    }

    /// The duration that `share` (0 to 1) of the recorded ones do not exceed, in microseconds.
    pub(crate) fn micros_at(&self, share: f64) -> f64 {
        let wanted = ((self.total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return middle(index) / 1_000.0;
            }
        }
        0.0
    }
}

/// The bucket of a number of nanoseconds: exact below 64, then the top seven bits.
fn bucket(nanos: u64) -> usize {
    let bits = 64 - nanos.leading_zeros();
    if bits <= FINE_BITS {
        return nanos as usize;
    }
    let shift = bits - FINE_BITS - 1;
    (shift as usize + 1) * FINE + (nanos >> shift) as usize - FINE
}

/// The middle of a bucket, in nanoseconds.
fn middle(index: usize) -> f64 {
    let (power, fine) = (index / FINE, index % FINE);
    if power == 0 {
        return fine as f64;
    }
    let width = (1_u64 << (power - 1)) as f64;
    (FINE + fine) as f64 * width + width / 2.0
}

/// The middle one of these; 0 of none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}
