//! The batches that wait for the committing thread, in a lane for each tenant.
//!
//! A group takes one batch of each lane in turn, so whoever waits is behind the group that runs and
//! behind as many of the others' batches as of its own. A lane is bounded; who finds it full
//! waits for its own tenant's batches only.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::record;
use crate::engine::{BATCH_BYTES_MAX, Batch, Committed, Result, Write};
use crate::plan;
use crate::redb::unavailable;

/// Batches of one group.
const GROUP_COUNT_MAX: usize = 1024;
/// Bytes of one group, if a record can be that large.
const GROUP_BYTES_MAX: usize = 4 << 20;
/// Bytes of the batches of one lane that wait or are being written.
const LANE_BYTES_MAX: usize = 4 << 20;
/// What a batch takes of its lane's room at least, which bounds their number.
const BATCH_BYTES_MIN: usize = 1 << 10;
/// Lanes above which those that nobody uses are removed.
const IDLE_COUNT_MAX: usize = 1024;

const _: () = assert!(BATCH_BYTES_MAX <= LANE_BYTES_MAX, "every batch finds room in its lane");

/// A tenant's number as it stands in its keys; whatever stands there where a key has none.
type Name = [u8; 8];

/// A batch on its way to the thread.
pub(super) struct Request {
    pub(super) batch: Batch,
    /// Bytes that it takes of a payload, at most.
    pub(super) cost: usize,
    pub(super) answer: oneshot::Sender<Result<Committed>>,
    /// The batch's share of its lane, given back when it is answered.
    pub(super) room: OwnedSemaphorePermit,
}

/// What the thread finds in the lanes.
pub(super) enum Taken {
    /// What it commits next.
    Group(Vec<Request>),
    /// Nothing, for as long as it was ready to wait.
    Nothing,
    /// They are closed and empty.
    Closed,
}

/// Every lane.
pub(super) struct Lanes {
    state: Mutex<State>,
    ready: Condvar,
    group_bytes_max: usize,
}

#[derive(Default)]
struct State {
    lanes: BTreeMap<Name, Lane>,
    /// Lanes in which something waits, in the order of their turns.
    turns: VecDeque<Name>,
    closed: bool,
}

struct Lane {
    waiting: VecDeque<Request>,
    room: Arc<Semaphore>,
}

impl Default for Lane {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), room: Arc::new(Semaphore::new(LANE_BYTES_MAX)) }
    }
}

impl Lanes {
    /// Lanes for records of up to `payload_max`.
    pub(super) fn new(payload_max: usize) -> Self {
        let group_bytes_max = GROUP_BYTES_MAX.min(payload_max);
        Self { state: Mutex::default(), ready: Condvar::new(), group_bytes_max }
    }

    /// Nothing that is done under the lock can leave what it guards half changed.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands over a batch, and waits until it is answered.
    pub(super) async fn commit(&self, batch: Batch) -> Result<Committed> {
        let gone = || unavailable("it is closed");
        let (size, cost) = (plan::measure(&batch)?, record::cost(&batch.writes));
        // Only a batch of very many very small writes is far larger here than by its own limit.
        plan::limit("a batch in the log", cost, self.group_bytes_max)?;
        let share = size.max(cost).clamp(BATCH_BYTES_MIN, LANE_BYTES_MAX);
        let name = name_of(&batch);
        let room = self.lock().room(name);
        let share = u32::try_from(share).map_err(unavailable)?;
        let room = room.acquire_many_owned(share).await.map_err(unavailable)?;
        let (answer, answered) = oneshot::channel();
        if !self.lock().push(name, Request { batch, cost, answer, room }) {
            return Err(gone());
        }
        self.ready.notify_one();
        answered.await.map_err(|_| gone())?
    }

    /// Waits for the next group, for ever or so long.
    pub(super) fn take(&self, wait: Option<Duration>) -> Taken {
        let state = self.lock();
        let is_waiting = |state: &mut State| state.turns.is_empty() && !state.closed;
        let mut state = match wait {
            None => {
                self.ready.wait_while(state, is_waiting).unwrap_or_else(PoisonError::into_inner)
            }
            Some(wait) => {
                let waited = self.ready.wait_timeout_while(state, wait, is_waiting);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        let group = state.gather(self.group_bytes_max);
        match (group.is_empty(), state.closed) {
            (false, _) => Taken::Group(group),
            (true, false) => Taken::Nothing,
            (true, true) => Taken::Closed,
        }
    }

    /// Takes no further batches. Those that wait are still taken.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.ready.notify_one();
    }
}

impl State {
    /// The room of a lane, which is made if it is not there.
    fn room(&mut self, name: Name) -> Arc<Semaphore> {
        if self.lanes.len() >= IDLE_COUNT_MAX && !self.lanes.contains_key(&name) {
            self.lanes.retain(|_, lane| Arc::strong_count(&lane.room) > 1);
        }
        Arc::clone(&self.lanes.entry(name).or_default().room)
    }

    /// Whether a batch was taken.
    fn push(&mut self, name: Name, request: Request) -> bool {
        if self.closed {
            return false;
        }
        // The request's permit holds the room, so the lane is the one whose room was asked for.
        let lane = self.lanes.entry(name).or_default();
        if lane.waiting.is_empty() {
            self.turns.push_back(name);
        }
        lane.waiting.push_back(request);
        true
    }

    /// One batch of each lane in turn, as many as fit into a group.
    fn gather(&mut self, bytes_max: usize) -> Vec<Request> {
        let (mut group, mut bytes) = (Vec::new(), 0);
        while group.len() < GROUP_COUNT_MAX {
            let Some(name) = self.turns.front().copied() else { break };
            let Some(lane) = self.lanes.get_mut(&name) else { break };
            let fits = |next: &mut Request| bytes + next.cost <= bytes_max;
            let Some(next) = lane.waiting.pop_front_if(fits) else { break };
            self.turns.pop_front();
            if !lane.waiting.is_empty() {
                self.turns.push_back(name);
            }
            bytes += next.cost;
            group.push(next);
        }
        group
    }
}

/// The lane of a batch: in every space that has tenants, a tenant's number is behind the first byte.
fn name_of(batch: &Batch) -> Name {
    let key = batch.writes.first().map_or(&[][..], |write| match write {
        Write::Put { key, .. } | Write::Delete { key } | Write::Add { key, .. } => key,
        Write::DeleteRange(range) => &range.start,
    });
    let number = key.get(1..).and_then(|rest| rest.first_chunk());
    number.copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn batch(tenant: u8, bytes: usize) -> Batch {
        let mut key = vec![9; 10];
        key[1..9].copy_from_slice(&u64::from(tenant).to_be_bytes());
        Batch { checks: vec![], writes: vec![Write::Put { key, value: vec![0; bytes] }] }
    }

    /// Hands over batches of which nobody waits for the answer.
    fn push(lanes: &Lanes, batches: impl IntoIterator<Item = Batch>) {
        for batch in batches {
            assert!(lanes.commit(batch).now_or_never().is_none(), "it waits");
        }
    }

    /// Whose batches the next group has.
    fn group(lanes: &Lanes) -> Vec<u8> {
        let Taken::Group(group) = lanes.take(None) else { panic!("no group") };
        group.iter().map(|request| name_of(&request.batch)[7]).collect()
    }

    #[test]
    fn lanes_take_turns_however_many_batches_wait_in_one() {
        let lanes = Lanes::new(usize::MAX);
        push(&lanes, [1, 1, 1, 2, 3, 3].map(|tenant| batch(tenant, 10)));
        assert_eq!(group(&lanes), [1, 2, 3, 1, 3, 1]);
        push(&lanes, (0..6).map(|_| batch(1, 65_536)).chain([batch(2, 10)]));
        assert_eq!(group(&lanes)[..2], [1, 2]);
    }

    #[test]
    fn a_group_is_bounded_and_the_next_goes_on_where_it_stopped() {
        let lanes = Lanes::new(usize::MAX);
        let large = |tenant| {
            let writes = (0..16).flat_map(|_| batch(tenant, 65_000).writes).collect();
            Batch { checks: vec![], writes }
        };
        push(&lanes, [1, 1, 1, 2, 2, 2].map(large));
        assert_eq!(group(&lanes), [1, 2, 1, 2]);
        assert_eq!(group(&lanes), [1, 2]);
    }

    #[test]
    fn a_full_lane_holds_up_its_own_tenant_only() {
        let lanes = Lanes::new(usize::MAX);
        let mut waiting: Vec<_> =
            (0..100).map(|_| Box::pin(lanes.commit(batch(1, 60_000)))).collect();
        for commit in &mut waiting {
            assert!(commit.as_mut().now_or_never().is_none());
        }
        let in_lane = lanes.lock().lanes.values().map(|lane| lane.waiting.len()).sum::<usize>();
        assert_eq!(in_lane, LANE_BYTES_MAX / record::cost(&batch(1, 60_000).writes));
        push(&lanes, [batch(2, 10)]);
        assert_eq!(group(&lanes)[..2], [1, 2]);
    }

    #[test]
    fn lanes_that_nobody_uses_are_removed() {
        let lanes = Lanes::new(usize::MAX);
        for number in 0..5_000_u64 {
            let mut batch = batch(0, 1);
            if let Some(Write::Put { key, .. }) = batch.writes.first_mut() {
                key[1..9].copy_from_slice(&number.to_be_bytes());
            }
            push(&lanes, [batch]);
            drop(lanes.take(None));
        }
        assert!(lanes.lock().lanes.len() <= IDLE_COUNT_MAX);
    }

    #[test]
    fn who_waits_for_a_time_only_goes_on_then() {
        let lanes = Lanes::new(usize::MAX);
        assert!(matches!(lanes.take(Some(Duration::ZERO)), Taken::Nothing));
        push(&lanes, [batch(1, 1)]);
        assert!(matches!(lanes.take(Some(Duration::ZERO)), Taken::Group(_)));
    }

    #[test]
    fn closed_lanes_give_out_what_waits_and_take_no_more() {
        let lanes = Lanes::new(usize::MAX);
        push(&lanes, [batch(1, 1)]);
        lanes.close();
        assert!(lanes.commit(batch(1, 1)).now_or_never().is_some_and(|ended| ended.is_err()));
        assert_eq!(group(&lanes), [1]);
        assert!(matches!(lanes.take(None), Taken::Closed));
    }
}
