//! A queue is attended: what waits is leased in batches and handed to its consumer, what nobody took
//! for too long is dropped, and what was leased to somebody who is gone comes back.

use std::sync::Arc;
use std::time::Duration;

use bindery_logic::backoff;
use bindery_logic::blame::Blame;
use bindery_logic::queue::after::{self, Ended};
use bindery_logic::queue::batch::{Cut, Waiting, cut};
use bindery_storage::engine::{Batch, Committed};
use bindery_storage::tables::{Consumer, Counted, Due, Holder, Lease, Leased, Queue, Ready};
use bindery_wire::TenantId;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::draft::{Draft, Drafted, entry};
use super::error::Result;
use super::figures::End;
use super::live::Attending;
use super::plan::Plan;
use super::run::Delivery;
use super::{Inner, Of, Queues, chance};
use crate::code::Code;
use crate::event::Runner;
use crate::registry::{self, Registry};
use crate::scheduler::{Deliver, Failure};
use crate::tasks::Tasks;

/// How long a queue is attended before it goes behind the others of its tenant.
const TURN: Duration = Duration::from_secs(10);
/// How long a queue is attended that has nothing to do.
const LINGER_MS: u64 = 1_000;
/// Messages that are leased in one commit.
const LEASE_COUNT_MAX: usize = 1_000;
/// Bytes of their bodies, which are in memory then.
const LEASE_BYTES_MAX: u64 = 8 << 20;
/// Leases that are read in one go.
const RECLAIM_COUNT_MAX: usize = 1_000;
/// How long a queue waits at first whose consumer is not there.
const MISSING_MS: u64 = 5_000;
/// How long at most.
const MISSING_MS_MAX: u64 = 5 * 60_000;

/// What queues are delivered with.
pub struct ConsumersParts {
    /// The queues.
    pub queues: Queues,
    /// What the names of workers mean.
    pub registry: Registry,
    /// Runs their handlers.
    pub runner: Arc<dyn Runner>,
    /// Where they are waited for.
    pub tasks: Tasks,
    /// Whether the server takes work.
    pub serving: watch::Receiver<bool>,
}

/// Delivers queues to their consumers.
pub struct Consumers(Arc<ConsumersParts>);

impl Consumers {
    /// Nothing is delivered before the scheduler says so.
    pub fn new(parts: ConsumersParts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deliver for Consumers {
    fn deliver(
        &self,
        tenant: TenantId,
        due: Due,
    ) -> BoxFuture<'_, std::result::Result<(), Failure>> {
        let parts = self.0.clone();
        Box::pin(async move {
            let name = String::from_utf8(due.id.clone())?;
            let inner = parts.queues.0.clone();
            let visit = Visit { parts: &parts, inner: &inner, of: (tenant, &name), due };
            Ok(visit.run().await?)
        })
    }
}

/// One time that a queue is attended.
struct Visit<'a> {
    parts: &'a Arc<ConsumersParts>,
    inner: &'a Arc<Inner>,
    of: Of<'a>,
    /// The entry that led here.
    due: Due,
}

/// When to look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Now,
    /// At this time, or when woken.
    At(u64),
    /// When woken.
    Woken,
    /// At this time, as the consumer is not there.
    Missing(u64),
}

/// How a visit ends.
struct Left {
    /// When the next one is; absent if something has to come first.
    at_ms: Option<u64>,
    /// How often the consumer was not there.
    failures: u8,
    /// What the queue had counted when it was looked at last, if it is not looked at again at once.
    counted: Option<Counted>,
}

impl Visit<'_> {
    async fn run(&self) -> Result<()> {
        let until = self.inner.parts.clock.elapsed() + TURN;
        loop {
            let attending = self.inner.live.attend(self.of, self.due.clone());
            let left = self.stay(&attending, until).await?;
            // From here on what comes has an entry of its own; if it is this one, it is another then.
            drop(attending);
            let Some(left) = left else { return Ok(()) };
            if self.leave(left).await? {
                return Ok(());
            }
        }
    }

    /// Does what there is to do until that is nothing. `None` if the entry is to stay.
    async fn stay(&self, attending: &Attending, until: Duration) -> Result<Option<Left>> {
        let clock = &self.inner.parts.clock;
        let mut served = false;
        loop {
            if !*self.parts.serving.borrow() || !attending.stands() {
                // Whoever comes next looks anew.
                return Ok(None);
            }
            // From before anything is read: what comes after that keeps it from leaving.
            let counted = Some(self.inner.table.counted(self.of).await?);
            let left = |at_ms, failures| Ok(Some(Left { at_ms, failures, counted }));
            let Some(queue) = self.inner.table.get(self.of).await? else { return left(None, 0) };
            let plan = Plan::of(&queue);
            self.reclaim(&plan).await?;
            let next = self.serve(&queue, &plan).await?;
            served |= next == Next::Now;
            let now_ms = self.inner.now_ms();
            let rest = until.saturating_sub(clock.elapsed());
            if rest.is_zero() {
                return Ok(Some(Left { at_ms: Some(now_ms), failures: 0, counted: None }));
            }
            let busy = !self.inner.live.running(self.of).is_empty();
            let linger = served || busy;
            let wait_ms = match next {
                Next::Now => continue,
                Next::Missing(at_ms) => {
                    return left(Some(at_ms), self.due.failures.saturating_add(1));
                }
                Next::At(at_ms) if at_ms.saturating_sub(now_ms) <= LINGER_MS || busy => {
                    at_ms.saturating_sub(now_ms)
                }
                Next::At(at_ms) if !linger => return left(Some(at_ms), 0),
                Next::Woken if !linger => return left(None, 0),
                Next::At(_) => LINGER_MS,
                Next::Woken if busy => u64::MAX,
                Next::Woken => LINGER_MS,
            };
            let mut serving = self.parts.serving.clone();
            tokio::select! {
                biased;
                // Who waits with nothing to do does not keep the server from ending.
                _ = serving.wait_for(|serving| !serving) => {}
                () = attending.woken() => served |= busy,
                () = clock.sleep(rest.min(Duration::from_millis(wait_ms))) => served = false,
            }
        }
    }

    /// Ends the visit, unless something came meanwhile that has no entry but this one.
    async fn leave(&self, Left { at_ms, failures, counted }: Left) -> Result<bool> {
        let (inner, tenant) = (self.inner, self.of.0);
        let mut writes = vec![inner.due.remove(tenant, &self.due)];
        if let Some(time_ms) = at_ms {
            let next = entry(self.of, time_ms, failures);
            writes.extend(inner.due.add(tenant, &next, inner.now_ms()));
        }
        let mut checks = vec![inner.due.there(tenant, &self.due)];
        if let Some(counted) = counted {
            checks.push(inner.table.unmoved(self.of, &counted));
        }
        match inner.parts.engine.commit(Batch { checks, writes }).await? {
            Committed::Done { .. } => Ok(true),
            // The entry is another one: it is delivered by itself.
            Committed::Conflict { check } => Ok(check == 0),
        }
    }

    /// Takes back what was leased to a server that is gone, and what others had for too long.
    async fn reclaim(&self, plan: &Plan) -> Result<()> {
        let (inner, now_ms) = (self.inner, self.inner.now_ms());
        let mut lost = inner.table.own_leases(self.of, RECLAIM_COUNT_MAX).await?;
        if !lost.is_empty() {
            let running = inner.live.running(self.of);
            lost.retain(|lease| !running.contains(&lease.number));
        }
        lost.extend(inner.table.ended_leases(self.of, now_ms, RECLAIM_COUNT_MAX).await?);
        for lease in lost {
            let attempts: Vec<u32> = lease.messages.iter().map(|m| m.attempts.into()).collect();
            let mut next = after::next(&Ended::Lost(Blame::Nobody), &attempts, plan.retry, now_ms);
            if let Holder::Other { .. } = lease.holder {
                // Who was too slow has waited long enough.
                for next in &mut next {
                    if let after::Next::Again { at_ms, .. } = next {
                        *at_ms = now_ms;
                    }
                }
            }
            inner.settle(self.of, &lease, (&next, plan)).await?;
        }
        Ok(())
    }

    /// Leases what is a batch and has it run.
    async fn serve(&self, queue: &Queue, plan: &Plan) -> Result<Next> {
        let (inner, now_ms) = (self.inner, self.inner.now_ms());
        let slots = match &queue.consumer {
            Some(_) => plan.concurrency.saturating_sub(inner.live.running(self.of).len()),
            None => 0,
        };
        let count_max = (slots * plan.shape.count_max).clamp(1, LEASE_COUNT_MAX);
        let mut ready = inner.table.ready(self.of, now_ms, count_max).await?;
        let expired: Vec<Ready> =
            ready.extract_if(.., |ready| plan.expires_ms(ready.id) <= now_ms).collect();
        if !expired.is_empty() {
            inner.drop_ready(self.of, &expired, End::Expired).await?;
            return Ok(Next::Now);
        }
        let (batches, at_ms) = batches(&ready, plan, (slots, now_ms));
        let Some(consumer) = queue.consumer.as_ref().filter(|_| !batches.is_empty()) else {
            let full = queue.consumer.is_some() && slots == 0;
            return self.next(plan, (full, at_ms), now_ms).await;
        };
        let code = match self.code(consumer).await {
            Ok(code) => code,
            Err(registry::Error::NoWorker | registry::Error::Suspended) => {
                let wait_ms =
                    backoff::doubled_ms(MISSING_MS, self.due.failures.into(), MISSING_MS_MAX);
                // Many who come here for the same reason leave the same entry.
                let at_ms = (now_ms + wait_ms).next_multiple_of(MISSING_MS);
                return Ok(Next::Missing(at_ms));
            }
            Err(error) => return Err(error.into()),
        };
        if let Some(leases) = self.lease(&batches).await? {
            self.start(leases, (consumer, plan), &code).await?;
        }
        Ok(Next::Now)
    }

    /// When there will be something to do.
    async fn next(
        &self,
        plan: &Plan,
        (full, at_ms): (bool, Option<u64>),
        now_ms: u64,
    ) -> Result<Next> {
        let table = &self.inner.table;
        if full {
            return Ok(Next::Woken);
        }
        let mut times = vec![at_ms, table.next_end_ms(self.of).await?];
        // The next to become visible, and the first to be dropped of those that are.
        times.push(table.next_ready_ms(self.of, now_ms).await?);
        let first = table.ready(self.of, now_ms, 1).await?;
        times.extend(first.first().map(|ready| Some(plan.expires_ms(ready.id).max(now_ms + 1))));
        let first_ms = times.into_iter().flatten().min();
        Ok(first_ms.map_or(Next::Woken, Next::At))
    }

    /// The code that serves new work of a consumer.
    async fn code(&self, consumer: &Consumer) -> registry::Result<Arc<Code>> {
        self.parts.registry.serving(self.of.0, &consumer.recipe.worker).await
    }

    /// Leases batches in one commit. `None` if some of it was taken by another meanwhile.
    async fn lease(&self, batches: &[&[Ready]]) -> Result<Option<Vec<Lease>>> {
        let (inner, of) = (self.inner, self.of);
        let all = || batches.iter().flat_map(|batch| batch.iter());
        let mut draft = Draft::fenced(all().map(|ready| inner.table.still_ready(of, ready)));
        draft.write(all().map(|ready| inner.table.delete_ready(of, ready)));
        let lease = |batch: &&[Ready]| Lease {
            holder: Holder::Server,
            number: chance(),
            messages: batch.iter().map(leased).collect(),
        };
        let leases: Vec<Lease> = batches.iter().map(lease).collect();
        draft.write(leases.iter().map(|lease| inner.table.put_lease(of, lease)));
        let drafted = inner.commit(draft).await?;
        Ok((drafted == Drafted::Done).then_some(leases))
    }

    async fn start(
        &self,
        leases: Vec<Lease>,
        (consumer, plan): (&Consumer, &Plan),
        code: &Arc<Code>,
    ) -> Result<()> {
        let inner = self.inner;
        // First of all, so that nobody takes them for those of a server that is gone.
        let running: Vec<_> =
            leases.iter().map(|lease| inner.live.run(self.of, lease.number)).collect();
        let metrics = inner.metrics(self.of).await?;
        for (lease, running) in leases.into_iter().zip(running) {
            let wanted = lease.messages.iter().map(|leased| (leased.id, leased.bytes));
            let bodies = inner.table.bodies(self.of, wanted).await?;
            let delivery = Delivery {
                inner: inner.clone(),
                runner: self.parts.runner.clone(),
                tenant: self.of.0,
                name: self.of.1.into(),
                plan: plan.clone(),
                entrypoint: consumer.recipe.entrypoint.clone(),
                code: code.clone(),
                metrics,
                lease,
                bodies,
            };
            self.parts.tasks.spawn("queue batch", delivery.run(running));
        }
        Ok(())
    }
}

/// A message that is being taken: this is one delivery more.
pub(super) fn leased(ready: &Ready) -> Leased {
    let Ready { id, attempts, bytes, .. } = *ready;
    Leased { id, attempts: attempts.saturating_add(1), bytes }
}

/// The batches that the messages that wait make now, as many as there is room for; and when what
/// is left of them is one.
fn batches<'a>(
    ready: &'a [Ready],
    plan: &Plan,
    (slots, now_ms): (usize, u64),
) -> (Vec<&'a [Ready]>, Option<u64>) {
    let waiting = |ready: &Ready| Waiting {
        visible_ms: ready.visible_ms,
        again: ready.attempts > 0,
        bytes: ready.bytes.into(),
    };
    let waiting: Vec<Waiting> = ready.iter().map(waiting).collect();
    let (mut batches, mut from, mut bytes) = (Vec::new(), 0, 0_u64);
    while batches.len() < slots && bytes < LEASE_BYTES_MAX {
        let Some(rest) = waiting.get(from..) else { break };
        match cut(rest, plan.shape, now_ms) {
            Cut::Now(count) => {
                let Some(batch) = ready.get(from..from + count) else { break };
                bytes += batch.iter().map(|ready| u64::from(ready.bytes)).sum::<u64>();
                batches.push(batch);
                from += count;
            }
            Cut::At(at_ms) => return (batches, Some(at_ms)),
            Cut::Nothing => break,
        }
    }
    (batches, None)
}
