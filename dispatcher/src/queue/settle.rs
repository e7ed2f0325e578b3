//! What becomes of messages that somebody had: one commit, which holds only under his lease.

use bindery_logic::queue::after::Next;
use bindery_storage::tables::{Body, Lease, Leased, Queue, Ready, Stored};

use super::arrive::{Arrival, sum};
use super::draft::{Draft, Drafted};
use super::error::Result;
use super::figures::End;
use super::plan::Plan;
use super::{Error, Inner, Of, TRY_COUNT_MAX};

/// How long a dead letter waits in a queue that has a queue for dead letters itself: two that have
/// each other are not to run as fast as they can.
const DEAD_AGAIN_MS: u64 = 1_000;

impl Inner {
    /// Settles a lease. Whether it was there still.
    pub(super) async fn settle(
        &self,
        of: Of<'_>,
        lease: &Lease,
        (next, plan): (&[Next], &Plan),
    ) -> Result<bool> {
        let dead = self.dead_bodies(of, lease, next, plan).await?;
        for _ in 0..TRY_COUNT_MAX {
            let draft = self.draft_settled(of, lease, (next, plan), &dead).await?;
            match self.commit(draft).await? {
                Drafted::Done => {
                    self.count_ends(next, plan);
                    return Ok(true);
                }
                Drafted::Fenced => {
                    self.figures.late();
                    return Ok(false);
                }
                Drafted::Again => {}
            }
        }
        Err(Error::Busy)
    }

    /// The bodies of the messages that go to another queue.
    async fn dead_bodies(
        &self,
        of: Of<'_>,
        lease: &Lease,
        next: &[Next],
        plan: &Plan,
    ) -> Result<Vec<(Leased, Body)>> {
        if plan.dead.is_none() {
            return Ok(Vec::new());
        }
        let pairs = lease.messages.iter().zip(next);
        let dead: Vec<Leased> =
            pairs.filter(|(_, next)| **next == Next::Dead).map(|(leased, _)| *leased).collect();
        let wanted = dead.iter().map(|leased| (leased.id, leased.bytes));
        let bodies = self.table.bodies(of, wanted).await?;
        Ok(dead
            .into_iter()
            .zip(bodies)
            .filter_map(|(leased, body)| Some((leased, body?)))
            .collect())
    }

    async fn draft_settled(
        &self,
        of: Of<'_>,
        lease: &Lease,
        (next, plan): (&[Next], &Plan),
        dead: &[(Leased, Body)],
    ) -> Result<Draft> {
        let now_ms = self.now_ms();
        let mut draft = Draft::fenced([self.table.still_leased(of, lease)]);
        draft.write([self.table.delete_lease(of, lease)]);
        let (mut went, mut earliest_ms) = (Stored::default(), None);
        for (leased, next) in lease.messages.iter().zip(next) {
            let Leased { id, bytes, .. } = *leased;
            match *next {
                Next::Gone | Next::Dead => {
                    draft.write(self.table.delete_body(of, id, bytes));
                    went.bytes += u64::from(bytes);
                    went.rows += 1;
                }
                Next::Again { at_ms, attempts } => {
                    let attempts = u16::try_from(attempts).unwrap_or(u16::MAX);
                    let ready = Ready { visible_ms: at_ms, id, attempts, bytes };
                    draft.write([self.table.put_ready(of, &ready)]);
                    earliest_ms = Some(earliest_ms.map_or(at_ms, |first: u64| first.min(at_ms)));
                }
            }
        }
        self.went(&mut draft, of, went);
        if let Some(at_ms) = earliest_ms {
            self.look(&mut draft, of, (at_ms, now_ms));
        }
        if let (Some(name), false) = (&plan.dead, dead.is_empty()) {
            let to = (of.0, name.as_str());
            let queue = self.table.get(to).await?;
            let again = queue.as_ref().is_some_and(|queue| Plan::of(queue).dead.is_some());
            let visible_ms = now_ms.saturating_add(if again { DEAD_AGAIN_MS } else { 0 });

            let arrivals: Vec<_> = dead
                .iter()
                .map(|(leased, body)| Arrival { id: leased.id, body, visible_ms })
                .collect();
            self.arrive(&mut draft, (to, queue), &arrivals, now_ms).await?;
        }
        Ok(draft)
    }

    fn count_ends(&self, next: &[Next], plan: &Plan) {
        for next in next {
            self.figures.ended(match next {
                Next::Gone => End::Acked,
                Next::Again { .. } => End::Retried,
                Next::Dead if plan.dead.is_some() => End::DeadLettered,
                Next::Dead => End::Dropped,
            });
        }
    }

    /// Takes messages that nobody has. The commit holds only if nobody has them still, and if what is
    /// set of the queue is what was read before, if that matters.
    pub(super) fn take<'a>(
        &self,
        (of, set): (Of<'_>, Option<&Queue>),
        messages: impl Iterator<Item = &'a Ready> + Clone,
    ) -> Draft {
        let set = set.map(|queue| self.table.unchanged(of, Some(queue)));
        let still = messages.clone().map(|ready| self.table.still_ready(of, ready));
        let mut draft = Draft::fenced(set.into_iter().chain(still));
        draft.write(messages.map(|ready| self.table.delete_ready(of, ready)));
        draft
    }

    /// Takes messages that nobody has out of the queue, bodies and all.
    pub(super) fn take_away(&self, of: (Of<'_>, Option<&Queue>), messages: &[Ready]) -> Draft {
        let mut draft = self.take(of, messages.iter());
        for ready in messages {
            draft.write(self.table.delete_body(of.0, ready.id, ready.bytes));
        }
        let went = sum(messages.iter().map(|ready| ready.bytes as usize));
        self.went(&mut draft, of.0, went);
        draft
    }

    /// Drops messages that nobody has. Whether nobody had them still, and the queue was as it was
    /// read if it is given.
    pub(super) async fn drop_ready(
        &self,
        of: (Of<'_>, Option<&Queue>),
        messages: &[Ready],
        end: End,
    ) -> Result<bool> {
        let done = self.commit(self.take_away(of, messages)).await? == Drafted::Done;
        if done {
            messages.iter().for_each(|_| self.figures.ended(end));
        }
        Ok(done)
    }
}
