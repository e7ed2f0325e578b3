//! Events that are no request: what a handler is given, and what it decides beside its outcome.

use serde::{Deserialize, Serialize};

/// A handler that an event runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Handler {
    /// `fetch(request, env, ctx)`
    Fetch,
    /// `scheduled(controller, env, ctx)`
    Scheduled,
    /// `queue(batch, env, ctx)`
    Queue,
    /// `tail(events, env, ctx)`
    Tail,
    /// Any method.
    Rpc,
}

impl Handler {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::Scheduled => "scheduled",
            Self::Queue => "queue",
            Self::Tail => "tail",
            Self::Rpc => "rpc",
        }
    }
}

/// Messages of one queue, delivered together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Batch<'a> {
    /// The queue's name.
    pub queue: &'a str,
    /// The messages.
    #[serde(borrow)]
    pub messages: Vec<Message<'a>>,
    /// Messages that wait in the queue.
    pub backlog_count: u64,
    /// Their bytes.
    pub backlog_bytes: u64,
    /// When the oldest of them was sent, in milliseconds since 1970, if there is one.
    pub oldest_ms: Option<u64>,
}

/// One message of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message<'a> {
    /// Names it in the queue.
    pub id: &'a str,
    /// When it was sent, in milliseconds since 1970.
    pub sent_ms: u64,
    /// How often it was delivered, this time included.
    pub attempts: u32,
    /// What was sent.
    #[serde(borrow)]
    pub body: MessageBody<'a>,
}

/// What was sent to a queue.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum MessageBody<'a> {
    /// A value, as the text of its JSON.
    Json(&'a str),
    /// A string.
    Text(&'a str),
    /// Bytes.
    Bytes(#[serde(with = "serde_bytes")] &'a [u8]),
    /// A value as the engine serializes it.
    V8(#[serde(with = "serde_bytes")] &'a [u8]),
}

/// What the handler of an event without a response decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decision {
    /// Of a scheduled event.
    Scheduled {
        /// Whether it is not to be tried again, even if it failed.
        no_retry: bool,
    },
    /// Of a batch of messages.
    Queue(Settled),
}

/// What a `queue` handler said of its batch. Nothing is decided here: see what `logic` makes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// What it said of the batch as a whole.
    pub batch: Verdict,
    /// What it said of each message, in the batch's order.
    pub messages: Vec<Verdict>,
}

/// What a handler said of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// Nothing.
    Unsaid,
    /// It is done with.
    Ack,
    /// It is to be delivered again.
    Retry {
        /// After so many seconds, if it said so.
        delay_s: Option<u32>,
    },
}

impl Settled {
    /// Nothing was said of a batch of `count` messages.
    pub fn unsaid(count: usize) -> Self {
        Self { batch: Verdict::Unsaid, messages: vec![Verdict::Unsaid; count] }
    }
}
