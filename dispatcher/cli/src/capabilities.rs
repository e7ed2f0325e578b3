//! `bindery capabilities`: what this build takes and what its limits are.

use clap::Args;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::output;

/// Examples, below the help text.
pub(crate) const EXAMPLES: &str = "\
Examples:
  bindery capabilities
  bindery capabilities --json | jq .compatibility.newest";

/// What `capabilities` is told.
#[derive(Args, Debug)]
pub(crate) struct CapabilitiesArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints them.
pub(crate) fn run(args: &CapabilitiesArgs) -> Result<(), Error> {
    let capabilities = bindery_dispatcher::admin::capabilities();
    if args.json { output::json(&capabilities) } else { print(&capabilities, 0) }
}

/// One line for each name, and what a name holds further in.
fn print(capabilities: &Value, depth: usize) -> Result<(), Error> {
    let indent = "  ".repeat(depth);
    for (name, value) in capabilities.as_object().into_iter().flatten() {
        match value {
            Value::Object(fields) if fields.contains_key("setting") => limit(name, fields)?,
            Value::Object(_) => {
                output::line(format_args!("{indent}{name}:"))?;
                print(value, depth + 1)?;
            }
            Value::Array(items) => {
                output::line(format_args!("{indent}{name}:"))?;
                items
                    .iter()
                    .try_for_each(|item| output::line(format_args!("{indent}  {}", shown(item))))?;
            }
            value => output::line(format_args!("{indent}{name}: {}", shown(value)))?,
        }
    }
    Ok(())
}

/// A limit: what it is, where it is set, and what happens at it.
fn limit(name: &str, fields: &Map<String, Value>) -> Result<(), Error> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let value = fields.get("value").and_then(Value::as_u64).unwrap_or_default();
    let value = Some(value).filter(|value| *value > 0);
    let unit = match (text("unit"), value.unwrap_or_default() >> 20) {
        _ if value.is_none() => String::new(),
        ("bytes", mib @ 1..) if value == Some(mib << 20) => format!(" bytes ({mib} MiB)"),
        ("", _) => String::new(),
        (unit, _) => format!(" {unit}"),
    };
    let levels = fields.get("set_by").and_then(Value::as_array).into_iter().flatten();
    let levels: Vec<&str> = levels.filter_map(Value::as_str).collect();
    let set = match text("setting") {
        "" => String::new(),
        key => format!("; set by {key} of {}", levels.join(", ")),
    };
    let value = value.map_or("as the machine has it".to_owned(), |value| value.to_string());
    output::line(format_args!("  {name}: {value}{unit}{set}"))?;
    output::line(format_args!("    {}; past it, {}", text("what"), text("at")))
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        // A flag: what turns it on, and what it means.
        Value::Object(fields) => {
            let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or("-");
            format!("{} ({} since {})", text("enable"), text("doc"), text("since"))
        }
        value => value.to_string(),
    }
}
