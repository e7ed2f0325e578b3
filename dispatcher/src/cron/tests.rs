//! Crons over a store that dies with any of its commits, and code that is not there.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bindery_storage::engine::{
    Batch, Committed, Engine, Entry, Error as StoreError, KeyRange, Result as Stored, View,
};
use bindery_storage::memory::Memory;
use bindery_storage::tables::{DueTable, Kind};
use bytes::Bytes;

use super::*;
use crate::clock::{Clock, Millis};
use crate::code::Code;
use crate::event::Ended as EventEnded;
use crate::line::RequestId;
use crate::registry::tests::{Fixture, upload};
use crate::scheduler::{Handle, Parts, Scheduler};

const MINUTE: Duration = Duration::from_secs(60);

/// A store that dies with a commit.
struct Mortal {
    rows: Arc<Memory>,
    /// Commits that it takes yet.
    life: AtomicI64,
    /// Whether the commit that it dies with is applied all the same.
    applies_last: bool,
}

impl Engine for Mortal {
    fn get(&self, key: Vec<u8>) -> BoxFuture<'_, Stored<Option<Bytes>>> {
        self.rows.get(key)
    }

    fn scan(&self, range: KeyRange, count_max: usize) -> BoxFuture<'_, Stored<Vec<Entry>>> {
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
            Err(StoreError::Unavailable("killed".into()))
        })
    }

    fn snapshot(&self) -> BoxFuture<'_, Stored<Box<dyn View>>> {
        self.rows.snapshot()
    }
}

/// Ends every run as it is told, and remembers the occurrences.
struct Script {
    clock: Clock,
    outcome: Outcome,
    ran: Mutex<Vec<u64>>,
}

impl Runner for Script {
    fn run<'a>(
        &'a self,
        _code: Arc<Code>,
        _entrypoint: Option<&'a str>,
        kind: EventKind<'a>,
    ) -> BoxFuture<'a, Result<EventEnded, Error>> {
        let EventKind::Scheduled { at_ms, .. } = kind else { panic!("only crons are run") };
        self.ran.lock().unwrap_or_else(PoisonError::into_inner).push(at_ms);
        let (request, outcome) = (RequestId(1), self.outcome);
        Box::pin(async move {
            Ok(EventEnded { request, outcome, cpu_us: 0, wall_us: 0, decision: None, blame: None })
        })
    }

    fn now(&self) -> Millis {
        self.clock.now()
    }
}

/// A server's crons over rows that outlive it.
struct Life {
    fixture: Fixture,
    script: Arc<Script>,
    store: Arc<Mortal>,
    _serving: tokio::sync::watch::Sender<bool>,
}

impl Life {
    async fn begin(rows: &Arc<Memory>, (life, applies_last): (i64, bool), now: Duration) -> Self {
        Self::begin_as(Outcome::Ok, rows, (life, applies_last), now).await
    }

    async fn begin_as(
        outcome: Outcome,
        rows: &Arc<Memory>,
        (life, applies_last): (i64, bool),
        now: Duration,
    ) -> Self {
        let engine =
            Arc::new(Mortal { rows: rows.clone(), life: AtomicI64::new(life), applies_last });
        let directory = tempfile::tempdir().expect("a directory");
        let fixture = Fixture::over(engine.clone(), directory).await;
        fixture.clock.advance(now);
        Self::run((fixture, engine), outcome)
    }

    /// Lets a scheduler run.
    fn run((fixture, store): (Fixture, Arc<Mortal>), outcome: Outcome) -> Self {
        let (engine, clock) = (fixture.engine.clone(), fixture.clock.clone());
        let script = Arc::new(Script { clock: clock.clone(), outcome, ran: Mutex::default() });
        let crons = Crons { registry: fixture.registry.clone(), runner: script.clone() };
        let scheduler = Scheduler::new(Parts {
            engine,
            clock,
            tasks: fixture.tasks.clone(),
            handle: Handle::default(),
            owners: vec![(Kind::Cron, Arc::new(crons))],
        });
        let serving = tokio::sync::watch::Sender::new(true);
        fixture.tasks.spawn("scheduler", scheduler.run(serving.subscribe()));
        Self { fixture, script, store, _serving: serving }
    }

    fn ran(&self) -> Vec<u64> {
        self.script.ran.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Moves the clock, and lets everything happen that then can.
    async fn advance(&self, time: Duration) {
        self.fixture.clock.advance(time);
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
    }

    async fn due(&self) -> Vec<Due> {
        let id = self.fixture.registry.tenant_id("acme").await.expect("a tenant");
        let table = DueTable::new(self.fixture.engine.clone());
        table.until(id, u64::MAX, 100).await.expect("read")
    }
}

/// Rows in which a cron of every minute is deployed.
async fn deployed() -> Arc<Memory> {
    let rows = Arc::new(Memory::new());
    let fixture = Fixture::over(rows.clone(), tempfile::tempdir().expect("a directory")).await;
    let mut timed = upload("1");
    timed.manifest.crons = vec!["* * * * *".into()];
    fixture.upload(("acme", "main"), timed).await;
    rows
}

#[tokio::test(flavor = "current_thread")]
async fn killed_at_any_commit_no_occurrence_is_lost_and_none_settles_twice() {
    for (commits, applies_last) in (0..8).flat_map(|commits| [(commits, false), (commits, true)]) {
        let (rows, mut minute) = (deployed().await, 0);
        let first = Life::begin(&rows, (commits, applies_last), Duration::ZERO).await;
        while first.store.life.load(Ordering::Relaxed) >= 0 {
            minute += 1;
            assert!(minute < 20, "it dies at last");
            first.advance(MINUTE).await;
        }
        // The next server lives on, from where that one was.
        let next = Life::begin(&rows, (i64::MAX, false), minute * MINUTE).await;
        next.advance(Duration::ZERO).await;
        next.advance(MINUTE).await;
        next.advance(MINUTE).await;
        let last_ms = u64::from(minute + 2) * 60_000;
        let all = [first.ran(), next.ran()].concat();
        let what = format!("{commits} commits, {applies_last}: {all:?}");
        let due = next.due().await;
        assert_eq!((due.len(), due[0].time_ms), (1, last_ms + 60_000), "{what}");
        let mut occurrences = all.clone();
        occurrences.dedup();
        let every: Vec<u64> = (1..=u64::from(minute) + 2).map(|m| m * 60_000).collect();
        assert_eq!(occurrences, every, "{what}");
        assert!(all.len() <= occurrences.len() + 1, "one kill, one more run at most: {what}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_failure_of_the_host_does_not_count_and_is_put_off() {
    let rows = deployed().await;
    let lives = (i64::MAX, false);
    let life = Life::begin_as(Outcome::InternalError, &rows, lives, Duration::ZERO).await;
    life.advance(MINUTE).await;
    for _ in 0..9 {
        life.advance(Duration::from_secs(5 * 60)).await;
    }
    assert_eq!(life.ran(), [60_000; 10], "it is never given up");
    let shown = life.fixture.registry.list_crons("acme", "main").await.expect("listed").remove(0);
    assert_eq!((shown.failures, shown.last), (0, None));
    // Taken away while it is put off, it does not come back.
    life.fixture.upload(("acme", "main"), upload("2")).await;
    life.advance(Duration::from_secs(5 * 60)).await;
    assert_eq!(life.ran().len(), 10);
    assert_eq!(life.due().await, []);
}
