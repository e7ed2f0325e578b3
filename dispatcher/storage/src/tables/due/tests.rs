//! That an entry is found at its time, whatever happens in which order.

use futures_util::FutureExt;
use proptest::prelude::*;

use super::*;
use crate::engine::Committed;
use crate::memory::Memory;

const START_MS: u64 = 1_000_000;

fn due(time_ms: u64, id: u8) -> Due {
    Due { time_ms, kind: Kind::Cron, id: vec![id], failures: 0, data: vec![] }
}

/// A table in memory, whose futures are ready at once.
struct Fixture {
    engine: Arc<Memory>,
    table: DueTable,
    now_ms: u64,
}

impl Fixture {
    fn new() -> Self {
        let engine = Arc::new(Memory::new());
        Self { table: DueTable::new(engine.clone()), engine, now_ms: START_MS }
    }

    fn commit(&self, batch: Batch) -> bool {
        let committed = now(self.engine.commit(batch)).expect("within its limits");
        matches!(committed, Committed::Done { .. })
    }

    fn add(&self, tenant: TenantId, due: &Due) {
        let writes = self.table.add(tenant, due, self.now_ms).into();
        assert!(self.commit(Batch { checks: vec![], writes }));
    }

    fn hints(&self, until_ms: u64) -> Vec<Hint> {
        now(self.table.hints(until_ms, None, 10_000)).expect("reads")
    }

    fn all(&self, tenant: TenantId) -> Vec<Due> {
        now(self.table.until(tenant, u64::MAX, 10_000)).expect("reads")
    }
}

fn now<T>(ready: impl Future<Output = T>) -> T {
    ready.now_or_never().expect("the store in memory never waits")
}

#[test]
fn the_bytes_of_an_entry_are_frozen() {
    let engine = Arc::new(Memory::new());
    let table = DueTable::new(engine);
    let due = Due { failures: 3, data: vec![7, 8], ..due(0x102, b'q') };
    let [entry, hint] = table.add(TenantId(0x2f), &due, 0x0f0);
    let key = [&[0x11][..], &0x2f_u64.to_be_bytes(), &0x102_u64.to_be_bytes(), b"\x01q"].concat();
    assert_eq!(entry, Write::Put { key: key.clone(), value: vec![1, 3, 7, 8] });
    let hinted = [&[0x12][..], &0x100_u64.to_be_bytes(), &0x2f_u64.to_be_bytes()].concat();
    assert_eq!(hint, Write::Add { key: hinted, amount: 1 });
    let row = Entry { key: key.into(), value: vec![1, 3, 7, 8].into() };
    assert_eq!(read(&row).expect("reads"), due);
    let newer = Entry { value: vec![2, 3].into(), ..row.clone() };
    assert!(matches!(read(&newer), Err(Error::TooNew(2))));
    let unknown = Entry { key: [&row.key[..17], &[0xff]].concat().into(), ..row };
    assert!(matches!(read(&unknown), Err(Error::Malformed(_))));
}

#[test]
fn a_tenant_with_many_entries_has_few_hints() {
    let fixture = Fixture::new();
    for step in 0..5_000 {
        fixture.add(TenantId(1), &due(START_MS - step.min(START_MS), 1));
        fixture.add(TenantId(1), &due(START_MS + step * step * 1_000, 1));
    }
    assert_eq!(fixture.all(TenantId(1)).len(), 9_999);
    let count = fixture.hints(u64::MAX).len();
    assert!(count <= 2 * 36, "{count} hints for times of up to 36 bits");
}

#[test]
fn an_entry_that_comes_between_the_look_and_its_end_keeps_its_hint() {
    let fixture = Fixture::new();
    fixture.add(TenantId(1), &due(START_MS, 1));
    let hints = fixture.hints(START_MS);
    assert!(fixture.commit(Batch {
        checks: vec![fixture.table.there(TenantId(1), &due(START_MS, 1))],
        writes: vec![fixture.table.remove(TenantId(1), &due(START_MS, 1))],
    }));
    let first = now(fixture.table.first(TenantId(1))).expect("reads");
    fixture.add(TenantId(1), &due(START_MS, 2));
    assert!(!fixture.commit(fixture.table.settle(&hints, first.as_ref())));
    assert_eq!(fixture.hints(START_MS).len(), 1);
}

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    Add {
        tenant: u64,
        offset_ms: i64,
        id: u8,
    },
    Remove {
        tenant: u64,
        place: usize,
    },
    Pass {
        ms: u64,
    },
    /// The scheduler goes one step on with what it is at: hints, then entries, then the commit.
    Look,
    /// The scheduler is killed, and begins anew.
    Kill,
}

fn step() -> impl Strategy<Value = Step> {
    let offset = prop_oneof![-20..20_i64, -2_000..2_000_i64, 0..100_000_i64];
    prop_oneof![
        4 => (0..2_u64, offset, 0..3_u8)
            .prop_map(|(tenant, offset_ms, id)| Step::Add { tenant, offset_ms, id }),
        2 => (0..2_u64, 0..4_usize).prop_map(|(tenant, place)| Step::Remove { tenant, place }),
        1 => prop_oneof![0..20_u64, 0..2_000_u64].prop_map(|ms| Step::Pass { ms }),
        6 => Just(Step::Look),
        1 => Just(Step::Kill),
    ]
}

/// Where the scheduler is.
enum At {
    Idle,
    Hinted(Vec<Hint>),
    Looked(Vec<Hint>, Option<Due>),
}

impl Fixture {
    fn take(&mut self, step: Step, at: &mut At) {
        match step {
            Step::Add { tenant, offset_ms, id } => {
                let time_ms = self.now_ms.saturating_add_signed(offset_ms);
                self.add(TenantId(tenant), &due(time_ms, id));
            }
            Step::Remove { tenant, place } => {
                if let Some(due) = self.all(TenantId(tenant)).get(place) {
                    let writes = vec![self.table.remove(TenantId(tenant), due)];
                    self.commit(Batch { checks: vec![], writes });
                }
            }
            Step::Pass { ms } => self.now_ms += ms,
            Step::Look => *at = self.look(std::mem::replace(at, At::Idle)),
            Step::Kill => *at = At::Idle,
        }
    }

    fn look(&self, at: At) -> At {
        match at {
            At::Idle => {
                let mut hints = self.hints(self.now_ms);
                let tenant = hints.first().map(|hint| hint.tenant);
                hints.retain(|hint| Some(hint.tenant) == tenant);
                if hints.is_empty() { At::Idle } else { At::Hinted(hints) }
            }
            At::Hinted(hints) => {
                let first = now(self.table.first(hints[0].tenant)).expect("reads");
                At::Looked(hints, first)
            }
            At::Looked(hints, first) => {
                if first.as_ref().is_none_or(|due| due.time_ms > self.now_ms) {
                    self.commit(self.table.settle(&hints, first.as_ref()));
                }
                At::Idle
            }
        }
    }

    /// An entry that no hint leads to at its time.
    fn lost(&self) -> Option<(TenantId, Due)> {
        let hints = self.hints(u64::MAX);
        let led_to = |tenant: TenantId, due: &Due| {
            hints.iter().any(|hint| hint.tenant == tenant && hint.time_ms <= due.time_ms)
        };
        let all = [TenantId(0), TenantId(1)].into_iter();
        let mut all = all.flat_map(|tenant| self.all(tenant).into_iter().map(move |d| (tenant, d)));
        all.find(|(tenant, due)| !led_to(*tenant, due))
    }

    /// Follows hints alone, from one to the next, and gives the times at which entries were found
    /// beside those that they had.
    fn follow(&mut self) -> Vec<(u64, u64)> {
        let mut found = Vec::new();
        for _ in 0..100_000 {
            let Some(first) = self.hints(u64::MAX).first().copied() else { return found };
            self.now_ms = self.now_ms.max(first.time_ms);
            for due in now(self.table.until(first.tenant, self.now_ms, 10_000)).expect("reads") {
                found.push((self.now_ms, due.time_ms));
                let writes = vec![self.table.remove(first.tenant, &due)];
                self.commit(Batch { checks: vec![], writes });
            }
            let next = now(self.table.first(first.tenant)).expect("reads");
            self.commit(self.table.settle(&[first], next.as_ref()));
        }
        panic!("hints without an end");
    }
}

proptest! {
    #[test]
    fn no_order_of_changes_looks_and_kills_loses_an_entry(
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        let (mut fixture, mut at) = (Fixture::new(), At::Idle);
        for step in steps {
            fixture.take(step.clone(), &mut at);
            prop_assert_eq!(fixture.lost(), None, "after {:?}", step);
        }
        let began_ms = fixture.now_ms;
        let count = fixture.all(TenantId(0)).len() + fixture.all(TenantId(1)).len();
        let found = fixture.follow();
        prop_assert_eq!(found.len(), count);
        for (at_ms, time_ms) in found {
            prop_assert_eq!(at_ms, time_ms.max(began_ms));
        }
    }
}
