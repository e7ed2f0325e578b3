//! `bindery audit`: who asked a server for which change.

use clap::Args;

use crate::api::{self, Api};
use crate::config::ClientArgs;
use crate::error::Error;
use crate::output;

/// Examples, below the help text.
pub(crate) const EXAMPLES: &str = "\
Examples:
  bindery audit acme
      changes of tenant `acme`, the newest first; also with a token of the tenant
  bindery audit --limit 1000 --json
      changes of everything, for the operator

An entry names who asked, the call, and its outcome: `done`, or the code of the failure. What was
sent stands nowhere in it. Entries are kept for 400 days, and the newest 100,000 at most, those of
one tenant 10,000. The operator can read those of a deleted tenant.";

/// What `audit` is told.
#[derive(Args, Debug)]
pub(crate) struct AuditArgs {
    /// Only changes of this tenant
    #[arg(value_parser = api::label)]
    tenant: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// Print the server's answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: ClientArgs,
}

/// Runs the command.
pub(crate) fn run(args: &AuditArgs) -> Result<(), Error> {
    let api = Api::open(&args.client)?;
    let list = |path: &str| api.list(path, "entries", args.limit);
    let answer = match &args.tenant {
        None => list("/v1/audit")?,
        Some(tenant) => match list(&format!("/v1/tenants/{tenant}/audit")) {
            // It may have been deleted: the operator's list still has it.
            Err(Error::Absent(_)) => list(&format!("/v1/audit?tenant={tenant}"))?,
            answer => answer?,
        },
    };
    output::answer(&answer, args.json)
}
