//! The server of a session, in this process.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use bindery_dispatcher::clock::Clock;
use bindery_dispatcher::config::Config;
use bindery_dispatcher::server::Server;
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tracing_subscriber::EnvFilter;

use super::DevArgs;
use crate::api::Api;
use crate::config::Token;
use crate::error::Error;
use crate::output;

/// How long the end waits for requests that run.
const DRAIN_MS: u32 = 1_000;

/// A server that runs. Ended with [`Running::end`].
pub(super) struct Running {
    runtime: Runtime,
    server: Server,
    /// Where workers are reached.
    pub(super) listen: SocketAddr,
    /// Where the admin API is reached.
    pub(super) admin: SocketAddr,
    token: String,
    temporary: Option<TempDir>,
}

impl Running {
    /// Starts a server whose ports both accept, and makes the tenant.
    pub(super) fn start(args: &DevArgs) -> Result<Self, Error> {
        start_log(&args.log)?;
        let temporary = match &args.data {
            Some(_) => None,
            None => Some(temporary()?),
        };
        let data = args.data.clone().or(temporary.as_ref().map(|dir| dir.path().to_owned()));
        let config = Config {
            data: data.clone().unwrap_or_default(),
            listen: args.listen(),
            admin: args.admin(),
            unsandboxed: args.unsandboxed,
            drain_ms: DRAIN_MS,
            // What a worker talks to while it is written runs on the same machine.
            allow_private_egress: true,
            ..Config::default()
        };
        // Cordons are this very program.
        let program = std::env::current_exe();
        let program = program.map_err(|error| Error::os("this program is not found", error))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::os("no threads", error))?;
        let server = runtime.block_on(Server::start(config, program, Clock::system()));
        let server = server.map_err(|error| not_started(&error))?;
        let (listen, admin) = (server.listen, server.admin);
        let token = token(&data.unwrap_or_default());
        let mut running = Self { runtime, server, listen, admin, token: String::new(), temporary };
        match token.and_then(|token| {
            running.token = token;
            running.make_tenant(&args.tenant)
        }) {
            Ok(()) => Ok(running),
            Err(error) => {
                running.end();
                Err(error)
            }
        }
    }

    /// The admin API, as the operator.
    pub(super) fn api(&self) -> Api {
        Api::at(format!("http://{}", self.admin), Token::known(&self.token))
    }

    fn make_tenant(&self, tenant: &str) -> Result<(), Error> {
        let (api, path) = (self.api(), format!("/v1/tenants/{tenant}"));
        match api.get(&path) {
            Err(Error::Absent(_)) => api.send("PUT", &path, &json!({})).map(drop),
            found => found.map(drop),
        }
    }

    /// Ends the server and everything that it started.
    pub(super) fn end(self) {
        self.runtime.block_on(self.server.shutdown());
        if let Some(temporary) = self.temporary {
            let path = temporary.path().to_owned();
            if let Err(error) = temporary.close() {
                output::note(format_args!("{} is left: {error}", path.display()));
            }
        }
    }
}

fn temporary() -> Result<TempDir, Error> {
    let dir = tempfile::Builder::new().prefix("bindery-dev").tempdir();
    dir.map_err(|error| Error::os("no temporary directory", error))
}

fn start_log(filter: &str) -> Result<(), Error> {
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| Error::Usage(format!("--log is not a filter: {error}")))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(output::watched())
        .init();
    Ok(())
}

fn token(data: &Path) -> Result<String, Error> {
    let file = data.join("operator.token");
    let text = fs::read_to_string(&file);
    text.map_err(|error| Error::os(format_args!("{}", file.display()), error))
}

fn not_started(error: &dyn std::error::Error) -> Error {
    let Error::Failed(text) = crate::serve::chain(error) else {
        return Error::Failed(error.to_string());
    };
    let taken = text.contains("listened on");
    let advice = if taken { "\n  another server is there: --port picks another port" } else { "" };
    Error::Failed(format!("{text}{advice}"))
}
