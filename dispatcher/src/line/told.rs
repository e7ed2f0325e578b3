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
/// Bytes of exceptions that are kept beside what an event may log: the host adds some of its own.
const EXCEPTION_BYTES: usize = 64 << 10;

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
    /// Bytes of records that are still taken in: an honest isolate sends no more.
    left: Left,
    truncated: bool,
}

struct Left {
    console: usize,
    exceptions: usize,
}

/// An item as its JSON has it. It is written at once: what an isolate logs may be JSON that is good
/// as a text and can not be held as a value, such as half a surrogate pair.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    event: &'a Value,
    event_timestamp: u64,
    logs: &'a [Log],
    exceptions: &'a [Thrown],
    diagnostics_channel_events: [(); 0],
    script_name: &'a str,
    entrypoint: Option<&'a str>,
    script_version: Version,
    outcome: &'static str,
    execution_model: &'static str,
    truncated: bool,
    cpu_time: u64,
    wall_time: u64,
}

#[derive(Serialize)]
struct Version {
    id: String,
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
    pub(super) fn new(
        entrypoint: Option<&str>,
        what: Value,
        (at, log_bytes_max): (Millis, u32),
    ) -> Box<Self> {
        let console = log_bytes_max as usize;
        let exceptions = console.saturating_add(EXCEPTION_BYTES);
        Box::new(Self {
            entrypoint: entrypoint.map(Into::into),
            what,
            at,
            logs: Vec::new(),
            exceptions: Vec::new(),
            left: Left { console, exceptions },
            truncated: false,
        })
    }

    /// Takes in what the event reported.
    pub(super) fn record(&mut self, at: Millis, record: &Record) {
        let left = match record {
            Record::Console { .. } | Record::ConsoleFull { .. } => &mut self.left.console,
            Record::Exception(_) => &mut self.left.exceptions,
        };
        let kept = left.checked_sub(bytes(record));
        let Some(kept) =
            kept.filter(|_| self.logs.len() + self.exceptions.len() < RECORD_COUNT_MAX)
        else {
            self.truncated = true;
            return;
        };
        *left = kept;
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
        let item = Written {
            event: &self.what,
            event_timestamp: self.at.0,
            logs: &self.logs,
            exceptions: &self.exceptions,
            diagnostics_channel_events: [],
            script_name: &code.worker,
            entrypoint: self.entrypoint.as_deref(),
            script_version: Version { id: code.version.to_string() },
            outcome: spent.outcome.as_str(),
            execution_model: "stateless",
            truncated: self.truncated,
            cpu_time: spent.cpu_us.div_ceil(1_000),
            wall_time: spent.wall_us.div_ceil(1_000),
        };
        let text = serde_json::to_string(&[item]).ok()?;
        Some(Item { text, _room: room })
    }
}

/// What a record counts for. A text that is no JSON is longer once it is shown as a string.
fn bytes(record: &Record) -> usize {
    match record {
        Record::Console { message, .. } => message.len(),
        Record::ConsoleFull { .. } => 0,
        Record::Exception(Exception { name, message, stack }) => {
            name.len() + message.len() + stack.len()
        }
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

#[cfg(test)]
mod tests {
    use bindery_wire::Outcome;

    use super::super::RequestId;
    use super::super::tests::code;
    use super::*;
    use crate::rpc::Service;
    use crate::trace::Trace;

    fn tails() -> Tails {
        let binding = bindery_wire::manifest::Binding::Service {
            service: "tail".into(),
            entrypoint: None,
            props: None,
        };
        let service = Service::declared(&binding).expect("a service");
        Tails::new(vec![Arc::new(service)]).expect("somebody")
    }

    fn told(records: &[Record]) -> String {
        let mut told = Told::new(None, json!({}), (Millis(1), 100));
        records.iter().for_each(|record| told.record(Millis(2), record));
        let about = About {
            request: RequestId(1),
            trace: Trace::random(),
            handler: Handler::Fetch,
            method: http::Method::GET,
            path: "/".into(),
            status: 200,
            hops: 0,
        };
        let spent = Spent { outcome: Outcome::Ok, cpu_us: 1, wall_us: 1 };
        told.item(&tails(), (&code(), &about), &spent).expect("an item").text
    }

    fn console(message: &str) -> Record {
        Record::Console { level: Level::Log, message: message.into() }
    }

    /// `console.log("\ud800")` ended the task of its line with a panic: the text is JSON, and yet
    /// no value can be made of it.
    #[test]
    fn what_is_json_only_as_a_text_is_told_as_that() {
        let deep = format!("{}{}", "[".repeat(40), "]".repeat(40));
        let text = told(&[console(r#"["\ud800"]"#), console(&deep), console("no JSON")]);
        let logs = r#""logs":[{"timestamp":2,"level":"log","message":["\ud800"]},"#;
        assert!(text.contains(logs), "{text}");
        assert!(text.contains(&deep) && text.contains(r#"["no JSON"]"#), "{text}");
    }

    #[test]
    fn no_more_is_kept_than_an_event_may_log() {
        let long = format!("[\"{}\"]", "x".repeat(90));
        let text = told(&[console(&long), console(&long)]);
        assert_eq!(text.matches(&long).count(), 1);
        assert!(text.contains(r#""truncated":true"#), "{text}");
        let exception = |message: String| {
            let (name, stack) = ("Error".into(), String::new());
            Record::Exception(Exception { name, message, stack })
        };
        let text =
            told(&[console(&long), exception("kept".into()), exception("y".repeat(1 << 20))]);
        assert!(text.contains("kept") && !text.contains("yyy"), "{text}");
    }
}
