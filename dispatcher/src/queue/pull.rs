//! Queues as the admin API has them: shown, pulled, emptied and sent back.

use bindery_logic::blame::Blame;
use bindery_logic::queue::after::{Ended, Next, next};
use bindery_storage::tables::{Body, Holder, Lease, Queue, Ready};
use bindery_wire::TenantId;

use super::arrive::{Arrival, Metrics};
use super::attend::leased;
use super::draft::Drafted;
use super::error::Result;
use super::figures::End;
use super::plan::Plan;
use super::{Error, Inner, Of, PULL_COUNT_MAX, Queues, TRY_COUNT_MAX, VISIBILITY_MS_MAX, chance};

/// Messages that are moved or dropped in one commit.
const CHUNK_COUNT: usize = 200;
/// Bytes of their bodies.
const CHUNK_BYTES: u64 = 256 << 10;
/// Messages that one call drops or moves.
const CALL_COUNT_MAX: usize = 50_000;

/// A queue as it is shown.
#[derive(Clone, Debug)]
pub struct QueueShown {
    /// The name.
    pub name: String,
    /// What is known of it.
    pub queue: Queue,
    /// Messages that wait in it.
    pub backlog_count: u64,
    /// Their bytes.
    pub backlog_bytes: u64,
    /// When the oldest of them was sent, in milliseconds since 1970.
    pub oldest_ms: Option<u64>,
}

/// A message that was pulled.
#[derive(Clone, Debug)]
pub struct Pulled {
    /// Names it in the queue.
    pub id: String,
    /// When it was sent, in milliseconds since 1970.
    pub sent_ms: u64,
    /// How often it was delivered, this time included.
    pub attempts: u32,
    /// What was sent.
    pub body: Body,
    /// What settles it.
    pub lease: String,
}

/// What came of settling messages that were pulled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Acked {
    /// Messages that are done with.
    pub acked: usize,
    /// Messages that are delivered again, or have failed for the last time.
    pub retried: usize,
    /// Leases that had ended.
    pub late: usize,
}

impl Queues {
    /// Queues of a tenant whose names follow `after`, in the order of their names.
    pub(crate) async fn list(
        &self,
        tenant: TenantId,
        after: Option<&str>,
        count_max: usize,
    ) -> Result<Vec<QueueShown>> {
        let mut shown = Vec::new();
        for (name, queue) in self.0.table.list(tenant, after, count_max).await? {
            shown.push(self.0.shown((tenant, &name), queue).await?);
        }
        Ok(shown)
    }

    /// A queue.
    pub(crate) async fn show(&self, of: Of<'_>) -> Result<QueueShown> {
        let queue = self.0.there(of).await?;
        self.0.shown(of, queue).await
    }

    /// Takes messages for so long.
    pub(crate) async fn pull(
        &self,
        of: Of<'_>,
        (count, visibility_ms): (usize, u64),
    ) -> Result<Vec<Pulled>> {
        self.0.there(of).await?;
        let visibility_ms = visibility_ms.min(VISIBILITY_MS_MAX);
        for _ in 0..TRY_COUNT_MAX {
            if let Some(pulled) =
                self.0.pull(of, (count.min(PULL_COUNT_MAX), visibility_ms)).await?
            {
                return Ok(pulled);
            }
        }
        Err(Error::Busy)
    }

    /// Settles messages that were pulled: those that are done with, and those that are to be
    /// delivered again, each with its delay in seconds if it has one.
    pub(crate) async fn ack(
        &self,
        of: Of<'_>,
        acks: &[String],
        retries: &[(String, Option<u32>)],
    ) -> Result<Acked> {
        let plan = Plan::of(&self.0.there(of).await?);
        let mut acked = Acked::default();
        for lease in acks {
            match self.0.settle_pulled(of, (lease, &plan), None).await? {
                true => acked.acked += 1,
                false => acked.late += 1,
            }
        }
        for (lease, delay_s) in retries {
            match self.0.settle_pulled(of, (lease, &plan), Some(*delay_s)).await? {
                true => acked.retried += 1,
                false => acked.late += 1,
            }
        }
        Ok(acked)
    }

    /// Drops messages that nobody has. Returns how many, and whether some are left.
    pub(crate) async fn purge(&self, of: Of<'_>) -> Result<(usize, bool)> {
        self.0.there(of).await?;
        let mut count = 0;
        while count < CALL_COUNT_MAX {
            let ready = self.0.table.ready(of, u64::MAX, CHUNK_COUNT).await?;
            if ready.is_empty() {
                return Ok((count, false));
            }
            if self.0.drop_ready((of, None), &ready, End::Dropped).await? {
                count += ready.len();
            }
        }
        Ok((count, true))
    }

    /// Moves messages that nobody has to another queue, as they were sent. Returns how many, and
    /// whether some are left.
    pub(crate) async fn redrive(
        &self,
        of: Of<'_>,
        to: &str,
        count_max: usize,
    ) -> Result<(usize, bool)> {
        self.0.there(of).await?;
        if of.1 == to {
            return Err(Error::Wrong("the messages are in this queue already".into()));
        }
        let (mut count, count_max) = (0, count_max.min(CALL_COUNT_MAX));
        while count < count_max {
            let some = self.0.table.ready(of, u64::MAX, CHUNK_COUNT.min(count_max - count)).await?;
            if some.is_empty() {
                return Ok((count, false));
            }
            count += self.0.move_some(of, to, some).await?;
        }
        let left = self.0.table.ready(of, u64::MAX, 1).await?;
        Ok((count, !left.is_empty()))
    }

    /// Deletes a queue with all that is in it, unless a version that serves takes its messages.
    pub(crate) async fn delete(&self, of: Of<'_>) -> Result<()> {
        for _ in 0..TRY_COUNT_MAX {
            let queue = self.0.there(of).await?;
            if let Some(consumer) = queue.consumer.as_ref().filter(|consumer| consumer.declared) {
                return Err(Error::Conflict(format!(
                    "the worker `{}` declares in its queue_consumers that it takes the messages of \
                     the queue: deploy a version of it without that first",
                    consumer.recipe.worker
                )));
            }
            if self.0.delete(of, &queue).await? {
                return Ok(());
            }
        }
        Err(Error::Busy)
    }
}

impl Inner {
    async fn there(&self, of: Of<'_>) -> Result<Queue> {
        self.table.get(of).await?.ok_or(Error::NotFound)
    }

    async fn shown(&self, of: Of<'_>, queue: Queue) -> Result<QueueShown> {
        let Metrics { backlog, oldest_ms } = self.metrics(of).await?;
        Ok(QueueShown {
            name: of.1.into(),
            queue,
            backlog_count: backlog.count,
            backlog_bytes: backlog.bytes,
            oldest_ms,
        })
    }

    /// `None` if another took some of them meanwhile.
    async fn pull(
        &self,
        of: Of<'_>,
        (count, visibility_ms): (usize, u64),
    ) -> Result<Option<Vec<Pulled>>> {
        let now_ms = self.now_ms();
        let plan = Plan::of(&self.there(of).await?);
        let mut ready = self.table.ready(of, now_ms, count).await?;
        ready.retain(|ready| plan.expires_ms(ready.id) > now_ms);
        let until_ms = now_ms + visibility_ms;
        let holder = Holder::Other { until_ms };
        let lease =
            |ready: &Ready| Lease { holder, number: chance(), messages: vec![leased(ready)] };
        let leases: Vec<Lease> = ready.iter().map(lease).collect();
        let mut draft = self.take((of, None), ready.iter());
        draft.write(leases.iter().map(|lease| self.table.put_lease(of, lease)));
        if ready.is_empty() {
            return Ok(Some(Vec::new()));
        }
        self.look(&mut draft, of, (until_ms, now_ms));
        if self.commit(draft).await? != Drafted::Done {
            return Ok(None);
        }
        let bodies = self.table.bodies(of, ready.iter().map(|r| (r.id, r.bytes))).await?;
        let pulled = ready.iter().zip(bodies).zip(&leases).filter_map(|((ready, body), lease)| {
            Some(Pulled {
                id: ready.id.to_string(),
                sent_ms: ready.id.sent_ms(),
                attempts: u32::from(ready.attempts) + 1,
                body: body?,
                lease: format!("{until_ms:016x}{:016x}", lease.number),
            })
        });
        Ok(Some(pulled.collect()))
    }

    /// Settles a message that was pulled. Whether its lease was there still.
    async fn settle_pulled(
        &self,
        of: Of<'_>,
        (text, plan): (&str, &Plan),
        retry: Option<Option<u32>>,
    ) -> Result<bool> {
        let Some((until_ms, number)) = parse(text) else { return Ok(false) };
        let holder = Holder::Other { until_ms };
        let Some(lease) = self.table.lease(of, holder, number).await? else { return Ok(false) };
        let now_ms = self.now_ms();
        if lease.holder.until_ms().is_some_and(|until_ms| until_ms <= now_ms) {
            return Ok(false);
        }
        let fates = match retry {
            None => vec![Next::Gone],
            Some(delay_s) => {
                let attempts: Vec<u32> = lease.messages.iter().map(|m| m.attempts.into()).collect();
                let mut fates = next(&Ended::Lost(Blame::Nobody), &attempts, plan.retry, now_ms);
                let delay_ms = u64::from(delay_s.unwrap_or(plan.retry.delay_s)) * 1_000;
                for fate in &mut fates {
                    if let Next::Again { at_ms, .. } = fate {
                        *at_ms = now_ms + delay_ms;
                    }
                }
                fates
            }
        };
        self.settle(of, &lease, (&fates, plan)).await
    }

    /// Moves some messages in one commit. Returns how many.
    async fn move_some(&self, of: Of<'_>, to: &str, mut some: Vec<Ready>) -> Result<usize> {
        let mut bytes = 0;
        let fits = |ready: &&Ready| {
            bytes += u64::from(ready.bytes);
            bytes <= CHUNK_BYTES
        };
        let count = some.iter().take_while(fits).count().max(1);
        some.truncate(count);
        let bodies = self.table.bodies(of, some.iter().map(|r| (r.id, r.bytes))).await?;
        let now_ms = self.now_ms();
        let pairs = some.iter().zip(&bodies);
        let arrival = |(ready, body): (&Ready, &'_ Option<_>)| Some((ready.id, body.clone()?));
        let there: Vec<_> = pairs.filter_map(arrival).collect();
        let arrivals: Vec<_> =
            there.iter().map(|(id, body)| Arrival { id: *id, body, visible_ms: now_ms }).collect();
        let mut draft = self.take_away((of, None), &some);
        let to = (of.0, to);
        let queue = self.table.get(to).await?;
        self.arrive(&mut draft, (to, queue), &arrivals, now_ms).await?;
        let done = self.commit(draft).await? == Drafted::Done;
        Ok(if done { some.len() } else { 0 })
    }
}

/// The lease that a text names: when it ends, and its number.
fn parse(text: &str) -> Option<(u64, u64)> {
    let digits = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let (until, number) = text.split_at_checked(16).filter(|_| digits)?;
    Some((u64::from_str_radix(until, 16).ok()?, u64::from_str_radix(number, 16).ok()?))
}
