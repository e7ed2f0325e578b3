//! What becomes of a message after a delivery.

use bindery_wire::Outcome;
use bindery_wire::event::Settled;

use crate::backoff;
use crate::blame::Blame;
use crate::settle::{Fate, fates};

/// How long a message waits at first whose handler died under it.
const LOST_MS: u64 = 1_000;
/// How long at most.
const LOST_MS_MAX: u64 = 60_000;

/// How often a message is delivered again, and after how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Deliveries after the first.
    pub count_max: u32,
    /// Seconds before each, where the handler does not say.
    pub delay_s: u32,
}

/// How a delivery ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The handler ended so, and said this.
    Handled(Outcome, Settled),
    /// The isolate died, or the server with it.
    Lost(Blame),
    /// The handler never ran: the worker does not start, or has none.
    Refused,
    /// The handler never ran: there was no room, or no such worker.
    NotBegun,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is done with.
    Gone,
    /// It is delivered again.
    Again {
        /// From when on.
        at_ms: u64,
        /// How often it was delivered, as far as that counts.
        attempts: u32,
    },
    /// It has failed for the last time.
    Dead,
}

/// What becomes of each message of a batch; `attempts` are their deliveries with this one.
pub fn next(ended: &Ended, attempts: &[u32], retry: Retry, now_ms: u64) -> Vec<Next> {
    match ended {
        Ended::Handled(outcome, settled) if settled.messages.len() == attempts.len() => {
            let fates = fates(settled, *outcome).into_iter().zip(attempts);
            fates.map(|(fate, attempts)| of(fate, *outcome, *attempts, (retry, now_ms))).collect()
        }
        // A neighbour's death is nobody's failed attempt.
        Ended::NotBegun | Ended::Lost(Blame::Another) => {
            let again = |attempts: &u32| Next::Again {
                at_ms: now_ms,
                attempts: attempts.saturating_sub(1),
            };
            attempts.iter().map(again).collect()
        }
        Ended::Handled(..) | Ended::Lost(Blame::Itself | Blame::Nobody) | Ended::Refused => {
            let lost =
                |attempts: &u32| failed(*attempts, lost_ms(*attempts, retry), (retry, now_ms));
            attempts.iter().map(lost).collect()
        }
    }
}

fn of(fate: Fate, outcome: Outcome, attempts: u32, (retry, now_ms): (Retry, u64)) -> Next {
    match fate {
        Fate::Acked => Next::Gone,
        Fate::Retried { delay_s: Some(delay_s) } => {
            failed(attempts, u64::from(delay_s) * 1_000, (retry, now_ms))
        }
        // What died once is not to die again at once, and again.
        Fate::Retried { delay_s: None } if is_cut_off(outcome) => {
            failed(attempts, lost_ms(attempts, retry), (retry, now_ms))
        }
        Fate::Retried { delay_s: None } => {
            failed(attempts, u64::from(retry.delay_s) * 1_000, (retry, now_ms))
        }
    }
}

/// Whether it was not the handler that ended.
fn is_cut_off(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Ok | Outcome::Exception | Outcome::Canceled => false,
        Outcome::ExceededCpu
        | Outcome::ExceededMemory
        | Outcome::ExceededWallTime
        | Outcome::Hung
        | Outcome::Lost
        | Outcome::InternalError => true,
    }
}

/// How long a message waits under whose handler the isolate died.
fn lost_ms(attempts: u32, retry: Retry) -> u64 {
    let doubled = backoff::doubled_ms(LOST_MS, attempts.saturating_sub(1), LOST_MS_MAX);
    doubled.max(u64::from(retry.delay_s) * 1_000)
}

fn failed(attempts: u32, delay_ms: u64, (retry, now_ms): (Retry, u64)) -> Next {
    if attempts > retry.count_max {
        return Next::Dead;
    }
    Next::Again { at_ms: now_ms.saturating_add(delay_ms), attempts }
}

#[cfg(test)]
mod tests {
    use bindery_wire::event::Verdict;

    use super::*;

    const RETRY: Retry = Retry { count_max: 3, delay_s: 2 };
    const NOW: u64 = 10_000;

    fn handled(outcome: Outcome, verdict: Verdict) -> Ended {
        Ended::Handled(outcome, Settled { batch: Verdict::Unsaid, messages: vec![verdict] })
    }

    fn one(ended: &Ended, attempts: u32) -> Next {
        next(ended, &[attempts], RETRY, NOW)[0]
    }

    #[test]
    fn what_is_acknowledged_is_gone_and_what_is_retried_waits_its_delay() {
        assert_eq!(one(&handled(Outcome::Ok, Verdict::Unsaid), 1), Next::Gone);
        assert_eq!(one(&handled(Outcome::Exception, Verdict::Ack), 9), Next::Gone);
        let again = |at_ms| Next::Again { at_ms, attempts: 1 };
        assert_eq!(one(&handled(Outcome::Exception, Verdict::Unsaid), 1), again(NOW + 2_000));
        let later = |delay_s| handled(Outcome::Ok, Verdict::Retry { delay_s });
        assert_eq!(one(&later(None), 1), again(NOW + 2_000));
        assert_eq!(one(&later(Some(7)), 1), again(NOW + 7_000));
        assert_eq!(one(&later(Some(0)), 1), again(NOW));
    }

    #[test]
    fn a_message_is_dead_after_its_first_delivery_and_so_many_more() {
        let failed = handled(Outcome::Exception, Verdict::Unsaid);
        assert!(matches!(one(&failed, 3), Next::Again { attempts: 3, .. }));
        assert_eq!(one(&failed, 4), Next::Dead);
        let never = Retry { count_max: 0, ..RETRY };
        assert_eq!(next(&failed, &[1], never, NOW), [Next::Dead]);
        assert_eq!(next(&Ended::Lost(Blame::Itself), &[1], never, NOW), [Next::Dead]);
    }

    #[test]
    fn what_kills_its_isolate_waits_longer_each_time_and_ends() {
        let retry = Retry { count_max: 100, delay_s: 0 };
        let at = |attempts| match next(&Ended::Lost(Blame::Itself), &[attempts], retry, NOW)[0] {
            Next::Again { at_ms, .. } => at_ms - NOW,
            Next::Gone | Next::Dead => 0,
        };
        assert_eq!(
            [1, 2, 3, 7, 50, 100, 101].map(at),
            [1_000, 2_000, 4_000, 60_000, 60_000, 60_000, 0]
        );
        let cut_off = handled(Outcome::ExceededMemory, Verdict::Unsaid);
        assert_eq!(one(&cut_off, 3), Next::Again { at_ms: NOW + 4_000, attempts: 3 });
        assert_eq!(one(&Ended::Refused, 1), Next::Again { at_ms: NOW + 2_000, attempts: 1 });
    }

    #[test]
    fn what_never_ran_and_what_a_neighbour_killed_has_not_failed() {
        for ended in [Ended::NotBegun, Ended::Lost(Blame::Another)] {
            assert_eq!(one(&ended, 4), Next::Again { at_ms: NOW, attempts: 3 });
        }
        assert_eq!(one(&Ended::Lost(Blame::Nobody), 4), Next::Dead);
    }

    #[test]
    fn a_verdict_of_another_batch_counts_for_nothing() {
        let settled = Settled { batch: Verdict::Ack, messages: vec![] };
        let ended = Ended::Handled(Outcome::Ok, settled);
        assert_eq!(one(&ended, 1), Next::Again { at_ms: NOW + 2_000, attempts: 1 });
    }
}
