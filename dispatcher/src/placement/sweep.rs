//! What is looked after once in a while: idle isolates, lingering events, the end of all.

use std::time::Duration;

use bindery_logic::live::{Keep, evicted};

use super::{Entry, Failed, Isolate, Key, Live, Placement};
use crate::line::{Line, Sweep};

/// How often the server looks after its isolates.
pub const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// How often a shutdown looks whether events still run.
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl Placement {
    /// Lets idle isolates go, ends what went on for too long, and adjusts the pools.
    pub fn sweep(&self) {
        let now = self.0.parts.clock.elapsed();
        let isolates: Vec<Isolate> = self.live().isolates.values().cloned().collect();
        for Isolate { line, cordon } in &isolates {
            if line.sweep() == Sweep::Stuck {
                line.sever();
                cordon.convict(line.number());
            }
            self.cordons().behaved(line.code(), line.ended_count());
        }
        drop(isolates);
        let mut live = self.live();
        live.entries.retain(|_, entry| match entry {
            Entry::Failed(_, until) => now < *until,
            Entry::Live { line, .. } => line.is_open(),
            Entry::Starting(_) => true,
        });
        let config = &self.0.parts.config;
        let keep = Keep {
            count_max: config.isolate_count_max.get() as usize,
            idle_ms_max: config.idle_ms.into(),
        };
        self.evict(&mut live, keep);
        drop(live);
        self.cordons().tick();
        self.0.parts.tail.sweep();
    }

    /// Makes room for one more isolate by letting the longest idle one go.
    pub(super) fn make_room(&self) -> Result<(), Failed> {
        let count_max = self.0.parts.config.isolate_count_max.get() as usize;
        let mut live = self.live();
        let open = |live: &Live| live.isolates.values().filter(|i| i.line.is_open()).count();
        if live.isolates.len() < count_max || open(&live) < count_max {
            return Ok(());
        }
        let keep = Keep { count_max: count_max - 1, idle_ms_max: u64::MAX };
        self.evict(&mut live, keep);
        if open(&live) < count_max { Ok(()) } else { Err(Failed::Overloaded { after_ms: 1_000 }) }
    }

    fn evict(&self, live: &mut Live, keep: Keep) {
        let now_ms = u64::try_from(self.0.parts.clock.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (keys, idle): (Vec<Key>, Vec<u64>) = live
            .entries
            .iter()
            .filter_map(|(key, entry)| match entry {
                Entry::Live { line, .. } => Some((key.clone(), line.idle_since_ms()?)),
                Entry::Starting(_) | Entry::Failed(..) => None,
            })
            .unzip();
        let count = live.isolates.values().filter(|isolate| isolate.line.is_open()).count();
        for place in evicted(&idle, count, keep, now_ms) {
            let Some(key) = keys.get(place) else { continue };
            if let Some(Entry::Live { line, .. }) = live.entries.get(key)
                && line.stop_if_idle()
            {
                live.entries.remove(key);
            }
        }
    }

    /// The isolate has ended.
    pub(super) fn forget(&self, line: &Line) {
        let mut live = self.live();
        live.isolates.remove(&line.number());
        let key = Key::of(line.code());
        if let Some(Entry::Live { line: current, .. }) = live.entries.get(&key)
            && current.number() == line.number()
        {
            live.entries.remove(&key);
        }
    }

    /// Starts nothing any more, waits until no event runs, at most for `wait`, and lets all
    /// isolates go.
    pub async fn end(&self, wait: Duration) {
        self.live().ending = true;
        let drained = async {
            while self.live().isolates.values().any(|isolate| isolate.line.event_count() > 0) {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        if tokio::time::timeout(wait, drained).await.is_err() {
            tracing::warn!("events still ran when the server ended");
        }
        let isolates: Vec<Isolate> = self.live().isolates.values().cloned().collect();
        for isolate in isolates {
            isolate.line.condemn();
        }
    }
}
