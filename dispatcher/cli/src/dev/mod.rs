//! `bindery dev`: a server of this terminal's own, whose workers follow their files.
//!
//! The server runs in this process, the files are watched by the kernel, and a save is served a
//! moment later. What does not compile or start is shown with its place, and what served before
//! goes on serving. At its end nothing is left but the directory that `--data` names.

mod keyboard;
mod log;
mod server;
mod session;
mod trace;
mod watch;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use clap::Args;

use crate::api;
use crate::error::Error;
use crate::interrupt;
use crate::output;
use keyboard::Keyboard;
use log::Log;
use server::Running;
use session::Session;
use watch::{Change, Watcher};

/// A save is over when nothing has changed for this long.
const QUIET: Duration = Duration::from_millis(8);
/// Changes that do not end are looked at after this long all the same.
const QUIET_IN: Duration = Duration::from_millis(100);
/// Changes and keys that wait.
const HAPPENING_COUNT_MAX: usize = 4_096;

const KEYS: &str = "keys: h help, r redeploy, s run crons now, u URLs, c clear, q quit";

/// Examples, below the help text.
pub(crate) const EXAMPLES: &str = "\
Examples:
  bindery dev
      the worker in this directory, at http://dev.localhost:8787/
  bindery dev api site --port 3000
      two workers, at http://api.dev.localhost:3000/ and http://site.dev.localhost:3000/
  bindery dev --data .bindery --json
      what is stored is kept, and each line of output is a JSON object

A save is deployed at once; a mistake is shown with its place, and what served before goes on
serving. `.dev.vars` (NAME=VALUE on each line) takes the place of variables and secrets. On a
terminal, h lists the keys. Ctrl-C ends it.
Here `fetch` also reaches this machine and private networks.";

/// What `dev` is told.
#[derive(Args, Debug)]
pub(crate) struct DevArgs {
    /// Directories of workers [default: this one]; one worker alone is the tenant's `main`
    #[arg(value_name = "DIR")]
    dirs: Vec<PathBuf>,
    /// Whose workers they are
    #[arg(long, value_name = "T", default_value = "dev", value_parser = api::label)]
    tenant: String,
    /// Directory of everything that is kept [default: one that goes away]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Port of this machine where workers are reached; 0 picks a free one [default: 8787]
    #[arg(long, conflicts_with = "listen")]
    port: Option<u16>,
    /// Address where workers are reached
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Address where the admin API is reached [default: a free port of this machine]
    #[arg(long, value_name = "ADDR")]
    admin: Option<SocketAddr>,
    /// Start without the parts of the sandbox that this kernel does not grant
    #[arg(long)]
    unsandboxed: bool,
    /// What the server logs to stderr, such as `info`
    #[arg(long, value_name = "FILTER", default_value = "error")]
    log: String,
    /// Print one JSON object for each line
    #[arg(long)]
    json: bool,
}

/// Something that the session reacts to.
enum Happening {
    /// Something changed in a directory that is watched.
    Changed(Change),
    /// A key was pressed.
    Pressed(u8),
    /// The person has seen enough.
    Ended,
}

/// Runs the session until the person has seen enough, which is a success.
pub(crate) fn run(args: &DevArgs) -> Result<(), Error> {
    let (happens, happened) = mpsc::sync_channel(HAPPENING_COUNT_MAX);
    let ended = happens.clone();
    interrupt::at_end(move || {
        // Nobody waits any more if the session was first.
        let _ = ended.send(Happening::Ended);
    })?;
    let running = Running::start(args)?;
    let end = session(args, &running, happens, &happened);
    running.end();
    end
}

fn session(
    args: &DevArgs,
    running: &Running,
    happens: SyncSender<Happening>,
    happened: &Receiver<Happening>,
) -> Result<(), Error> {
    let log = Log::new(args.json);
    log.ready(running)?;
    log.follow(&running.api(), &args.tenant)?;
    let watcher = Watcher::start(happens.clone())?;
    let mut session = Session::new(args, running.api(), log, watcher)?;
    session.deploy_all()?;
    // Kept until the end, for the terminal is to be as it was.
    let keyboard = Keyboard::open(happens);
    if keyboard.is_some() {
        output::line(KEYS)?;
    }
    react(&mut session, happened)
}

fn react(session: &mut Session, happened: &Receiver<Happening>) -> Result<(), Error> {
    let mut since: Option<Instant> = None;
    loop {
        let happening = match since {
            None => happened.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(since) if since.elapsed() > QUIET_IN => Err(RecvTimeoutError::Timeout),
            Some(_) => happened.recv_timeout(QUIET),
        };
        match happening {
            Ok(Happening::Changed(change)) => {
                if session.note(&change) {
                    since.get_or_insert_with(Instant::now);
                }
            }
            Ok(Happening::Pressed(key)) => match key {
                b'q' => return Ok(()),
                key => press(session, key)?,
            },
            Err(RecvTimeoutError::Timeout) => {
                since = None;
                session.deploy_changed()?;
            }
            Ok(Happening::Ended) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

fn press(session: &mut Session, key: u8) -> Result<(), Error> {
    match key {
        b'r' => session.deploy_again(),
        b's' => session.run_crons(),
        b'u' | b'o' => session.print_urls(),
        b'c' => output::clear(),
        b'h' | b'?' => output::line(KEYS),
        _ => Ok(()),
    }
}

impl DevArgs {
    fn listen(&self) -> SocketAddr {
        let port = self.port.unwrap_or(8787);
        self.listen.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, port).into())
    }

    fn admin(&self) -> SocketAddr {
        self.admin.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, 0).into())
    }
}
