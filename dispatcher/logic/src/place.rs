//! Which cordon a tenant's next isolate goes to, and how many blank isolates wait there.

use bindery_wire::TenantId;

/// What is known of one cordon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Whether it takes isolates now.
    pub open: bool,
    /// Isolates in it.
    pub isolate_count: u32,
    /// Bytes that it held when that was last measured.
    pub memory_bytes: u64,
}

/// What an isolate weighs beside the memory that was measured.
const ISOLATE_BYTES: u64 = 4 << 20;
/// By how much a tenant's first cordon may be fuller than another, beside a quarter of that.
const SLACK_BYTES: u64 = 4 * ISOLATE_BYTES;

impl Load {
    fn bytes(&self) -> u64 {
        self.memory_bytes.saturating_add(u64::from(self.isolate_count) * ISOLATE_BYTES)
    }
}

/// Cordons that one tenant's isolates are spread over: few, so that a death touches few tenants,
/// and one only while there are not many.
pub fn spread(cordon_count: usize) -> usize {
    if cordon_count < 4 { 1 } else { 2 }
}

/// The place of the cordon that takes the next isolate of `tenant`: the first of the tenant's
/// own, where it was before and is again after a restart, unless another of its own is much less
/// loaded; and the least loaded of all others only while none of its own is open.
pub fn choose(tenant: TenantId, loads: &[Load]) -> Option<usize> {
    let mut order: Vec<usize> = (0..loads.len()).collect();
    order.sort_by_key(|place| std::cmp::Reverse(weight(tenant, *place)));
    let (own, others) = order.split_at(spread(loads.len()).min(order.len()));
    let of = |place: &usize| loads.get(*place).filter(|load| load.open).map(Load::bytes);
    let least = |places: &[usize]| {
        places.iter().filter_map(|place| Some((of(place)?, *place))).min_by_key(|(bytes, _)| *bytes)
    };
    let Some((least_bytes, least_own)) = least(own) else { return Some(least(others)?.1) };
    let bearable = least_bytes.saturating_add(least_bytes / 4).saturating_add(SLACK_BYTES);
    let first = own.first().filter(|first| of(first).is_some_and(|bytes| bytes <= bearable));
    Some(first.copied().unwrap_or(least_own))
}

/// Rendezvous hashing: a cordon that comes or goes moves only its own tenants.
fn weight(tenant: TenantId, place: usize) -> u64 {
    let mut x = tenant.0 ^ (place as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// How many blank isolates wait in each cordon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// At least, unless that is more than at most.
    pub count_min: u32,
    /// At most.
    pub count_max: u32,
}

/// Cold starts of one cordon per second: it follows a storm at once, and forgets it slowly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    this_second: u32,
    /// The average of the seconds before, in 1/256.
    average_x256: u64,
}

impl Rate {
    /// One more cold start.
    pub fn started(&mut self) {
        self.this_second = self.this_second.saturating_add(1);
    }

    /// A second is over.
    pub fn tick(&mut self) {
        let last = u64::from(self.this_second) << 8;
        self.average_x256 = ((self.average_x256 * 7 + last) / 8).max(last);
        self.this_second = 0;
    }

    /// How many blank isolates wait at this rate: enough for a quarter of a second.
    pub fn waiting_count(&self, bounds: Waiting) -> u32 {
        let average = u32::try_from(self.average_x256 >> 8).unwrap_or(u32::MAX);
        let more = self.this_second.max(average) / 4;
        bounds.count_min.saturating_add(more).min(bounds.count_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: Load = Load { open: true, isolate_count: 0, memory_bytes: 0 };
    const BOUNDS: Waiting = Waiting { count_min: 2, count_max: 16 };

    #[test]
    fn a_tenant_stays_in_its_cordon_and_tenants_spread() {
        let loads = [OPEN; 2];
        let mut places = [0; 2];
        for tenant in 0..1000 {
            let place = choose(TenantId(tenant), &loads).expect("open");
            assert_eq!(choose(TenantId(tenant), &loads), Some(place));
            places[place] += 1;
        }
        assert!(places.iter().all(|count| *count > 400), "{places:?}");
    }

    #[test]
    fn a_closed_cordon_is_passed_over_and_with_none_open_nobody_is_chosen() {
        let tenant = TenantId(7);
        let place = choose(tenant, &[OPEN; 2]).expect("open");
        let mut loads = [OPEN; 2];
        loads[place].open = false;
        assert_eq!(choose(tenant, &loads), Some(1 - place));
        loads[1 - place].open = false;
        assert_eq!(choose(tenant, &loads), None);
        assert_eq!(choose(tenant, &[]), None);
    }

    #[test]
    fn of_a_tenants_own_cordons_the_least_loaded_is_taken() {
        let tenant = TenantId(7);
        let first = choose(tenant, &[OPEN; 8]).expect("open");
        let mut loads = [OPEN; 8];
        loads[first].isolate_count = 5;
        let second = choose(tenant, &loads).expect("open");
        assert_ne!(first, second);
        loads[second].isolate_count = 6;
        assert_eq!(choose(tenant, &loads), Some(first), "no third cordon while two are open");
    }

    #[test]
    fn memory_weighs_too_and_small_differences_move_nobody() {
        let tenant = TenantId(7);
        let first = choose(tenant, &[OPEN; 8]).expect("open");
        let mut loads = [Load { memory_bytes: 400 << 20, ..OPEN }; 8];
        loads[first].memory_bytes = 450 << 20;
        assert_eq!(choose(tenant, &loads), Some(first));
        loads[first].memory_bytes = 800 << 20;
        assert_ne!(choose(tenant, &loads), Some(first));
    }

    #[test]
    fn the_pool_grows_within_the_second_of_a_storm_and_shrinks_when_it_is_over() {
        let mut rate = Rate::default();
        assert_eq!(rate.waiting_count(BOUNDS), 2);
        (0..20).for_each(|_| rate.started());
        assert_eq!(rate.waiting_count(BOUNDS), 7, "before the second is over");
        rate.tick();
        assert_eq!(rate.waiting_count(BOUNDS), 7);
        let mut seconds = 0;
        while rate.waiting_count(BOUNDS) > 2 {
            rate.tick();
            seconds += 1;
        }
        assert!((5..30).contains(&seconds), "{seconds}");
    }

    #[test]
    fn the_pool_stays_within_its_bounds() {
        let mut rate = Rate::default();
        (0..1_000_000).for_each(|_| rate.started());
        assert_eq!(rate.waiting_count(BOUNDS), 16);
        rate.tick();
        assert_eq!(rate.waiting_count(BOUNDS), 16);
        assert_eq!(rate.waiting_count(Waiting { count_min: 2, count_max: 0 }), 0);
        rate = Rate::default();
        for _ in 0..100 {
            rate.started();
            rate.tick();
        }
        assert_eq!(rate.waiting_count(BOUNDS), 2, "a start now and then needs no more");
    }
}
