//! `bindery secrets`: values that are written once and never shown again.
//!
//! A value never stands on the command line, where other users of the machine and the shell's
//! history would see it.

use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;

use bindery_wire::limits::ENV_BYTES_MAX;
use bindery_wire::name;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::api::{self, Api, Worker};
use crate::config::ClientArgs;
use crate::error::Error;
use crate::output;

/// Examples, below the help text.
pub(crate) const EXAMPLES: &str = "\
Examples:
  bindery secrets put acme/api STRIPE_KEY < key.txt
  bindery secrets put acme/api STRIPE_KEY --file key.txt
  bindery secrets list acme/api
  bindery secrets delete acme/api STRIPE_KEY";

/// What `secrets` is told.
#[derive(Args, Debug)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct SecretsArgs {
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
    /// Write a secret: the value is read from stdin or a file, without one line end at its end
    Put {
        /// Tenant and worker, as T/W; T alone is T/main
        #[arg(value_name = "T[/W]", value_parser = api::worker)]
        worker: Worker,
        /// The secret's name in `env`
        #[arg(value_parser = secret)]
        name: String,
        /// File that holds the value
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// List the names of secrets
    List {
        /// Tenant and worker, as T/W; T alone is T/main
        #[arg(value_name = "T[/W]", value_parser = api::worker)]
        worker: Worker,
    },
    /// Delete a secret
    Delete {
        /// Tenant and worker, as T/W; T alone is T/main
        #[arg(value_name = "T[/W]", value_parser = api::worker)]
        worker: Worker,
        /// The secret's name
        #[arg(value_parser = secret)]
        name: String,
    },
}

/// Runs the command.
pub(crate) fn run(args: &SecretsArgs) -> Result<(), Error> {
    let answer = match &args.command {
        Command::Put { worker, name, file } => {
            let text = value(file.as_ref())?;
            Api::open(&args.client)?.send(
                "PUT",
                &format!("{}/secrets/{name}", worker.path()),
                &json!({ "text": text }),
            )?
        }
        Command::List { worker } => {
            Api::open(&args.client)?.get(&format!("{}/secrets", worker.path()))?
        }
        Command::Delete { worker, name } => {
            Api::open(&args.client)?.delete(&format!("{}/secrets/{name}", worker.path()))?
        }
    };
    output::answer(&answer, args.json)
}

/// The value, from a file or from stdin.
fn value(file: Option<&PathBuf>) -> Result<String, Error> {
    let source = file.map_or_else(|| "stdin".to_owned(), |file| file.display().to_string());
    let mut bytes = Vec::new();
    let read = match file {
        Some(file) => std::fs::File::open(file)
            .and_then(|file| file.take(ENV_BYTES_MAX + 1).read_to_end(&mut bytes)),
        None => {
            if io::stdin().is_terminal() {
                output::note("type the secret, then Ctrl-D on a line of its own:");
            }
            io::stdin().lock().take(ENV_BYTES_MAX + 1).read_to_end(&mut bytes)
        }
    };
    read.map_err(|error| Error::os(format_args!("{source} can not be read"), error))?;
    if bytes.len() as u64 > ENV_BYTES_MAX {
        return Err(Error::Failed(format!("{source} holds more than {ENV_BYTES_MAX} bytes")));
    }
    let mut text = String::from_utf8(bytes)
        .map_err(|_| Error::Failed(format!("{source} does not hold UTF-8 text")))?;
    if text.ends_with('\n') {
        text.truncate(text.len() - if text.ends_with("\r\n") { 2 } else { 1 });
    }
    if text.is_empty() {
        return Err(Error::Failed(format!("{source} is empty: pass the secret's value there")));
    }
    Ok(text)
}

fn secret(text: &str) -> Result<String, String> {
    name::check_binding(text).map(|()| text.to_owned()).map_err(|error| error.to_string())
}
