//! Queues: what is known of each, its messages, and who has them.
//!
//! A message is two rows as long as nobody has it: its body, which never changes, and a ready row,
//! which says from when on it may be delivered. Who takes messages replaces the ready rows of a
//! batch by one lease, if they are as he read them; who settles them removes that lease, if it is
//! as he wrote it. So of two who take a message one gets it, and who comes too late to settle
//! changes nothing. Senders only put rows and add to counters: they never conflict with each other.
//!
//! What came and what went are counted apart, and the backlog is their difference.

mod consumer;
mod lease;
mod message;
mod ready;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bindery_wire::TenantId;
use bytes::Bytes;
use futures_util::future::try_join_all;

pub use consumer::{Consumer, Queue};
pub use message::{Body, Content, Holder, Lease, Leased, MessageId, Ready};

use super::account::Stored;
use super::row::{self, Error, Result, Row, Store};
use crate::engine::{Check, Engine, Write};
use crate::key::{Key, Space};

const TABLE: &str = "queues";

/// The counter of changes that somebody who attends the queue is to see.
const CHANGES: &str = "changes";
/// Counters of messages, in the order of their keys.
const FIGURES: [&str; 4] = ["bytes-came", "bytes-went", "rows-came", "rows-went"];

/// Which queue: whose, and its name.
type Of<'a> = (TenantId, &'a str);

/// What waits in a queue or is being delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// How many messages.
    pub count: u64,
    /// The bytes of their bodies.
    pub bytes: u64,
}

/// What a queue has counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// What came.
    pub came: Stored,
    /// What went.
    pub went: Stored,
    /// How often something changed while somebody attended it.
    pub changes: u64,
}

impl Counted {
    /// What is there.
    pub fn backlog(&self) -> Backlog {
        Backlog {
            count: self.came.rows.saturating_sub(self.went.rows),
            bytes: self.came.bytes.saturating_sub(self.went.bytes),
        }
    }
}

/// The tables of queues.
#[derive(Clone)]
pub struct QueueTable(Store);

impl QueueTable {
    /// The tables in this store.
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self(Store(engine))
    }

    /// What is known of a queue.
    pub async fn get(&self, (tenant, name): Of<'_>) -> Result<Option<Queue>> {
        self.0.get(queue_key(tenant, name)).await
    }

    /// Queues of a tenant whose names follow `after`, in the order of their names.
    pub async fn list(
        &self,
        tenant: TenantId,
        after: Option<&str>,
        count_max: usize,
    ) -> Result<Vec<(String, Queue)>> {
        self.0.list(Key::new(Space::Queue).tenant(tenant).finish(), after, count_max).await
    }

    /// Sets what is known of a queue.
    pub fn put(&self, (tenant, name): Of<'_>, queue: &Queue) -> Write {
        row::put(queue_key(tenant, name), queue)
    }

    /// Holds while the queue is as it was read.
    pub fn unchanged(&self, (tenant, name): Of<'_>, queue: Option<&Queue>) -> Check {
        row::unchanged(queue_key(tenant, name), queue)
    }

    /// Removes a queue with all that is in it.
    pub fn delete(&self, of: Of<'_>) -> Vec<Write> {
        const OWN: [Space; 4] =
            [Space::QueueMessage, Space::QueueReady, Space::QueueLease, Space::QueueCount];
        let mut writes = vec![Write::Delete { key: queue_key(of.0, of.1) }];
        writes.extend(OWN.map(|space| Write::DeleteRange(in_queue(space, of).range())));
        writes
    }

    /// What the queue has counted.
    pub async fn counted(&self, of: Of<'_>) -> Result<Counted> {
        let mut counted = Counted::default();
        for entry in self.0.scan(in_queue(Space::QueueCount, of).finish(), None, 16).await? {
            let amount = entry.value.as_ref().try_into().map_err(|_| Error::Malformed(TABLE))?;
            let amount = u64::from_be_bytes(amount);
            let figure =
                row::last(&entry.key, in_queue(Space::QueueCount, of).finish().len(), TABLE)?;
            match figure.as_str() {
                "bytes-came" => counted.came.bytes = amount,
                "bytes-went" => counted.went.bytes = amount,
                "rows-came" => counted.came.rows = amount,
                "rows-went" => counted.went.rows = amount,
                CHANGES => counted.changes = amount,
                _ => return Err(Error::Malformed(TABLE)),
            }
        }
        Ok(counted)
    }

    /// Counts what a batch brings and what it takes away.
    pub fn count(&self, of: Of<'_>, came: Stored, went: Stored) -> Vec<Write> {
        let amounts = [came.bytes, went.bytes, came.rows, went.rows];
        let some = FIGURES.into_iter().zip(amounts).filter(|(_, amount)| *amount > 0);
        let add = |(figure, amount)| {
            let key = in_queue(Space::QueueCount, of).ending(figure);
            Write::Add { key, amount }
        };
        some.map(add).collect()
    }

    /// Counts a change on which no entry of its own follows.
    pub fn change(&self, of: Of<'_>) -> Write {
        Write::Add { key: in_queue(Space::QueueCount, of).ending(CHANGES), amount: 1 }
    }

    /// Holds while no change was counted.
    pub fn unmoved(&self, of: Of<'_>, counted: &Counted) -> Check {
        let value = (counted.changes > 0).then(|| counted.changes.to_be_bytes().into());
        Check { key: in_queue(Space::QueueCount, of).ending(CHANGES), value }
    }

    /// Holds while no message has come to the queue or gone from it.
    pub fn still_counts(&self, of: Of<'_>, counted: &Counted) -> [Check; 2] {
        [("rows-came", counted.came.rows), ("rows-went", counted.went.rows)].map(
            |(figure, rows)| {
                let value = (rows > 0).then(|| rows.to_be_bytes().into());
                Check { key: in_queue(Space::QueueCount, of).ending(figure), value }
            },
        )
    }

    /// Adds the body of a message.
    pub fn put_body(&self, of: Of<'_>, id: MessageId, body: &Body) -> Vec<Write> {
        let part = |(at, value)| Write::Put { key: body_key(of, id, at), value };
        body.to_parts().into_iter().enumerate().map(part).collect()
    }

    /// Removes the body of a message of so many bytes.
    pub fn delete_body(&self, of: Of<'_>, id: MessageId, bytes: u32) -> Vec<Write> {
        let part = |at| Write::Delete { key: body_key(of, id, at) };
        (0..message::part_count(bytes as usize)).map(part).collect()
    }

    /// The bodies of messages, in their order; absent where there is none.
    pub async fn bodies(
        &self,
        of: Of<'_>,
        messages: impl IntoIterator<Item = (MessageId, u32)>,
    ) -> Result<Vec<Option<Body>>> {
        try_join_all(messages.into_iter().map(|(id, bytes)| self.body(of, id, bytes))).await
    }

    async fn body(&self, of: Of<'_>, id: MessageId, bytes: u32) -> Result<Option<Body>> {
        let mut parts: Vec<Bytes> = Vec::new();
        for at in 0..message::part_count(bytes as usize) {
            let Some(part) = self.0.get_bytes(body_key(of, id, at)).await? else { return Ok(None) };
            parts.push(part);
        }
        Body::from_parts(&parts).map(Some)
    }

    /// When the oldest message of a queue was sent, in milliseconds since 1970.
    pub async fn oldest_ms(&self, of: Of<'_>) -> Result<Option<u64>> {
        let prefix = in_queue(Space::QueueMessage, of).finish();
        let first = self.0.scan(prefix.clone(), None, 1).await?;
        let id = first.first().map(|entry| MessageId::from_key(&entry.key, prefix.len()));
        Ok(id.transpose()?.map(|id| id.sent_ms()))
    }
}

impl Row for Queue {
    const TABLE: &'static str = TABLE;
}

fn queue_key(tenant: TenantId, name: &str) -> Vec<u8> {
    Key::new(Space::Queue).tenant(tenant).ending(name)
}

fn in_queue(space: Space, (tenant, name): Of<'_>) -> Key {
    Key::new(space).tenant(tenant).text(name)
}

fn body_key(of: Of<'_>, id: MessageId, part: usize) -> Vec<u8> {
    let mut key = in_queue(Space::QueueMessage, of).finish();
    key.extend_from_slice(&id.0);
    // A message has few parts: see `message::PART_BYTES`.
    key.extend(u8::try_from(part).ok().filter(|part| *part > 0));
    key
}
