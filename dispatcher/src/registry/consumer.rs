//! Which worker takes the messages of which queue, as the versions that serve declare it: those that
//! were uploaded, and those of workers that are registered.

use bindery_storage::tables::{Due, Kind, Queue, Stored};
use bindery_wire::VersionId;
use bindery_wire::manifest::QueueConsumer;

use super::edit::Edit;
use super::{Error, Inner, Result};
use crate::queue::{QUEUE_COUNT_MAX, QUEUES, declared};

impl Inner {
    /// Adds the consumers of a version that begins to serve to a change, in the place of those of
    /// the version before; how many of those go. Refused if another worker's version has one of the
    /// queues.
    pub(super) async fn consume_into(
        &self,
        edit: &mut Edit<'_>,
        (worker, before): (&str, Option<VersionId>),
        (version, consumers): (VersionId, &[QueueConsumer]),
    ) -> Result<usize> {
        let before = match before {
            Some(before) => self.manifest(edit.id, worker, before).await?,
            None => None,
        };
        let before = before.map_or_else(Vec::new, |manifest| manifest.queue_consumers);
        let gone = |known: &&QueueConsumer| !consumers.iter().any(|new| new.queue == known.queue);
        let mut went = 0;
        for QueueConsumer { queue, .. } in before.iter().filter(gone) {
            let Some(row) = self.queues.get((edit.id, queue)).await? else { continue };
            if declared_by(&row).is_some_and(|of| of == worker) {
                edit.check(self.queues.unchanged((edit.id, queue), Some(&row)));
                let after = Queue { consumer: None, ..row };
                edit.write([self.queues.put((edit.id, queue), &after)]);
                self.look_at(edit, queue);
                went += 1;
            }
        }
        let mut made = 0;
        for consumer in consumers {
            let row = self.queues.get((edit.id, &consumer.queue)).await?;
            made += u64::from(row.is_none());
            self.consume(edit, (worker, version), consumer, row)?;
        }
        if made > 0 {
            let stored = self.account.stored(edit.id, Some(QUEUES)).await?;
            if stored.rows + made > QUEUE_COUNT_MAX {
                return Err(Error::Quota(crate::limit::QUEUES.fixed()));
            }
            let made = Stored { bytes: 0, rows: made };
            edit.write(self.account.change(edit.id, QUEUES, made, Stored::default()));
        }
        Ok(went)
    }

    fn consume(
        &self,
        edit: &mut Edit<'_>,
        (worker, version): (&str, VersionId),
        consumer: &QueueConsumer,
        row: Option<Queue>,
    ) -> Result<()> {
        let queue = consumer.queue.as_str();
        if let Some(other) = row.as_ref().and_then(declared_by).filter(|other| *other != worker) {
            let first = match other.rsplit_once('/') {
                None => format!("deploy a version of `{other}` without it in its queue_consumers"),
                Some((by, name)) => format!("let `{by}` unregister `{name}`"),
            };
            return Err(Error::Conflict(format!(
                "the messages of the queue `{queue}` are those of the worker `{other}`: {first} \
                 first"
            )));
        }
        edit.check(self.queues.unchanged((edit.id, queue), row.as_ref()));
        let now_ms = self.parts.clock.now().0;
        let row = row.unwrap_or(Queue { created_ms: now_ms, ..Queue::default() });
        let consumer = Some(declared((edit.id, worker, version), consumer));
        edit.write([self.queues.put((edit.id, queue), &Queue { consumer, ..row })]);
        self.look_at(edit, queue);
        Ok(())
    }

    /// Has the queue looked at: what waits in it may be somebody's now.
    fn look_at(&self, edit: &mut Edit<'_>, queue: &str) {
        let now_ms = self.parts.clock.now().0;
        let id = queue.as_bytes().to_vec();
        // Of its own time, so that it is not one under which the queue is attended already.
        let data = edit.tenant.changes.to_be_bytes().to_vec();
        let due = Due { time_ms: now_ms, kind: Kind::Queue, id, failures: 0, data };
        edit.write(self.due.add(edit.id, &due, now_ms));
    }
}

/// The worker whose version that serves takes the messages of a queue.
fn declared_by(queue: &Queue) -> Option<&str> {
    let consumer = queue.consumer.as_ref().filter(|consumer| consumer.declared)?;
    Some(&consumer.recipe.worker)
}
