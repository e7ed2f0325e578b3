//! What encloses a cordon on this kernel, from a cordon's own mouth.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bindery_wire::codec;
use bindery_wire::control::{FromCordon, MESSAGE_BYTES_MAX, Sandbox, ToCordon};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use super::{Check, State};

/// How long a cordon may take to answer.
const ANSWER: Duration = Duration::from_secs(20);
/// Bytes of a cordon's last words that are shown.
const LAST_WORDS_BYTES_MAX: u64 = 2_000;

/// Starts a cordon, and asks what encloses it.
pub(crate) fn checks() -> Vec<Check> {
    match Cordon::start().and_then(|mut cordon| cordon.checks()) {
        Ok(checks) => checks,
        Err(why) => vec![Check::ok("sandbox", why).with(
            State::Fail,
            "no cordon runs here: this is a fault of the program or of the machine",
        )],
    }
}

/// A cordon that runs nothing. It is ended with this value.
struct Cordon {
    control: OwnedFd,
    child: Child,
}

impl Drop for Cordon {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end but the entry.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Cordon {
    fn start() -> Result<Self, String> {
        let (control, theirs) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(|error| format!("no socket: {error}"))?;
        set_socket_timeout(&control, Timeout::Recv, Some(ANSWER))
            .map_err(|error| format!("no time limit: {error}"))?;
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let child = Command::new(program)
            .arg("cordon")
            .env_clear()
            .current_dir("/")
            .stdin(theirs)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("no process: {error}"))?;
        Ok(Self { control, child })
    }

    fn checks(&mut self) -> Result<Vec<Check>, String> {
        let sandbox = loop {
            if let FromCordon::Ready { sandbox, .. } = self.receive()? {
                break sandbox;
            }
        };
        let mut checks: Vec<Check> = sandbox.parts.iter().map(part).collect();
        checks.extend(required(&sandbox));
        let outside = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|e| e.to_string())?;
        let port = outside.local_addr().map_err(|error| error.to_string())?.port();
        let path = std::env::current_exe().map_err(|error| error.to_string())?;
        self.send(&ToCordon::Probe { path: path.display().to_string(), port })?;
        loop {
            if let FromCordon::Probed { attempts } = self.receive()? {
                checks.push(escapes(&attempts));
                return Ok(checks);
            }
        }
    }

    fn send(&self, message: &ToCordon) -> Result<(), String> {
        let bytes = codec::packet(message).map_err(|error| error.to_string())?;
        let sent = rustix::net::send(&self.control, &bytes, SendFlags::NOSIGNAL);
        sent.map(drop).map_err(|error| format!("the cordon takes no message: {error}"))
    }

    fn receive(&mut self) -> Result<FromCordon, String> {
        let mut buffer = vec![0; MESSAGE_BYTES_MAX];
        let received = rustix::net::recv(&self.control, &mut buffer[..], RecvFlags::empty());
        match received {
            Ok((0, _)) => Err(format!("the cordon ended: {}", self.last_words())),
            Ok((length, _)) => {
                let bytes = buffer.get(..length).unwrap_or(&buffer);
                codec::read(bytes).map_err(|error| error.to_string())
            }
            Err(error) => Err(format!("the cordon does not answer: {error}")),
        }
    }

    fn last_words(&mut self) -> String {
        let mut words = Vec::new();
        if let Some(stderr) = self.child.stderr.take() {
            // What can not be read is not there; the status says the rest.
            let _ = stderr.take(LAST_WORDS_BYTES_MAX).read_to_end(&mut words);
        }
        let status = self.child.wait().map_or_else(|e| e.to_string(), |status| status.to_string());
        format!("{status}; {}", String::from_utf8_lossy(&words).trim())
    }
}

fn part((name, why): &(String, Option<String>)) -> Check {
    let name = format!("sandbox: {name}");
    match why {
        None => Check::ok(name, "holds"),
        Some(why) => Check::ok(name, format!("absent: {why}"))
            .with(State::Warn, "this kernel or container does not grant it"),
    }
}

fn required(sandbox: &Sandbox) -> impl Iterator<Item = Check> {
    sandbox.required_missing().into_iter().map(|missing| {
        Check::ok("sandbox: required", missing).with(
            State::Fail,
            "run where the kernel grants it, or accept the risk with `serve --unsandboxed`",
        )
    })
}

fn escapes(attempts: &[(String, Option<String>)]) -> Check {
    let open: Vec<&str> = attempts
        .iter()
        .filter(|(_, denied)| denied.is_none())
        .map(|(attempt, _)| attempt.as_str())
        .collect();
    let check = Check::ok(
        "sandbox: attempts to get out",
        format!("{} of {} denied", attempts.len() - open.len(), attempts.len()),
    );
    if open.is_empty() {
        return check;
    }
    let advice = format!("these succeeded: {}", open.join("; "));
    check.with(State::Fail, advice)
}
