//! Time as an argument: the system's clock, or one that a test moves.

use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// Milliseconds since 1970.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Millis(pub u64);

/// Tells the time, and waits. Clones tell the same time.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    /// The system's clock, and when this one was made.
    System(Instant),
    /// The time at the start, and how far it was moved since.
    Test(Millis, watch::Sender<Duration>),
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(Source::System(Instant::now()))
    }

    /// A clock that stands at `start` until it is advanced.
    pub fn test(start: Millis) -> Self {
        Self(Source::Test(start, watch::Sender::new(Duration::ZERO)))
    }

    /// The time of day. It can go backwards when somebody sets the system's clock.
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    pub fn now(&self) -> Millis {
        let since_1970 = match &self.0 {
            Source::System(_) => {
                SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
            }
            Source::Test(start, moved) => Duration::from_millis(start.0) + *moved.borrow(),
        };
        Millis(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX))
    }

    /// The time since the clock was made. It never goes backwards.
    pub fn elapsed(&self) -> Duration {
        match &self.0 {
            Source::System(start) => start.elapsed(),
            Source::Test(_, moved) => *moved.borrow(),
        }
    }

    /// Waits until [`Clock::elapsed`] has grown by `time`. Cancel-safe.
    pub async fn sleep(&self, time: Duration) {
        self.sleep_until(self.elapsed() + time).await;
    }

    /// Waits until [`Clock::elapsed`] is `until`. Cancel-safe.
    pub async fn sleep_until(&self, until: Duration) {
        match &self.0 {
            Source::System(_) => tokio::time::sleep(until.saturating_sub(self.elapsed())).await,
            Source::Test(_, moved) => {
                let mut moves = moved.subscribe();
                // The sender lives as long as this clock, so the wait can not fail.
                let _ = moves.wait_for(|moved| *moved >= until).await;
            }
        }
    }

    /// Moves a test's clock forward. The system's clock is not moved.
    pub fn advance(&self, time: Duration) {
        if let Source::Test(_, moved) = &self.0 {
            moved.send_modify(|moved| *moved += time);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_test_clock_wakes_sleepers_when_it_is_moved() {
        let clock = Clock::test(Millis(1_000));
        let other = clock.clone();
        let mut sleep = std::pin::pin!(other.sleep(Duration::from_millis(50)));
        assert!(sleep.as_mut().now_or_never().is_none());
        clock.advance(Duration::from_millis(49));
        assert_eq!(clock.now(), Millis(1_049));
        assert!(sleep.as_mut().now_or_never().is_none());
        clock.advance(Duration::from_secs(1));
        assert!(sleep.as_mut().now_or_never().is_some());
        assert_eq!(clock.elapsed(), Duration::from_millis(1_049));
    }
}
