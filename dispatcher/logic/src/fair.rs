//! Waiting in line, round-robin over tenants: one tenant's many never stand before another's one.

use std::collections::{HashMap, VecDeque};

use bindery_wire::TenantId;

/// What waits, by tenant.
#[derive(Debug)]
pub struct Fair<T> {
    turns: VecDeque<TenantId>,
    waiting: HashMap<TenantId, VecDeque<T>>,
    count: usize,
    count_max: usize,
    tenant_count_max: usize,
}

impl<T> Fair<T> {
    /// A line that holds `count_max` at most, and `tenant_count_max` of one tenant.
    pub fn new(count_max: usize, tenant_count_max: usize) -> Self {
        Self {
            turns: VecDeque::new(),
            waiting: HashMap::new(),
            count: 0,
            count_max,
            tenant_count_max,
        }
    }

    /// Puts `item` behind its tenant's others, or gives it back if there is no room.
    pub fn push(&mut self, tenant: TenantId, item: T) -> Result<(), T> {
        let own = self.waiting.get(&tenant).map_or(0, VecDeque::len);
        if self.count >= self.count_max || own >= self.tenant_count_max {
            return Err(item);
        }
        if own == 0 {
            self.turns.push_back(tenant);
        }
        self.waiting.entry(tenant).or_default().push_back(item);
        self.count += 1;
        Ok(())
    }

    /// Takes the first item of the next tenant that `may` name. A tenant that may not keeps its
    /// turn.
    pub fn pop(&mut self, may: impl Fn(TenantId) -> bool) -> Option<(TenantId, T)> {
        let at = self.turns.iter().position(|tenant| may(*tenant))?;
        let tenant = self.turns.remove(at)?;
        let own = self.waiting.get_mut(&tenant)?;
        let item = own.pop_front()?;
        self.count -= 1;
        if own.is_empty() {
            self.waiting.remove(&tenant);
        } else {
            self.turns.push_back(tenant);
        }
        Some((tenant, item))
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: TenantId = TenantId(1);
    const B: TenantId = TenantId(2);

    #[test]
    fn tenants_take_turns_whoever_came_first() {
        let mut fair = Fair::new(10, 10);
        for item in 0..3 {
            fair.push(A, item).expect("room");
        }
        fair.push(B, 10).expect("room");
        let order: Vec<i32> = std::iter::from_fn(|| fair.pop(|_| true)).map(|(_, i)| i).collect();
        assert_eq!(order, [0, 10, 1, 2]);
        assert!(fair.is_empty());
    }

    #[test]
    fn a_tenant_that_may_not_go_now_keeps_its_turn() {
        let mut fair = Fair::new(10, 10);
        fair.push(A, 1).expect("room");
        fair.push(B, 2).expect("room");
        assert_eq!(fair.pop(|tenant| tenant != A), Some((B, 2)));
        assert_eq!(fair.pop(|tenant| tenant != A), None);
        assert_eq!(fair.pop(|_| true), Some((A, 1)));
    }

    #[test]
    fn both_bounds_hold() {
        let mut fair = Fair::new(3, 2);
        fair.push(A, 1).expect("room");
        fair.push(A, 2).expect("room");
        assert_eq!(fair.push(A, 3), Err(3));
        fair.push(B, 4).expect("room");
        assert_eq!(fair.push(B, 5), Err(5));
        assert_eq!(fair.len(), 3);
    }
}
