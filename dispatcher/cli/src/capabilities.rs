//! `bindery capabilities`: what this build takes and what its limits are.

use clap::Args;
use serde_json::Value;

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
