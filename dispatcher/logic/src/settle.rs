//! What becomes of the messages of a batch that a `queue` handler was given.

use bindery_wire::Outcome;
use bindery_wire::event::{Settled, Verdict};

/// What becomes of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is done with.
    Acked,
    /// It is delivered again.
    Retried {
        /// After so many seconds; absent where the queue's own delay counts.
        delay_s: Option<u32>,
    },
}

/// The fate of each message, in the batch's order. What the handler said of a message counts
/// before what it said of the batch, and that before how it ended: one that failed is to get
/// again whatever it did not acknowledge.
pub fn fates(settled: &Settled, outcome: Outcome) -> Vec<Fate> {
    let of_batch = match settled.batch {
        Verdict::Retry { delay_s } => delay_s,
        Verdict::Ack | Verdict::Unsaid => None,
    };
    let fate = |verdict: &Verdict| match (verdict, settled.batch) {
        (Verdict::Ack, _) | (Verdict::Unsaid, Verdict::Ack) => Fate::Acked,
        (Verdict::Retry { delay_s }, _) => Fate::Retried { delay_s: delay_s.or(of_batch) },
        (Verdict::Unsaid, Verdict::Retry { delay_s }) => Fate::Retried { delay_s },
        (Verdict::Unsaid, Verdict::Unsaid) if outcome == Outcome::Ok => Fate::Acked,
        (Verdict::Unsaid, Verdict::Unsaid) => Fate::Retried { delay_s: None },
    };
    settled.messages.iter().map(fate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNSAID: Verdict = Verdict::Unsaid;
    const ACK: Verdict = Verdict::Ack;
    const RETRY: Verdict = Verdict::Retry { delay_s: None };
    const RETRIED: Fate = Fate::Retried { delay_s: None };

    fn later(delay_s: u32) -> Verdict {
        Verdict::Retry { delay_s: Some(delay_s) }
    }

    fn retried(delay_s: u32) -> Fate {
        Fate::Retried { delay_s: Some(delay_s) }
    }

    /// What becomes of a message after the handler returned, and after it threw.
    fn both(batch: Verdict, message: Verdict) -> (Fate, Fate) {
        let settled = Settled { batch, messages: vec![message] };
        let of = |outcome| fates(&settled, outcome)[0];
        (of(Outcome::Ok), of(Outcome::Exception))
    }

    #[test]
    fn a_handler_that_says_nothing_settles_by_how_it_ends() {
        assert_eq!(both(UNSAID, UNSAID), (Fate::Acked, RETRIED));
    }

    #[test]
    fn what_is_said_of_a_message_counts_before_all_else() {
        assert_eq!(both(UNSAID, ACK), (Fate::Acked, Fate::Acked));
        assert_eq!(both(RETRY, ACK), (Fate::Acked, Fate::Acked));
        assert_eq!(both(ACK, RETRY), (RETRIED, RETRIED));
        assert_eq!(both(UNSAID, later(5)), (retried(5), retried(5)));
    }

    #[test]
    fn what_is_said_of_the_batch_counts_for_the_rest() {
        assert_eq!(both(ACK, UNSAID), (Fate::Acked, Fate::Acked));
        assert_eq!(both(RETRY, UNSAID), (RETRIED, RETRIED));
        assert_eq!(both(later(7), UNSAID), (retried(7), retried(7)));
    }

    #[test]
    fn a_messages_own_delay_counts_before_the_batchs() {
        assert_eq!(both(later(7), later(5)), (retried(5), retried(5)));
        assert_eq!(both(later(7), RETRY), (retried(7), retried(7)));
        assert_eq!(both(later(7), later(0)), (retried(0), retried(0)));
    }
}
