//! A queue is attended: what waits is leased in batches and handed to its consumer, what nobody took
//! for too long is dropped, and what was leased to somebody who is gone comes back.

use std::sync::Arc;
use std::time::Duration;

use bindery_logic::backoff;
use bindery_logic::blame::Blame;
use bindery_logic::queue::after::{self, Ended};
use bindery_logic::queue::batch::{Cut, Waiting, cut};
use bindery_storage::engine::{Batch, Committed};
use bindery_storage::tables::{Consumer, Due, Holder, Lease, Leased, Queue, Ready};
use bindery_wire::TenantId;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::draft::{Drafted, entry};
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
/// How long a queue waits when its tenant, or all together, have too many bytes of batches that run.
const NO_ROOM_MS: u64 = 100;
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
            let attending = inner.live.attend((tenant, &name), due.clone());
            let visit = Visit { parts: &parts, inner: &inner, of: (tenant, &name), due };
            Ok(visit.run(attending).await?)
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

impl Visit<'_> {
    async fn run(&self, attending: Attending) -> Result<()> {
        let clock = &self.inner.parts.clock;
        let until = clock.elapsed() + TURN;
        let mut served = false;
        loop {
            if !*self.parts.serving.borrow() || !attending.stands() {
                // The entry stays, and whoever comes next looks anew.
                return Ok(());
            }
            let Some(queue) = self.inner.table.get(self.of).await? else {
                return self.rest(attending).await;
            };
            let plan = Plan::of(&queue);
            self.reclaim(&plan).await?;
            let next = self.serve(&queue, &plan).await?;
            served |= next == Next::Now;
            // In this order: what is waited for below is never later than it is to be.
            let since = clock.elapsed();
            let now_ms = self.inner.now_ms();
            if since >= until {
                return self.leave(attending, now_ms, 0).await;
            }
            let busy = !self.inner.live.running(self.of).is_empty();
            let linger = served || busy;
            let wait_ms = match next {
                Next::Now => continue,
                Next::Missing(at_ms) => {
                    let failures = self.due.failures.saturating_add(1);
                    return self.leave(attending, at_ms, failures).await;
                }
                Next::At(at_ms) if at_ms.saturating_sub(now_ms) <= LINGER_MS || busy => {
                    at_ms.saturating_sub(now_ms)
                }
                Next::At(_) | Next::Woken if !linger => return self.rest(attending).await,
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
                () = clock.sleep_until(until.min(since + Duration::from_millis(wait_ms))) => {
                    served = false;
                }
            }
        }
    }

    /// Ends the visit: the next one is at this time.
    async fn leave(&self, attending: Attending, at_ms: u64, failures: u8) -> Result<()> {
        // From here on what comes has an entry of its own; if it is this one, it is another then.
        drop(attending);
        self.exchange(&self.due, Some(at_ms), failures).await.map(drop)
    }

    /// Ends the visit as there is nothing to do now. Who sends relies on the entry while it is
    /// there, and may do so until it is another: so whatever came is seen once it has been replaced,
    /// and only then it is known when the next visit is.
    async fn rest(&self, attending: Attending) -> Result<()> {
        drop(attending);
        let now_ms = self.inner.now_ms();
        let Some(entry) = self.exchange(&self.due, Some(now_ms), 0).await? else { return Ok(()) };
        let next = match self.inner.table.get(self.of).await? {
            Some(queue) => self.serve(&queue, &Plan::of(&queue)).await?,
            None => Next::Woken,
        };
        let at_ms = match next {
            Next::Now => return Ok(()),
            Next::At(at_ms) | Next::Missing(at_ms) => Some(at_ms),
            Next::Woken => None,
        };
        self.exchange(&entry, at_ms, 0).await.map(drop)
    }

    /// Puts an entry of this time, if any, in the place of one that led here: that entry, if the one
    /// before it was still there.
    async fn exchange(
        &self,
        before: &Due,
        at_ms: Option<u64>,
        failures: u8,
    ) -> Result<Option<Due>> {
        let (inner, tenant) = (self.inner, self.of.0);
        let after = at_ms.map(|at_ms| entry(self.of, at_ms, failures));
        let mut writes = vec![inner.due.remove(tenant, before)];
        if let Some(after) = &after {
            writes.extend(inner.due.add(tenant, after, inner.now_ms()));
        }
        let checks = vec![inner.due.there(tenant, before)];
        match inner.parts.engine.commit(Batch { checks, writes }).await? {
            Committed::Done { .. } => Ok(after),
            Committed::Conflict { .. } => Ok(None),
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
        let room = inner.live.room(self.of.0);
        if slots > 0 && room == 0 {
            return Ok(Next::At(now_ms + NO_ROOM_MS));
        }
        let count_max = (slots * plan.shape.count_max).clamp(1, LEASE_COUNT_MAX);
        let mut ready = inner.table.ready(self.of, now_ms, count_max).await?;
        let expired: Vec<Ready> =
            ready.extract_if(.., |ready| plan.expires_ms(ready.id) <= now_ms).collect();
        if !expired.is_empty() {
            inner.drop_ready((self.of, Some(queue)), &expired, End::Expired).await?;
            return Ok(Next::Now);
        }
        let bytes_max = room.min(LEASE_BYTES_MAX);
        let (batches, at_ms) = batches(&ready, plan, (slots, bytes_max), now_ms);
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
        if let Some(leases) = self.lease(queue, &batches).await? {
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

    /// Leases batches in one commit. `None` if some of it was taken by another meanwhile, or if
    /// something else was set of the queue, which counts for all that was sent since.
    async fn lease(&self, queue: &Queue, batches: &[&[Ready]]) -> Result<Option<Vec<Lease>>> {
        let (inner, of) = (self.inner, self.of);
        let all = batches.iter().flat_map(|batch| batch.iter());
        let mut draft = inner.take((of, Some(queue)), all);
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
        let running: Vec<_> = leases.iter().map(|lease| inner.live.run(self.of, lease)).collect();
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
    (slots, bytes_max): (usize, u64),
    now_ms: u64,
) -> (Vec<&'a [Ready]>, Option<u64>) {
    let waiting = |ready: &Ready| Waiting {
        visible_ms: ready.visible_ms,
        again: ready.attempts > 0,
        bytes: ready.bytes.into(),
    };
    let waiting: Vec<Waiting> = ready.iter().map(waiting).collect();
    let (mut batches, mut from, mut bytes) = (Vec::new(), 0, 0_u64);
    while batches.len() < slots && bytes < bytes_max {
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
