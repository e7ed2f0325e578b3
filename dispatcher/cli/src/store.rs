//! `bindery store`: what everything is kept in: its figures, checks, copies.

use std::path::{Path, PathBuf};

use bindery_dispatcher::store::{self, Counts};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::api::Api;
use crate::config::ClientArgs;
use crate::error::Error;
use crate::output;
use crate::serve::chain;

/// Examples, below the help text.
pub(crate) const EXAMPLES: &str = "\
Examples:
  bindery store backup monday.backup
      everything that the server keeps at this moment, while it serves
  bindery store restore monday.backup --data ./again && bindery serve --data ./again
  bindery store check --data ./bindery-data
      reads all of it and says what is damaged; no server may have it open
  bindery store stats --data ./bindery-data

With --data the directory itself is read, which no server may have open; without it, stats and
backup ask the server, with the operator's token. A backup holds no keys and no tokens: keep
`secrets.key` apart from it, for without that key the secrets in it can not be read.";

/// What `store` is told.
#[derive(Args, Debug)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct StoreArgs {
    #[command(subcommand)]
    command: Command,
    /// Print the answer as JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Read everything in a data directory, and say what is damaged
    Check {
        /// The directory; no server may have it open
        #[arg(long, value_name = "DIR", default_value = "./bindery-data")]
        data: PathBuf,
    },
    /// Show how much is kept, and how full memory and logs are
    Stats {
        /// Read this directory instead of asking the server
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Copy everything of one moment into a file
    Backup {
        /// The file; one that is there is replaced when the copy is whole
        file: PathBuf,
        /// Read this directory instead of asking the server
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Make a data directory of a backup
    Restore {
        /// The file
        file: PathBuf,
        /// The directory, which must be empty or absent
        #[arg(long, value_name = "DIR", default_value = "./bindery-data")]
        data: PathBuf,
    },
}

/// Runs the command.
pub(crate) fn run(args: &StoreArgs) -> Result<(), Error> {
    let answer = match &args.command {
        Command::Check { data } => return check(data, args.json),
        Command::Stats { data: None } => Api::open(&args.client)?.get("/v1/store")?,
        Command::Stats { data: Some(data) } => {
            let stats = store::stats(data).map_err(|error| chain(&error))?;
            serde_json::to_value(stats).map_err(|error| Error::Output(error.into()))?
        }
        Command::Backup { file, data: None } => {
            let body = Api::open(&args.client)?.file("POST", "/v1/store/backup")?;
            shown(store::receive(body, file))?
        }
        Command::Backup { file, data: Some(data) } => shown(wait(store::back_up(data, file))?)?,
        Command::Restore { file, data } => shown(wait(store::restore(file, data))?)?,
    };
    output::answer(&answer, args.json)
}

fn check(data: &Path, as_json: bool) -> Result<(), Error> {
    let checked = wait(store::check(data))?.map_err(|error| chain(&error))?;
    let answer = serde_json::to_value(&checked).map_err(|error| Error::Output(error.into()))?;
    output::answer(&answer, as_json)?;
    if checked.problems.is_empty() { Ok(()) } else { Err(Error::Checked) }
}

fn shown(counts: Result<Counts, store::Error>) -> Result<Value, Error> {
    let Counts { rows, blobs } = counts.map_err(|error| chain(&error))?;
    Ok(json!({ "rows": rows, "blobs": blobs }))
}

fn wait<T>(work: impl Future<Output = T>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::os("no runtime can be made", error))?;
    Ok(runtime.block_on(work))
}
