//! Single keys of a terminal, as they are pressed.

use std::io::{self, IsTerminal, Read};
use std::sync::mpsc::SyncSender;
use std::thread;

use rustix::stdio::stdin;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::Happening;

/// A terminal that gives keys at once. Dropped, it is as it was.
pub(super) struct Keyboard {
    before: Termios,
}

impl Keyboard {
    /// Begins to tell of keys, if a person is at both ends of a terminal.
    pub(super) fn open(happens: SyncSender<Happening>) -> Option<Self> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return None;
        }
        let before = tcgetattr(stdin()).ok()?;
        let mut raw = before.clone();
        // Ctrl-C stays a signal.
        raw.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        tcsetattr(stdin(), OptionalActions::Now, &raw).ok()?;
        thread::spawn(move || read(&happens));
        Some(Self { before })
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.before);
    }
}

fn read(happens: &SyncSender<Happening>) {
    let mut key = [0];
    while matches!(io::stdin().lock().read(&mut key), Ok(1..)) {
        let [pressed] = key;
        if happens.send(Happening::Pressed(pressed)).is_err() {
            return;
        }
    }
}
