//! A cordon without a dispatcher: the test holds its control socket.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bindery_wire::codec;
use bindery_wire::control::{FromCordon, MESSAGE_BYTES_MAX, Sandbox, ToCordon};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send};

struct Cordon {
    control: OwnedFd,
    child: Child,
}

impl Cordon {
    fn start() -> (Self, Sandbox) {
        let kind = (AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC);
        let pair = rustix::net::socketpair(kind.0, kind.1, kind.2, None);
        let (control, theirs) = pair.expect("a pair");
        let limit = Some(Duration::from_secs(20));
        set_socket_timeout(&control, Timeout::Recv, limit).expect("a socket");
        let child = Command::new(env!("CARGO_BIN_EXE_bindery"))
            .arg("cordon")
            .env_clear()
            .stdin(theirs)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let cordon = Self { control, child };
        match cordon.receive() {
            FromCordon::Ready { sandbox, .. } => (cordon, sandbox),
            other => panic!("first message is {other:?}"),
        }
    }

    fn receive(&self) -> FromCordon {
        let mut buffer = vec![0; MESSAGE_BYTES_MAX];
        let received = recv(&self.control, &mut buffer[..], RecvFlags::empty());
        let (length, _) = received.expect("a message in time");
        codec::read(&buffer[..length]).expect("a message")
    }

    fn probe(&self, path: &str, port: u16) -> Vec<(String, Option<String>)> {
        let message = ToCordon::Probe { path: path.to_owned(), port };
        let packet = codec::packet(&message).expect("it fits");
        send(&self.control, &packet, SendFlags::NOSIGNAL).expect("the cordon reads");
        loop {
            if let FromCordon::Probed { attempts } = self.receive() {
                return attempts;
            }
        }
    }
}

impl Drop for Cordon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_cordon_that_tries_gets_nowhere() {
    let secret = tempfile::NamedTempFile::new().expect("a file");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let (cordon, sandbox) = Cordon::start();
    assert_eq!(sandbox.required_missing(), Vec::<String>::new());
    let port = listener.local_addr().expect("a port").port();
    let path = secret.path().to_str().expect("text");
    let attempts = cordon.probe(path, port);
    assert!(attempts.len() >= 25, "{attempts:?}");
    let open: Vec<_> = attempts.iter().filter(|(_, denied)| denied.is_none()).collect();
    assert!(open.is_empty(), "{open:?}");
    // Not only does the cordon say so: nobody knocked.
    let knocked = listener.accept().map_err(|error| error.kind());
    assert_eq!(knocked.err(), Some(std::io::ErrorKind::WouldBlock));
}

#[test]
fn a_cordon_inherits_only_three_descriptors_and_no_environment() {
    // Without close-on-exec, as a careless library would leave it.
    let _leak = rustix::fs::open("/", rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty());
    let (cordon, sandbox) = Cordon::start();
    let held = |part: &str| sandbox.parts.iter().any(|(name, why)| name == part && why.is_none());
    assert!(held(bindery_wire::control::part::DESCRIPTORS));
    // Who is not root may not look; then the cordon's word has to do.
    if let Ok(links) = std::fs::read_dir(format!("/proc/{}/fd", cordon.child.id())) {
        let files = links.flatten().filter_map(|link| std::fs::read_link(link.path()).ok());
        let mut named = files.filter(|to| to.starts_with("/") && to != Path::new("/dev/null"));
        assert_eq!(named.next(), None);
    }
}

#[test]
fn a_cordon_ends_when_its_control_socket_closes() {
    let (mut cordon, _) = Cordon::start();
    let mut log = cordon.child.stderr.take().expect("a pipe");
    let (closed, _) = rustix::pipe::pipe().expect("a pipe");
    drop(std::mem::replace(&mut cordon.control, closed));
    // The log ends with the process: no polling.
    log.read_to_end(&mut Vec::new()).expect("its end");
    assert!(cordon.child.wait().expect("it is our child").code().is_some());
}
