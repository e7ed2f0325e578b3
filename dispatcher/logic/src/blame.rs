//! Who killed a cordon, and what follows for those who were in it.

use bindery_wire::IsolateNumber;

/// Whose fault the death of an isolate is, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// Its own.
    Itself,
    /// Another isolate's in the same cordon.
    Another,
    /// Nobody wrote it down.
    Nobody,
}

/// The isolate that a dead cordon's notes name. The first note counts: what follows is the fall
/// of handlers over each other. Zero names nobody.
pub fn culprit(notes: &[u64]) -> Option<IsolateNumber> {
    notes.first().filter(|number| **number != 0).map(|number| IsolateNumber(*number))
}

/// Whose fault the death of a cordon is for the isolate `number` in it.
pub fn of(number: IsolateNumber, culprit: Option<IsolateNumber>) -> Blame {
    match culprit {
        Some(culprit) if culprit == number => Blame::Itself,
        Some(_) => Blame::Another,
        None => Blame::Nobody,
    }
}

/// A cordon that lived this long starts its count of deaths in a row anew.
pub const LIVED_MS: u64 = 60_000;
const RESTART_MS_MAX: u64 = 10_000;

/// How long a cordon's place stays empty after its `deaths`-th unexplained death in a row. A
/// death with a culprit is explained: the culprit goes elsewhere, so nothing is waited for.
pub fn restart_after_ms(deaths: u32, culprit: Option<IsolateNumber>) -> u64 {
    match (culprit, deaths) {
        (Some(_), _) | (None, 0 | 1) => 0,
        (None, deaths) => (50_u64 << deaths.min(20)).min(RESTART_MS_MAX),
    }
}

/// Why a version's next start is in a cordon of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quarantine {
    /// How many cordons it killed; 0 if it was only there when one died for no known reason.
    pub kills: u32,
    /// When it came into quarantine, or killed last.
    pub since_ms: u64,
    /// Events that it ended well in quarantine.
    pub events: u64,
    /// Starts in quarantine since then.
    pub starts: u32,
}

/// A culprit that lived this long in quarantine is released.
pub const RELEASE_MS: u64 = 10 * 60_000;
/// A culprit that ended this many events in quarantine is released.
pub const RELEASE_EVENTS: u64 = 1_000;
/// Deaths that a culprit may cause before its starts are delayed.
pub const FREE_KILLS: u32 = 5;
const START_MS_MAX: u64 = 30_000;

impl Quarantine {
    /// Whether the version is treated like any other again. A culprit has to prove itself; a
    /// bystander needs to have started once.
    pub fn is_over(&self, now_ms: u64) -> bool {
        if self.kills == 0 {
            return self.starts > 0;
        }
        let lived = now_ms.saturating_sub(self.since_ms) >= RELEASE_MS;
        self.starts > 0 && (lived || self.events >= RELEASE_EVENTS)
    }

    /// How long the version's next start waits: processes are made for it, so a version that
    /// kills one after the other gets them ever more slowly.
    pub fn start_after_ms(&self, now_ms: u64) -> u64 {
        let over = self.kills.saturating_sub(FREE_KILLS);
        let pause = if over == 0 { 0 } else { (250_u64 << over.min(20)).min(START_MS_MAX) };
        self.since_ms.saturating_add(pause).saturating_sub(now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_note_names_the_culprit_and_zero_names_nobody() {
        assert_eq!(culprit(&[7, 9]), Some(IsolateNumber(7)));
        assert_eq!(culprit(&[0]), None);
        assert_eq!(culprit(&[]), None);
        let culprit = Some(IsolateNumber(7));
        assert_eq!(of(IsolateNumber(7), culprit), Blame::Itself);
        assert_eq!(of(IsolateNumber(8), culprit), Blame::Another);
        assert_eq!(of(IsolateNumber(8), None), Blame::Nobody);
    }

    #[test]
    fn unexplained_deaths_in_a_row_slow_restarts_down_to_a_bound() {
        assert_eq!(restart_after_ms(1, None), 0);
        let pauses: Vec<u64> = (2..6).map(|deaths| restart_after_ms(deaths, None)).collect();
        assert_eq!(pauses, [200, 400, 800, 1600]);
        assert_eq!(restart_after_ms(u32::MAX, None), RESTART_MS_MAX);
        assert_eq!(restart_after_ms(9, Some(IsolateNumber(1))), 0);
    }

    #[test]
    fn a_bystander_needs_one_start_and_a_culprit_has_to_prove_itself() {
        let bystander = Quarantine { kills: 0, since_ms: 0, events: 0, starts: 0 };
        assert!(!bystander.is_over(u64::MAX));
        assert!(Quarantine { starts: 1, ..bystander }.is_over(0));
        let culprit = Quarantine { kills: 1, since_ms: 1_000, events: 0, starts: 1 };
        assert!(!culprit.is_over(1_000));
        assert!(culprit.is_over(1_000 + RELEASE_MS));
        assert!(!Quarantine { starts: 0, ..culprit }.is_over(1_000 + RELEASE_MS));
        assert!(Quarantine { events: RELEASE_EVENTS, ..culprit }.is_over(1_000));
    }

    #[test]
    fn a_version_that_keeps_killing_gets_cordons_ever_more_slowly() {
        let of = |kills| Quarantine { kills, since_ms: 1_000, events: 0, starts: kills };
        assert_eq!(of(FREE_KILLS).start_after_ms(1_000), 0);
        assert_eq!(of(FREE_KILLS + 1).start_after_ms(1_000), 500);
        assert_eq!(of(FREE_KILLS + 1).start_after_ms(1_400), 100);
        assert_eq!(of(u32::MAX).start_after_ms(1_000), START_MS_MAX);
    }
}
