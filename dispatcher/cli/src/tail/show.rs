//! One entry of a tenant's log as a person reads it.
//!
//! Everything in an entry is the tenant's own text: control characters are shown as escapes, and
//! every line has an end.

use serde_json::Value;

use crate::output::plain;

/// Characters of one entry's message, and of one stack.
const TEXT_CHARS_MAX: usize = 8_000;
/// Characters of a name or a request line.
const WORD_CHARS_MAX: usize = 300;

/// An entry in one or more lines.
pub(crate) fn entry(entry: &Value) -> String {
    let time = time(entry["atMs"].as_u64().unwrap_or(0));
    let worker = word(&entry["worker"]);
    let rest = match entry["kind"].as_str().unwrap_or("") {
        "dropped" => {
            return format!("{time} {} entries were gone before they were read", entry["count"]);
        }
        "log" => format!("{:<9} {}", word(&entry["level"]), indent(&message(&entry["message"]))),
        "exception" => exception(entry),
        "outcome" => outcome(entry),
        _ => plain(&entry.to_string(), TEXT_CHARS_MAX),
    };
    format!("{time} {worker} {rest}")
}

/// The arguments of a console call: strings as they are, everything else as JSON.
fn message(message: &Value) -> String {
    let parsed = message.as_str().and_then(|text| serde_json::from_str(text).ok());
    match parsed.as_ref().unwrap_or(message) {
        Value::Array(arguments) => {
            let shown: Vec<String> = arguments.iter().map(argument).collect();
            plain(&shown.join(" "), TEXT_CHARS_MAX)
        }
        other => plain(&argument(other), TEXT_CHARS_MAX),
    }
}

fn argument(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn exception(entry: &Value) -> String {
    let title = format!("{}: {}", word(&entry["name"]), text(&entry["message"]));
    let stack = text(&entry["stack"]);
    // The engine's own form of a stack begins with the title.
    let frames = stack.strip_prefix(&title).unwrap_or(&stack).trim_matches('\n');
    let frames = frames.lines().map(|frame| format!("\n    {}", frame.trim()));
    format!("exception {}{}", indent(&title), frames.collect::<String>())
}

fn outcome(entry: &Value) -> String {
    let mut words = vec![format!("{:<9}", word(&entry["outcome"]))];
    if entry["event"].as_str().is_some_and(|event| event != "fetch") {
        words.push(word(&entry["event"]));
    }
    for name in ["method", "path", "cron", "queue", "status"] {
        if !entry[name].is_null() {
            words.push(word(&entry[name]));
        }
    }
    words.push(format!("cpu {}", duration(&entry["cpuUs"])));
    words.push(format!("wall {}", duration(&entry["wallUs"])));
    if !entry["requestId"].is_null() {
        words.push(word(&entry["requestId"]));
    }
    words.join(" ")
}

fn text(value: &Value) -> String {
    plain(value.as_str().unwrap_or(""), TEXT_CHARS_MAX)
}

/// A word on one line.
fn word(value: &Value) -> String {
    plain(&argument(value), WORD_CHARS_MAX).replace(['\n', '\t'], " ")
}

/// Further lines stand in, so that none can pass for an entry.
fn indent(text: &str) -> String {
    text.replace('\n', "\n    ")
}

/// The time of day in UTC.
fn time(at_ms: u64) -> String {
    let (seconds, ms) = (at_ms / 1_000, at_ms % 1_000);
    let (hours, minutes) = (seconds / 3_600 % 24, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{ms:03}Z", seconds % 60)
}

fn duration(us: &Value) -> String {
    match us.as_u64() {
        None => "-".to_owned(),
        Some(us @ ..1_000) => format!("{us} us"),
        Some(us @ ..10_000_000) => format!("{}.{} ms", us / 1_000, us / 100 % 10),
        Some(us) => format!("{}.{} s", us / 1_000_000, us / 100_000 % 10),
    }
}
