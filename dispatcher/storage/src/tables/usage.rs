//! What tenants used, hour by hour: one counter for each figure.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bindery_wire::TenantId;

use super::row::{self, Error, Result, Store};
use crate::engine::{Engine, KeyRange, SCAN_COUNT_MAX, Write};
use crate::key::{Key, Space};

const TABLE: &str = "usage";

/// The figures of one hour, by name.
pub type Figures = BTreeMap<String, u64>;

/// The table of what tenants used. An hour is its number since 1970.
#[derive(Clone)]
pub struct Usage(Store);

impl Usage {
    /// The table in this store.
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self(Store(engine))
    }

    /// Adds to one figure of an hour.
    pub fn add(&self, tenant: TenantId, hour: u64, figure: &str, amount: u64) -> Write {
        let key = Key::new(Space::Usage).tenant(tenant).number(hour).ending(figure);
        Write::Add { key, amount }
    }

    /// Removes the hours before this one.
    pub fn delete_before(&self, tenant: TenantId, hour: u64) -> Write {
        Write::DeleteRange(range(tenant, &(0..hour)))
    }

    /// Removes every hour of a tenant.
    pub fn delete(&self, tenant: TenantId) -> Write {
        Write::DeleteRange(Key::new(Space::Usage).tenant(tenant).range())
    }

    /// The first `count_max` hours of these in which the tenant used something.
    pub async fn read(
        &self,
        tenant: TenantId,
        hours: Range<u64>,
        count_max: usize,
    ) -> Result<Vec<(u64, Figures)>> {
        let mut found: Vec<(u64, Figures)> = Vec::new();
        let mut left = range(tenant, &hours);
        loop {
            let entries = self.0.0.scan(left.clone(), SCAN_COUNT_MAX).await?;
            for entry in &entries {
                let (hour, figure) = parts(&entry.key)?;
                if found.last().is_none_or(|(last, _)| *last != hour) {
                    if found.len() >= count_max {
                        return Ok(found);
                    }
                    found.push((hour, Figures::new()));
                }
                let value = entry.value.as_ref().try_into().map_err(|_| Error::Malformed(TABLE))?;
                if let Some((_, figures)) = found.last_mut() {
                    figures.insert(figure, u64::from_be_bytes(value));
                }
            }
            match entries.last() {
                Some(last) if entries.len() >= SCAN_COUNT_MAX => left = left.after(&last.key),
                _ => return Ok(found),
            }
        }
    }
}

fn range(tenant: TenantId, hours: &Range<u64>) -> KeyRange {
    let key = |hour| Key::new(Space::Usage).tenant(tenant).number(hour).finish();
    KeyRange { start: key(hours.start), end: Some(key(hours.end)) }
}

/// The hour and the figure that a key names.
fn parts(key: &[u8]) -> Result<(u64, String)> {
    const HOUR: usize = 1 + size_of::<u64>();
    const FIGURE: usize = HOUR + size_of::<u64>();
    let hour = key.get(HOUR..FIGURE).and_then(|hour| hour.try_into().ok());
    let hour = hour.ok_or(Error::Malformed(TABLE))?;
    Ok((u64::from_be_bytes(hour), row::last(key, FIGURE, TABLE)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Batch;
    use crate::memory::Memory;

    #[tokio::test]
    async fn figures_add_up_by_hour_and_old_hours_are_removed() {
        let engine: Arc<dyn Engine> = Arc::new(Memory::new());
        let usage = Usage::new(engine.clone());
        let (a, b) = (TenantId(1), TenantId(2));
        let writes = vec![
            usage.add(a, 7, "requests", 2),
            usage.add(a, 7, "requests", 3),
            usage.add(a, 7, "wall_us", 9),
            usage.add(a, 9, "requests", 1),
            usage.add(b, 8, "requests", 4),
        ];
        engine.commit(Batch { checks: vec![], writes }).await.expect("commits");
        let seven = Figures::from([("requests".into(), 5), ("wall_us".into(), 9)]);
        let nine = Figures::from([("requests".into(), 1)]);
        let read = usage.read(a, 0..100, 10).await.expect("reads");
        assert_eq!(read, [(7, seven.clone()), (9, nine.clone())]);
        assert_eq!(usage.read(a, 0..100, 1).await.expect("reads"), [(7, seven.clone())]);
        assert_eq!(usage.read(a, 7..9, 10).await.expect("reads"), [(7, seven)]);
        let writes = vec![usage.delete_before(a, 8), usage.delete(b)];
        engine.commit(Batch { checks: vec![], writes }).await.expect("commits");
        assert_eq!(usage.read(a, 0..100, 10).await.expect("reads"), [(9, nine)]);
        assert_eq!(usage.read(b, 0..100, 10).await.expect("reads"), []);
    }
}
