//! Whether another isolate fits under the one ceiling of memory that all cordons share.
//!
//! What is resident is measured once in a while; what was started since then, or is about to be,
//! is held against the ceiling as an estimate, so that many starts at once do not pass it
//! together.

/// An isolate is taken to need this much at least, whatever was measured: one that has just
/// started has not touched all that its first events will.
const ISOLATE_BYTES_MIN: u64 = 4 << 20;
/// And this much at most: what is beyond is the doing of a few, which the next measurement has.
const ISOLATE_BYTES_MAX: u64 = 64 << 20;
/// Starts may fill this share of the ceiling, in 1/16: what an isolate needs is an estimate, and what
/// one that ended held is given back a little later.
const FULL: u64 = 15;
/// Idle isolates go before that is reached, at this share.
const MARK: u64 = 14;
/// Above so many sixteenths, estimates are not good enough for a start.
const TIGHT: u64 = 12;

/// What all cordons hold and may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    bytes_max: u64,
    measured: u64,
    /// Reservations of isolates that have started since the last measurement.
    unseen: u64,
    /// Reservations of starts that are under way.
    under_way: u64,
    under_way_count: usize,
    isolate_bytes: u64,
}

/// What was measured of all cordons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Bytes that are resident.
    pub bytes: u64,
    /// Bytes that were before they had isolates.
    pub base_bytes: u64,
    /// Isolates in them, blank ones too.
    pub isolate_count: usize,
}

impl Account {
    /// Nothing is held, of `bytes_max` that may be.
    pub fn new(bytes_max: u64) -> Self {
        let isolate_bytes = ISOLATE_BYTES_MIN;
        Self { bytes_max, measured: 0, unseen: 0, under_way: 0, under_way_count: 0, isolate_bytes }
    }

    /// What one more isolate is taken to need, if it may have `limit` bytes at most.
    pub fn estimate(&self, limit: u64) -> u64 {
        self.isolate_bytes.min(limit)
    }

    /// Holds `bytes` for a start if they fit, or if nothing lives that could go for it.
    pub fn reserve(&mut self, bytes: u64, live_count: usize) -> bool {
        let alone = live_count == 0 && self.under_way_count == 0;
        if !alone && self.over(bytes) > 0 {
            return false;
        }
        self.under_way += bytes;
        self.under_way_count += 1;
        true
    }

    /// A start is over for which `bytes` were held: they stay held until the next measurement if
    /// there is an isolate now.
    pub fn settle(&mut self, bytes: u64, lives: bool) {
        self.under_way = self.under_way.saturating_sub(bytes);
        self.under_way_count = self.under_way_count.saturating_sub(1);
        if lives {
            self.unseen += bytes;
        }
    }

    /// An isolate has ended and given its memory back.
    pub fn ended(&mut self) {
        self.measured = self.measured.saturating_sub(self.isolate_bytes);
    }

    /// Takes in what is resident now.
    pub fn measured(&mut self, now: Measured) {
        let count = u64::try_from(now.isolate_count).unwrap_or(u64::MAX);
        let grown = now.base_bytes.saturating_add(count.saturating_mul(ISOLATE_BYTES_MIN));
        self.measured = now.bytes.max(grown);
        self.unseen = 0;
        if let Some(each) = now.bytes.saturating_sub(now.base_bytes).checked_div(count) {
            self.isolate_bytes = each.clamp(ISOLATE_BYTES_MIN, ISOLATE_BYTES_MAX);
        }
    }

    /// Whether the last measurement has all that has started.
    pub fn is_seen(&self) -> bool {
        self.unseen == 0
    }

    /// Starts that are under way.
    pub fn under_way_count(&self) -> usize {
        self.under_way_count
    }

    /// Whether so little is left that a start is to be decided on what is held at that moment: what
    /// an ended isolate has given back is an estimate until then.
    pub fn is_tight(&self) -> bool {
        self.held() > self.share(TIGHT)
    }

    /// How many isolates have to go for `bytes` more to fit.
    pub fn too_many_for(&self, bytes: u64) -> usize {
        self.count(self.over(bytes))
    }

    /// How many idle isolates should go now, because little is left.
    pub fn too_many(&self) -> usize {
        self.count(self.held().saturating_sub(self.share(MARK)))
    }

    fn held(&self) -> u64 {
        self.measured.saturating_add(self.unseen).saturating_add(self.under_way)
    }

    fn over(&self, bytes: u64) -> u64 {
        self.held().saturating_add(bytes).saturating_sub(self.share(FULL))
    }

    fn share(&self, sixteenths: u64) -> u64 {
        self.bytes_max / 16 * sixteenths
    }

    fn count(&self, bytes: u64) -> usize {
        usize::try_from(bytes.div_ceil(self.isolate_bytes.max(1))).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// An account that starts may fill with so many bytes.
    fn account(full: u64) -> Account {
        Account::new(full.div_ceil(FULL) * 16)
    }

    fn measured(bytes: u64, isolate_count: usize) -> Measured {
        Measured { bytes, base_bytes: 20 * MIB, isolate_count }
    }

    #[test]
    fn many_starts_at_once_do_not_pass_the_ceiling_together() {
        let mut account = account(100 * MIB);
        account.measured(measured(60 * MIB, 4));
        let each = account.estimate(128 * MIB);
        assert_eq!(each, 10 * MIB, "as much as those that live");
        let fitting = (0..10).filter(|_| account.reserve(each, 4)).count();
        assert_eq!(fitting, 4);
        assert_eq!(account.too_many_for(each), 1);
        account.settle(each, false);
        assert!(account.reserve(each, 4), "a start that failed leaves its room");
    }

    #[test]
    fn what_started_is_held_until_it_is_measured_and_given_back_at_the_end() {
        let mut account = account(100 * MIB);
        account.measured(measured(84 * MIB, 8));
        assert!(account.reserve(8 * MIB, 8));
        account.settle(8 * MIB, true);
        assert!(!account.reserve(16 * MIB, 9));
        account.ended();
        account.ended();
        assert!(account.reserve(16 * MIB, 7));
        account.settle(16 * MIB, true);
        assert!(!account.is_seen());
        account.measured(measured(60 * MIB, 8));
        assert!(account.is_seen());
        assert!(account.reserve(16 * MIB, 8), "the measurement has them");
    }

    #[test]
    fn isolates_that_have_not_run_yet_are_held_as_what_they_will_need() {
        let mut account = account(100 * MIB);
        account.measured(measured(40 * MIB, 15));
        assert!(account.reserve(20 * MIB, 15), "20 for the cordons and 4 for each");
        assert!(!account.reserve(MIB, 15));
    }

    #[test]
    fn one_isolate_may_always_live() {
        let mut account = account(10 * MIB);
        account.measured(measured(30 * MIB, 2));
        assert!(!account.reserve(4 * MIB, 1));
        assert!(account.reserve(4 * MIB, 0));
        assert!(!account.reserve(4 * MIB, 0), "the second waits for the first");
    }

    #[test]
    fn idle_ones_go_before_the_ceiling_is_reached() {
        let mut account = Account::new(160 * MIB);
        account.measured(measured(110 * MIB, 13));
        assert!(!account.is_tight());
        account.measured(measured(140 * MIB, 13));
        assert_eq!(account.too_many(), 0);
        assert!(account.is_tight(), "and starts are decided on what is held by then");
        account.measured(measured(146 * MIB, 13));
        assert_eq!(account.too_many(), 1);
    }

    #[test]
    fn the_estimate_stays_within_its_bounds_and_the_limit_of_the_version() {
        let mut account = Account::new(1 << 40);
        account.measured(measured(10_000 * MIB, 2));
        assert_eq!(account.estimate(128 * MIB), ISOLATE_BYTES_MAX);
        assert_eq!(account.estimate(16 * MIB), 16 * MIB);
        account.measured(measured(20 * MIB, 2));
        assert_eq!(account.estimate(128 * MIB), ISOLATE_BYTES_MIN);
        account.measured(measured(20 * MIB, 0));
        assert_eq!(account.estimate(128 * MIB), ISOLATE_BYTES_MIN);
    }
}
