//! Which format the rows of a store have, and the steps that bring older ones forward.

mod crons;

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::row::{self, Error, Result, Store};
use crate::blob::Blobs;
use crate::engine::{Batch, Check, Committed, Engine, Write};
use crate::key::{Key, Space};

const TABLE: &str = "format";

/// What a step works on.
struct Kept<'a> {
    engine: &'a Arc<dyn Engine>,
    blobs: &'a Blobs,
}

/// What brings the rows from the format of its place to the next, in the writes of one batch. One
/// that can be too large for a batch commits parts of it before, and does them again if it is
/// killed in between.
type Step = for<'a> fn(&'a Kept<'a>) -> BoxFuture<'a, Result<Vec<Write>>>;

/// Every step there ever was. Append only: a store may be of any age.
const STEPS: &[Step] = &[number_the_first, |kept| Box::pin(crons::begin(kept))];

/// Stores were made without a number, by an engine that had no logs; their rows stay as they are.
fn number_the_first<'a>(_: &'a Kept<'a>) -> BoxFuture<'a, Result<Vec<Write>>> {
    Box::pin(async { Ok(Vec::new()) })
}

/// Brings the rows of a store to the format of this program. Each step ends with a commit that has
/// the number of the format that it makes: a kill between two leaves a store that goes on there.
pub async fn migrate(engine: &Arc<dyn Engine>, blobs: &Blobs) -> Result<()> {
    migrate_by(&Kept { engine, blobs }, STEPS).await
}

async fn migrate_by(kept: &Kept<'_>, steps: &[Step]) -> Result<()> {
    let store = Store(Arc::clone(kept.engine));
    let found = store.get_bytes(key()).await?;
    let number = found.as_deref().map(|bytes| row::number_from_bytes(bytes, TABLE)).transpose()?;
    let number = number.unwrap_or(0);
    let place = usize::try_from(number).unwrap_or(usize::MAX);
    let left = steps
        .get(place..)
        .ok_or(Error::StoreTooNew { found: number, known: steps.len() as u64 })?;
    let mut before = found.map(|bytes| bytes.to_vec());
    for (step, next) in left.iter().zip(number + 1..) {
        let after = row::number_to_bytes(next);
        let mut writes = step(kept).await?;
        writes.push(Write::Put { key: key(), value: after.clone() });
        let checks = vec![Check { key: key(), value: before }];
        match kept.engine.commit(Batch { checks, writes }).await? {
            Committed::Done { .. } => before = Some(after),
            // Only a second program on the same store can have come between.
            Committed::Conflict { .. } => return Err(Error::Malformed(TABLE)),
        }
    }
    Ok(())
}

fn key() -> Vec<u8> {
    Key::new(Space::Meta).text("format").finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;

    fn put(key: &'static str) -> BoxFuture<'static, Result<Vec<Write>>> {
        Box::pin(async move { Ok(vec![Write::Put { key: key.into(), value: vec![] }]) })
    }

    struct Fixture {
        engine: Arc<dyn Engine>,
        blobs: Blobs,
        _directory: tempfile::TempDir,
    }

    impl Fixture {
        fn new() -> Self {
            let directory = tempfile::tempdir().expect("a directory");
            let blobs = Blobs::open(directory.path().join("blobs")).expect("opens");
            Self { engine: Arc::new(Memory::new()), blobs, _directory: directory }
        }

        async fn migrate_by(&self, steps: &[Step]) -> Result<()> {
            migrate_by(&Kept { engine: &self.engine, blobs: &self.blobs }, steps).await
        }

        async fn has(&self, key: &str) -> bool {
            self.engine.get(key.into()).await.expect("read").is_some()
        }
    }

    #[tokio::test]
    async fn each_step_runs_once_and_from_where_the_store_is() {
        let f = Fixture::new();
        migrate(&f.engine, &f.blobs).await.expect("migrated");
        let format = f.engine.get(key()).await.expect("read").expect("there");
        assert_eq!(format[..], [1, 0, 0, 0, 0, 0, 0, 0, 2]);
        let steps: &[Step] =
            &[|_| put("never"), |_| put("never"), |_| put("three"), |_| put("four")];
        f.migrate_by(steps).await.expect("migrated");
        assert!(!f.has("never").await);
        assert!(f.has("three").await && f.has("four").await);
        let again: &[Step] = &[|_| put("x"), |_| put("y"), |_| put("z"), |_| put("z")];
        f.migrate_by(again).await.expect("nothing to do");
        assert!(!f.has("z").await);
    }

    #[tokio::test]
    async fn a_store_of_a_newer_program_is_refused_by_number_and_not_touched() {
        let f = Fixture::new();
        let steps: &[Step] = &[number_the_first, |_| put("two"), |_| put("three")];
        f.migrate_by(steps).await.expect("migrated");
        let refused = migrate(&f.engine, &f.blobs).await;
        assert!(matches!(refused, Err(Error::StoreTooNew { found: 3, known: 2 })));
    }
}
