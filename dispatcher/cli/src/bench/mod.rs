//! `bindery bench`: measures this machine with the program as it is.

mod client;
mod sample;
mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bindery_wire::limits;
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::{Value, json};

use crate::api::Api;
use crate::config::Token;
use crate::error::Error;
use crate::interrupt;
use crate::output;
use client::Client;
use sample::{Conditions, Sample};
use server::Server;

/// Time for a server to make its blank isolates, before anything is measured.
const SETTLE: Duration = Duration::from_millis(1_500);
/// Between two requests of the paced runs.
const PACE: Duration = Duration::from_millis(25);

/// Examples, below the help text.
pub(crate) const EXAMPLES: &str = "\
Examples:
  bindery bench cold-start
  bindery bench cold-start --tenants 1000 --worker-bytes 102400 --json";

/// What is measured.
#[derive(Subcommand, Debug)]
pub(crate) enum BenchCommand {
    /// First requests to tenants that have not run since the server started
    #[command(after_help = EXAMPLES)]
    ColdStart(ColdStartArgs),
}

/// What `bench cold-start` is told.
#[derive(Args, Debug)]
pub(crate) struct ColdStartArgs {
    /// Tenants, each with a worker of its own
    #[arg(long, value_name = "N", default_value_t = 200,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    tenants: u32,
    /// Bytes of each worker's module
    #[arg(long, value_name = "BYTES", default_value_t = 1_024,
          value_parser = clap::value_parser!(u32).range(256..=16_777_216))]
    worker_bytes: u32,
    /// Start the server without the parts of the sandbox that this kernel does not grant
    #[arg(long)]
    unsandboxed: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    conditions: Conditions,
    results: Vec<Sample>,
}

/// Measures.
pub(crate) fn run(command: &BenchCommand) -> Result<(), Error> {
    let BenchCommand::ColdStart(args) = command;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    interrupt::then(move || stopped.store(true, Ordering::Relaxed))?;
    let bench = Bench { args, stop };
    let report = bench.cold_start()?;
    if args.json { output::json(&report) } else { report.print() }
}

struct Bench<'a> {
    args: &'a ColdStartArgs,
    stop: Arc<AtomicBool>,
}

impl Bench<'_> {
    fn cold_start(&self) -> Result<Report, Error> {
        let data = tempfile::Builder::new().prefix("bindery-bench").tempdir();
        let data = data.map_err(|error| Error::os("no temporary directory", error))?;
        let start = || Server::start(data.path(), self.args.unsandboxed);
        // Each run has a server that has run none of the tenants.
        self.upload(&start()?, &json!({}))?;
        let mut results = Vec::new();
        for (name, pace) in
            [("blank isolate waiting, paced", PACE), ("back to back", Duration::ZERO)]
        {
            results.push(self.first_requests(&start()?, name, pace)?);
        }
        // Blank isolates have the default memory limit: one of another limit is made when asked for.
        self.upload(
            &start()?,
            &json!({"memory_mb": (limits::DEFAULT.memory_bytes_max >> 20) - 1}),
        )?;
        results.push(self.first_requests(&start()?, "no blank isolate, paced", PACE)?);
        let conditions = Conditions::of_this_machine(self.args.tenants, self.args.worker_bytes);
        Ok(Report { conditions, results })
    }

    fn upload(&self, server: &Server, limits: &Value) -> Result<(), Error> {
        self.say("uploading");
        let api = Api::at(format!("http://{}", server.admin), Token::known(&server.token));
        for tenant in 0..=self.args.tenants {
            self.go_on()?;
            let source = worker(tenant, self.args.worker_bytes);
            crate::deploy::one_module(&api, &name(tenant), source, limits)?;
        }
        Ok(())
    }

    fn first_requests(&self, server: &Server, name: &str, pace: Duration) -> Result<Sample, Error> {
        self.say(name);
        let mut client = Client::connect(server.listen)?;
        // The connection and the front door are warm before the first measured request.
        client.get(&host(self.args.tenants), &self.args.tenants.to_string())?;
        thread::sleep(SETTLE);
        let mut times = Vec::new();
        let began = Instant::now();
        for tenant in 0..self.args.tenants {
            self.go_on()?;
            thread::sleep(pace);
            let start = Instant::now();
            client.get(&host(tenant), &tenant.to_string())?;
            times.push(start.elapsed());
        }
        Ok(Sample::of(name, times, began.elapsed()))
    }

    fn go_on(&self) -> Result<(), Error> {
        let stopped = self.stop.load(Ordering::Relaxed);
        if stopped { Err(Error::Failed("interrupted".into())) } else { Ok(()) }
    }

    fn say(&self, what: &str) {
        if output::watched() {
            output::note(format_args!("{} tenants: {what}", self.args.tenants));
        }
    }
}

impl Report {
    fn print(&self) -> Result<(), Error> {
        let conditions = json!(self.conditions);
        for (name, value) in conditions.as_object().into_iter().flatten() {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            output::line(format_args!("{name}: {value}"))?;
        }
        output::line("first request to a tenant, seen by a client, in milliseconds:")?;
        let heading = ["", "COUNT", "P50", "P90", "P99", "MAX", "PER SECOND"];
        let mut rows = vec![heading.map(str::to_owned).to_vec()];
        rows.extend(self.results.iter().map(Sample::row));
        output::table(&rows)
    }
}

fn name(tenant: u32) -> String {
    format!("bench-{tenant}")
}

fn host(tenant: u32) -> String {
    format!("{}.localhost", name(tenant))
}

/// A module that answers with the tenant's number, filled up with functions that are not called.
fn worker(tenant: u32, bytes: u32) -> String {
    let mut source =
        format!("export default {{ fetch() {{ return new Response(\"{tenant}\"); }} }};\n");
    let mut count = 0;
    while source.len() < bytes as usize {
        source.push_str(&format!("export function f{count}(a, b) {{ return a * b + {count}; }}\n"));
        count += 1;
    }
    source
}
