//! Which idle isolates are let go.

/// An idle isolate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idle {
    /// Since when.
    pub since_ms: u64,
    /// How long it may be.
    pub idle_ms_max: u64,
}

/// Which of the idle isolates go now: those idle for too long, and the longest idle of the rest
/// until `over` have gone. The result holds places in `idle`.
pub fn evicted(idle: &[Idle], over: usize, now_ms: u64) -> Vec<usize> {
    let mut order: Vec<(usize, &Idle)> = idle.iter().enumerate().collect();
    order.sort_by_key(|(_, idle)| idle.since_ms);
    let expired = |idle: &Idle| now_ms.saturating_sub(idle.since_ms) >= idle.idle_ms_max;
    let (expired, rest): (Vec<_>, Vec<_>) = order.into_iter().partition(|(_, i)| expired(i));
    let more = over.saturating_sub(expired.len());
    expired.into_iter().chain(rest.into_iter().take(more)).map(|(place, _)| place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle(since_ms: u64) -> Idle {
        Idle { since_ms, idle_ms_max: 100 }
    }

    #[test]
    fn what_is_idle_for_too_long_goes() {
        assert_eq!(evicted(&[950, 900, 901].map(idle), 0, 1_000), [1]);
        assert!(evicted(&[], 0, 1_000).is_empty());
        let soon = Idle { since_ms: 980, idle_ms_max: 10 };
        assert_eq!(evicted(&[idle(950), soon], 0, 1_000), [1], "each by its own time");
    }

    #[test]
    fn of_too_many_the_longest_idle_go_first_and_busy_ones_stay() {
        assert_eq!(evicted(&[990, 980, 999].map(idle), 2, 1_000), [1, 0]);
        assert_eq!(evicted(&[990].map(idle), 50, 1_000), [0]);
        assert_eq!(evicted(&[990, 900].map(idle), 1, 1_000), [1], "who goes anyway counts");
    }
}
