//! What an isolate writes to its log, and how much of it.

use bindery_wire::frame::Up;
use bindery_wire::log::{Exception, Level, Record};

use super::{Door, wall_ms};

/// Where a version's modules stand: `worker:///index.js`.
pub const MODULE_ROOT: &str = "worker:///";

/// Bytes of the log that are used up.
#[derive(Clone, Copy, Default)]
pub(super) struct Logged {
    console: u32,
    exceptions: u32,
}

impl Door {
    /// Sends a console message, within the limit of its event.
    pub(super) fn console(&mut self, event: u32, level: Level, message: &str) {
        let owner = self.events.contains_key(&event).then_some(event);
        if self.may_log(owner, message.len(), |logged| &mut logged.console) {
            self.record(owner, Record::Console { level, message: message.into() });
        }
    }

    /// Sends an exception that the worker reports, within the limit of its event.
    pub(super) fn reported(&mut self, event: u32, exception: Exception) {
        let owner = self.events.contains_key(&event).then_some(event);
        let text = exception.name.len() + exception.message.len() + exception.stack.len();
        let bytes = text + size_of::<Exception>();
        if self.may_log(owner, bytes, |logged| &mut logged.exceptions) {
            self.exception(owner, exception);
        } else if let Some(state) = self.events.get_mut(&event) {
            state.threw = true;
        }
    }

    /// Counts bytes of the log, and says whether they may be sent. The first that may not leave
    /// a word about it.
    fn may_log(
        &mut self,
        event: Option<u32>,
        bytes: usize,
        of: impl FnOnce(&mut Logged) -> &mut u32,
    ) -> bool {
        let bytes_max = self.limits.log_bytes_max;
        let state = event.and_then(|event| self.events.get_mut(&event));
        let used = of(state.map_or(&mut self.stray, |state| &mut state.logged));
        let before = *used;
        *used = before.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        if *used <= bytes_max {
            return true;
        }
        if before <= bytes_max {
            *used = u32::MAX;
            self.record(event, Record::ConsoleFull { bytes_max });
        }
        false
    }

    /// Sends an exception that nobody caught.
    pub fn exception(&mut self, event: Option<u32>, exception: Exception) {
        if let Some(state) = event.and_then(|event| self.events.get_mut(&event)) {
            state.threw = true;
        }
        self.record(event, Record::Exception(exception));
    }

    fn record(&mut self, event: Option<u32>, record: Record) {
        self.send(&Up::Record { event, at_ms: wall_ms(), record });
    }
}

/// An exception as the log keeps it: each part bounded, module names without our scheme.
pub fn clip(name: &str, message: &str, stack: &str) -> Exception {
    Exception {
        name: clipped(name, 256),
        message: clipped(&message.replace(MODULE_ROOT, ""), 8 << 10),
        stack: clipped(&own_frames(stack), 16 << 10),
    }
}

/// The frames of a stack that are the tenant's: those of our own scripts say nothing to it.
/// Modules have the names that they were uploaded under.
pub fn own_frames(stack: &str) -> String {
    let ours = |line: &&str| {
        line.starts_with("    at ") && (line.contains("(ext:") || line.contains("at ext:"))
    };
    let lines = stack.lines().filter(|line| !ours(line));
    lines.collect::<Vec<_>>().join("\n").replace(MODULE_ROOT, "")
}

fn clipped(text: &str, bytes_max: usize) -> String {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().into()
}
