//! The store, with a count of its commits.

use std::sync::Arc;
use std::time::Instant;

use bindery_storage::engine::{Batch, Committed, Engine, Entry, KeyRange, Result, View};
use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::metrics::{Counts, Family, Histogram};

/// What becomes of a commit.
const ENDS: [&str; 3] = ["done", "conflict", "failed"];

/// An engine whose commits are counted.
pub(super) struct Commits {
    engine: Arc<dyn Engine>,
    ends: Counts<{ ENDS.len() }>,
    took: Histogram,
}

impl Commits {
    pub(super) fn of(engine: Arc<dyn Engine>) -> Self {
        Self { engine, ends: Counts::default(), took: Histogram::default() }
    }

    pub(super) fn measure(&self) -> Vec<Family> {
        let ends = ENDS.into_iter().zip(self.ends.read());
        let commits = ("bindery_storage_commits_total", "Commits to the store by their end.");
        let took = "How long commits took until they were durable.";
        vec![
            Family::counters(commits, "end", ends),
            self.took.family("bindery_storage_commit_seconds", took),
        ]
    }
}

impl Engine for Commits {
    fn get(&self, key: Vec<u8>) -> BoxFuture<'_, Result<Option<Bytes>>> {
        self.engine.get(key)
    }

    fn scan(&self, range: KeyRange, count_max: usize) -> BoxFuture<'_, Result<Vec<Entry>>> {
        self.engine.scan(range, count_max)
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Committed>> {
        let commit = self.engine.commit(batch);
        let since = Instant::now();
        Box::pin(async move {
            let committed = commit.await;
            self.ends.one(match &committed {
                Ok(Committed::Done { .. }) => {
                    self.took.observe(since.elapsed());
                    0
                }
                Ok(Committed::Conflict { .. }) => 1,
                Err(_) => 2,
            });
            committed
        })
    }

    fn snapshot(&self) -> BoxFuture<'_, Result<Box<dyn View>>> {
        self.engine.snapshot()
    }
}
