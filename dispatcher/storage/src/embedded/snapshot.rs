//! Snapshots: moments of the store that are kept for a while.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt, ready};

use super::read;
use super::view::View as Moment;
use crate::engine::{Entry, Error, KeyRange, Result, View};

/// Snapshots that live at once. Each may keep two layers in memory.
const SNAPSHOT_COUNT_MAX: usize = 16;

/// Where a snapshot keeps its moment until it is dropped or expires.
type Slot<T> = Mutex<Option<T>>;

/// The snapshots that live: each keeps layers, and pages from being used again.
pub(super) struct Snapshots<T>(Mutex<Vec<(Instant, Weak<Slot<T>>)>>);

impl<T> Default for Snapshots<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Snapshots<T> {
    /// Keeps a moment for as long as a snapshot lives.
    pub(super) fn take(&self, moment: T, life: Duration) -> Result<Snapshot<T>> {
        let now = Instant::now();
        self.expire(now);
        let mut living = lock(&self.0);
        if living.len() >= SNAPSHOT_COUNT_MAX {
            return Err(Error::Unavailable(format!(
                "{SNAPSHOT_COUNT_MAX} snapshots live; that is the limit"
            )));
        }
        let (slot, until) = (Arc::new(Mutex::new(Some(moment))), now + life);
        living.push((until, Arc::downgrade(&slot)));
        Ok(Snapshot { slot, until })
    }

    /// Ends what has expired, whether or not its owner still holds it.
    pub(super) fn expire(&self, now: Instant) {
        lock(&self.0).retain(|(until, slot)| match slot.upgrade() {
            Some(slot) if *until <= now => {
                *lock(&slot) = None;
                false
            }
            other => other.is_some(),
        });
    }
}

/// Nothing that is done under these locks can leave what they guard half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A consistent view until it expires.
pub(super) struct Snapshot<T> {
    slot: Arc<Slot<T>>,
    until: Instant,
}

impl<T: Clone> Snapshot<T> {
    fn moment(&self) -> Result<T> {
        let mut slot = lock(&self.slot);
        if Instant::now() >= self.until {
            *slot = None;
        }
        slot.clone().ok_or(Error::Expired)
    }
}

impl View for Snapshot<Moment> {
    fn get(&self, key: Vec<u8>) -> BoxFuture<'_, Result<Option<Bytes>>> {
        ready(self.moment().and_then(|moment| read::get(&moment, &key))).boxed()
    }

    fn scan(&self, range: KeyRange, count_max: usize) -> BoxFuture<'_, Result<Vec<Entry>>> {
        async move { read::scan(self.moment()?, range, count_max).await }.boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(60);

    #[test]
    fn an_expired_snapshot_gives_its_moment_back_though_its_owner_holds_it() {
        let (snapshots, moment) = (Snapshots::default(), Arc::new(()));
        let snapshot = snapshots.take(Arc::clone(&moment), LIFE).expect("taken");
        snapshots.expire(snapshot.until - Duration::from_secs(1));
        assert!(snapshot.moment().is_ok());
        assert_eq!(Arc::strong_count(&moment), 2);
        snapshots.expire(snapshot.until);
        assert!(matches!(snapshot.moment(), Err(Error::Expired)));
        assert_eq!(Arc::strong_count(&moment), 1);
    }

    #[test]
    fn only_so_many_snapshots_live_and_a_dropped_one_makes_room() {
        let snapshots = Snapshots::default();
        let mut held: Vec<_> =
            (0..SNAPSHOT_COUNT_MAX).map(|_| snapshots.take((), LIFE).expect("taken")).collect();
        assert!(matches!(snapshots.take((), LIFE), Err(Error::Unavailable(_))));
        held.pop();
        assert!(snapshots.take((), LIFE).is_ok());
    }
}
