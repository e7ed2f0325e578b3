//! When a version has another isolate beside those that it has.
//!
//! It gets one at once if code holds every one of them while somebody waits, and one at a time
//! under load that lasts while a core is free. It loses them by idleness, as any isolate.

/// Events for each isolate from which on another could take some.
const EVENT_COUNT_MIN: usize = 2;
/// How often in a row a version is seen busy before it grows.
const LOOK_COUNT: u32 = 2;

/// How long an isolate beside the first may be idle, in milliseconds.
pub const IDLE_MS_MAX: u64 = 10_000;

/// One isolate of a version, as it was last seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Events that run in it or wait for it.
    pub event_count: usize,
    /// Its share of a core.
    pub busy_permille: u32,
}

/// What the machine has for one more isolate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Isolates of one version at once.
    pub count_max: usize,
    /// What is free of all cores; 1000 is one core.
    pub free_permille: u32,
    /// What has to be free for one more.
    pub free_permille_min: u32,
    /// The share of a core from which on an isolate counts as busy.
    pub busy_permille_min: u32,
    /// Whether starts of others wait.
    pub others_wait: bool,
}

/// How long a version has been busy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Growth {
    busy_looks: u32,
}

impl Growth {
    /// Takes in how the isolates of a version are; whether it gets one more now. Asked about once
    /// a second.
    pub fn look(&mut self, seen: &[Seen], room: Room) -> bool {
        let busy = |seen: &Seen| seen.busy_permille >= room.busy_permille_min;
        let events: usize = seen.iter().map(|seen| seen.event_count).sum();
        let loaded = !seen.is_empty() && events >= seen.len().saturating_mul(EVENT_COUNT_MIN);
        if !loaded || !seen.iter().all(busy) {
            self.busy_looks = 0;
            return false;
        }
        self.busy_looks = self.busy_looks.saturating_add(1);
        let fits = seen.len() < room.count_max && room.free_permille >= room.free_permille_min;
        let grows = self.busy_looks >= LOOK_COUNT && fits && !room.others_wait;
        if grows {
            self.busy_looks = 0;
        }
        grows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Room = Room {
        count_max: 4,
        free_permille: 900,
        free_permille_min: 500,
        busy_permille_min: 800,
        others_wait: false,
    };
    const BUSY: Seen = Seen { event_count: 8, busy_permille: 990 };
    const IDLE: Seen = Seen { event_count: 0, busy_permille: 0 };

    #[test]
    fn only_load_that_lasts_makes_a_version_grow() {
        let mut growth = Growth::default();
        assert!(!growth.look(&[BUSY], ROOM));
        assert!(!growth.look(&[IDLE], ROOM));
        assert!(!growth.look(&[BUSY], ROOM));
        assert!(growth.look(&[BUSY], ROOM));
        assert!(!growth.look(&[BUSY; 2], ROOM), "one at a time");
        assert!(growth.look(&[BUSY; 2], ROOM));
    }

    #[test]
    fn nothing_grows_while_one_of_its_isolates_has_time_or_nobody_else_asks() {
        let alone = Seen { event_count: 1, ..BUSY };
        let mut growth = Growth::default();
        for _ in 0..5 {
            assert!(!growth.look(&[BUSY, IDLE], ROOM));
            assert!(!growth.look(&[alone], ROOM));
            assert!(!growth.look(&[], ROOM));
        }
    }

    #[test]
    fn it_waits_for_a_core_and_for_the_starts_of_others_and_stops_at_the_bound() {
        let full = Room { free_permille: 400, ..ROOM };
        let waited_for = Room { others_wait: true, ..ROOM };
        let mut growth = Growth::default();
        for _ in 0..5 {
            assert!(!growth.look(&[BUSY], full));
            assert!(!growth.look(&[BUSY], waited_for));
            assert!(!growth.look(&[BUSY; 4], ROOM));
        }
        assert!(growth.look(&[BUSY], ROOM));
    }
}
