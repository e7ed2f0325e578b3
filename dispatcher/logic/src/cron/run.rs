//! What becomes of an occurrence of a cron that was run.

use bindery_wire::Outcome;

use super::Schedule;
use crate::backoff;

/// How often one occurrence is tried again.
pub const RETRY_COUNT: u32 = 6;
/// How long the first of these waits; each further one twice as long.
const RETRY_MS: u64 = 2_000;

/// How a run ended, as far as that matters for what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The occurrence is done with.
    Done,
    /// The worker failed.
    Failed,
    /// The host failed: the worker is not to blame, and it does not count.
    HostFailed,
}

/// What is due next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The same occurrence once more, at that time.
    Retry {
        /// When, in milliseconds since 1970.
        due_ms: u64,
    },
    /// The next one.
    Occurrence {
        /// When, in milliseconds since 1970.
        at_ms: u64,
    },
    /// There is none.
    Nothing,
}

/// What an outcome means; `no_retry` if the handler said so.
pub fn ended(outcome: Outcome, no_retry: bool) -> Ended {
    match outcome {
        Outcome::Ok => Ended::Done,
        _ if no_retry => Ended::Done,
        // Somebody shuts the server down, or it is broken.
        Outcome::Canceled | Outcome::InternalError => Ended::HostFailed,
        // One that dies again and again is given up, whoever is to blame: it would die for ever.
        Outcome::Exception
        | Outcome::ExceededCpu
        | Outcome::ExceededMemory
        | Outcome::ExceededWallTime
        | Outcome::Hung
        | Outcome::Lost => Ended::Failed,
    }
}

/// What follows the occurrence of `at_ms`, which has failed `failures` times, the last included.
/// With no failure, it is done with.
pub fn after_run(schedule: &Schedule, at_ms: u64, failures: u32, now_ms: u64) -> Next {
    if (1..=RETRY_COUNT).contains(&failures) {
        let delay_ms = backoff::doubled_ms(RETRY_MS, failures - 1, u64::MAX);
        return Next::Retry { due_ms: now_ms.saturating_add(delay_ms) };
    }
    // The clock may have been set back.
    match schedule.next_after(now_ms.max(at_ms)) {
        Some(at_ms) => Next::Occurrence { at_ms },
        None => Next::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutely() -> Schedule {
        Schedule::parse("* * * * *").expect("parses")
    }

    #[test]
    fn a_failure_is_tried_again_six_times_each_after_twice_as_long() {
        let after = |failures| after_run(&minutely(), 60_000, failures, 60_500);
        let waits: Vec<Next> = (1..=6).map(after).collect();
        let due = [2, 4, 8, 16, 32, 64].map(|s| Next::Retry { due_ms: 60_500 + s * 1_000 });
        assert_eq!(waits, due);
        assert_eq!(after(7), Next::Occurrence { at_ms: 120_000 });
    }

    #[test]
    fn what_passed_while_it_ran_or_nothing_did_is_left_out() {
        let schedule = minutely();
        let occurrence = |at_ms| Next::Occurrence { at_ms };
        assert_eq!(after_run(&schedule, 60_000, 0, 61_000), occurrence(120_000));
        assert_eq!(after_run(&schedule, 60_000, 0, 190_000), occurrence(240_000));
        assert_eq!(after_run(&schedule, 60_000, 0, 240_000), occurrence(300_000));
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_bring_an_occurrence_again() {
        assert_eq!(after_run(&minutely(), 60_000, 0, 5), Next::Occurrence { at_ms: 120_000 });
    }

    #[test]
    fn a_handler_can_say_that_it_is_not_to_be_tried_again() {
        assert_eq!(ended(Outcome::Ok, false), Ended::Done);
        assert_eq!(ended(Outcome::Exception, true), Ended::Done);
        assert_eq!(ended(Outcome::Exception, false), Ended::Failed);
        assert_eq!(ended(Outcome::Lost, false), Ended::Failed);
        assert_eq!(ended(Outcome::Canceled, false), Ended::HostFailed);
        assert_eq!(ended(Outcome::Canceled, true), Ended::Done);
        assert_eq!(ended(Outcome::InternalError, false), Ended::HostFailed);
    }
}
