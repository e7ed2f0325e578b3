//! The one thread that writes the file.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use ::redb::{Database, Durability, ReadableDatabase, ReadableTable, Table, TableError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::reader::Snapshots;
use super::{ROWS, unavailable};
use crate::engine::{Batch, Committed, Error, Result};
use crate::plan::{self, Change, Plan};

/// Batches of one transaction.
const GROUP_COUNT_MAX: usize = 256;
/// Bytes after which a transaction takes no further batch.
const GROUP_BYTES_MAX: usize = 4 << 20;
/// Batches that wait for the thread.
const QUEUE_COUNT_MAX: usize = 1024;
/// Bytes of the batches that wait or are being written.
const QUEUE_BYTES_MAX: usize = 16 << 20;

/// A batch on its way to the thread.
struct Request {
    batch: Batch,
    size: usize,
    answer: oneshot::Sender<Result<Committed>>,
    /// The batch's share of [`QUEUE_BYTES_MAX`], given back when it is answered.
    _room: OwnedSemaphorePermit,
}

/// The thread, and the way to it. Dropping it waits until the thread has written all it was given.
pub(super) struct Committer {
    requests: Option<mpsc::Sender<Request>>,
    room: Arc<Semaphore>,
    thread: Option<JoinHandle<()>>,
}

impl Committer {
    /// Starts the thread.
    pub(super) fn start(database: Arc<Database>, snapshots: Arc<Snapshots>) -> Result<Self> {
        let (sender, receiver) = mpsc::channel(QUEUE_COUNT_MAX);
        let thread = thread::Builder::new()
            .name("store-commit".into())
            .spawn(move || run(&database, &snapshots, receiver))
            .map_err(unavailable)?;
        Ok(Self {
            requests: Some(sender),
            room: Arc::new(Semaphore::new(QUEUE_BYTES_MAX)),
            thread: Some(thread),
        })
    }

    /// Hands over a batch, and waits until it is durable or refused.
    pub(super) async fn commit(&self, batch: Batch) -> Result<Committed> {
        let gone = || unavailable("the committing thread has ended");
        let size = plan::measure(&batch)?;
        let share = u32::try_from(size.max(1)).map_err(unavailable)?;
        let room = Arc::clone(&self.room).acquire_many_owned(share).await.map_err(unavailable)?;
        let (answer, answered) = oneshot::channel();
        let request = Request { batch, size, answer, _room: room };
        let requests = self.requests.as_ref().ok_or_else(gone)?;
        requests.send(request).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported to each who waited for an answer.
            let _ = thread.join();
        }
    }
}

fn run(database: &Database, snapshots: &Snapshots, mut requests: mpsc::Receiver<Request>) {
    while let Some(first) = requests.blocking_recv() {
        let group = gather(first, &mut requests);
        // What only an expired snapshot still sees can be overwritten from here on.
        snapshots.expire(Instant::now());
        serve(database, group);
    }
}

/// The first request and those that wait behind it, as far as they fit into one transaction.
fn gather(first: Request, requests: &mut mpsc::Receiver<Request>) -> Vec<Request> {
    let mut size = first.size;
    let mut group = vec![first];
    while group.len() < GROUP_COUNT_MAX && size < GROUP_BYTES_MAX {
        let Ok(next) = requests.try_recv() else { break };
        size += next.size;
        group.push(next);
    }
    group
}

/// Commits a group, and only then answers each of its batches.
fn serve(database: &Database, group: Vec<Request>) {
    let (batches, waiting): (Vec<_>, Vec<_>) =
        group.into_iter().map(|request| (request.batch, (request.answer, request._room))).unzip();
    // An answer that nobody takes any more is no failure: the batch is applied all the same.
    match commit(database, batches) {
        Ok(outcomes) => {
            for ((answer, _room), outcome) in waiting.into_iter().zip(outcomes) {
                let _ = answer.send(outcome);
            }
        }
        Err(error) => {
            for (answer, _room) in waiting {
                let _ = answer.send(Err(error.clone()));
            }
        }
    }
}

/// Writes a group in one transaction. An error of the store is everybody's; one of a batch is
/// among the outcomes, and the others are applied.
fn commit(database: &Database, batches: Vec<Batch>) -> Result<Vec<Result<Committed>>> {
    let mut transaction = database.begin_write().map_err(unavailable)?;
    transaction.set_durability(Durability::Immediate).map_err(unavailable)?;
    transaction.set_quick_repair(true);
    let mut changed = false;
    let mut outcomes = Vec::with_capacity(batches.len());
    {
        let mut table = transaction.open_table(ROWS).map_err(unavailable)?;
        for batch in batches {
            let outcome = decide(&table, batch);
            outcomes.push(match outcome {
                Ok(Plan::Apply { changes, added }) => {
                    changed |= !changes.is_empty();
                    apply(&mut table, changes).map_err(unavailable)?;
                    Ok(Committed::Done { added })
                }
                Ok(Plan::Conflict { check }) => Ok(Committed::Conflict { check }),
                Err(error @ Error::Unavailable(_)) => return Err(error),
                Err(error) => Err(error),
            });
        }
    }
    if changed {
        transaction.commit().map_err(unavailable)?;
    } else {
        transaction.abort().map_err(unavailable)?;
    }
    Ok(outcomes)
}

fn decide(table: &impl ReadableTable<&'static [u8], &'static [u8]>, batch: Batch) -> Result<Plan> {
    plan::plan(batch, |key| {
        let found = table.get(key).map_err(unavailable)?;
        Ok(found.map(|value| value.value().to_vec()))
    })
}

fn apply(
    table: &mut Table<'_, &'static [u8], &'static [u8]>,
    changes: Vec<Change>,
) -> std::result::Result<(), ::redb::StorageError> {
    for change in changes {
        match change {
            Change::Put { key, value } => drop(table.insert(&*key, &*value)?),
            Change::Delete { key } => drop(table.remove(&*key)?),
            Change::DeleteRange(range) => {
                table.retain_in::<&[u8], _>(range.bounds(), |_, _| false)?;
            }
        }
    }
    Ok(())
}

/// Makes the table in a new file, so that readers find it.
pub(super) fn prepare(database: &Database) -> Result<()> {
    let found = database.begin_read().map_err(unavailable)?.open_table(ROWS);
    match found {
        Ok(_) => return Ok(()),
        Err(TableError::TableDoesNotExist(_)) => {}
        Err(error) => return Err(unavailable(error)),
    }
    let mut transaction = database.begin_write().map_err(unavailable)?;
    transaction.set_quick_repair(true);
    transaction.open_table(ROWS).map_err(unavailable)?;
    transaction.commit().map_err(unavailable)
}
