//! What runs a version without a request: the queues that it takes messages of, and its crons.

use std::collections::BTreeSet;

use bindery_logic::cron::Schedule;
use bindery_wire::limits::{
    BATCH_COUNT_MAX, CONSUMER_COUNT_MAX, CRON_BYTES_MAX, CRON_COUNT_MAX, DELAY_S_MAX,
};
use bindery_wire::manifest::QueueConsumer;
use bindery_wire::name::check_resource;
use serde_json::value::RawValue;

use super::bindings::{resource, within};
use crate::admin::fields::{Faults, Fields};
use crate::limit;
use crate::queue::{BATCH_WAIT_S_MAX, CONCURRENCY_MAX, RETRY_COUNT_MAX};

/// The queues that a version takes messages of.
pub(super) fn consumers(fields: &mut Fields<'_>, faults: &mut Faults) -> Vec<QueueConsumer> {
    let path = fields.path("queue_consumers");
    let list: Vec<&RawValue> = fields.take("queue_consumers", "a list", faults).unwrap_or_default();
    if list.len() > CONSUMER_COUNT_MAX {
        faults.add(path, format!("{} consumers; {}", list.len(), limit::CONSUMERS.fixed()));
        return Vec::new();
    }
    let (mut seen, mut read) = (BTreeSet::new(), Vec::with_capacity(list.len()));
    for (at, json) in list.iter().enumerate() {
        let path = format!("{path}[{at}]");
        let fields = Fields::read(&path, json.get(), faults);
        let Some(consumer) = fields.and_then(|fields| consumer(fields, faults)) else { continue };
        if !seen.insert(consumer.queue.clone()) {
            faults.add(format!("{path}.queue"), "another consumer has this queue");
        }
        read.push(consumer);
    }
    read
}

fn consumer(mut fields: Fields<'_>, faults: &mut Faults) -> Option<QueueConsumer> {
    let queue = resource("queue", &mut fields, faults);
    let mut number =
        |name: &str, least, most| within(name, least..=most, &mut fields, &mut *faults);
    let max_batch_size = number("max_batch_size", 1, BATCH_COUNT_MAX as u32);
    let max_batch_timeout = number("max_batch_timeout", 0, BATCH_WAIT_S_MAX);
    let max_retries = number("max_retries", 0, RETRY_COUNT_MAX);
    let retry_delay = number("retry_delay", 0, DELAY_S_MAX);
    let max_concurrency = number("max_concurrency", 1, CONCURRENCY_MAX);
    let dead_letter_queue: Option<String> = fields.take("dead_letter_queue", "a name", faults);
    if let Some(name) = &dead_letter_queue {
        faults.check(fields.path("dead_letter_queue"), check_resource(name));
        if queue.as_ref() == Some(name) {
            faults
                .add(fields.path("dead_letter_queue"), "a queue can not take its own dead letters");
        }
    }
    fields.finish(faults);
    Some(QueueConsumer {
        queue: queue?,
        max_batch_size,
        max_batch_timeout,
        max_retries,
        retry_delay,
        dead_letter_queue,
        max_concurrency,
    })
}

/// When a version is run.
pub(super) fn crons(fields: &mut Fields<'_>, faults: &mut Faults) -> Vec<String> {
    let path = fields.path("crons");
    let crons: Vec<String> = fields.take("crons", "a list of strings", faults).unwrap_or_default();
    if crons.len() > CRON_COUNT_MAX {
        faults.add(path, format!("{} crons; {}", crons.len(), limit::CRONS.fixed()));
        return Vec::new();
    }
    let mut seen = BTreeSet::new();
    for (at, cron) in crons.iter().enumerate() {
        if cron.len() > CRON_BYTES_MAX {
            let message = format!("{} bytes; {}", cron.len(), limit::CRON.fixed());
            faults.add(format!("{path}[{at}]"), message);
        } else if !seen.insert(cron) {
            faults.add(format!("{path}[{at}]"), "the same cron is there already");
        } else if let Err(error) = Schedule::parse(cron) {
            faults.add(format!("{path}[{at}]"), error.to_string());
        }
    }
    crons
}
