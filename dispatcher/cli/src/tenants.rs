//! `bindery tenants`: customers, their tokens and their host names.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::api::{self, Api};
use crate::config::ClientArgs;
use crate::error::Error;
use crate::output;

/// Examples, below the help text.
pub(crate) const EXAMPLES: &str = "\
Examples:
  bindery tenants put acme --cpu-ms 50 --memory-mb 64
  bindery tenants list --prefix ac --json
  bindery tenants tokens create acme
  bindery tenants domains put acme shop.example.com
  bindery tenants usage acme --json
  bindery tenants delete acme --yes";

/// What `tenants` is told.
#[derive(Args, Debug)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct TenantsArgs {
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
    /// List tenants
    List {
        /// Only names that begin so
        #[arg(long, value_parser = api::word)]
        prefix: Option<String>,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 1_000)]
        limit: usize,
    },
    /// Show a tenant
    Show {
        /// The tenant's name
        #[arg(value_parser = api::label)]
        tenant: String,
    },
    /// Make a tenant, or change one; what is not named is left as it is
    Put(Put),
    /// Delete a tenant with everything that is its own
    Delete {
        /// The tenant's name
        #[arg(value_parser = api::label)]
        tenant: String,
        /// Do it: nothing of the tenant can be brought back
        #[arg(long)]
        yes: bool,
    },
    /// Tokens that reach one tenant only
    #[command(subcommand)]
    Tokens(Tokens),
    /// Host names that a tenant may use
    #[command(subcommand)]
    Domains(Domains),
    /// Show what a tenant used, hour by hour
    Usage {
        /// The tenant's name
        #[arg(value_parser = api::label)]
        tenant: String,
        /// From when, in milliseconds since 1970; a day before the end if not given
        #[arg(long, value_name = "MS")]
        from: Option<u64>,
        /// Until when, in milliseconds since 1970; now if not given
        #[arg(long, value_name = "MS")]
        to: Option<u64>,
    },
}

#[derive(Args, Debug)]
struct Put {
    /// The tenant's name
    #[arg(value_parser = api::label)]
    tenant: String,
    /// The tenant's tier
    #[arg(long)]
    tier: Option<String>,
    /// Stop serving the tenant (true), or serve it again (false)
    #[arg(long, value_name = "BOOL")]
    suspended: Option<bool>,
    /// CPU time of one event, in milliseconds
    #[arg(long, value_name = "MS")]
    cpu_ms: Option<u32>,
    /// Memory of one isolate, in MiB
    #[arg(long, value_name = "MIB")]
    memory_mb: Option<u32>,
    /// Outgoing requests of one event
    #[arg(long, value_name = "N")]
    subrequests: Option<u32>,
    /// Wall time of an event without a client, in milliseconds
    #[arg(long, value_name = "MS")]
    wall_ms: Option<u32>,
    /// Workers that the tenant may have
    #[arg(long, value_name = "N")]
    workers: Option<u32>,
    /// Bytes that the tenant's workers may keep
    #[arg(long, value_name = "BYTES")]
    stored_bytes: Option<u64>,
    /// Things that the tenant's workers may keep
    #[arg(long, value_name = "N")]
    stored_rows: Option<u64>,
    /// Calls of bindings that it may make in a minute
    #[arg(long, value_name = "N")]
    operations_per_minute: Option<u32>,
}

#[derive(Subcommand, Debug)]
enum Tokens {
    /// Make a token; it is shown this once
    Create {
        /// The tenant's name
        #[arg(value_parser = api::label)]
        tenant: String,
    },
    /// List tokens, without what they are
    List {
        /// The tenant's name
        #[arg(value_parser = api::label)]
        tenant: String,
    },
    /// Delete a token
    Delete {
        /// The tenant's name
        #[arg(value_parser = api::label)]
        tenant: String,
        /// The token's id, from the list
        #[arg(value_parser = api::word)]
        id: String,
    },
}

#[derive(Subcommand, Debug)]
enum Domains {
    /// Grant a host name to a tenant
    Put {
        /// The tenant's name
        #[arg(value_parser = api::label)]
        tenant: String,
        /// The host name
        #[arg(value_parser = api::word)]
        host: String,
    },
    /// List host names
    List {
        /// The tenant's name
        #[arg(value_parser = api::label)]
        tenant: String,
    },
    /// Take a host name back
    Delete {
        /// The tenant's name
        #[arg(value_parser = api::label)]
        tenant: String,
        /// The host name
        #[arg(value_parser = api::word)]
        host: String,
    },
}

/// Runs the command.
pub(crate) fn run(args: &TenantsArgs) -> Result<(), Error> {
    let api = Api::open(&args.client)?;
    let answer = match &args.command {
        Command::List { prefix, limit } => {
            let prefix = prefix.as_deref().unwrap_or("");
            api.list(&format!("/v1/tenants?prefix={prefix}"), "tenants", *limit)?
        }
        Command::Show { tenant } => api.get(&path(tenant))?,
        Command::Put(put) => api.send("PUT", &path(&put.tenant), &put.settings(&api)?)?,
        Command::Delete { tenant, yes: false } => {
            return Err(Error::Usage(format!(
                "deleting `{tenant}` deletes its workers, secrets and data for good: add --yes"
            )));
        }
        Command::Delete { tenant, yes: true } => api.delete(&path(tenant))?,
        Command::Tokens(command) => command.run(&api)?,
        Command::Domains(command) => command.run(&api)?,
        Command::Usage { tenant, from, to } => {
            let given = [("from", from), ("to", to)];
            let given = given.into_iter().filter_map(|(name, ms)| Some((name, (*ms)?)));
            let query: Vec<String> = given.map(|(name, ms)| format!("{name}={ms}")).collect();
            api.get(&format!("{}/usage?{}", path(tenant), query.join("&")))?
        }
    };
    output::answer(&answer, args.json)
}

fn path(tenant: &str) -> String {
    format!("/v1/tenants/{tenant}")
}

impl Put {
    /// What the tenant is to be: what it is now, changed where something was named.
    fn settings(&self, api: &Api) -> Result<Value, Error> {
        let now = match api.get(&path(&self.tenant)) {
            Err(Error::Absent(_)) => json!({}),
            now => now?,
        };
        let kept = ["tier", "quotas", "limits", "suspended"];
        let mut settings: Map<String, Value> = kept
            .into_iter()
            .filter(|name| !now[*name].is_null())
            .map(|name| (name.to_owned(), now[name].clone()))
            .collect();
        if let Some(tier) = &self.tier {
            settings.insert("tier".into(), tier.as_str().into());
        }
        if let Some(suspended) = self.suspended {
            settings.insert("suspended".into(), suspended.into());
        }
        let mut settings = Value::Object(settings);
        for (group, name, value) in [
            ("limits", "cpu_ms", self.cpu_ms.map(u64::from)),
            ("limits", "memory_mb", self.memory_mb.map(u64::from)),
            ("limits", "subrequests", self.subrequests.map(u64::from)),
            ("limits", "wall_ms", self.wall_ms.map(u64::from)),
            ("quotas", "workers", self.workers.map(u64::from)),
            ("quotas", "stored_bytes", self.stored_bytes),
            ("quotas", "stored_rows", self.stored_rows),
            ("quotas", "operations_per_minute", self.operations_per_minute.map(u64::from)),
        ] {
            if let Some(value) = value {
                settings[group][name] = value.into();
            }
        }
        Ok(settings)
    }
}

impl Tokens {
    fn run(&self, api: &Api) -> Result<Value, Error> {
        match self {
            Self::Create { tenant } => {
                api.send("POST", &format!("{}/tokens", path(tenant)), &json!({}))
            }
            Self::List { tenant } => api.get(&format!("{}/tokens", path(tenant))),
            Self::Delete { tenant, id } => api.delete(&format!("{}/tokens/{id}", path(tenant))),
        }
    }
}

impl Domains {
    fn run(&self, api: &Api) -> Result<Value, Error> {
        match self {
            Self::Put { tenant, host } => {
                api.send("PUT", &format!("{}/domains/{host}", path(tenant)), &json!({}))
            }
            Self::List { tenant } => api.get(&format!("{}/domains", path(tenant))),
            Self::Delete { tenant, host } => {
                api.delete(&format!("{}/domains/{host}", path(tenant)))
            }
        }
    }
}
