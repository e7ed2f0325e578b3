#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod api;
mod audit;
mod bench;
mod capabilities;
mod config;
mod crons;
mod deploy;
mod dev;
mod doctor;
mod error;
mod excerpt;
mod init;
mod interrupt;
mod output;
mod queues;
mod secrets;
mod serve;
mod store;
mod tail;
mod tenants;
mod versions;

use std::process::ExitCode;

use bindery_runtime::cordon;
use clap::{Parser, Subcommand};

/// Runs many tenants' JavaScript on one machine, each in an isolate of its own
#[derive(Parser)]
#[command(version, max_term_width = 100, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  bindery init hello && bindery dev hello
  bindery serve
  bindery deploy examples/hello --tenant acme
  curl http://hello.acme.localhost:8787/
  bindery tail acme

Exit codes: 0 done, 1 failed, 2 wrong usage.";

#[derive(Subcommand)]
enum Command {
    /// Run the server
    #[command(after_help = serve::EXAMPLES)]
    Serve(config::ServeArgs),
    /// Run the server for this terminal, and deploy workers whenever their files change
    #[command(after_help = dev::EXAMPLES)]
    Dev(dev::DevArgs),
    /// Write a small worker to begin with
    #[command(after_help = init::EXAMPLES)]
    Init(init::InitArgs),
    /// Upload a worker from a directory
    #[command(after_help = deploy::EXAMPLES)]
    Deploy(deploy::DeployArgs),
    /// Follow console output, exceptions and outcomes
    #[command(after_help = tail::EXAMPLES)]
    Tail(tail::TailArgs),
    /// Tenants, their tokens and their host names
    #[command(after_help = tenants::EXAMPLES)]
    Tenants(tenants::TenantsArgs),
    /// Versions of a worker, and which one serves
    #[command(after_help = versions::EXAMPLES)]
    Versions(versions::VersionsArgs),
    /// Secrets of a worker
    #[command(after_help = secrets::EXAMPLES)]
    Secrets(secrets::SecretsArgs),
    /// Crons of a worker: when they run next, how they last went, and one of them now
    #[command(after_help = crons::EXAMPLES)]
    Crons(crons::CronsArgs),
    /// Queues: what waits in them, by hand
    #[command(after_help = queues::EXAMPLES)]
    Queues(queues::QueuesArgs),
    /// Who asked for which change
    #[command(after_help = audit::EXAMPLES)]
    Audit(audit::AuditArgs),
    /// What everything is kept in: figures, checks and copies
    #[command(after_help = store::EXAMPLES)]
    Store(store::StoreArgs),
    /// Limits, defaults, bindings and compatibility dates of this build
    #[command(after_help = capabilities::EXAMPLES)]
    Capabilities(capabilities::CapabilitiesArgs),
    /// Check kernel, limits, sandbox and disk
    #[command(after_help = doctor::EXAMPLES)]
    Doctor(doctor::DoctorArgs),
    /// Measure this machine
    #[command(subcommand, after_help = bench::EXAMPLES)]
    Bench(bench::BenchCommand),
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == "cordon") {
        // Before anything else: a cordon is closed while it has one thread and no open file.
        return ExitCode::from(cordon::run());
    }
    match Cli::try_parse() {
        Ok(cli) => match cli.command.run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => error.report(),
        },
        Err(refusal) => {
            // Help goes to stdout, everything else to stderr; nobody is left to tell if that fails.
            let _ = refusal.print();
            ExitCode::from(u8::try_from(refusal.exit_code()).unwrap_or(2))
        }
    }
}

impl Command {
    fn run(self) -> Result<(), error::Error> {
        match self {
            Self::Serve(args) => serve::run(&args),
            Self::Dev(args) => dev::run(&args),
            Self::Init(args) => init::run(&args),
            Self::Deploy(args) => deploy::run(&args),
            Self::Tail(args) => tail::run(args),
            Self::Tenants(args) => tenants::run(&args),
            Self::Versions(args) => versions::run(&args),
            Self::Secrets(args) => secrets::run(&args),
            Self::Crons(args) => crons::run(&args),
            Self::Queues(args) => queues::run(&args),
            Self::Audit(args) => audit::run(&args),
            Self::Store(args) => store::run(&args),
            Self::Capabilities(args) => capabilities::run(&args),
            Self::Doctor(args) => doctor::run(&args),
            Self::Bench(command) => bench::run(&command),
        }
    }
}
