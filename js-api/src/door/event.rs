//! Events under way, from their begin until the line knows of their end.

use std::time::Instant;

use bindery_wire::Outcome;
use bindery_wire::event::Decision;
use bindery_wire::frame::Up;

use super::Door;
use super::log::Logged;

/// One event under way.
pub struct Event {
    /// When it began.
    pub began: Instant,
    /// CPU time that it may use, in milliseconds.
    pub cpu_ms_max: u32,
    /// CPU time charged to it, in nanoseconds.
    pub cpu_ns: u64,
    /// Whether the head of its response is out.
    pub answered: bool,
    /// Whether nobody waits for it any more.
    pub canceled: bool,
    /// How it ended, once it has.
    pub ended: Option<Outcome>,
    /// An exception that nobody caught makes this of an outcome of `Ok`.
    pub threw: bool,
    /// What its handler has decided so far, if it is an event that is decided on.
    pub decision: Option<Decision>,
    /// What others hold of it: what it has handed over, and results of which more can be made.
    pub held: u32,
    pub(super) logged: Logged,
}

impl Door {
    /// Begins an event.
    pub fn begin(&mut self, event: u32, now: Instant) {
        let state = Event {
            began: now,
            cpu_ms_max: self.limits.cpu_ms_max,
            cpu_ns: 0,
            answered: false,
            canceled: false,
            ended: None,
            threw: false,
            decision: None,
            held: 0,
            logged: Logged::default(),
        };
        self.events.insert(event, state);
        self.stray = Logged::default();
    }

    /// Lowers what an event may use.
    pub fn lower(&mut self, event: u32, cpu_ms_max: Option<u32>) {
        if let (Some(state), Some(max)) = (self.events.get_mut(&event), cpu_ms_max) {
            state.cpu_ms_max = state.cpu_ms_max.min(max);
        }
    }

    /// The events that have not ended.
    pub fn unended(&self) -> Vec<u32> {
        let under_way = self.events.iter().filter(|(_, event)| event.ended.is_none());
        under_way.map(|(id, _)| *id).collect()
    }

    /// Ends an event that broke a limit, also one that its own code has ended since it was last
    /// told of: what was thrown then is what the limit made of it.
    pub fn end_over(&mut self, event: u32, outcome: Outcome) {
        self.end(event, outcome);
        if let Some(state) = self.events.get_mut(&event) {
            state.ended = Some(outcome);
        }
    }

    /// Ends an event: its timers are dropped and its bodies cut. The host says so on the line
    /// once the CPU time of the present completion is known.
    pub fn end(&mut self, event: u32, outcome: Outcome) {
        let Some(state) = self.events.get_mut(&event).filter(|state| state.ended.is_none()) else {
            return;
        };
        let threw = state.threw && outcome == Outcome::Ok;
        state.ended = Some(if threw { Outcome::Exception } else { outcome });
        self.ended.push(event);
        self.timers.drop_event(event);
        // The dispatcher cancels them when it hears of the end.
        self.calls.retain(|_, of| *of != event);
        let cut: Vec<u32> =
            self.up.iter().filter(|(_, body)| body.event == event).map(|(id, _)| *id).collect();
        for body in cut {
            self.up.remove(&body);
            self.send(&Up::End { body, whole: false });
        }
        let unread: Vec<u32> =
            self.down.iter().filter(|(_, body)| body.event == event).map(|(id, _)| *id).collect();
        for body in unread {
            self.down.remove(&body);
            self.send(&Up::Unwanted { body });
        }
    }

    /// Forgets what belonged to an event of whose end the line is told now.
    pub fn forget(&mut self, event: u32) -> Option<Event> {
        self.own.drop_event(event);
        self.events.remove(&event)
    }
}
