//! Where the program's settings come from: flags, the environment, configuration files.
//!
//! Nothing else in the program reads an environment variable or a configuration file. A flag wins
//! over the environment, and the environment over a file.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use bindery_dispatcher::config::{Cidr, Config, Token as OperatorToken};
use clap::{Args, ValueEnum};

use crate::error::Error;

/// Holds the token of clients, and the operator's token of a server.
const TOKEN_VARIABLE: &str = "BINDERY_TOKEN";
/// The operator's token of a server that runs in this directory with its defaults.
const TOKEN_FILE: &str = "./bindery-data/operator.token";

/// How a client command reaches the server.
#[derive(Args, Clone, Debug)]
pub(crate) struct ClientArgs {
    /// The server's admin API
    #[arg(
        long,
        value_name = "URL",
        env = "BINDERY_API",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8788",
        global = true,
        help_heading = "Server"
    )]
    pub(crate) api: String,
    /// The operator's or a tenant's token [env: BINDERY_TOKEN, which other users can not see;
    /// for a server on this machine, else ./bindery-data/operator.token]
    #[arg(long, global = true, help_heading = "Server")]
    token: Option<String>,
}

/// A token, and where it was found.
pub(crate) struct Token {
    /// The token.
    pub(crate) text: Option<String>,
    found: Found,
}

enum Found {
    Flag,
    Environment,
    File,
    Nowhere,
    Unreadable(io::Error),
}

impl Token {
    /// A token that the program itself has at hand.
    pub(crate) fn known(text: &str) -> Self {
        Self { text: Some(text.trim().to_owned()), found: Found::File }
    }

    /// What to do when the server does not take the token.
    pub(crate) fn advice(&self) -> String {
        let used = match &self.found {
            Found::Flag => "the token given with --token was used".to_owned(),
            Found::Environment => format!("the token in {TOKEN_VARIABLE} was used"),
            Found::File => format!("the token in {TOKEN_FILE} was used"),
            Found::Nowhere => "no token was sent".to_owned(),
            Found::Unreadable(error) => {
                format!("no token was sent: {TOKEN_FILE} can not be read: {error}")
            }
        };
        format!(
            "{used}; the operator's token is in operator.token of the server's data directory: \
             pass it in {TOKEN_VARIABLE}"
        )
    }
}

impl ClientArgs {
    /// The token for a server.
    pub(crate) fn token(&self, api: &str) -> Result<Token, Error> {
        let (text, found) = if let Some(token) = &self.token {
            (Some(token.clone()), Found::Flag)
        } else if let Some(token) = variable(TOKEN_VARIABLE)? {
            (Some(token), Found::Environment)
        } else if is_loopback(api) {
            match fs::read_to_string(TOKEN_FILE) {
                Ok(text) => (Some(text), Found::File),
                Err(error) if error.kind() == io::ErrorKind::NotFound => (None, Found::Nowhere),
                Err(error) => (None, Found::Unreadable(error)),
            }
        } else {
            (None, Found::Nowhere)
        };
        Ok(Token { text: text.map(|token| token.trim().to_owned()), found })
    }
}

/// Whether an address of the API is on this machine, so that the token of its files is meant.
fn is_loopback(api: &str) -> bool {
    let host = api.trim_start_matches("http://").split('/').next().unwrap_or("");
    let host = match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => host,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// How a server's log is written: lines for people, or one JSON object a line. Documentation of the
/// variants would turn the whole help text into its long form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// What `serve` is told on the command line.
#[derive(Args, Debug)]
pub(crate) struct ServeArgs {
    /// Directory of everything that is kept [default: ./bindery-data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Address where workers are reached; port 0 picks a free one [default: 127.0.0.1:8787]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
    /// Address where the admin API is reached; port 0 picks a free one [default: 127.0.0.1:8788]
    #[arg(long, value_name = "ADDR")]
    pub(crate) admin: Option<SocketAddr>,
    /// Domain under which tenants have their names [default: localhost]
    #[arg(long, value_name = "NAME")]
    domain: Option<String>,
    /// Network whose x-forwarded-* headers are believed; may be given several times
    #[arg(long, value_name = "CIDR")]
    trusted_proxy: Vec<Cidr>,
    /// File with the key that encrypts secrets, 64 hexadecimal digits [default: made in DIR]
    #[arg(long, value_name = "FILE")]
    secrets_key: Option<PathBuf>,
    /// Processes that host isolates [default: as many as cores, at least 2]
    #[arg(long, value_name = "N")]
    cordons: Option<NonZeroU32>,
    /// Blank isolates that wait in each process, at most [default: 8]
    #[arg(long, value_name = "N")]
    pub(crate) blanks: Option<u32>,
    /// Start without the parts of the sandbox that this kernel does not grant
    #[arg(long)]
    pub(crate) unsandboxed: bool,
    /// Let workers reach private addresses, this machine among them
    #[arg(long)]
    allow_private_egress: bool,
    /// TOML file with these settings by the same names; flags win
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What is logged to stderr, such as `warn` or `info,bindery_dispatcher=debug`
    #[arg(
        long,
        value_name = "FILTER",
        env = "BINDERY_LOG",
        hide_env_values = true,
        default_value = "info"
    )]
    pub(crate) log: String,
    /// How the log is written: lines for people, or one JSON object a line
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub(crate) log_format: LogFormat,
    /// Drain and end when stdin is closed: for a program that starts a server of its own
    #[arg(long, hide = true)]
    pub(crate) until_stdin_closes: bool,
}

impl ServeArgs {
    /// The server's configuration.
    pub(crate) fn config(&self) -> Result<Config, Error> {
        let mut config = match &self.config {
            Some(file) => read(file)?,
            None => Config::default(),
        };
        take(&mut config.data, &self.data);
        take(&mut config.listen, &self.listen);
        take(&mut config.admin, &self.admin);
        take(&mut config.domain, &self.domain);
        take(&mut config.pool.blank_count_max, &self.blanks);
        if !self.trusted_proxy.is_empty() {
            config.trusted_proxies.clone_from(&self.trusted_proxy);
        }
        config.secrets_key = self.secrets_key.clone().or(config.secrets_key);
        config.cordons = self.cordons.or(config.cordons);
        config.unsandboxed |= self.unsandboxed;
        config.allow_private_egress |= self.allow_private_egress;
        config.operator_token =
            variable(TOKEN_VARIABLE)?.map(OperatorToken).or(config.operator_token);
        Ok(config)
    }
}

fn take<T: Clone>(setting: &mut T, flag: &Option<T>) {
    if let Some(flag) = flag {
        setting.clone_from(flag);
    }
}

fn read(file: &Path) -> Result<Config, Error> {
    let name = file.display();
    let text = fs::read_to_string(file)
        .map_err(|error| Error::os(format_args!("{name} can not be read"), error))?;
    toml::from_str(&text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let (line, column) = position(&text, at);
        Error::Failed(format!("{name}:{line}:{column}: {}", error.message()))
    })
}

/// The line and column of a byte of a text, both from 1.
pub(crate) fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before.get(line_start..).map_or(0, |line| line.chars().count());
    (before.matches('\n').count() + 1, column + 1)
}

#[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
fn variable(name: &str) -> Result<Option<String>, Error> {
    match std::env::var(name) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(error) => Err(Error::Usage(format!("{name}: {error}"))),
    }
}
