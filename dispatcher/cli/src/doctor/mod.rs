//! `bindery doctor`: whether `bindery serve` can run here, and how well.
//!
//! The sandbox is not guessed at: a cordon is started, says what encloses it, and tries to get out.

mod disk;
mod sandbox;

use std::path::PathBuf;

use bindery_runtime::sandbox::host::host_facts;
use clap::Args;
use serde::Serialize;

use crate::error::Error;
use crate::output;

/// Examples, below the help text.
pub(crate) const EXAMPLES: &str = "\
Examples:
  bindery doctor
  bindery doctor --data /var/lib/bindery --json

Each line is ok, warn (it works, not as well as it could) or fail (`bindery serve` refuses to
start). The exit code is 1 if any line is fail.";

/// What `doctor` is told.
#[derive(Args, Debug)]
pub(crate) struct DoctorArgs {
    /// Directory that the server is to keep its data in
    #[arg(long, value_name = "DIR", default_value = "./bindery-data")]
    data: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One thing that was checked.
#[derive(Debug, Serialize)]
pub(crate) struct Check {
    state: State,
    name: String,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// As it should be.
    Ok,
    /// The server runs, but not as it should.
    Warn,
    /// The server refuses to start.
    Fail,
}

impl Check {
    /// A check that came out well.
    pub(crate) fn ok(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self { state: State::Ok, name: name.into(), found: found.into(), advice: None }
    }

    /// The same check, come out worse, with what to do.
    pub(crate) fn with(self, state: State, advice: impl Into<String>) -> Self {
        Self { state, advice: Some(advice.into()), ..self }
    }
}

/// Checks everything and prints it.
pub(crate) fn run(args: &DoctorArgs) -> Result<(), Error> {
    let mut checks: Vec<Check> = host_facts()
        .into_iter()
        .map(|fact| {
            let check = Check::ok(fact.name, fact.value);
            match fact.advice {
                Some(advice) => check.with(State::Warn, advice),
                None => check,
            }
        })
        .collect();
    checks.extend(disk::checks(&args.data));
    checks.extend(sandbox::checks());
    checks.push(authorities());
    print(&checks, args.json)?;
    if checks.iter().any(|check| check.state == State::Fail) { Err(Error::Checked) } else { Ok(()) }
}

/// Whom workers' requests over TLS believe.
fn authorities() -> Check {
    const NAME: &str = "certificate authorities";
    match bindery_dispatcher::egress::system_authority_count() {
        0 => Check::ok(NAME, "none of the system, so the bundled ones are used")
            .with(State::Warn, "install ca-certificates: bundled ones age with the program"),
        count => Check::ok(NAME, format!("{count} of the system")),
    }
}

fn print(checks: &[Check], as_json: bool) -> Result<(), Error> {
    if as_json {
        return output::json(&checks);
    }
    for Check { state, name, found, advice } in checks {
        let state = match state {
            State::Ok => "ok  ",
            State::Warn => "warn",
            State::Fail => "FAIL",
        };
        output::line(format_args!("{state} {name}: {found}"))?;
        if let Some(advice) = advice {
            output::line(format_args!("     -> {advice}"))?;
        }
    }
    Ok(())
}
