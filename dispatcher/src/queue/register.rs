//! Who takes the messages of a queue: what a version declares, and what a worker says as it runs.
//!
//! A queue has one consumer. What the version of a worker declares that serves counts before what a
//! worker says: of two workers that declare the same queue the second is refused, and a worker that
//! says something else as it runs is told whose the queue is. Where nobody declares anything, who
//! spoke last counts.

use bindery_storage::tables::{Consumer, Queue};
use bindery_wire::TenantId;
use bindery_wire::VersionId;
use bindery_wire::binding::loader::LOADED_NAME_BYTES_MAX;
use bindery_wire::binding::queue::{self as binding, Options};
use bindery_wire::limits::{BATCH_COUNT_MAX, DELAY_S_MAX};
use bindery_wire::manifest::QueueConsumer;
use bindery_wire::name::{check_label, check_resource};
use bindery_wire::recipe::{FORMAT, Recipe};

use super::draft::{Draft, Drafted};
use super::error::Result;
use super::plan::{CONCURRENCY_MAX, RETENTION_S_MAX, RETENTION_S_MIN};
use super::{Error, Inner, Of, TRY_COUNT_MAX};
use crate::code::Code;

/// Seconds for which a batch that is not full may wait.
pub(crate) const BATCH_WAIT_S_MAX: u32 = 60;
/// Times that a message may be delivered again.
pub(crate) const RETRY_COUNT_MAX: u32 = 100;
/// Bytes of the name of a worker, with those that registered it.
const WORKER_BYTES_MAX: usize = 1_024;
/// Bytes of the name of an export.
const ENTRYPOINT_BYTES_MAX: usize = 256;

/// What a version declares, as a queue keeps it.
pub(crate) fn declared(
    (tenant, worker, version): (TenantId, &str, VersionId),
    declared: &QueueConsumer,
) -> Consumer {
    Consumer {
        recipe: Recipe { format: FORMAT, tenant, worker: worker.into(), entrypoint: None, version },
        declared: true,
        batch_count_max: declared.max_batch_size,
        batch_wait_s: declared.max_batch_timeout,
        retry_count_max: declared.max_retries,
        retry_delay_s: declared.retry_delay,
        dead_letter_queue: declared.dead_letter_queue.clone(),
        concurrency_max: declared.max_concurrency,
    }
}

/// What a worker says of a queue as it runs, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    consumer: Consumer,
    retention_s: Option<u32>,
    delivery_delay_s: Option<u32>,
}

impl Said {
    /// Reads what `code` says of the queue `name`.
    pub(super) fn read(code: &Code, name: &str, options: &Options) -> Result<Self> {
        let number = |field, value: Option<f64>, least: u32, most: u32| match value {
            None => Ok(None),
            Some(value) if value >= f64::from(least) && value <= f64::from(most) => {
                Ok(Some(value as u32))
            }
            Some(_) => Err(wrong(format!("{field} must be a number from {least} to {most}"))),
        };
        let dead = options.dead_letter_queue.clone();
        if let Some(dead) = &dead {
            check_resource(dead).map_err(wrong)?;
            if dead == name {
                return Err(wrong(format!("the queue `{name}` can not take its own dead letters")));
            }
        }
        let (worker, entrypoint) = consumer(code, options.consumer.as_ref())?;
        let count_max = BATCH_COUNT_MAX as u32;
        let retention = options.message_retention_period;
        Ok(Self {
            consumer: Consumer {
                recipe: Recipe {
                    format: FORMAT,
                    tenant: code.tenant,
                    worker,
                    entrypoint,
                    version: code.version,
                },
                declared: false,
                batch_count_max: number("maxBatchSize", options.max_batch_size, 1, count_max)?,
                batch_wait_s: number(
                    "maxBatchTimeout",
                    options.max_batch_timeout,
                    0,
                    BATCH_WAIT_S_MAX,
                )?,
                retry_count_max: number("maxRetries", options.max_retries, 0, RETRY_COUNT_MAX)?,
                retry_delay_s: number("retryDelay", options.retry_delay, 0, DELAY_S_MAX)?,
                dead_letter_queue: dead,
                concurrency_max: number(
                    "maxConcurrency",
                    options.max_concurrency,
                    1,
                    CONCURRENCY_MAX,
                )?,
            },
            retention_s: number(
                "messageRetentionPeriod",
                retention,
                RETENTION_S_MIN,
                RETENTION_S_MAX,
            )?,
            delivery_delay_s: number("deliveryDelay", options.delivery_delay, 0, DELAY_S_MAX)?,
        })
    }
}

/// The worker and the export that are to take messages.
fn consumer(code: &Code, consumer: Option<&binding::Consumer>) -> Result<(String, Option<String>)> {
    let (worker, entrypoint) = match consumer {
        None => (None, None),
        Some(binding::Consumer::Worker(worker)) => (Some(worker), None),
        Some(binding::Consumer::Entrypoint { service, entrypoint }) => {
            (service.as_ref(), entrypoint.as_ref())
        }
    };
    match worker {
        Some(worker) => check_worker(worker)?,
        None if code.instance != 0 => {
            return Err(wrong(
                "a worker that was loaded ends with who loaded it and can take no messages: \
                 register it, or name another consumer",
            ));
        }
        None => {}
    }
    let too_long = |name: &&String| name.len() > ENTRYPOINT_BYTES_MAX;
    if entrypoint.as_ref().is_some_and(too_long) {
        return Err(wrong(format!("the entrypoint has over {ENTRYPOINT_BYTES_MAX} bytes")));
    }
    let worker = worker.map_or_else(|| code.worker.to_string(), Clone::clone);
    Ok((worker, entrypoint.filter(|name| *name != "default").cloned()))
}

/// The name of a worker: one that was uploaded, or one that such a worker has registered.
fn check_worker(name: &str) -> Result<()> {
    let mut parts = name.split('/');
    check_label(parts.next().unwrap_or_default()).map_err(wrong)?;
    if parts.all(|part| (1..=LOADED_NAME_BYTES_MAX).contains(&part.len()))
        && name.len() <= WORKER_BYTES_MAX
    {
        return Ok(());
    }
    Err(wrong(format!(
        "the name of a registered worker is that of its worker, a slash and 1 to \
         {LOADED_NAME_BYTES_MAX} bytes; {WORKER_BYTES_MAX} at most together"
    )))
}

fn wrong(message: impl ToString) -> Error {
    Error::Wrong(message.to_string())
}

impl Inner {
    /// Keeps what a worker says of a queue, unless it is so already.
    pub(super) async fn register(&self, of: Of<'_>, said: &Said) -> Result<()> {
        for _ in 0..TRY_COUNT_MAX {
            let queue = self.table.get(of).await?;
            let before = queue.as_ref().and_then(|queue| queue.consumer.as_ref());
            if let Some(Consumer { recipe, declared: true, .. }) = before {
                return Err(Error::Conflict(format!(
                    "the worker `{}` declares in its queue_consumers that it takes the messages of \
                     the queue `{}`: get the queue without options",
                    recipe.worker, of.1
                )));
            }
            let now_ms = self.now_ms();
            let mut draft = Draft::default();
            if queue.is_none() {
                self.admit_queue(of.0).await?;
            }
            let before = self.need(&mut draft, (of, queue), now_ms).await?;
            let after = Queue {
                consumer: Some(said.consumer.clone()),
                retention_s: said.retention_s,
                delivery_delay_s: said.delivery_delay_s,
                ..before.clone()
            };
            if after == before {
                return Ok(());
            }
            draft.write([self.table.put(of, &after)]);
            self.look(&mut draft, of, (now_ms, now_ms));
            if self.commit(draft).await? == Drafted::Done {
                return Ok(());
            }
        }
        Err(Error::Busy)
    }
}
