//! The scheduler over the store in memory: fairness, bounds, and kills at every commit.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use bindery_storage::engine::{
    Batch, Check, Committed, Entry, Error, KeyRange, Result as Stored, View, Write,
};
use bindery_storage::memory::Memory;
use bytes::Bytes;

use super::*;
use crate::clock::Millis;

const START_MS: u64 = 1_000_000;
const A: TenantId = TenantId(1);
const B: TenantId = TenantId(2);

fn due(time_ms: u64, id: u32) -> Due {
    Due { time_ms, kind: Kind::Cron, id: id.to_be_bytes().into(), failures: 0, data: vec![] }
}

/// A store that counts reads, and dies with a commit.
struct Probe {
    rows: Arc<Memory>,
    scans: AtomicUsize,
    /// Commits that it takes yet.
    life: AtomicI64,
    /// Whether the commit that it dies with is applied all the same.
    applies_last: bool,
}

impl Probe {
    fn over(rows: Arc<Memory>) -> Self {
        let life = AtomicI64::new(i64::MAX);
        Self { rows, scans: AtomicUsize::new(0), life, applies_last: false }
    }
}

impl Engine for Probe {
    fn get(&self, key: Vec<u8>) -> BoxFuture<'_, Stored<Option<Bytes>>> {
        self.rows.get(key)
    }

    fn scan(&self, range: KeyRange, count_max: usize) -> BoxFuture<'_, Stored<Vec<Entry>>> {
        self.scans.fetch_add(1, Ordering::Relaxed);
        self.rows.scan(range, count_max)
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Stored<Committed>> {
        let left = self.life.fetch_sub(1, Ordering::Relaxed);
        Box::pin(async move {
            if left > 0 {
                return self.rows.commit(batch).await;
            }
            if left == 0 && self.applies_last {
                self.rows.commit(batch).await?;
            }
            Err(Error::Unavailable("killed".into()))
        })
    }

    fn snapshot(&self) -> BoxFuture<'_, Stored<Box<dyn View>>> {
        self.rows.snapshot()
    }
}

/// What an owner does with what it is given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Settles it, and leaves a mark.
    Settle,
    /// Settles it once and has it due again, for so often.
    Repeat(u8),
    /// Never ends.
    Hold,
    Fail,
    Panic,
}

/// Remembers the order in which entries were handed to it.
struct Owner {
    engine: Arc<dyn Engine>,
    table: DueTable,
    clock: Clock,
    way: Way,
    order: Mutex<Vec<(TenantId, Due)>>,
}

/// How often an entry was settled.
fn mark(tenant: TenantId, due: &Due) -> Vec<u8> {
    [&b"mark"[..], &tenant.0.to_be_bytes(), &due.id].concat()
}

impl Owner {
    fn order(&self) -> Vec<(TenantId, Due)> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn settle(&self, tenant: TenantId, due: Due, again: bool) -> Result<(), Failure> {
        let mut writes = vec![self.table.remove(tenant, &due)];
        if again {
            let time_ms = self.clock.now().0 + 10;
            let data = vec![due.data.first().map_or(1, |count| count + 1)];
            let later = Due { time_ms, data, ..due.clone() };
            writes.extend(self.table.add(tenant, &later, self.clock.now().0));
        }
        writes.push(Write::Add { key: mark(tenant, &due), amount: 1 });
        let checks = vec![self.table.there(tenant, &due)];
        self.engine.commit(Batch { checks, writes }).await?;
        Ok(())
    }
}

impl Deliver for Owner {
    fn deliver(&self, tenant: TenantId, due: Due) -> BoxFuture<'_, Result<(), Failure>> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner).push((tenant, due.clone()));
        Box::pin(async move {
            match self.way {
                Way::Settle => self.settle(tenant, due, false).await,
                Way::Repeat(count) => {
                    let again = due.data.first().copied().unwrap_or(0) < count;
                    self.settle(tenant, due, again).await
                }
                Way::Hold => std::future::pending().await,
                Way::Fail => Err("on purpose".into()),
                Way::Panic => panic!("on purpose"),
            }
        })
    }
}

/// A scheduler with one owner, over some rows.
struct Fixture {
    scheduler: Scheduler,
    probe: Arc<Probe>,
    owner: Arc<Owner>,
    clock: Clock,
    tasks: Tasks,
}

impl Fixture {
    fn new(way: Way) -> Self {
        let clock = Clock::test(Millis(START_MS));
        Self::over(Probe::over(Arc::default()), way, clock)
    }

    fn over(probe: Probe, way: Way, clock: Clock) -> Self {
        let probe = Arc::new(probe);
        let engine: Arc<dyn Engine> = probe.clone();
        let table = DueTable::new(engine.clone());
        let order = Mutex::default();
        let (to, at) = (engine.clone(), clock.clone());
        let owner = Arc::new(Owner { engine: to, table, clock: at, way, order });
        let tasks = Tasks::new(tokio::runtime::Handle::current());
        let scheduler = Scheduler::new(Parts {
            engine,
            clock: clock.clone(),
            tasks: tasks.clone(),
            handle: Handle::default(),
            owners: vec![(Kind::Cron, owner.clone() as Arc<dyn Deliver>)],
        });
        Self { scheduler, probe, owner, clock, tasks }
    }

    async fn add(&self, tenant: TenantId, due: &Due) {
        let writes = self.scheduler.due.add(tenant, due, self.clock.now().0).into();
        self.probe.rows.commit(Batch { checks: vec![], writes }).await.expect("written");
    }

    /// Adds many at once that are due already: their hint is one.
    async fn add_many(&self, tenant: TenantId, count: u32) {
        for first in (0..count).step_by(10_000) {
            let ids = first..count.min(first + 10_000);
            let add = |id| self.scheduler.due.add(tenant, &due(START_MS - 1, id), START_MS);
            let mut writes: Vec<Write> = ids.map(|id| add(id)[0].clone()).collect();
            writes.push(add(0)[1].clone());
            self.probe.rows.commit(Batch { checks: vec![], writes }).await.expect("written");
        }
    }

    /// Passes until there is nothing to do now; how long there is not.
    async fn passes(&mut self) -> Duration {
        for _ in 0..10_000 {
            let next = self.scheduler.pass().await.expect("reads");
            if self.owner.way != Way::Hold {
                self.tasks.join().await;
            }
            match next {
                Next::After(rest) if self.scheduler.after.is_none() => return rest,
                Next::After(_) | Next::Now => {}
            }
        }
        panic!("passes without an end");
    }

    async fn mark(&self, tenant: TenantId, due: &Due) -> u64 {
        let mark = self.probe.rows.get(mark(tenant, due)).await.expect("reads");
        mark.map_or(0, |count| u64::from_be_bytes(count.as_ref().try_into().expect("a counter")))
    }

    /// How many rows of entries and hints there are.
    async fn left(&self) -> (usize, usize) {
        let entries = join_all([A, B].map(|tenant| self.scheduler.due.until(tenant, u64::MAX, 99)));
        let entries = entries.await.into_iter().map(|own| own.expect("reads").len()).sum();
        let hints = self.scheduler.due.hints(u64::MAX, None, 99).await.expect("reads");
        (entries, hints.len())
    }
}

#[tokio::test]
async fn an_entry_is_delivered_at_its_time_and_leaves_nothing_behind() {
    let mut fixture = Fixture::new(Way::Settle);
    fixture.add(A, &due(START_MS + 5_000, 1)).await;
    let mut waited = Duration::ZERO;
    for _ in 0..30 {
        let rest = fixture.passes().await;
        if fixture.owner.order().is_empty() {
            waited += rest;
            fixture.clock.advance(rest);
        }
    }
    assert_eq!(waited, Duration::from_secs(5), "neither sooner nor later");
    assert_eq!(fixture.owner.order(), [(A, due(START_MS + 5_000, 1))]);
    assert_eq!(fixture.left().await, (0, 0));
    assert_eq!(fixture.passes().await, REST_MAX);
}

#[tokio::test]
async fn the_task_wakes_at_the_time_and_for_what_is_added_before_it() {
    let fixture = Fixture::new(Way::Settle);
    let Fixture { owner, clock, probe, scheduler, tasks } = fixture;
    let (handle, table) = (scheduler.parts.handle.clone(), scheduler.due.clone());
    let serving = watch::Sender::new(true);
    tasks.spawn("scheduler", scheduler.run(serving.subscribe()));
    let seen = async |count: usize| {
        let seen = async {
            while owner.order().len() < count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), seen).await.expect("delivered");
    };
    for (time_ms, id) in [(START_MS + 30_000, 1), (START_MS, 2)] {
        let writes = table.add(A, &due(time_ms, id), START_MS).into();
        probe.commit(Batch { checks: vec![], writes }).await.expect("written");
        handle.wake();
    }
    seen(1).await;
    for _ in 0..60 {
        clock.advance(Duration::from_millis(500));
        tokio::task::yield_now().await;
    }
    seen(2).await;
    assert_eq!(owner.order().iter().map(|(_, due)| due.id[3]).collect::<Vec<_>>(), [2, 1]);
    serving.send_replace(false);
    tokio::time::timeout(Duration::from_secs(30), tasks.join()).await.expect("it stops");
}

#[tokio::test]
async fn a_million_entries_of_one_tenant_do_not_stand_before_anothers_single_one() {
    let mut fixture = Fixture::new(Way::Settle);
    fixture.add_many(A, 1_000_000).await;
    fixture.add(B, &due(START_MS, 7)).await;
    fixture.scheduler.pass().await.expect("reads");
    fixture.tasks.join().await;
    let order = fixture.owner.order();
    let place = order.iter().position(|(tenant, _)| *tenant == B).expect("started");
    assert!(place <= TURN_COUNT, "{place} entries of the other tenant were started before");
    assert!(order.len() <= TURN_COUNT + 1);
}

#[tokio::test]
async fn a_tenant_has_its_share_of_deliveries_and_no_more() {
    let mut fixture = Fixture::new(Way::Hold);
    fixture.add_many(A, 1_000).await;
    fixture.passes().await;
    assert_eq!(fixture.owner.order().len(), 0, "handed over by tasks");
    tokio::task::yield_now().await;
    let order = fixture.owner.order();
    assert_eq!(order.len(), TENANT_DELIVERY_COUNT_MAX);
    let distinct: std::collections::HashSet<_> = order.iter().map(|(_, due)| &due.id).collect();
    assert_eq!(distinct.len(), order.len(), "each once");
    fixture.add(B, &due(START_MS, 1)).await;
    fixture.passes().await;
    tokio::task::yield_now().await;
    assert_eq!(fixture.owner.order().last().map(|(tenant, _)| *tenant), Some(B));
}

#[tokio::test]
async fn what_is_delivered_at_once_is_bounded_and_goes_on_where_it_was() {
    let mut fixture = Fixture::new(Way::Hold);
    let tenants = (DELIVERY_COUNT_MAX as u64) + 10;
    for tenant in 0..tenants {
        fixture.add(TenantId(tenant), &due(START_MS, 1)).await;
    }
    for _ in 0..tenants {
        fixture.scheduler.pass().await.expect("reads");
        tokio::task::yield_now().await;
    }
    assert_eq!(fixture.owner.order().len(), DELIVERY_COUNT_MAX);
    let after = fixture.scheduler.after.expect("in the middle");
    assert_eq!(after.tenant, TenantId(DELIVERY_COUNT_MAX as u64 - 1));
}

#[tokio::test]
async fn a_million_idle_tenants_cost_two_reads() {
    let mut fixture = Fixture::new(Way::Settle);
    for first in (0..1_000_000).step_by(5_000) {
        let add = |tenant: u64| {
            let [entry, hint] =
                fixture.scheduler.due.add(TenantId(tenant), &due(START_MS + 3_600_000, 1), 0);
            // As a put: an addition looks through its whole batch.
            let Write::Add { key, .. } = hint else { panic!("a counter") };
            [entry, Write::Put { key, value: 1_u64.to_be_bytes().into() }]
        };
        let writes = (first..first + 5_000).flat_map(add).collect();
        fixture.probe.rows.commit(Batch { checks: vec![], writes }).await.expect("written");
    }
    assert_eq!(fixture.passes().await, REST_MAX);
    assert_eq!(fixture.probe.scans.load(Ordering::Relaxed), 2);
    assert!(fixture.owner.order().is_empty());
}

#[tokio::test]
async fn what_fails_is_put_off_for_longer_each_time_and_holds_nobody_up() {
    for way in [Way::Fail, Way::Panic] {
        let mut fixture = Fixture::new(way);
        fixture.add(A, &due(START_MS, 1)).await;
        let mut times = Vec::new();
        for _ in 0..12 {
            fixture.passes().await;
            let next = fixture.scheduler.due.first(A).await.expect("reads").expect("kept");
            times.push((next.time_ms - fixture.clock.now().0) / 1_000);
            fixture.clock.advance(Duration::from_millis(next.time_ms - fixture.clock.now().0));
        }
        assert_eq!(times, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        assert_eq!(fixture.owner.order().len(), 12);
    }
}

#[tokio::test]
async fn an_entry_that_nobody_delivers_is_kept() {
    let mut fixture = Fixture::new(Way::Settle);
    fixture.add(A, &Due { kind: Kind::Queue, ..due(START_MS, 1) }).await;
    fixture.passes().await;
    let kept = fixture.scheduler.due.first(A).await.expect("reads").expect("kept");
    assert_eq!((kept.failures, kept.time_ms), (1, START_MS + 1_000));
}

/// Kills the store with each of its commits in turn, before or after that is applied, and goes on
/// with another scheduler over what is left.
#[tokio::test]
async fn killed_at_any_commit_nothing_is_lost_and_nothing_settles_twice() {
    const REPEATS: u8 = 2;
    for (life, applies_last) in (0..60).flat_map(|life| [(life, false), (life, true)]) {
        let clock = Clock::test(Millis(START_MS));
        let mut probe = Probe::over(Arc::default());
        probe.applies_last = applies_last;
        let mut killed = Fixture::over(probe, Way::Repeat(REPEATS), clock.clone());
        let all = [(A, due(START_MS - 5, 1)), (A, due(START_MS + 3, 2)), (B, due(START_MS, 3))];
        for (tenant, due) in &all {
            killed.add(*tenant, due).await;
        }
        killed.probe.life.store(life, Ordering::Relaxed);
        for _ in 0..40 {
            killed.scheduler.pass().await.expect("reads");
            tokio::task::yield_now().await;
            clock.advance(Duration::from_millis(1));
        }
        let rows = killed.probe.rows.clone();
        drop(killed);
        let mut fixture = Fixture::over(Probe::over(rows), Way::Repeat(REPEATS), clock.clone());
        for _ in 0..2_000 {
            fixture.passes().await;
            clock.advance(Duration::from_millis(200));
        }
        for (tenant, due) in &all {
            let settled = fixture.mark(*tenant, due).await;
            assert_eq!(settled, u64::from(REPEATS) + 1, "{due:?} with a life of {life}");
        }
        assert_eq!(fixture.left().await, (0, 0), "with a life of {life}");
    }
}

#[tokio::test]
async fn of_two_who_settle_an_entry_one_does() {
    let fixture = Fixture::new(Way::Settle);
    let entry = due(START_MS, 1);
    fixture.add(A, &entry).await;
    for _ in 0..2 {
        fixture.owner.settle(A, entry.clone(), false).await.expect("within its limits");
    }
    assert_eq!(fixture.mark(A, &entry).await, 1);
    let check: Check = fixture.scheduler.due.there(A, &entry);
    assert_eq!(fixture.probe.rows.get(check.key).await.expect("reads"), None);
}
