//! Queues over rows in memory, with consumers that decide at once.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bindery_storage::engine::{Batch, Committed, Engine, Entry, KeyRange, Result as Stored, View};
use bindery_storage::tables::{Body, Consumer, Content, Kind, Queue};
use bindery_wire::event::{Decision, Settled};
use bindery_wire::frame::EventKind;
use bindery_wire::manifest::QueueConsumer;
use bindery_wire::{Outcome, VersionId};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::arrive::Sent;
use super::*;
use crate::clock::Millis;
use crate::code::Code;
use crate::event::{self, Ended, Runner};
use crate::line::RequestId;
use crate::registry::tests::{Fixture, upload};
use crate::scheduler::{Deliver, Scheduler};
use crate::tasks::Tasks;

/// What a consumer does with each of its batches.
type Handler = dyn Fn(&str, &[(String, u32)]) -> (Outcome, Option<Settled>) + Send + Sync;

/// Whose batch of which queue, and each message with its attempts.
type SeenBatch = (TenantId, String, Vec<(String, u32)>);

/// Runs nothing: a handler decides, and what it was given is remembered.
struct Consumed {
    clock: Clock,
    handler: Box<Handler>,
    seen: Mutex<Vec<SeenBatch>>,
}

impl Runner for Consumed {
    fn run<'a>(
        &'a self,
        code: Arc<Code>,
        _entrypoint: Option<&'a str>,
        kind: EventKind<'a>,
    ) -> BoxFuture<'a, std::result::Result<Ended, event::Error>> {
        let EventKind::Queue(batch) = kind else { panic!("not a batch") };
        let messages: Vec<(String, u32)> =
            batch.messages.iter().map(|m| (m.id.to_owned(), m.attempts)).collect();
        let (outcome, settled) = (self.handler)(batch.queue, &messages);
        let seen = (code.tenant, batch.queue.to_owned(), messages);
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
        let ended = Ended {
            request: RequestId(1),
            outcome,
            cpu_us: 0,
            wall_us: 0,
            blame: settled.is_none().then_some(bindery_logic::blame::Blame::Itself),
            decision: settled.map(Decision::Queue),
        };
        Box::pin(async move { Ok(ended) })
    }

    fn now(&self) -> Millis {
        self.clock.now()
    }
}

/// A store that dies with a commit: it answers none any more.
struct Mortal {
    rows: Arc<dyn Engine>,
    /// Commits that it takes yet.
    life: Mutex<i64>,
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
        let mut life = self.life.lock().unwrap_or_else(PoisonError::into_inner);
        *life -= 1;
        let left = *life;
        Box::pin(async move {
            if left > 0 {
                return self.rows.commit(batch).await;
            }
            if left == 0 && self.applies_last {
                self.rows.commit(batch).await?;
            }
            std::future::pending().await
        })
    }

    fn snapshot(&self) -> BoxFuture<'_, Stored<Box<dyn View>>> {
        self.rows.snapshot()
    }
}

/// A store that lets others go first, now and then: each seed is another order of events.
struct Fickle {
    rows: Arc<dyn Engine>,
    chance: Mutex<u64>,
}

impl Fickle {
    /// Steps that others are let make.
    fn steps(&self) -> u64 {
        let mut chance = self.chance.lock().unwrap_or_else(PoisonError::into_inner);
        *chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (*chance >> 40) % 6
    }

    async fn wait(&self) {
        for _ in 0..self.steps() {
            tokio::task::yield_now().await;
        }
    }
}

impl Engine for Fickle {
    fn get(&self, key: Vec<u8>) -> BoxFuture<'_, Stored<Option<Bytes>>> {
        Box::pin(async move {
            self.wait().await;
            self.rows.get(key).await
        })
    }

    fn scan(&self, range: KeyRange, count_max: usize) -> BoxFuture<'_, Stored<Vec<Entry>>> {
        Box::pin(async move {
            self.wait().await;
            self.rows.scan(range, count_max).await
        })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Stored<Committed>> {
        Box::pin(async move {
            self.wait().await;
            self.rows.commit(batch).await
        })
    }

    fn snapshot(&self) -> BoxFuture<'_, Stored<Box<dyn View>>> {
        self.rows.snapshot()
    }
}

/// Queues with a scheduler that delivers them.
struct World {
    queues: Queues,
    consumed: Arc<Consumed>,
    clock: Clock,
    tasks: Tasks,
    serving: watch::Sender<bool>,
    _fixture: Arc<Fixture>,
}

fn all_acked(_: &str, messages: &[(String, u32)]) -> (Outcome, Option<Settled>) {
    (Outcome::Ok, Some(Settled::unsaid(messages.len())))
}

fn consumer(queue: &str) -> QueueConsumer {
    QueueConsumer { queue: queue.into(), max_batch_timeout: Some(0), ..QueueConsumer::default() }
}

impl World {
    /// Over the rows that a registry has already, through `engine`.
    fn over(fixture: &Arc<Fixture>, engine: Arc<dyn Engine>, handler: Box<Handler>) -> Self {
        let clock = fixture.clock.clone();
        let handle = scheduler::Handle::default();
        let tasks = Tasks::new(tokio::runtime::Handle::current());
        let queues = Queues::new(Parts {
            engine: engine.clone(),
            clock: clock.clone(),
            scheduler: handle.clone(),
        });
        let consumed = Arc::new(Consumed { clock: clock.clone(), handler, seen: Mutex::default() });
        let serving = watch::Sender::new(true);
        let consumers: Arc<dyn Deliver> = Arc::new(Consumers::new(ConsumersParts {
            queues: queues.clone(),
            registry: fixture.registry.clone(),
            runner: consumed.clone(),
            tasks: tasks.clone(),
            serving: serving.subscribe(),
        }));
        let scheduler = Scheduler::new(scheduler::Parts {
            engine,
            clock: clock.clone(),
            tasks: tasks.clone(),
            handle,
            owners: vec![(Kind::Queue, consumers)],
        });
        tasks.spawn("scheduler", scheduler.run(serving.subscribe()));
        Self { queues, consumed, clock, tasks, serving, _fixture: fixture.clone() }
    }

    /// A tenant's number, whose worker takes the messages of these queues.
    async fn tenant(fixture: &Fixture, name: &str, consumers: Vec<QueueConsumer>) -> TenantId {
        let mut made = upload("export default {}");
        made.manifest.queue_consumers = consumers;
        let id = fixture.registry.ensure_tenant(name).await.expect("made");
        fixture.registry.upload(name, "main", made).await.expect("uploaded");
        id
    }

    async fn send(&self, of: Of<'_>, count: usize) -> Vec<String> {
        let body = Body { content: Content::Json, bytes: Bytes::from_static(b"1") };
        let sent = vec![Sent { body, delay_s: None }; count];
        let ids = self.queues.send(of, &sent).await.expect("sent");
        ids.iter().map(ToString::to_string).collect()
    }

    fn seen(&self) -> Vec<SeenBatch> {
        self.consumed.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Moves the clock in steps until this holds.
    async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        for _ in 0..20_000 {
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            if holds().await {
                return;
            }
            self.clock.advance(Duration::from_millis(100));
        }
        panic!("waited for {what}");
    }

    async fn backlog(&self, of: Of<'_>) -> u64 {
        self.queues.metrics(of).await.expect("read").backlog.count
    }

    async fn end(self) {
        self.serving.send_replace(false);
        self.clock.advance(Duration::from_secs(3_600));
        self.tasks.join().await;
    }
}

#[tokio::test]
async fn a_million_messages_of_one_tenant_do_not_stand_before_anothers_single_one() {
    let fixture = Arc::new(Fixture::new().await);
    let a = World::tenant(&fixture, "a", vec![consumer("jobs")]).await;
    let b = World::tenant(&fixture, "b", vec![consumer("jobs")]).await;
    let world = World::over(&fixture, fixture.engine.clone(), Box::new(all_acked));
    // As rows that are there already: a million commits are another test's matter.
    let table = QueueTable::new(fixture.engine.clone());
    for chunk in 0..200_u64 {
        let ready = |at: u64| {
            let id = MessageId::new(1, 0, chunk * 5_000 + at);
            let ready = bindery_storage::tables::Ready { visible_ms: 1, id, attempts: 0, bytes: 1 };
            table.put_ready((a, "jobs"), &ready)
        };
        let writes = (0..5_000).map(ready).collect();
        fixture.engine.commit(Batch { checks: vec![], writes }).await.expect("written");
    }
    world.send((a, "jobs"), 1).await;
    world.send((b, "jobs"), 1).await;
    world.until("the single one", async || world.seen().iter().any(|(of, ..)| *of == b)).await;
    let before = world.seen().iter().take_while(|(of, ..)| *of == a).count();
    assert!(before <= 100, "{before} batches of the other tenant went before");
    world.end().await;
}

#[tokio::test]
async fn more_queues_of_a_tenant_than_are_delivered_at_once_all_have_their_turn() {
    const QUEUES: usize = 50;
    let names: Vec<String> = (0..QUEUES).map(|n| format!("q{n:02}")).collect();
    let consumers = names.iter().map(|name| consumer(name)).collect();
    let fixture = Arc::new(Fixture::new().await);
    let a = World::tenant(&fixture, "a", consumers).await;
    // Nothing is ever done with: every queue has something to do at any time.
    let retry = |_: &str, messages: &[(String, u32)]| {
        let verdict = bindery_wire::event::Verdict::Retry { delay_s: Some(1) };
        let messages = vec![verdict; messages.len()];
        (Outcome::Ok, Some(Settled { batch: bindery_wire::event::Verdict::Unsaid, messages }))
    };
    let world = World::over(&fixture, fixture.engine.clone(), Box::new(retry));
    for name in &names {
        world.send((a, name), 1).await;
    }
    let all = async || {
        let seen: std::collections::BTreeSet<_> =
            world.seen().into_iter().map(|(_, queue, _)| queue).collect();
        seen.len() == QUEUES
    };
    world.until("every queue's turn", all).await;
    world.end().await;
}

#[tokio::test]
async fn what_nobody_takes_for_too_long_is_dropped_and_counted_no_more() {
    let fixture = Arc::new(Fixture::new().await);
    let a = World::tenant(&fixture, "a", vec![]).await;
    let world = World::over(&fixture, fixture.engine.clone(), Box::new(all_acked));
    world.send((a, "jobs"), 3).await;
    for _ in 0..97 {
        world.clock.advance(Duration::from_secs(3_600));
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }
    world.until("an empty queue", async || world.backlog((a, "jobs")).await == 0).await;
    let stored = Account::new(fixture.engine.clone()).stored(a, Some("queue")).await;
    assert_eq!(stored.expect("read"), bindery_storage::tables::Stored::default());
    assert!(world.seen().is_empty());
    world.end().await;
}

#[tokio::test]
async fn a_message_that_always_kills_its_isolate_is_tried_so_often_and_ends() {
    let fixture = Arc::new(Fixture::new().await);
    let declared = QueueConsumer {
        max_retries: Some(4),
        dead_letter_queue: Some("dead".into()),
        ..consumer("jobs")
    };
    let a = World::tenant(&fixture, "a", vec![declared]).await;
    let world =
        World::over(&fixture, fixture.engine.clone(), Box::new(|_, _| (Outcome::Lost, None)));
    let ids = world.send((a, "jobs"), 1).await;
    let since = world.clock.now().0;
    world.until("a dead letter", async || world.backlog((a, "dead")).await == 1).await;
    let attempts: Vec<u32> = world.seen().iter().map(|(.., messages)| messages[0].1).collect();
    assert_eq!(attempts, [1, 2, 3, 4, 5]);
    assert!(world.clock.now().0 - since >= 1_000 + 2_000 + 4_000 + 8_000, "longer each time");
    let pulled = world.queues.pull((a, "dead"), (5, 60_000)).await.expect("pulled");
    assert_eq!((pulled[0].id.clone(), pulled[0].attempts), (ids[0].clone(), 1));
    assert_eq!(world.backlog((a, "jobs")).await, 0);
    world.end().await;
}

/// Kills the store with each of its commits in turn, before or after that is applied, and goes on with
/// other queues over what is left.
#[tokio::test]
async fn killed_at_any_commit_every_message_is_settled_in_the_end_and_none_is_in_two_queues() {
    for (life, applies_last) in (1..26).flat_map(|life| [(life, false), (life, true)]) {
        let fixture = Arc::new(Fixture::new().await);
        let declared = QueueConsumer {
            max_retries: Some(1),
            max_batch_size: Some(2),
            dead_letter_queue: Some("dead".into()),
            ..consumer("jobs")
        };
        let a = World::tenant(&fixture, "a", vec![declared]).await;
        // The second of each batch fails, always.
        let handler = |_: &str, messages: &[(String, u32)]| {
            let verdict = |at: usize| match at % 2 {
                0 => bindery_wire::event::Verdict::Ack,
                _ => bindery_wire::event::Verdict::Retry { delay_s: None },
            };
            let batch = bindery_wire::event::Verdict::Unsaid;
            let messages = (0..messages.len()).map(verdict).collect();
            (Outcome::Ok, Some(Settled { batch, messages }))
        };
        let rows = fixture.engine.clone();
        let mortal = Mortal { rows: rows.clone(), life: Mutex::new(life), applies_last };
        let killed = World::over(&fixture, Arc::new(mortal), Box::new(handler));
        let acknowledged = Arc::new(Mutex::new(Vec::new()));
        let (queues, known) = (killed.queues.clone(), acknowledged.clone());
        killed.tasks.spawn("sender", async move {
            for _ in 0..3 {
                let body = Body { content: Content::Json, bytes: Bytes::from_static(b"1") };
                let sent = vec![Sent { body, delay_s: None }; 3];
                let Ok(ids) = queues.send((a, "jobs"), &sent).await else { return };
                known
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .extend(ids.iter().map(ToString::to_string));
            }
        });
        for _ in 0..200 {
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            killed.clock.advance(Duration::from_millis(100));
        }
        let world = World::over(&fixture, rows.clone(), Box::new(handler));
        let table = QueueTable::new(rows.clone());
        world.until("an empty queue", async || world.backlog((a, "jobs")).await == 0).await;
        let known = acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut dead: BTreeMap<String, u32> = BTreeMap::new();
        for ready in table.ready((a, "dead"), u64::MAX, 100).await.expect("read") {
            *dead.entry(ready.id.to_string()).or_default() += 1;
        }
        assert!(dead.values().all(|count| *count == 1), "{life} {applies_last}");
        let delivered: Vec<String> = [killed.seen(), world.seen()]
            .concat()
            .into_iter()
            .flat_map(|(.., messages)| messages.into_iter().map(|(id, _)| id))
            .collect();
        for id in &known {
            assert!(delivered.contains(id), "{id} was never delivered: {life} {applies_last}");
        }
        assert_eq!(world.backlog((a, "dead")).await, dead.len() as u64);
        let left = [table.own_leases((a, "jobs"), 9), table.own_leases((a, "dead"), 9)];
        for left in left {
            assert!(left.await.expect("read").is_empty());
        }
        world.end().await;
    }
}

/// A queue for dead letters that could not be made once stood before everything behind it.
#[tokio::test]
async fn a_dead_letter_finds_its_queue_though_the_tenant_has_as_many_as_it_may() {
    let fixture = Arc::new(Fixture::new().await);
    let declared = QueueConsumer {
        max_retries: Some(0),
        dead_letter_queue: Some("dead".into()),
        ..consumer("jobs")
    };
    let a = World::tenant(&fixture, "a", vec![declared]).await;
    let world =
        World::over(&fixture, fixture.engine.clone(), Box::new(|_, _| (Outcome::Exception, None)));
    let many = bindery_storage::tables::Stored { bytes: 0, rows: QUEUE_COUNT_MAX };
    let account = Account::new(fixture.engine.clone());
    let writes = account.change(a, QUEUES, many, bindery_storage::tables::Stored::default());
    let batch = Batch { checks: vec![], writes: writes.into_iter().collect() };
    fixture.engine.commit(batch).await.expect("counted");
    world.send((a, "jobs"), 1).await;
    world.until("a dead letter", async || world.backlog((a, "dead")).await == 1).await;
    let body = Body { content: Content::Json, bytes: Bytes::from_static(b"1") };
    let sent = [Sent { body, delay_s: None }];
    assert!(matches!(world.queues.send((a, "other"), &sent).await, Err(Error::Quota(_))));
    world.end().await;
}

#[tokio::test]
async fn two_who_send_at_once_both_succeed_and_a_third_reads_what_both_sent() {
    let fixture = Arc::new(Fixture::new().await);
    let a = World::tenant(&fixture, "a", vec![]).await;
    let world = World::over(&fixture, fixture.engine.clone(), Box::new(all_acked));
    let sends = (0..20).map(|_| world.send((a, "jobs"), 5));
    let ids: Vec<String> = futures_util::future::join_all(sends).await.concat();
    let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!((distinct.len(), world.backlog((a, "jobs")).await), (100, 100));
    world.end().await;
}

#[tokio::test]
async fn a_queue_is_one_workers_and_goes_with_what_it_declares() {
    let fixture = Fixture::new().await;
    let table = QueueTable::new(fixture.engine.clone());
    let a = World::tenant(&fixture, "a", vec![consumer("jobs"), consumer("mail")]).await;
    let worker = async |queue: &str| {
        let row: Option<Queue> = table.get((a, queue)).await.expect("read");
        row.and_then(|row| row.consumer).map(|Consumer { recipe, .. }| recipe.worker)
    };
    assert_eq!(worker("jobs").await.as_deref(), Some("main"));
    let mut other = upload("export default { a: 1 }");
    other.manifest.queue_consumers = vec![consumer("jobs")];
    let refused = fixture.registry.upload("a", "other", other.clone()).await;
    let message = refused.expect_err("refused").to_string();
    assert!(message.contains("`jobs`") && message.contains("`main`"), "{message}");
    World::tenant(&fixture, "a", vec![consumer("mail")]).await;
    assert_eq!((worker("jobs").await, worker("mail").await), (None, Some("main".into())));
    fixture.registry.upload("a", "other", other).await.expect("it is free now");
    assert_eq!(worker("jobs").await.as_deref(), Some("other"));
    fixture
        .registry
        .delete_worker("a", "other", crate::registry::Delete::Unreferenced)
        .await
        .expect("deleted");
    assert_eq!(worker("jobs").await, None);
    let version = table.get((a, "mail")).await.expect("read").and_then(|row| row.consumer);
    assert_ne!(version.expect("a consumer").recipe.version, VersionId([0; 32]));
}

/// A message came while whoever attended the queue had seen nothing more in it and was about to go:
/// it lay there until the next one came.
#[tokio::test]
async fn a_message_that_comes_as_its_queue_is_left_is_delivered_all_the_same() {
    for seed in 0..300 {
        let fixture = Arc::new(Fixture::new().await);
        let a = World::tenant(&fixture, "a", vec![consumer("jobs")]).await;
        let fickle = Fickle { rows: fixture.engine.clone(), chance: Mutex::new(seed) };
        let world = World::over(&fixture, Arc::new(fickle), Box::new(all_acked));
        let mut sent = 0;
        for round in 0..4 {
            // What attends the queue now leaves it, sooner or later than the next message comes.
            world.clock.advance(Duration::from_secs(2));
            for _ in 0..(seed * 7 + round * 3) % 40 {
                tokio::task::yield_now().await;
            }
            world.send((a, "jobs"), 1).await;
            sent += 1;
            let delivered =
                || world.seen().iter().map(|(.., messages)| messages.len()).sum::<usize>();
            for _ in 0..2_000 {
                if delivered() == sent {
                    break;
                }
                tokio::task::yield_now().await;
            }
            assert_eq!(delivered(), sent, "seed {seed}, round {round}");
        }
        world.end().await;
    }
}

/// A batch was cut and sent by what was set of its queue when whoever attends it last looked, though
/// something else was set before its messages were even sent.
#[tokio::test]
async fn what_is_set_of_a_queue_before_a_message_is_sent_counts_for_that_message() {
    for seed in 0..200 {
        let fixture = Arc::new(Fixture::new().await);
        let in_batches_of =
            |count| vec![QueueConsumer { max_batch_size: Some(count), ..consumer("jobs") }];
        let a = World::tenant(&fixture, "a", in_batches_of(2)).await;
        let fickle = Fickle { rows: fixture.engine.clone(), chance: Mutex::new(seed) };
        let world = World::over(&fixture, Arc::new(fickle), Box::new(all_acked));
        for round in 0..4 {
            let (count, batches): (u32, _) = if round % 2 == 0 { (1, 2) } else { (2, 1) };
            let before = world.seen().len();
            // Whoever attends the queue looks at it again as it is set anew.
            world.clock.advance(Duration::from_secs(1));
            for _ in 0..(seed * 7 + round * 3) % 40 {
                tokio::task::yield_now().await;
            }
            World::tenant(&fixture, "a", in_batches_of(count)).await;
            world.send((a, "jobs"), 2).await;
            world.until("an empty queue", async || world.backlog((a, "jobs")).await == 0).await;
            assert_eq!(world.seen().len() - before, batches, "seed {seed}, round {round}");
        }
        world.end().await;
    }
}
