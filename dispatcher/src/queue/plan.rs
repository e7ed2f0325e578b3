//! How a queue is delivered: what is set of it, and the server's defaults for the rest.

use bindery_logic::queue::after::Retry;
use bindery_logic::queue::batch::Shape;
use bindery_storage::tables::{Consumer, MessageId, Queue};
use bindery_wire::limits::{BATCH_BYTES_MAX, BATCH_COUNT_MAX};

/// Batches of one queue that may be delivered at once.
pub const CONCURRENCY_MAX: u32 = 250;
/// Seconds after which a message is dropped that nobody took, where nothing is set.
const RETENTION_S: u32 = 4 * 86_400;
/// The most that can be set.
pub const RETENTION_S_MAX: u32 = 14 * 86_400;
/// The least.
pub(super) const RETENTION_S_MIN: u32 = 60;

const BATCH_COUNT: u32 = 10;
const BATCH_WAIT_S: u32 = 5;
const RETRY_COUNT: u32 = 3;
const CONCURRENCY: u32 = 8;

/// How a queue is delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) shape: Shape,
    pub(super) retry: Retry,
    /// Batches at once.
    pub(super) concurrency: usize,
    /// The queue that takes what failed for the last time.
    pub(super) dead: Option<String>,
    retention_ms: u64,
}

impl Plan {
    pub(super) fn of(queue: &Queue) -> Self {
        let consumer = queue.consumer.as_ref();
        let set =
            |get: fn(&Consumer) -> Option<u32>, default| consumer.and_then(get).unwrap_or(default);
        let count = set(|consumer| consumer.batch_count_max, BATCH_COUNT) as usize;
        let wait_s = set(|consumer| consumer.batch_wait_s, BATCH_WAIT_S);
        let concurrency = set(|consumer| consumer.concurrency_max, CONCURRENCY);
        Self {
            shape: Shape {
                count_max: count.clamp(1, BATCH_COUNT_MAX),
                bytes_max: BATCH_BYTES_MAX as u64,
                wait_ms: u64::from(wait_s) * 1_000,
            },
            retry: Retry {
                count_max: set(|consumer| consumer.retry_count_max, RETRY_COUNT),
                delay_s: set(|consumer| consumer.retry_delay_s, 0),
            },
            concurrency: concurrency.clamp(1, CONCURRENCY_MAX) as usize,
            dead: consumer.and_then(|consumer| consumer.dead_letter_queue.clone()),
            retention_ms: u64::from(queue.retention_s.unwrap_or(RETENTION_S)) * 1_000,
        }
    }

    /// When a message is dropped if nobody takes it.
    pub(super) fn expires_ms(&self, id: MessageId) -> u64 {
        id.sent_ms().saturating_add(self.retention_ms)
    }
}
