//! Which cordon a tenant's next isolate goes to, and how many blank isolates wait there.

use bindery_wire::TenantId;

/// What is known of one cordon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Whether it takes isolates now.
    pub open: bool,
    /// Isolates in it.
    pub isolate_count: u32,
}

/// Cordons that one tenant's isolates are spread over: few, so that a death touches few tenants,
/// and one only while there are not many.
pub fn spread(cordon_count: usize) -> usize {
    if cordon_count < 4 { 1 } else { 2 }
}

/// The place of the cordon that takes the next isolate of `tenant`: the least loaded of the
/// tenant's own, and of all others only while none of its own is open.
pub fn choose(tenant: TenantId, loads: &[Load]) -> Option<usize> {
    let mut order: Vec<usize> = (0..loads.len()).collect();
    order.sort_by_key(|place| std::cmp::Reverse(weight(tenant, *place)));
    let (own, others) = order.split_at(spread(loads.len()).min(order.len()));
    let least = |places: &[usize]| {
        let open = |place: &&usize| loads.get(**place).is_some_and(|load| load.open);
        let count = |place: &&usize| loads.get(**place).map_or(u32::MAX, |load| load.isolate_count);
        places.iter().filter(open).min_by_key(count).copied()
    };
    least(own).or_else(|| least(others))
}

/// Rendezvous hashing: a cordon that comes or goes moves only its own tenants.
fn weight(tenant: TenantId, place: usize) -> u64 {
    let mut x = tenant.0 ^ (place as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Blank isolates that wait in each cordon at least.
pub const WAITING_MIN: u32 = 2;
/// Blank isolates that wait in each cordon at most.
pub const WAITING_MAX: u32 = 16;

/// How many blank isolates a cordon keeps waiting, given its cold starts in the last second and
/// the average of the seconds before: enough for a quarter of a second at the higher rate.
pub fn waiting_count(last_second: u32, average: u32) -> u32 {
    (WAITING_MIN + last_second.max(average) / 4).min(WAITING_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: Load = Load { open: true, isolate_count: 0 };

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
    fn the_pool_follows_the_rate_within_bounds() {
        assert_eq!(waiting_count(0, 0), WAITING_MIN);
        assert_eq!(waiting_count(20, 3), 7);
        assert_eq!(waiting_count(0, 1_000_000), WAITING_MAX);
    }
}
