//! A whole server in this process, on a directory of its own and free ports of the loopback.

use std::num::NonZeroU32;
use std::ops::Deref;
use std::path::PathBuf;
use std::time::Duration;

use bindery_dispatcher::clock::{Clock, Millis};
use bindery_dispatcher::config::{Config, Token};
use bindery_dispatcher::server::Server;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{Doors, SOON, within};

/// The operator's token of every server in this process.
const TOKEN: &str = "operator-of-the-test";

/// A server that has not been started.
pub(crate) struct Plan {
    config: Config,
    clock: Clock,
    dir: TempDir,
}

/// A server that runs. Its requests are those of [`Doors`]. Dropped, its cordons are killed.
pub(crate) struct Host {
    doors: Doors,
    config: Config,
    clock: Clock,
    server: Option<Server>,
    dir: Option<TempDir>,
}

impl Host {
    /// A server with two cordons, a small pool and the system's clock.
    #[expect(clippy::new_ret_no_self, reason = "a host begins as a plan: `Host::new().start()`")]
    pub(crate) fn new() -> Plan {
        let dir = tempfile::tempdir().expect("a directory");
        let mut config = Config {
            data: dir.path().join("data"),
            listen: ([127, 0, 0, 1], 0).into(),
            admin: ([127, 0, 0, 1], 0).into(),
            operator_token: Some(Token(TOKEN.into())),
            cordons: NonZeroU32::new(2),
            drain_ms: 10_000,
            ..Config::default()
        };
        config.pool.blank_count_max = 2;
        Plan { config, clock: Clock::system(), dir }
    }

    /// The server itself, for what no port tells.
    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().expect("it runs until it is shut down")
    }

    /// Its clock.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Its directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.config.data.clone()
    }

    /// The processes of its standing cordons.
    pub(crate) fn cordon_pids(&self) -> Vec<u32> {
        self.server().placement().cordons().status().iter().map(|status| status.pid).collect()
    }

    /// How many cordons have died without being told to.
    pub(crate) fn cordon_death_count(&self) -> u64 {
        self.server().placement().cordons().death_count()
    }

    /// Ends it in order.
    pub(crate) async fn shutdown(mut self) {
        self.stop().await;
    }

    /// Ends it in order and starts it anew on the same directory, on other ports.
    pub(crate) async fn restart(&mut self) {
        self.restart_after(|_| ()).await;
    }

    /// The same, with something done to its clock in between.
    pub(crate) async fn restart_after(&mut self, meanwhile: impl FnOnce(&Clock)) {
        self.stop().await;
        meanwhile(&self.clock);
        let (server, doors) = start(&self.config, &self.clock).await;
        self.server = Some(server);
        self.doors = doors;
    }

    async fn stop(&mut self) {
        let server = self.server.take().expect("it runs until it is shut down");
        within(SOON, "the server's end", server.shutdown()).await;
    }
}

impl Plan {
    /// With so many cordons.
    pub(crate) fn cordons(mut self, count: u32) -> Self {
        self.config.cordons = NonZeroU32::new(count);
        self
    }

    /// With whatever else a configuration holds.
    pub(crate) fn config(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// With a clock that stands still until the test moves it: [`Host::clock`].
    pub(crate) fn still_clock(mut self) -> Self {
        self.clock = Clock::test(Millis(1_800_000_000_000));
        self
    }

    /// Starts it.
    pub(crate) async fn start(self) -> Host {
        let (server, doors) = start(&self.config, &self.clock).await;
        let Self { config, clock, dir } = self;
        Host { doors, config, clock, server: Some(server), dir: Some(dir) }
    }
}

async fn start(config: &Config, clock: &Clock) -> (Server, Doors) {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_bindery"));
    let starting = Server::start(config.clone(), program, clock.clone());
    let server = within(SOON, "a server", starting).await.expect("a server starts");
    let doors = Doors { listen: server.listen, admin: server.admin, token: TOKEN.into() };
    (server, doors)
}

impl Deref for Host {
    type Target = Doors;

    fn deref(&self) -> &Doors {
        &self.doors
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            for status in server.placement().cordons().status() {
                if let Some(pid) = i32::try_from(status.pid).ok().and_then(Pid::from_raw) {
                    let _ = kill_process(pid, Signal::KILL);
                }
            }
        }
        drop(self.dir.take());
    }
}

/// Lets other tasks run for a moment: for polling what has no event of its own, never as a wait
/// for something to be over.
pub(crate) async fn moment() {
    tokio::time::sleep(Duration::from_millis(5)).await;
}
