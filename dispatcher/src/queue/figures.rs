//! What queues count.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::metrics::{Counts, Family, Histogram, Measured};

/// What becomes of a message that was delivered or waited.
const ENDS: [&str; 5] = ["acked", "retried", "dead_lettered", "dropped", "expired"];

/// One of [`ENDS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Acked,
    Retried,
    DeadLettered,
    Dropped,
    Expired,
}

/// Figures of all queues.
#[derive(Debug, Default)]
pub struct Figures {
    sent: AtomicU64,
    delivered: AtomicU64,
    batches: AtomicU64,
    late: AtomicU64,
    ends: Counts<{ ENDS.len() }>,
    age: Histogram,
}

impl Figures {
    pub(super) fn sent(&self, count: usize) {
        self.sent.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// Counts a batch of so many messages, the oldest of which was sent so long ago.
    pub(super) fn delivered(&self, count: usize, age_ms: u64) {
        self.delivered.fetch_add(count as u64, Ordering::Relaxed);
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.age.observe(Duration::from_millis(age_ms));
    }

    pub(super) fn ended(&self, end: End) {
        self.ends.one(end as usize);
    }

    /// Counts a batch that was settled when its lease had ended.
    pub(super) fn late(&self) {
        self.late.fetch_add(1, Ordering::Relaxed);
    }
}

impl Measured for Figures {
    fn measure(&self) -> Vec<Family> {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed) as f64;
        let counter = |name, help, of| Family::counter(name, help, count(of));
        let ends = ("bindery_queue_message_ends_total", "What became of messages of queues.");
        let age = "How long before its delivery the oldest message of a batch was sent.";
        vec![
            counter("bindery_queue_messages_sent_total", "Messages sent to queues.", &self.sent),
            counter(
                "bindery_queue_messages_delivered_total",
                "Messages handed to consumers, each time.",
                &self.delivered,
            ),
            counter("bindery_queue_batches_total", "Batches handed to consumers.", &self.batches),
            counter(
                "bindery_queue_late_total",
                "Batches that were settled after their lease had ended, for nothing.",
                &self.late,
            ),
            Family::counters(ends, "end", ENDS.into_iter().zip(self.ends.read())),
            self.age.family("bindery_queue_age_seconds", age),
        ]
    }
}
