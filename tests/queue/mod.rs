//! Queues from end to end: sent by a worker, taken by another, with nobody asking.

mod admin;
mod deliver;
mod dynamic;
mod example;
mod survive;

use std::time::Duration;

use serde_json::{Value, json};

use crate::host::{Doors, Host, SOON, Worker, moment, within};

/// Sends what a request's body says, and tells the log what it is given as a consumer. A message's
/// body says what becomes of it.
const SOURCE: &str = include_str!("worker.js");

/// A worker that sends to a queue and takes from it, as `consumer` says beside the queue's name.
fn worker(queue: &str, consumer: Value) -> Worker {
    let mut consumer = consumer;
    consumer["queue"] = json!(queue);
    producer(queue).metadata("queue_consumers", json!([consumer]))
}

/// A worker that sends to a queue.
fn producer(queue: &str) -> Worker {
    let worker = Worker::new(SOURCE);
    let worker = worker.binding(json!({ "type": "queue", "name": "QUEUE", "queue_name": queue }));
    worker.binding(json!({ "type": "dynamic_queue", "name": "QUEUES" }))
}

/// Has a worker send these messages together: a list of what `sendBatch` takes.
async fn send(doors: &Doors, to: &str, messages: Value) -> Value {
    let asked = json!({ "messages": messages });
    ask(doors, to, asked).await
}

/// Has a worker do what `worker.js` reads.
async fn ask(doors: &Doors, to: &str, asked: Value) -> Value {
    doors.post(to, "/", asked.to_string()).await.expect_status(200).json()
}

/// What a consumer wrote into the log: each batch, in their order.
async fn batches(doors: &Doors, tenant: &str) -> Vec<Value> {
    let records = doors.logs(tenant).await;
    let logs = records.iter().filter(|record| record["kind"] == "log");
    logs.filter_map(|record| {
        let text = record["message"][0].as_str()?.strip_prefix("batch ")?;
        Some(serde_json::from_str(text).expect("JSON"))
    })
    .collect()
}

/// Waits until a consumer was given so many batches.
async fn batches_until(doors: &Doors, tenant: &str, count: usize) -> Vec<Value> {
    let seen = async {
        loop {
            let seen = batches(doors, tenant).await;
            if seen.len() >= count {
                return seen;
            }
            moment().await;
        }
    };
    within(SOON, &format!("{count} batches"), seen).await
}

/// Moves a clock that stands by steps to when a batch is due, and sees that it comes then and was not
/// there before. Gives all batches.
async fn comes_after(
    host: &Host,
    (tenant, count): (&str, usize),
    (due_ms, step_ms): (u64, u64),
) -> Vec<Value> {
    let mut left_ms = due_ms;
    while left_ms > 0 {
        for _ in 0..5 {
            moment().await;
        }
        let seen = batches(host, tenant).await;
        assert!(seen.len() < count, "{left_ms} ms too early: {seen:?}");
        let step_ms = step_ms.min(left_ms);
        host.clock().advance(Duration::from_millis(step_ms));
        left_ms -= step_ms;
    }
    batches_until(host, tenant, count).await
}

/// How many messages of all queues were settled, whatever became of them.
async fn settled(host: &Host) -> f64 {
    let figures = host.figures().await;
    let ends = figures.iter().filter(|(name, _)| name.starts_with("bindery_queue_message_ends"));
    ends.map(|(_, count)| count).sum()
}

/// Waits until so many messages were settled.
async fn settled_until(host: &Host, count: f64) {
    let done = async {
        while settled(host).await < count {
            moment().await;
        }
    };
    within(SOON, &format!("{count} messages to be settled"), done).await;
}

/// What a batch held: each message's body and attempt.
fn held(batch: &Value) -> Vec<(Value, u64)> {
    let messages = batch["messages"].as_array().expect("messages").iter();
    messages
        .map(|message| {
            let attempts = message["attempts"].as_u64().expect("a number");
            (message["body"].clone(), attempts)
        })
        .collect()
}

/// Waits until nothing is left in a queue.
async fn empty(doors: &Doors, tenant: &str, queue: &str) {
    let empty = async {
        loop {
            let asked = json!({ "queue": queue, "metrics": true });
            if ask(doors, tenant, asked).await["backlogCount"] == 0 {
                return;
            }
            moment().await;
        }
    };
    within(SOON, "an empty queue", empty).await;
}
