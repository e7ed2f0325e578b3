//! Which format the rows of a store have, and the steps that bring older ones forward.

use std::sync::Arc;

use super::row::{self, Error, Result, Store};
use crate::engine::{Batch, Check, Committed, Engine, Write};
use crate::key::{Key, Space};

const TABLE: &str = "format";

/// What brings the rows from the format of its place to the next, in the writes of one batch.
type Step = fn() -> Vec<Write>;

/// Every step there ever was. Append only: a store may be of any age.
const STEPS: &[Step] = &[number_the_first];

/// Stores were made without a number, by an engine that had no logs; their rows stay as they are.
fn number_the_first() -> Vec<Write> {
    Vec::new()
}

/// Brings the rows of a store to the format of this program. Each step is a commit of its own, with
/// the number of the format that it makes: a kill between two leaves a store that goes on there.
pub async fn migrate(engine: &Arc<dyn Engine>) -> Result<()> {
    migrate_by(engine, STEPS).await
}

async fn migrate_by(engine: &Arc<dyn Engine>, steps: &[Step]) -> Result<()> {
    let store = Store(Arc::clone(engine));
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
        let mut writes = step();
        writes.push(Write::Put { key: key(), value: after.clone() });
        let checks = vec![Check { key: key(), value: before }];
        match engine.commit(Batch { checks, writes }).await? {
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

    fn put(key: &str) -> Vec<Write> {
        vec![Write::Put { key: key.into(), value: vec![] }]
    }

    async fn has(engine: &Arc<dyn Engine>, key: &str) -> bool {
        engine.get(key.into()).await.expect("read").is_some()
    }

    #[tokio::test]
    async fn each_step_runs_once_and_from_where_the_store_is() {
        let engine: Arc<dyn Engine> = Arc::new(Memory::new());
        migrate(&engine).await.expect("migrated");
        let format = engine.get(key()).await.expect("read").expect("there");
        assert_eq!(format[..], [1, 0, 0, 0, 0, 0, 0, 0, 1]);
        let steps: &[Step] = &[|| put("never"), || put("two"), || put("three")];
        migrate_by(&engine, steps).await.expect("migrated");
        assert!(!has(&engine, "never").await);
        assert!(has(&engine, "two").await && has(&engine, "three").await);
        let again: &[Step] = &[|| put("x"), || put("y"), || put("z")];
        migrate_by(&engine, again).await.expect("nothing to do");
        assert!(!has(&engine, "z").await);
    }

    #[tokio::test]
    async fn a_store_of_a_newer_program_is_refused_by_number_and_not_touched() {
        let engine: Arc<dyn Engine> = Arc::new(Memory::new());
        let steps: &[Step] = &[number_the_first, || put("two")];
        migrate_by(&engine, steps).await.expect("migrated");
        let refused = migrate(&engine).await;
        assert!(matches!(refused, Err(Error::StoreTooNew { found: 2, known: 1 })));
    }
}
