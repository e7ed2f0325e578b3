//! What is looked after once in a while: idle isolates, busy versions, lingering events, the end
//! of all.

use std::sync::Arc;
use std::time::Duration;

use bindery_logic::grow::Room;

use super::{Entry, Isolate, Key, Live, Placement};
use crate::line::{Line, Sweep};

/// How often the server looks after its isolates.
pub const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// How often a shutdown looks whether events still run.
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl Placement {
    /// Lets idle isolates go, ends what went on for too long, gives busy versions one more, and
    /// adjusts the pools.
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
        live.tidy();
        live.entries.retain(|_, entry| !matches!(entry, Entry::Failed(_, until) if now >= *until));
        let count_max = self.0.parts.config.isolate_count_max.get() as usize;
        let over = live.open_count().saturating_sub(count_max);
        self.evict(&mut live, over);
        drop(live);
        self.look_at_memory();
        self.spread_load();
        self.cordons().tick();
        self.0.parts.tail.sweep();
    }

    /// Gives versions that are busy for long one more isolate each, if there is a core for it.
    fn spread_load(&self) {
        let mut live = self.live();
        let busy = |entry: &Entry| matches!(entry, Entry::Live(group) if group.is_busy());
        if !live.entries.values().any(busy) {
            return;
        }
        let others_wait = live.memory.under_way_count() > 0;
        let Live { entries, cores, .. } = &mut *live;
        let free_permille = cores.free_permille();
        let config = &self.0.parts.config;
        let room = Room {
            count_max: self.0.group_count_max,
            free_permille,
            free_permille_min: config.free_permille_min,
            busy_permille_min: config.busy_permille_min,
            others_wait,
        };
        // One at a time: what is free is free once.
        for entry in entries.values_mut() {
            let Entry::Live(group) = entry else { continue };
            let seen = group.seen();
            if group.growth.look(&seen, room)
                && let Some(line) = group.lines.first().cloned()
                && self.grow(group, line.code(), line.tasks()).is_some()
            {
                break;
            }
        }
    }

    /// The isolate has ended.
    pub(super) fn forget(&self, line: &Arc<Line>) {
        let mut live = self.live();
        if live.isolates.remove(&line.number()).is_some() {
            live.memory.ended();
        }
        let key = Key::of(line.code());
        if let Some(Entry::Live(group)) = live.entries.get_mut(&key)
            && !group.remove(line.number())
        {
            live.entries.remove(&key);
        }
        drop(live);
        self.0.ended.notify_one();
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
