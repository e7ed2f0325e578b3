//! One record of the tail, as it is shown.

use bindery_wire::log::Level;
use serde::Serialize;
use serde_json::value::RawValue;

/// One record.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// Grows with every record of the tenant.
    pub seq: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// The worker.
    pub worker: String,
    /// The version.
    pub version: String,
    /// The request, if the record belongs to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The trace of that request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// What happened.
    #[serde(flatten)]
    pub kind: Kind,
}

/// What happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Kind {
    /// A console message.
    Log {
        /// How loud it is.
        level: Level,
        /// The arguments, a JSON array.
        message: Box<RawValue>,
    },
    /// An exception that nobody caught.
    Exception {
        /// The class.
        name: String,
        /// The message.
        message: String,
        /// The frames.
        stack: String,
    },
    /// The end of an event.
    Outcome {
        /// How it ended.
        outcome: &'static str,
        /// The handler that ran.
        event: &'static str,
        /// CPU time, in microseconds.
        cpu_us: u64,
        /// From start to end, in microseconds.
        wall_us: u64,
        /// The request's method.
        #[serde(skip_serializing_if = "Option::is_none")]
        method: Option<String>,
        /// The path of its URL.
        #[serde(skip_serializing_if = "Option::is_none")]
        path: Option<String>,
        /// The expression that a scheduled event comes from.
        #[serde(skip_serializing_if = "Option::is_none")]
        cron: Option<String>,
        /// The queue that messages come from.
        #[serde(skip_serializing_if = "Option::is_none")]
        queue: Option<String>,
        /// The method that another worker called.
        #[serde(skip_serializing_if = "Option::is_none")]
        rpc_method: Option<String>,
        /// The status of the worker's answer, if it gave one.
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
    },
    /// Records that were gone before they could be read.
    Dropped {
        /// How many.
        count: u64,
    },
}

impl Item {
    /// The name of the server-sent event that carries it.
    pub fn event_name(&self) -> &'static str {
        match self.kind {
            Kind::Log { .. } => "log",
            Kind::Exception { .. } => "exception",
            Kind::Outcome { .. } => "outcome",
            Kind::Dropped { .. } => "dropped",
        }
    }
}
