//! `bindery serve`: the server, from its configuration to its end.

use std::io::{self, Read};
use std::thread;

use bindery_dispatcher::clock::Clock;
use bindery_dispatcher::server::Server;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, ServeArgs};
use crate::error::Error;
use crate::output;

/// Examples, below the help text.
pub(crate) const EXAMPLES: &str = "\
Examples:
  bindery serve
      workers at http://TENANT.localhost:8787, the admin API at http://127.0.0.1:8788
  bindery serve --data /var/lib/bindery --listen 0.0.0.0:80 --domain workers.example.com
  bindery serve --config bindery.toml --log warn --log-format json

The operator's token is taken from BINDERY_TOKEN, else made at the first start and kept in
DIR/operator.token. When both ports accept, one line `ready listen=ADDR admin=ADDR` is printed.
SIGTERM and Ctrl-C finish what runs, and exit with 0.";

/// Runs a server until it is told to end.
pub(crate) fn run(args: &ServeArgs) -> Result<(), Error> {
    let config = args.config()?;
    let filter = EnvFilter::try_new(&args.log)
        .map_err(|error| Error::Usage(format!("--log is not a filter: {error}")))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match args.log_format {
        LogFormat::Text => log.with_ansi(output::watched()).init(),
        LogFormat::Json => {
            log.json().flatten_event(true).with_current_span(false).with_span_list(false).init();
        }
    }
    // Cordons are this very program.
    let program = std::env::current_exe();
    let program = program.map_err(|error| Error::os("this program is not found", error))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::os("no threads", error))?;
    runtime.block_on(async {
        // Signals that come during the start end the server too.
        let mut ended = ended(args.until_stdin_closes)?;
        let server = Server::start(config, program, Clock::system());
        let server = server.await.map_err(|error| chain(&error))?;
        output::line(format_args!("ready listen={} admin={}", server.listen, server.admin))?;
        ended.wait().await;
        tracing::info!("draining");
        server.shutdown().await;
        Ok(())
    })
}

/// What ends a server.
struct Ended {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    stdin: Option<oneshot::Receiver<()>>,
}

fn ended(until_stdin_closes: bool) -> Result<Ended, Error> {
    let unavailable = |error| Error::os("signals can not be awaited", error);
    Ok(Ended {
        terminate: signal(SignalKind::terminate()).map_err(unavailable)?,
        interrupt: signal(SignalKind::interrupt()).map_err(unavailable)?,
        stdin: until_stdin_closes.then(stdin_closes),
    })
}

impl Ended {
    async fn wait(&mut self) {
        let stdin = async {
            match &mut self.stdin {
                // An error says that the thread has ended, which it does at the end of stdin.
                Some(closed) => drop(closed.await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            () = stdin => {}
        }
    }
}

/// Tells when nobody holds the other end of stdin any more.
fn stdin_closes() -> oneshot::Receiver<()> {
    let (closed, receiver) = oneshot::channel();
    thread::spawn(move || {
        let mut byte = [0];
        while matches!(io::stdin().lock().read(&mut byte), Ok(1..)) {}
        drop(closed);
    });
    receiver
}

/// An error with everything that caused it, outermost first.
pub(crate) fn chain(error: &dyn std::error::Error) -> Error {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    Error::Failed(text)
}
