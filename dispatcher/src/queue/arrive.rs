//! Messages come to a queue: sent, dead from another one, or sent back to where they came from.

use bindery_storage::tables::{Backlog, Body, MessageId, Queue, Stored};
use bindery_wire::TenantId;

use super::draft::{Draft, Drafted};
use super::error::Result;
use super::plan::Plan;
use super::{Error, Inner, Of, QUEUE_COUNT_MAX, Queues, TRY_COUNT_MAX};
use crate::kv::stored_max;

/// The kinds under which messages and queues are accounted.
const MESSAGES: &str = "queue";
pub(crate) const QUEUES: &str = "queues";
/// Times at which messages of a queue without a consumer are dropped are whole ones of so many
/// milliseconds.
const SWEEP_MS: u64 = 3_600_000;

/// A message that is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// What is sent.
    pub(crate) body: Body,
    /// Seconds for which it is held back, if that was said.
    pub(crate) delay_s: Option<u32>,
}

/// A message on its way into a queue.
pub(super) struct Arrival<'a> {
    pub(super) id: MessageId,
    pub(super) body: &'a Body,
    /// From when on it may be delivered.
    pub(super) visible_ms: u64,
}

/// What waits in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Metrics {
    pub(crate) backlog: Backlog,
    /// When the oldest message was sent, in milliseconds since 1970.
    pub(crate) oldest_ms: Option<u64>,
}

impl Queues {
    /// Sends messages together: all are durable, or none. Returns their ids.
    pub(crate) async fn send(&self, of: Of<'_>, messages: &[Sent]) -> Result<Vec<MessageId>> {
        self.0.send(of, messages).await
    }

    /// What waits in a queue; nothing if there is none.
    pub(crate) async fn metrics(&self, of: Of<'_>) -> Result<Metrics> {
        self.0.metrics(of).await
    }
}

impl Inner {
    async fn send(&self, of: Of<'_>, messages: &[Sent]) -> Result<Vec<MessageId>> {
        let more = sum(messages.iter().map(|message| message.body.bytes.len()));
        self.admit(of.0, more).await?;
        for _ in 0..TRY_COUNT_MAX {
            let now_ms = self.now_ms();
            let queue = self.table.get(of).await?;
            let default_s = queue.as_ref().and_then(|queue| queue.delivery_delay_s);
            let ids = self.order.ids(of.0, now_ms, messages.len());
            let arrival = |(id, message): (&MessageId, &'_ Sent)| {
                let delay_s = message.delay_s.or(default_s).unwrap_or(0);
                (*id, now_ms.saturating_add(u64::from(delay_s) * 1_000))
            };
            let times: Vec<_> = ids.iter().zip(messages).map(arrival).collect();
            let arrivals: Vec<_> = times
                .iter()
                .zip(messages)
                .map(|((id, visible_ms), message)| Arrival {
                    id: *id,
                    body: &message.body,
                    visible_ms: *visible_ms,
                })
                .collect();
            let mut draft = Draft::default();
            if queue.is_none() {
                self.admit_queue(of.0).await?;
            }
            self.arrive(&mut draft, (of, queue), &arrivals, now_ms).await?;
            if self.commit(draft).await? == Drafted::Done {
                self.figures.sent(messages.len());
                return Ok(ids);
            }
        }
        Err(Error::Busy)
    }

    /// Adds messages that come to a queue, which was read before.
    pub(super) async fn arrive(
        &self,
        draft: &mut Draft,
        (of, queue): (Of<'_>, Option<Queue>),
        messages: &[Arrival<'_>],
        now_ms: u64,
    ) -> Result<()> {
        for Arrival { id, body, visible_ms } in messages {
            draft.write(self.table.put_body(of, *id, body));
            let bytes = u32::try_from(body.bytes.len()).unwrap_or(u32::MAX);
            let (id, visible_ms) = (*id, *visible_ms);
            let ready = bindery_storage::tables::Ready { visible_ms, id, attempts: 0, bytes };
            draft.write([self.table.put_ready(of, &ready)]);
        }
        let came = sum(messages.iter().map(|message| message.body.bytes.len()));
        draft.write(self.table.count(of, came, Stored::default()));
        draft.write(self.account.change(of.0, MESSAGES, came, Stored::default()));
        let queue = self.need(draft, (of, queue), now_ms).await?;
        let plan = Plan::of(&queue);
        let first = messages.iter().min_by_key(|message| message.visible_ms);
        if let Some(first) = first {
            let at_ms = match queue.consumer {
                Some(_) => first.visible_ms,
                None => plan.expires_ms(first.id) / SWEEP_MS * SWEEP_MS,
            };
            self.look(draft, of, (at_ms, now_ms));
        }
        Ok(())
    }

    /// Has the commit hold only if the queue is as it was read; makes it if it was not there.
    pub(super) async fn need(
        &self,
        draft: &mut Draft,
        (of, queue): (Of<'_>, Option<Queue>),
        now_ms: u64,
    ) -> Result<Queue> {
        draft.check(self.table.unchanged(of, queue.as_ref()));
        if let Some(queue) = queue {
            return Ok(queue);
        }
        let tenant = self.tenants.get(of.0).await?.ok_or(Error::NoTenant)?;
        draft.check(self.tenants.unchanged(of.0, &tenant));
        let queue = Queue { created_ms: now_ms, ..Queue::default() };
        draft.write([self.table.put(of, &queue)]);
        let one = Stored { bytes: 0, rows: 1 };
        draft.write(self.account.change(of.0, QUEUES, one, Stored::default()));
        Ok(queue)
    }

    /// Refuses one queue more than a tenant may have. One for dead letters is always made: else what
    /// died could not be settled, and nothing behind it would be delivered.
    pub(super) async fn admit_queue(&self, tenant: TenantId) -> Result<()> {
        if self.account.stored(tenant, Some(QUEUES)).await?.rows >= QUEUE_COUNT_MAX {
            return Err(Error::Quota(crate::limit::QUEUES.fixed()));
        }
        Ok(())
    }

    /// Counts messages of so many bytes that leave a queue.
    pub(super) fn went(&self, draft: &mut Draft, of: Of<'_>, went: Stored) {
        draft.write(self.table.count(of, Stored::default(), went));
        draft.write(self.account.change(of.0, MESSAGES, Stored::default(), went));
    }

    /// Deletes a queue with all that is in it. Whether it was as it was read.
    pub(super) async fn delete(&self, of: Of<'_>, queue: &Queue) -> Result<bool> {
        let counted = self.table.counted(of).await?;
        let mut draft = Draft::default();
        draft.check(self.table.unchanged(of, Some(queue)));
        for check in self.table.still_counts(of, &counted) {
            draft.check(check);
        }
        draft.write(self.table.delete(of));
        let backlog = counted.backlog();
        let went = Stored { bytes: backlog.bytes, rows: backlog.count };
        draft.write(self.account.change(of.0, MESSAGES, Stored::default(), went));
        let one = Stored { bytes: 0, rows: 1 };
        draft.write(self.account.change(of.0, QUEUES, Stored::default(), one));
        Ok(self.commit(draft).await? == Drafted::Done)
    }

    /// Refuses what would pass the tenant's quota.
    async fn admit(&self, tenant: TenantId, more: Stored) -> Result<()> {
        let quotas = self.tenants.get(tenant).await?.ok_or(Error::NoTenant)?.quotas;
        let stored = self.account.stored(tenant, None).await?;
        Ok(stored.admit(more, stored_max(&quotas))?)
    }

    pub(super) async fn metrics(&self, of: Of<'_>) -> Result<Metrics> {
        let backlog = self.table.counted(of).await?.backlog();
        Ok(Metrics { backlog, oldest_ms: self.table.oldest_ms(of).await? })
    }
}

/// So many messages with their bytes.
pub(super) fn sum(lengths: impl Iterator<Item = usize>) -> Stored {
    lengths.fold(Stored::default(), |sum, length| Stored {
        bytes: sum.bytes.saturating_add(length as u64),
        rows: sum.rows + 1,
    })
}
