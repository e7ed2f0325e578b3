//! A session in a terminal: its keys.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::session::Project;
use crate::host::SOON;

/// A session in a terminal, and what a person sees of it. Dropped, it is killed.
struct Terminal {
    child: Child,
    keys: File,
    shown: Receiver<Vec<u8>>,
    text: String,
}

impl Terminal {
    fn start(project: &Project, arguments: &[&str]) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC);
        let ours = ours.expect("a terminal");
        grantpt(&ours).expect("granted");
        unlockpt(&ours).expect("unlocked");
        let name = ptsname(&ours, Vec::new()).expect("a name");
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let theirs = rustix::fs::open(&name, flags, Mode::empty()).expect("its other end");
        let theirs = || Stdio::from(theirs.try_clone().expect("a descriptor"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_bindery"));
        command.arg("dev").args(arguments).current_dir(project.dir()).env_clear();
        command.env("TMPDIR", project.dir().join("tmp"));
        command.stdin(theirs()).stdout(theirs()).stderr(theirs());
        let child = command.spawn().expect("the program starts");
        let keys = File::from(ours);
        let mut screen = keys.try_clone().expect("a descriptor");
        let (show, shown) = mpsc::channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4_096];
            // Reading fails once nobody has the other end any more.
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                if show.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, keys, shown, text: String::new() }
    }

    /// Waits until this is shown behind what was waited for before.
    fn until(&mut self, wanted: &str) {
        loop {
            if let Some(at) = self.text.find(wanted) {
                self.text.drain(..at + wanted.len());
                return;
            }
            let shown = self.shown.recv_timeout(Duration::from_secs(SOON));
            let shown = shown.unwrap_or_else(|_| panic!("no `{wanted}` in {:?}", self.text));
            self.text.push_str(&String::from_utf8_lossy(&shown));
        }
    }

    fn press(&mut self, key: u8) {
        self.keys.write_all(&[key]).expect("the terminal is there");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It has ended by itself, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_key_runs_the_crons_now_and_others_show_and_end_the_session() {
    let project = Project::new()
        .file(
            "wrangler.jsonc",
            r#"{"main": "index.js", "compatibility_date": "2026-08-01",
                "triggers": {"crons": ["0 0 29 2 *"]}}"#,
        )
        .file(
            "index.js",
            "export default { fetch() {}, scheduled({ cron }) { console.log('ran', cron) } };",
        );
    let mut terminal = Terminal::start(&project, &["--port", "0"]);
    terminal.until("deployed");
    terminal.press(b'h');
    terminal.until("s run crons now");
    terminal.press(b's');
    terminal.until("ran 0 0 29 2 *");
    terminal.press(b'r');
    terminal.until("deployed");
    terminal.press(b'u');
    terminal.until("http://");
    terminal.press(b'q');
    let ended = terminal.child.wait().expect("a child");
    assert!(ended.success(), "{ended} {}", terminal.text);
}
