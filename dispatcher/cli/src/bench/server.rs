//! A server of the benchmark's own: this program, as a child, over a directory that goes away.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::Error;

/// Bytes of the line that says where the server listens.
const READY_BYTES_MAX: u64 = 1_000;
/// How long a server that runs nothing may take to end.
const END: Duration = Duration::from_secs(40);

/// A server that ends with this value, or with this process if that is killed.
pub(crate) struct Server {
    child: Child,
    /// Where workers are reached.
    pub(crate) listen: SocketAddr,
    /// Where the admin API is reached.
    pub(crate) admin: SocketAddr,
    /// The operator's token.
    pub(crate) token: String,
}

impl Server {
    /// Starts a server over `data` and waits until it accepts.
    pub(crate) fn start(data: &Path, unsandboxed: bool) -> Result<Self, Error> {
        let program = std::env::current_exe();
        let program = program.map_err(|error| Error::os("this program is not found", error))?;
        let mut command = Command::new(program);
        command.arg("serve").arg("--data").arg(data).arg("--until-stdin-closes");
        command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--log", "error"]);
        if unsandboxed {
            command.arg("--unsandboxed");
        }
        command.env_clear().stdin(Stdio::piped()).stdout(Stdio::piped());
        let child = command.spawn().map_err(|error| Error::os("no server", error))?;
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self { child, listen: nowhere, admin: nowhere, token: String::new() };
        server.await_ready()?;
        let file = data.join("operator.token");
        server.token = fs::read_to_string(&file)
            .map_err(|error| Error::os(format_args!("{}", file.display()), error))?;
        Ok(server)
    }

    fn await_ready(&mut self) -> Result<(), Error> {
        let mut line = String::new();
        if let Some(stdout) = self.child.stdout.take() {
            // What can not be read is an empty line, which is refused below.
            let _ = BufReader::new(stdout.take(READY_BYTES_MAX)).read_line(&mut line);
        }
        let address = |name: &str| {
            let word = line.split_whitespace().find_map(|word| word.strip_prefix(name));
            word.and_then(|address| address.parse().ok())
        };
        let addresses = address("listen=").zip(address("admin="));
        (self.listen, self.admin) = addresses.ok_or_else(|| {
            Error::Failed("the server did not start; its reason stands above".into())
        })?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let began = Instant::now();
        while began.elapsed() < END && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(10));
        }
        // It has ended, or does not end by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
