//! What is known of a queue beside its messages.

use bindery_wire::recipe::Recipe;
use serde::{Deserialize, Serialize};

/// A queue of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// Who takes its messages; absent if they are only pulled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer: Option<Consumer>,
    /// Seconds after which a message is dropped that nobody took, where it is not the server's
    /// default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_s: Option<u32>,
    /// Seconds for which a message is held back that does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_delay_s: Option<u32>,
}

/// Who takes the messages of a queue, and how. What is absent is as the server has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consumer {
    /// The code that runs.
    pub recipe: Recipe,
    /// Whether the version of the worker that serves declares it; if not, a worker said so as it
    /// ran.
    pub declared: bool,
    /// Messages of one batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_count_max: Option<u32>,
    /// Seconds for which a batch that is not full waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_wait_s: Option<u32>,
    /// Times that a message is delivered again after it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_count_max: Option<u32>,
    /// Seconds before it is, where the handler does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_delay_s: Option<u32>,
    /// The queue that takes what failed for the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter_queue: Option<String>,
    /// Batches that are delivered at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency_max: Option<u32>,
}
