//! `bindery crons`: when a worker's crons run next, how they last went, and one of them now.

use chrono::DateTime;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::api::{self, Api, Worker};
use crate::config::ClientArgs;
use crate::error::Error;
use crate::output;

/// Examples, below the help text.
pub(crate) const EXAMPLES: &str = "\
Examples:
  bindery crons list acme/reports
      when each runs next, and how it last went
  bindery crons run acme/reports
      the worker's one cron now, whenever it is due
  bindery crons run acme/reports '0 7 * * MON'

A run by hand changes nothing of what is due. Times are UTC.";

/// What `crons` is told.
#[derive(Args, Debug)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct CronsArgs {
    #[command(subcommand)]
    command: Command,
    /// Print the server's answer as JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// List the crons of the version that serves
    List {
        /// Tenant and worker, as T/W; T alone is T/main
        #[arg(value_name = "T[/W]", value_parser = api::worker)]
        worker: Worker,
    },
    /// Run a cron now, and wait until it has ended
    Run {
        /// Tenant and worker, as T/W; T alone is T/main
        #[arg(value_name = "T[/W]", value_parser = api::worker)]
        worker: Worker,
        /// The cron [default: the only one]
        cron: Option<String>,
    },
}

/// Runs the command.
pub(crate) fn run(args: &CronsArgs) -> Result<(), Error> {
    let api = Api::open(&args.client)?;
    match &args.command {
        Command::List { worker } => {
            let answer = api.get(&format!("{}/crons", worker.path()))?;
            if args.json { output::json(&answer) } else { list(&answer) }
        }
        Command::Run { worker, cron } => {
            let crons = expressions(&api, worker)?;
            let ended = fire(&api, worker, pick(worker, &crons, cron.as_deref())?)?;
            output::answer(&ended, args.json)?;
            match ended["outcome"].as_str() {
                Some("ok") => Ok(()),
                outcome => Err(Error::Failed(format!(
                    "the run ended as {}",
                    output::plain(outcome.unwrap_or("nothing"), 100)
                ))),
            }
        }
    }
}

/// The crons of the version of a worker that serves.
pub(crate) fn expressions(api: &Api, worker: &Worker) -> Result<Vec<String>, Error> {
    let answer = api.get(&format!("{}/crons", worker.path()))?;
    let crons = answer["crons"].as_array().into_iter().flatten();
    Ok(crons.filter_map(|cron| cron["cron"].as_str().map(str::to_owned)).collect())
}

/// Runs a cron of a worker. Gives what came of it.
pub(crate) fn fire(api: &Api, worker: &Worker, cron: &str) -> Result<Value, Error> {
    let event = json!({ "type": "scheduled", "cron": cron });
    api.send("POST", &format!("{}/events", worker.path()), &event)
}

/// The cron that is named, or the only one.
fn pick<'a>(worker: &Worker, crons: &'a [String], named: Option<&str>) -> Result<&'a str, Error> {
    let place = format!("{}/{}", worker.tenant, worker.worker);
    let listed: Vec<String> = crons.iter().map(|cron| format!("'{cron}'")).collect();
    let listed = output::plain(&listed.join(", "), 4_000);
    match (named, crons) {
        (_, []) => Err(Error::Failed(format!(
            "{place} has no crons: `triggers.crons` in its wrangler file names them"
        ))),
        (None, [only]) => Ok(only),
        (None, _) => Err(Error::Usage(format!("{place} has several crons, name one: {listed}"))),
        (Some(named), _) => crons
            .iter()
            .find(|cron| *cron == named)
            .map(String::as_str)
            .ok_or(Error::Failed(format!("{place} has no such cron; its crons are {listed}"))),
    }
}

/// A line for each cron.
fn list(answer: &Value) -> Result<(), Error> {
    let crons = answer["crons"].as_array().map_or(&[][..], Vec::as_slice);
    if crons.is_empty() {
        return output::line("no crons");
    }
    let heading = ["CRON", "NEXT", "LAST", "OUTCOME"].map(str::to_owned).to_vec();
    let text = |value: &Value| output::plain(value.as_str().unwrap_or("-"), 400);
    let row = |cron: &Value| {
        let mut outcome = text(&cron["last"]["outcome"]);
        match cron["failures"].as_u64() {
            None | Some(0) => {}
            Some(count) => outcome.push_str(&format!(", failed {count} times, tried again")),
        }
        if let Some(error) = cron["last"]["error"].as_str() {
            outcome.push_str(&format!(": {}", output::plain(error, 400).replace('\n', " ")));
        }
        vec![text(&cron["cron"]), time(&cron["next_ms"]), time(&cron["last"]["at_ms"]), outcome]
    };
    output::table(&std::iter::once(heading).chain(crons.iter().map(row)).collect::<Vec<_>>())
}

/// A time such as `2026-11-28 07:00:02`.
fn time(at_ms: &Value) -> String {
    let time = at_ms.as_i64().and_then(DateTime::from_timestamp_millis);
    time.map_or_else(|| "-".to_owned(), |time| time.format("%F %T").to_string())
}
