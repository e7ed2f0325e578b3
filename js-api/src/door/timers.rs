//! Timers of one isolate: what is due when, and whose it is.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::{Duration, Instant};

/// The longest delay, as browsers have it: a longer one is taken as 1 ms.
const DELAY_MS_MAX: f64 = 2_147_483_647.0;

/// Timers that have not fired, the next one first.
#[derive(Default)]
pub struct Timers {
    due: BinaryHeap<Reverse<(Instant, u32)>>,
    live: HashMap<u32, Timer>,
}

/// A timer that is asked for.
#[derive(Clone, Copy, Debug)]
pub struct New {
    /// The event that asks.
    pub event: u32,
    /// After how many milliseconds it is due.
    pub delay_ms: f64,
    /// Whether it is due again and again.
    pub repeats: bool,
}

struct Timer {
    event: u32,
    at: Instant,
    every: Option<Duration>,
}

impl Timers {
    /// How many have not fired.
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// Whether none is left.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// Starts one under an id that JavaScript made.
    pub fn start(&mut self, id: u32, timer: &New, now: Instant) {
        let New { event, delay_ms, repeats } = *timer;
        let delay_ms = if (0.0..=DELAY_MS_MAX).contains(&delay_ms) { delay_ms } else { 0.0 };
        let delay = Duration::from_secs_f64(delay_ms.max(1.0) / 1000.0);
        let at = now + delay;
        self.live.insert(id, Timer { event, at, every: repeats.then_some(delay) });
        self.due.push(Reverse((at, id)));
    }

    /// Stops one, if it has not fired.
    pub fn cancel(&mut self, id: u32) {
        self.live.remove(&id);
        self.sweep();
    }

    /// Stops every timer of an event.
    pub fn drop_event(&mut self, event: u32) {
        if !self.live.is_empty() {
            self.live.retain(|_, timer| timer.event != event);
            self.sweep();
        }
    }

    /// When the next one is due.
    pub fn next_at(&mut self) -> Option<Instant> {
        while let Some(Reverse((at, id))) = self.due.peek() {
            if self.live.get(id).is_some_and(|timer| timer.at == *at) {
                return Some(*at);
            }
            self.due.pop();
        }
        None
    }

    /// Takes one that is due: its id and its event. A repeating one is due again later.
    pub fn pop(&mut self, now: Instant) -> Option<(u32, u32)> {
        if self.next_at()? > now {
            return None;
        }
        let Reverse((_, id)) = self.due.pop()?;
        let timer = self.live.get_mut(&id)?;
        let event = timer.event;
        if let Some(every) = timer.every {
            timer.at = now + every;
            self.due.push(Reverse((timer.at, id)));
        } else {
            self.live.remove(&id);
        }
        Some((id, event))
    }

    /// Keeps what canceled timers leave in the heap in proportion to those that live.
    fn sweep(&mut self) {
        if self.due.len() > 64 && self.due.len() > 2 * self.live.len() {
            let live = &self.live;
            self.due.retain(|Reverse((at, id))| live.get(id).is_some_and(|t| t.at == *at));
        }
    }
}
