//! What an event did, for the workers that its own asked to be told: one item when it has ended.

use std::sync::Arc;

use bindery_wire::event::Handler;
use bindery_wire::flat;
use bindery_wire::frame::EventKind;
use bindery_wire::log::{Exception, Level, Record, Spent};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::About;
use crate::clock::Millis;
use crate::code::Code;
use crate::rpc::Service;

/// Items of one worker that are under way at once.
pub(crate) const TOLD_COUNT_MAX: usize = 256;
/// Records of one event beyond which they are left out.
const RECORD_COUNT_MAX: usize = 1_000;

/// Who is told of each event of a worker.
#[derive(Debug)]
pub struct Tails {
    /// Those that are told.
    pub services: Vec<Arc<Service>>,
    room: Arc<Semaphore>,
}

/// What is kept of an event until it has ended.
pub(super) struct Told {
    entrypoint: Option<Box<str>>,
    what: Value,
    at: Millis,
    logs: Vec<Log>,
    exceptions: Vec<Thrown>,
    truncated: bool,
}

#[derive(Serialize)]
struct Log {
    timestamp: u64,
    level: Level,
    message: Box<RawValue>,
}

#[derive(Serialize)]
struct Thrown {
    timestamp: u64,
    name: String,
    message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    stack: String,
}

/// One item, as the text of its JSON in a list of one, and the room that it takes until it has
/// been told.
pub struct Item {
    /// The text.
    pub text: String,
    _room: OwnedSemaphorePermit,
}

impl Tails {
    /// Those that are told; nobody, if there are none.
    pub fn new(services: Vec<Arc<Service>>) -> Option<Self> {
        let room = Arc::new(Semaphore::new(TOLD_COUNT_MAX));
        (!services.is_empty()).then_some(Self { services, room })
    }
}

impl Told {
    /// Of an event that begins; `what` is that which its handler is given.
    pub(super) fn new(entrypoint: Option<&str>, what: Value, at: Millis) -> Box<Self> {
        Box::new(Self {
            entrypoint: entrypoint.map(Into::into),
            what,
            at,
            logs: Vec::new(),
            exceptions: Vec::new(),
            truncated: false,
        })
    }

    /// Takes in what the event reported.
    pub(super) fn record(&mut self, at: Millis, record: &Record) {
        if self.logs.len() + self.exceptions.len() >= RECORD_COUNT_MAX {
            self.truncated = true;
            return;
        }
        match record {
            Record::Console { level, message } => {
                // What an isolate sent that is no JSON is shown as one string.
                let message = RawValue::from_string(message.clone())
                    .or_else(|_| serde_json::value::to_raw_value(&[message]))
                    .unwrap_or_default();
                self.logs.push(Log { timestamp: at.0, level: *level, message });
            }
            Record::ConsoleFull { .. } => self.truncated = true,
            Record::Exception(Exception { name, message, stack }) => {
                self.exceptions.push(Thrown {
                    timestamp: at.0,
                    name: name.clone(),
                    message: message.clone(),
                    stack: stack.clone(),
                });
            }
        }
    }

    /// The item, if there is room for one more.
    pub(super) fn item(
        mut self,
        tails: &Tails,
        (code, about): (&Code, &About),
        spent: &Spent,
    ) -> Option<Item> {
        let room = tails.room.clone().try_acquire_owned().ok()?;
        if about.handler == Handler::Fetch && about.status != 0 {
            self.what["response"] = json!({ "status": about.status });
        }
        let item = json!([{
            "event": self.what,
            "eventTimestamp": self.at.0,
            "logs": self.logs,
            "exceptions": self.exceptions,
            "diagnosticsChannelEvents": [],
            "scriptName": &*code.worker,
            "entrypoint": self.entrypoint,
            "scriptVersion": { "id": code.version.to_string() },
            "outcome": spent.outcome.as_str(),
            "executionModel": "stateless",
            "truncated": self.truncated,
            "cpuTime": spent.cpu_us.div_ceil(1_000),
            "wallTime": spent.wall_us.div_ceil(1_000),
        }]);
        Some(Item { text: item.to_string(), _room: room })
    }
}

/// What the handler of a request is given.
pub(super) fn request(method: &str, url: &str, headers: &[u8], cf: &str) -> Value {
    let mut named = Map::new();
    for (name, value) in flat::parse(headers).unwrap_or_default() {
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        let value = String::from_utf8_lossy(value);
        let entry = named.entry(name).or_insert_with(|| Value::String(String::new()));
        if let Value::String(text) = entry {
            if !text.is_empty() {
                text.push_str(", ");
            }
            text.push_str(&value);
        }
    }
    let cf: Value = serde_json::from_str(cf).unwrap_or_default();
    json!({ "request": { "url": url, "method": method, "headers": named, "cf": cf } })
}

/// What any other handler is given.
pub(super) fn handled(kind: &EventKind<'_>) -> Value {
    match kind {
        EventKind::Scheduled { at_ms, cron } => json!({ "scheduledTime": at_ms, "cron": cron }),
        EventKind::Queue(batch) => {
            json!({ "queue": batch.queue, "batchSize": batch.messages.len() })
        }
        EventKind::Rpc(invocation) => json!({ "rpcMethod": invocation.path.join(".") }),
        EventKind::Fetch(_) | EventKind::Tail { .. } => json!({ "consumedEvents": [] }),
    }
}
