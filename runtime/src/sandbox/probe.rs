//! Tries what a tenant's code must never be able to do, from inside the process that runs it.
//!
//! An attempt that the kernel considers counts as a success, even where it then finds nothing to
//! do: what counts is that the way is open. Nothing that an attempt makes is left behind.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use libc::c_long;
use rustix::net::{AddressFamily, SocketType, socket};
use rustix::process::{getppid, test_kill_process};

use crate::sys;

/// How long a connection may take before the network counts as closed.
const CONNECT_MAX: Duration = Duration::from_secs(2);

/// Calls that fail on nonsense: an error about it tells that the kernel looked.
const CALLS: &[(&str, c_long)] = &[
    ("replace the program", libc::SYS_execve),
    ("start a process by clone3", libc::SYS_clone3),
    ("trace a process", libc::SYS_ptrace),
    ("enter new namespaces", libc::SYS_unshare),
    ("mount a file system", libc::SYS_mount),
    ("load a kernel program", libc::SYS_bpf),
    ("set up io_uring", libc::SYS_io_uring_setup),
    ("use the key ring", libc::SYS_keyctl),
    ("open a performance counter", libc::SYS_perf_event_open),
    ("install a filter of system calls", libc::SYS_seccomp),
];

/// What was tried, and how it was denied; `None` where it succeeded.
pub type Attempt = (String, Option<String>);

/// Makes all attempts. `path` is a file that exists outside, `port` one that listens there on
/// 127.0.0.1.
pub fn probe(path: &str, port: u16) -> Vec<Attempt> {
    let mut attempts = files(path);
    attempts.extend(network(port));
    attempts.extend(processes());
    attempts.extend(CALLS.iter().map(|(what, call)| attempt(what, considered(*call))));
    attempts
}

fn files(path: &str) -> Vec<Attempt> {
    let mut attempts = vec![
        attempt(&format!("open {path}"), File::open(path)),
        attempt(&format!("look at {path}"), fs::metadata(path)),
        attempt("list /", fs::read_dir("/")),
    ];
    for file in ["/proc/self/environ", "/proc/1/cmdline", "/etc/passwd", "/dev/null"] {
        attempts.push(attempt(&format!("open {file}"), File::open(file)));
    }
    for file in ["/bindery-probe", "/tmp/bindery-probe"] {
        attempts.push(attempt(&format!("create {file}"), create(file)));
    }
    attempts
}

fn create(file: &str) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(file)?;
    fs::remove_file(file)
}

fn network(port: u16) -> Vec<Attempt> {
    let open = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut attempts = vec![
        attempt(&format!("connect to {open}"), connect(&open)),
        attempt("listen on 127.0.0.1", TcpListener::bind((Ipv4Addr::LOCALHOST, 0))),
    ];
    for (name, family) in [
        ("an IPv4", AddressFamily::INET),
        ("an IPv6", AddressFamily::INET6),
        ("a Unix", AddressFamily::UNIX),
        ("a virtual machine's", AddressFamily::VSOCK),
    ] {
        let made = socket(family, SocketType::STREAM, None);
        attempts.push(attempt(&format!("make {name} socket"), made));
    }
    let netlink = socket(AddressFamily::NETLINK, SocketType::RAW, None);
    attempts.push(attempt("make a netlink socket", netlink));
    attempts
}

/// A port that refuses has been reached.
fn connect(to: &SocketAddr) -> io::Result<()> {
    match TcpStream::connect_timeout(to, CONNECT_MAX) {
        Err(why) if why.kind() != io::ErrorKind::ConnectionRefused => Err(why),
        _ => Ok(()),
    }
}

fn processes() -> Vec<Attempt> {
    let parent = getppid().ok_or(rustix::io::Errno::SRCH);
    vec![
        attempt("signal the parent", parent.and_then(test_kill_process)),
        attempt("start a process by fork", sys::fork_and_end()),
        attempt("start a program", Command::new("/bin/true").status()),
    ]
}

fn considered(call: c_long) -> io::Result<()> {
    let why = sys::refused_call(call);
    match why.raw_os_error() {
        Some(libc::EPERM | libc::EACCES | libc::ENOSYS) => Err(why),
        _ => Ok(()),
    }
}

fn attempt<T, E: ToString>(what: &str, outcome: Result<T, E>) -> Attempt {
    (what.to_owned(), outcome.err().map(|why| why.to_string()))
}
