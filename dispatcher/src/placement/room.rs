//! Room for one more isolate: memory under the one ceiling, and their count.
//!
//! Room is reserved before a start. Where there is none, the least recently used idle isolates
//! go, and the start waits its turn for a bounded time; busy isolates are never ended for it.

use std::time::{Duration, Instant};

use bindery_logic::grow;
use bindery_logic::live::{Idle, evicted};

use super::start::Kind;
use super::{Entry, Failed, Key, Live, Placement};
use crate::code::Code;

/// How long a start waits for room.
const ROOM_IN: Duration = Duration::from_secs(3);
/// How often it looks, beside the ends of isolates.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// One of so many live isolates goes beside those that have to, and two in any case: their ends
/// take a while, and whoever comes next finds room.
const BESIDE: usize = 16;

/// How often cordons give back what they keep for later while memory is short: it takes their
/// allocators' locks.
const TRIM_EVERY_MS: u64 = 10_000;

/// Memory that is held for one start, until it is over.
pub(super) struct Reservation {
    placement: Placement,
    bytes: u64,
    lives: bool,
}

impl Reservation {
    /// There is an isolate now.
    pub(super) fn lives(mut self) {
        self.lives = true;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.placement.live().memory.settle(self.bytes, self.lives);
    }
}

impl Placement {
    /// Waits for room for `code`, in turn: whose turn it is has been decided before. One isolate
    /// more of a version that has one takes what is free, and nobody goes or waits for it.
    pub(super) async fn room(&self, code: &Code, kind: Kind) -> Result<Reservation, Failed> {
        let full = Failed::Overloaded { after_ms: 1_000 };
        if kind == Kind::More {
            return self.reserve(code, kind).ok_or(full);
        }
        let until = Instant::now() + ROOM_IN;
        let turn = tokio::time::timeout_at(until.into(), self.0.turn.lock()).await;
        let Ok(_turn) = turn else { return Err(full) };
        loop {
            if let Some(reservation) = self.reserve(code, kind) {
                return Ok(reservation);
            }
            if Instant::now() >= until {
                return Err(full);
            }
            let _ = tokio::time::timeout(LOOK_EVERY, self.0.ended.notified()).await;
        }
    }

    fn reserve(&self, code: &Code, kind: Kind) -> Option<Reservation> {
        let tight = self.live().memory.is_tight();
        let measured = tight.then(|| self.cordons().measure());
        let mut live = self.live();
        if let Some(measured) = measured {
            live.memory.measured(measured);
        }
        let bytes = live.memory.estimate(code.limits.memory_bytes_max);
        let count_over = self.count_over(&live);
        let memory_over = live.memory.too_many_for(bytes);
        if kind != Kind::More && (count_over > 0 || memory_over > 0) {
            // What has been told to end counts as gone already, but its memory is still held.
            let closing = live.isolates.len() - live.open_count();
            let over = count_over.max(memory_over.saturating_sub(closing));
            if over > 0 {
                let beside = if memory_over > 0 { 2 + live.isolates.len() / BESIDE } else { 0 };
                self.evict(&mut live, over + beside);
            }
        }
        if self.count_over(&live) > 0 {
            return None;
        }
        let count = live.isolates.len();
        let reserved = live.memory.reserve(bytes, count);
        drop(live);
        reserved.then(|| Reservation { placement: self.clone(), bytes, lives: false })
    }

    /// How many isolates have to go for one more.
    fn count_over(&self, live: &Live) -> usize {
        let count_max = self.0.parts.config.isolate_count_max.get() as usize;
        (live.open_count() + live.memory.under_way_count() + 1).saturating_sub(count_max)
    }

    /// Lets those go that are idle for too long, and of the others the longest idle until `over`
    /// have gone.
    pub(super) fn evict(&self, live: &mut Live, over: usize) {
        let idle_ms_max = u64::from(self.0.parts.config.idle_ms);
        let mut idle = Vec::new();
        let mut of: Vec<(&Key, usize)> = Vec::new();
        for (key, entry) in &live.entries {
            let Entry::Live(group) = entry else { continue };
            for (at, line) in group.lines.iter().enumerate() {
                let Some(since_ms) = line.idle_since_ms() else { continue };
                let more_ms_max = if at == 0 { u64::MAX } else { grow::IDLE_MS_MAX };
                idle.push(Idle { since_ms, idle_ms_max: idle_ms_max.min(more_ms_max) });
                of.push((key, at));
            }
        }
        for place in evicted(&idle, over, self.now_ms()) {
            let Some((key, at)) = of.get(place) else { continue };
            if let Some(Entry::Live(group)) = live.entries.get(*key)
                && let Some(line) = group.lines.get(*at)
            {
                line.stop_if_idle();
            }
        }
        live.tidy();
    }

    /// Takes in how much memory is held, and lets idle isolates go if little is left.
    pub(super) fn look_at_memory(&self) {
        let quiet = |live: &Live| live.isolates.is_empty() && live.memory.is_seen();
        if quiet(&self.live()) {
            return;
        }
        let measured = self.cordons().measure();
        let now_ms = self.now_ms();
        let mut live = self.live();
        live.memory.measured(measured);
        let closing = live.isolates.len() - live.open_count();
        let over = live.memory.too_many().saturating_sub(closing);
        if over == 0 {
            return;
        }
        self.evict(&mut live, over);
        let trims = now_ms >= live.trim_at_ms;
        if trims {
            live.trim_at_ms = now_ms.saturating_add(TRIM_EVERY_MS);
        }
        drop(live);
        tracing::debug!(bytes = measured.bytes, over, "memory is short");
        if trims {
            self.cordons().trim();
        }
    }
}
