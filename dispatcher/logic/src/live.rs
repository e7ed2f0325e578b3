//! Which idle isolates are let go.

/// How many isolates are kept, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Isolates at once, busy or idle.
    pub count_max: usize,
    /// How long an isolate may be idle.
    pub idle_ms_max: u64,
}

/// Which of the idle isolates go now: those idle for too long, and the longest idle of the rest
/// while there are more than `count_max`. `idle` holds, for each, since when it is idle; the
/// result holds places in it.
pub fn evicted(idle: &[u64], live_count: usize, keep: Keep, now_ms: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..idle.len()).collect();
    let since = |place: &usize| idle.get(*place).copied().unwrap_or(u64::MAX);
    order.sort_by_key(since);
    let over = live_count.saturating_sub(keep.count_max);
    let expired =
        order.partition_point(|place| now_ms.saturating_sub(since(place)) >= keep.idle_ms_max);
    order.truncate(expired.max(over));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP: Keep = Keep { count_max: 3, idle_ms_max: 100 };

    #[test]
    fn what_is_idle_for_too_long_goes() {
        assert_eq!(evicted(&[950, 900, 901], 3, KEEP, 1_000), [1]);
        assert!(evicted(&[], 3, KEEP, 1_000).is_empty());
    }

    #[test]
    fn over_the_count_the_longest_idle_go_first_and_busy_ones_stay() {
        assert_eq!(evicted(&[990, 980, 999], 5, KEEP, 1_000), [1, 0]);
        assert_eq!(evicted(&[990], 50, KEEP, 1_000), [0]);
    }
}
