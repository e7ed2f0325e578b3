//! `bindery versions`: what was uploaded, and which of it serves.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::api::{self, Api, Worker};
use crate::config::ClientArgs;
use crate::error::Error;
use crate::output;

/// Examples, below the help text.
pub(crate) const EXAMPLES: &str = "\
Examples:
  bindery versions list acme/api
  bindery versions deploy acme/api ver_0c3f...
      new requests go to that version, newer or older
  bindery versions rollback acme/api
      new requests go to the version that served before
  bindery versions workers acme
  bindery versions delete acme/api --yes";

/// What `versions` is told.
#[derive(Args, Debug)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct VersionsArgs {
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
    /// List the workers of a tenant
    Workers {
        /// The tenant's name
        #[arg(value_parser = api::label)]
        tenant: String,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 1_000)]
        limit: usize,
    },
    /// List the versions of a worker
    List {
        /// Tenant and worker, as T/W; T alone is T/main
        #[arg(value_name = "T[/W]", value_parser = api::worker)]
        worker: Worker,
    },
    /// Let a version serve
    Deploy {
        /// Tenant and worker, as T/W; T alone is T/main
        #[arg(value_name = "T[/W]", value_parser = api::worker)]
        worker: Worker,
        /// The version
        #[arg(value_parser = version)]
        version: String,
    },
    /// Let the version serve that was deployed before the present one
    Rollback {
        /// Tenant and worker, as T/W; T alone is T/main
        #[arg(value_name = "T[/W]", value_parser = api::worker)]
        worker: Worker,
    },
    /// Delete a worker with all its versions and secrets
    Delete {
        /// Tenant and worker, as T/W; T alone is T/main
        #[arg(value_name = "T[/W]", value_parser = api::worker)]
        worker: Worker,
        /// Do it: nothing of the worker can be brought back
        #[arg(long)]
        yes: bool,
        /// Also if something refers to the worker
        #[arg(long)]
        force: bool,
    },
}

/// Runs the command.
pub(crate) fn run(args: &VersionsArgs) -> Result<(), Error> {
    let api = Api::open(&args.client)?;
    let answer = match &args.command {
        Command::List { worker } => api.get(&format!("{}/versions", worker.path()))?,
        Command::Deploy { worker, version } => deploy(&api, worker, version)?,
        Command::Rollback { worker } => rollback(&api, worker)?,
        Command::Workers { tenant, limit } => {
            api.list(&format!("/v1/tenants/{tenant}/workers"), "workers", *limit)?
        }
        Command::Delete { worker, yes: false, .. } => {
            return Err(Error::Usage(format!(
                "deleting `{}/{}` deletes its versions and secrets for good: add --yes",
                worker.tenant, worker.worker
            )));
        }
        Command::Delete { worker, yes: true, force } => {
            let query = if *force { "?force=true" } else { "" };
            api.delete(&format!("{}{query}", worker.path()))?
        }
    };
    output::answer(&answer, args.json)
}

fn deploy(api: &Api, worker: &Worker, version: &str) -> Result<Value, Error> {
    let path = format!("{}/deployments", worker.path());
    api.send("POST", &path, &json!({ "version": version }))
}

/// Deploys what served before: the newest deployment of another version than the present one.
fn rollback(api: &Api, worker: &Worker) -> Result<Value, Error> {
    let shown = api.get(&worker.path())?;
    let deployments = shown["deployments"].as_array().into_iter().flatten();
    let mut versions = deployments.filter_map(|deployment| deployment["version"].as_str());
    match versions.find(|version| Some(*version) != shown["version"].as_str()) {
        Some(earlier) => deploy(api, worker, earlier),
        None => Err(Error::Failed(format!(
            "nothing was deployed before what serves {}/{} now: `bindery versions list` names the \
             versions that `versions deploy` takes",
            worker.tenant, worker.worker
        ))),
    }
}

fn version(text: &str) -> Result<String, String> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if !text.is_empty() && text.bytes().all(plain) {
        Ok(text.to_owned())
    } else {
        Err("a version is `ver_` and its digits, or the first 8 of them, as `bindery versions list` shows it"
            .into())
    }
}
