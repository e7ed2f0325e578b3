//! `bindery queues`: what waits in a tenant's queues, by hand.

use std::io::{self, Read};

use bindery_wire::limits::MESSAGE_BYTES_MAX;
use bindery_wire::name;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::api::{self, Api};
use crate::config::ClientArgs;
use crate::error::Error;
use crate::output;

/// Examples, below the help text.
pub(crate) const EXAMPLES: &str = "\
Examples:
  bindery queues list acme
  bindery queues show acme jobs
  bindery queues send acme jobs '{\"to\":\"ada@example.com\"}'
  bindery queues pull acme jobs --count 10
      take messages for 30 seconds: what is not acknowledged by then comes again
  bindery queues ack acme jobs --lease 00000190b8...
  bindery queues redrive acme dead --to jobs
      what failed is tried again, with its ids and times
  bindery queues purge acme jobs --yes";

/// What `queues` is told.
#[derive(Args, Debug)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct QueuesArgs {
    #[command(subcommand)]
    command: Command,
    /// Print the server's answer as JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    client: ClientArgs,
}

/// A queue of a tenant.
#[derive(Args, Debug)]
struct Queue {
    /// The tenant's name
    #[arg(value_parser = api::label)]
    tenant: String,
    /// The queue's name
    #[arg(value_parser = queue)]
    queue: String,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// List the queues of a tenant
    List {
        /// The tenant's name
        #[arg(value_parser = api::label)]
        tenant: String,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 1_000)]
        limit: usize,
    },
    /// Show who takes a queue's messages, and how many wait
    Show(Queue),
    /// Send a message
    Send {
        #[command(flatten)]
        queue: Queue,
        /// What to send; without it, stdin is read
        body: Option<String>,
        /// What the body is
        #[arg(long, value_name = "KIND", value_enum, default_value_t = Kind::Json)]
        content_type: Kind,
        /// Hold it back for so many seconds
        #[arg(long, value_name = "SECONDS")]
        delay: Option<u32>,
    },
    /// Take messages for a while, and print them with their leases
    Pull {
        #[command(flatten)]
        queue: Queue,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 5)]
        count: u32,
        /// For so many seconds: what is not settled by then is delivered again
        #[arg(long, value_name = "SECONDS", default_value_t = 30)]
        visibility: u64,
    },
    /// Settle messages that were pulled
    Ack {
        #[command(flatten)]
        queue: Queue,
        /// The lease of a message; can be given more than once
        #[arg(long, value_name = "LEASE", required = true)]
        lease: Vec<String>,
        /// They are to be delivered again
        #[arg(long)]
        retry: bool,
        /// After so many seconds
        #[arg(long, value_name = "SECONDS", requires = "retry")]
        delay: Option<u32>,
    },
    /// Drop all messages that nobody has
    Purge {
        #[command(flatten)]
        queue: Queue,
        /// Do it: the messages can not be brought back
        #[arg(long)]
        yes: bool,
    },
    /// Move messages to another queue, such as dead letters to where they came from
    Redrive {
        #[command(flatten)]
        queue: Queue,
        /// The queue that they go to
        #[arg(long, value_name = "QUEUE", value_parser = queue)]
        to: String,
        /// At most so many
        #[arg(long, value_name = "N")]
        limit: Option<u64>,
    },
    /// Delete a queue with all that is in it
    Delete {
        #[command(flatten)]
        queue: Queue,
        /// Do it: the messages can not be brought back
        #[arg(long)]
        yes: bool,
    },
}

/// What a body is.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// A value
    Json,
    /// A string
    Text,
}

/// Runs the command.
pub(crate) fn run(args: &QueuesArgs) -> Result<(), Error> {
    let answer = match &args.command {
        Command::List { tenant, limit } => {
            let path = format!("/v1/tenants/{tenant}/queues");
            flat(Api::open(&args.client)?.list(&path, "queues", *limit)?, args.json)
        }
        Command::Show(queue) => Api::open(&args.client)?.get(&queue.path())?,
        Command::Send { queue, body, content_type, delay } => {
            let message = message(body.as_deref(), *content_type, *delay)?;
            let path = format!("{}/messages", queue.path());
            Api::open(&args.client)?.send("POST", &path, &json!({ "messages": [message] }))?
        }
        Command::Pull { queue, count, visibility } => {
            let asked = json!({
                "batch_size": count,
                "visibility_timeout_ms": visibility.saturating_mul(1_000),
            });
            Api::open(&args.client)?.send("POST", &queue.at("messages/pull"), &asked)?
        }
        Command::Ack { queue, lease, retry, delay } => {
            let one = |lease: &String| match delay {
                Some(seconds) => json!({ "lease_id": lease, "delay_seconds": seconds }),
                None => json!({ "lease_id": lease }),
            };
            let leases: Vec<Value> = lease.iter().map(one).collect();
            let settled = json!({ if *retry { "retries" } else { "acks" }: leases });
            Api::open(&args.client)?.send("POST", &queue.at("messages/ack"), &settled)?
        }
        Command::Purge { queue, yes } => {
            sure(*yes, "all messages of the queue that nobody has are dropped")?;
            let api = Api::open(&args.client)?;
            all("purged", u64::MAX, |_| api.send("POST", &queue.at("purge"), &json!({})))?
        }
        Command::Redrive { queue, to, limit } => {
            let api = Api::open(&args.client)?;
            all("moved", limit.unwrap_or(u64::MAX), |left| {
                let asked = json!({ "to": to, "limit": left });
                api.send("POST", &queue.at("redrive"), &asked)
            })?
        }
        Command::Delete { queue, yes } => {
            sure(*yes, "the queue is deleted with all that is in it")?;
            Api::open(&args.client)?.delete(&queue.path())?
        }
    };
    output::answer(&answer, args.json)
}

impl Queue {
    /// Where the API has it.
    fn path(&self) -> String {
        format!("/v1/tenants/{}/queues/{}", self.tenant, segment(&self.queue))
    }

    fn at(&self, call: &str) -> String {
        format!("{}/{call}", self.path())
    }
}

/// A name as one segment of a path: any text is the name of a queue.
fn segment(name: &str) -> String {
    name.bytes().fold(String::with_capacity(name.len()), |mut path, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => path.push(char::from(byte)),
            byte => path.push_str(&format!("%{byte:02X}")),
        }
        path
    })
}

/// The message that is sent.
fn message(body: Option<&str>, kind: Kind, delay: Option<u32>) -> Result<Value, Error> {
    let text = match body {
        Some(body) => body.to_owned(),
        None => {
            let mut text = String::new();
            let mut stdin = io::stdin().lock().take(MESSAGE_BYTES_MAX as u64 + 1);
            stdin
                .read_to_string(&mut text)
                .map_err(|error| Error::os("stdin can not be read as text", error))?;
            text
        }
    };
    let (kind, body) = match kind {
        Kind::Text => ("text", Value::String(text)),
        Kind::Json => {
            let value = serde_json::from_str(&text).map_err(|error| {
                Error::Failed(format!(
                    "the body is not JSON: {error}; --content-type text takes any"
                ))
            })?;
            ("json", value)
        }
    };
    let mut message = json!({ "body": body, "content_type": kind });
    if let Some(seconds) = delay {
        message["delay_seconds"] = seconds.into();
    }
    Ok(message)
}

/// Makes a call again until there is nothing more to do, and adds up what was done.
fn all(
    what: &str,
    limit: u64,
    mut call: impl FnMut(u64) -> Result<Value, Error>,
) -> Result<Value, Error> {
    let mut done = 0;
    loop {
        let answer = call(limit.saturating_sub(done).min(u64::from(u32::MAX)))?;
        done += answer[what].as_u64().unwrap_or(0);
        if answer["more"] != true || done >= limit {
            return Ok(json!({ what: done }));
        }
    }
}

/// A list as its table shows it: who takes the messages in one column.
fn flat(mut list: Value, as_json: bool) -> Value {
    if as_json {
        return list;
    }
    for queue in list["queues"].as_array_mut().into_iter().flatten() {
        let consumer = queue["consumer"]["worker"].take();
        *queue = json!({
            "name": queue["name"],
            "backlog_count": queue["backlog_count"],
            "backlog_bytes": queue["backlog_bytes"],
            "consumer": consumer,
        });
    }
    list
}

fn sure(yes: bool, what: &str) -> Result<(), Error> {
    if yes { Ok(()) } else { Err(Error::Usage(format!("{what}: add --yes to do it"))) }
}

fn queue(text: &str) -> Result<String, String> {
    name::check_resource(text).map(|()| text.to_owned()).map_err(|error| error.to_string())
}
