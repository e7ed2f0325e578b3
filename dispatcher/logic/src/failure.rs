//! What a client is told when an event did not answer, and whether it is run once more.

use bindery_wire::Outcome;

use crate::blame::Blame;

/// A failure that the host reports to a client in a worker's stead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// Nothing answers to this host name.
    NoWorker,
    /// The tenant's code threw, or returned what is not a response.
    Exception,
    /// The modules do not start.
    StartupFailed,
    /// CPU limit.
    ExceededCpu,
    /// Memory limit.
    ExceededMemory,
    /// Wall limit.
    ExceededWallTime,
    /// The response can never come.
    Hung,
    /// The isolate or its cordon died under the event.
    IsolateLost,
    /// No capacity.
    Overloaded,
    /// A body over its limit.
    BodyTooLarge,
    /// Headers or URL over their limits.
    HeadTooLarge,
    /// Not a request that can be served.
    BadRequest,
    /// The host's own fault.
    Internal,
}

/// What a client is told about an event that ended without a response.
pub fn of(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Exception => Failure::Exception,
        Outcome::ExceededCpu => Failure::ExceededCpu,
        Outcome::ExceededMemory => Failure::ExceededMemory,
        Outcome::ExceededWallTime => Failure::ExceededWallTime,
        Outcome::Hung => Failure::Hung,
        Outcome::Lost | Outcome::Canceled => Failure::IsolateLost,
        Outcome::Ok | Outcome::InternalError => Failure::Internal,
    }
}

/// How often a request was given to an isolate, at most.
pub const RUN_COUNT_MAX: u32 = 2;

/// Whether a request whose isolate died is run once more. The caller knows that no byte of its
/// response was sent.
pub fn runs_again(method: &str, blame: Blame, runs: u32) -> bool {
    matches!(method, "GET" | "HEAD") && blame != Blame::Itself && runs < RUN_COUNT_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_safe_request_with_somebody_else_to_blame_runs_again_and_once() {
        assert!(runs_again("GET", Blame::Another, 1));
        assert!(runs_again("HEAD", Blame::Nobody, 1));
        assert!(!runs_again("GET", Blame::Itself, 1));
        assert!(!runs_again("GET", Blame::Another, 2));
        assert!(!runs_again("POST", Blame::Another, 1));
        assert!(!runs_again("get", Blame::Another, 1));
    }

    #[test]
    fn an_event_that_says_it_went_well_but_answered_nothing_is_our_fault() {
        assert_eq!(of(Outcome::Ok), Failure::Internal);
        assert_eq!(of(Outcome::ExceededCpu), Failure::ExceededCpu);
        assert_eq!(of(Outcome::Lost), Failure::IsolateLost);
    }
}
