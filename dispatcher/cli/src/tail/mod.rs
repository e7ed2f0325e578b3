//! `bindery tail`: follows what happens in a tenant's workers.

pub(crate) mod show;
mod sse;

pub(crate) use sse::Events;

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use crate::api::{self, Api};
use crate::config::ClientArgs;
use crate::error::Error;
use crate::interrupt;
use crate::output;
use sse::Event;

/// Between two attempts to reach a server that went away, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// Attempts before a server counts as gone.
const RETRY_COUNT_MAX: u32 = 60;
/// Characters of a line that is not what was expected.
const RAW_CHARS_MAX: usize = 8_000;

/// Examples, below the help text.
pub(crate) const EXAMPLES: &str = "\
Examples:
  bindery tail acme
      everything of tenant `acme`: console output, exceptions, how each event ended
  bindery tail acme/api
      one worker of the tenant
  bindery tail acme --json | jq 'select(.outcome != \"ok\")'
      one JSON object for each line, for programs";

/// What `tail` is told.
#[derive(Args, Debug)]
pub(crate) struct TailArgs {
    /// Tenant, or tenant and worker as T/W
    #[arg(value_name = "T[/W]", value_parser = target)]
    target: Target,
    /// Print one JSON object for each line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Clone, Debug)]
struct Target {
    tenant: String,
    worker: Option<String>,
}

fn target(text: &str) -> Result<Target, String> {
    let (tenant, worker) = match text.split_once('/') {
        Some((tenant, worker)) => (tenant, Some(api::label(worker)?)),
        None => (text, None),
    };
    Ok(Target { tenant: api::label(tenant)?, worker })
}

/// Follows until the person has seen enough (Ctrl-C), which is a success.
pub(crate) fn run(args: TailArgs) -> Result<(), Error> {
    let (done, ended) = mpsc::channel();
    let stop = done.clone();
    interrupt::then(move || {
        // Nobody listens any more if the other end was first.
        let _ = stop.send(Ok(()));
    })?;
    thread::spawn(move || {
        let _ = done.send(follow(&args));
    });
    ended.recv().unwrap_or(Ok(()))
}

fn follow(args: &TailArgs) -> Result<(), Error> {
    let api = Api::open(&args.client)?;
    let mut last: Option<u64> = None;
    let mut stream = api.events(&args.target.path(last))?;
    loop {
        let mut events = Events::new(stream);
        while let Ok(Some(event)) = events.next() {
            args.print(&event)?;
            last = event.id.or(last);
        }
        output::note("the connection ended: trying again");
        stream = reconnect(|| api.events(&args.target.path(last)))?;
    }
}

fn reconnect<T>(connect: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
    let (mut wait, wait_max) = RETRY;
    for _ in 1..RETRY_COUNT_MAX {
        thread::sleep(wait);
        match connect() {
            Err(Error::Unavailable(_)) => wait = (wait * 2).min(wait_max),
            answer => return answer,
        }
    }
    connect()
}

impl Target {
    /// Where the API has what happens from now on, or what happened after an entry too.
    fn path(&self, after: Option<u64>) -> String {
        let worker = self.worker.as_ref().map(|worker| format!("&worker={worker}"));
        let worker = worker.unwrap_or_default();
        let after = after.map(|after| format!("&after={after}")).unwrap_or_default();
        format!("/v1/tenants/{}/logs?follow=1{worker}{after}", self.tenant)
    }

    fn covers(&self, entry: &Value) -> bool {
        // An entry of no worker in particular is about the log itself.
        let worker = entry["worker"].as_str().filter(|worker| !worker.is_empty());
        let named = self.worker.as_deref().zip(worker);
        named.is_none_or(|(wanted, worker)| wanted == worker)
    }
}

impl TailArgs {
    fn print(&self, event: &Event) -> Result<(), Error> {
        let Ok(entry) = serde_json::from_str::<Value>(&event.data) else {
            output::note(output::plain(&event.data, RAW_CHARS_MAX));
            return Ok(());
        };
        if !self.target.covers(&entry) {
            return Ok(());
        }
        if self.json { output::line(entry) } else { output::line(show::entry(&entry)) }
    }
}
