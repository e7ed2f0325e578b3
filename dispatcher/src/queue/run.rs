//! One batch: its consumer runs, and what it decided is settled.

use std::sync::Arc;

use bindery_logic::blame::Blame;
use bindery_logic::queue::after::{self, Ended, Next};
use bindery_storage::tables::{Body, Content, Lease, Leased};
use bindery_wire::TenantId;
use bindery_wire::event::{Batch, Decision, Message, MessageBody, Settled};
use bindery_wire::frame::EventKind;

use super::Inner;
use super::arrive::Metrics;
use super::live::Running;
use super::plan::Plan;
use crate::code::Code;
use crate::event::{self, Runner};
use crate::placement::Failed;

/// How long a batch waits for which there was no room.
const NO_ROOM_MS: u64 = 1_000;
/// How often it is tried to settle a batch before it is left to whoever attends the queue next.
const SETTLE_COUNT_MAX: u32 = 5;

/// A batch that is leased, and whoever takes it.
pub(super) struct Delivery {
    pub(super) inner: Arc<Inner>,
    pub(super) runner: Arc<dyn Runner>,
    pub(super) tenant: TenantId,
    pub(super) name: Box<str>,
    pub(super) plan: Plan,
    pub(super) entrypoint: Option<String>,
    pub(super) code: Arc<Code>,
    pub(super) metrics: Metrics,
    pub(super) lease: Lease,
    pub(super) bodies: Vec<Option<Body>>,
}

impl Delivery {
    /// Runs the handler and settles the lease, under which code runs until the very end.
    pub(super) async fn run(self, running: Running) {
        let ended = self.handle().await;
        let attempts: Vec<u32> = self.lease.messages.iter().map(|m| m.attempts.into()).collect();
        let now_ms = self.inner.now_ms();
        let mut next = after::next(&ended, &attempts, self.plan.retry, now_ms);
        if ended == Ended::NotBegun {
            for next in &mut next {
                if let Next::Again { at_ms, .. } = next {
                    *at_ms = now_ms + NO_ROOM_MS;
                }
            }
        }
        self.settle(&next).await;
        drop(running);
    }

    async fn handle(&self) -> Ended {
        let ids: Vec<String> = self.lease.messages.iter().map(|m| m.id.to_string()).collect();
        let parts = self.lease.messages.iter().zip(&ids).zip(&self.bodies);
        let messages: Vec<_> = parts.filter_map(|((m, id), body)| message(m, id, body)).collect();
        // Who deletes a queue or a tenant takes bodies away under a lease.
        if messages.len() < self.lease.messages.len() {
            return Ended::Handled(bindery_wire::Outcome::Ok, Settled::unsaid(self.bodies.len()));
        }
        let sent_ms = self.lease.messages.iter().map(|m| m.id.sent_ms()).min().unwrap_or(0);
        let age_ms = self.inner.now_ms().saturating_sub(sent_ms);
        self.inner.figures.delivered(messages.len(), age_ms);
        let batch = Batch {
            queue: &self.name,
            messages,
            backlog_count: self.metrics.backlog.count,
            backlog_bytes: self.metrics.backlog.bytes,
            oldest_ms: self.metrics.oldest_ms,
        };
        let entrypoint = self.entrypoint.as_deref();
        let ran = self.runner.run(self.code.clone(), entrypoint, EventKind::Queue(batch)).await;
        match ran {
            Ok(event::Ended { outcome, decision: Some(Decision::Queue(settled)), .. }) => {
                Ended::Handled(outcome, settled)
            }
            Ok(event::Ended { blame, .. }) => Ended::Lost(blame.unwrap_or(Blame::Nobody)),
            Err(event::Error::NoHandler { .. } | event::Error::TooLarge) => Ended::Refused,
            Err(event::Error::NotStarted(Failed::Refused(..))) => Ended::Refused,
            Err(event::Error::NotStarted(Failed::Lost(blame))) => Ended::Lost(blame),
            Err(event::Error::NotStarted(Failed::Overloaded { .. } | Failed::Host(_)))
            | Err(event::Error::Full) => Ended::NotBegun,
        }
    }

    async fn settle(&self, next: &[Next]) {
        let (of, queue) = ((self.tenant, &*self.name), &self.inner);
        for _ in 0..SETTLE_COUNT_MAX {
            match queue.settle(of, &self.lease, (next, &self.plan)).await {
                Ok(_) => return,
                Err(error) => {
                    tracing::error!(tenant = %self.tenant, %error, "a batch was not settled");
                }
            }
        }
    }
}

fn message<'a>(leased: &Leased, id: &'a str, body: &'a Option<Body>) -> Option<Message<'a>> {
    let Body { content, bytes } = body.as_ref()?;
    let text = || std::str::from_utf8(bytes).ok();
    let body = match content {
        Content::Json => MessageBody::Json(text()?),
        Content::Text => MessageBody::Text(text()?),
        Content::Bytes => MessageBody::Bytes(bytes),
        Content::V8 => MessageBody::V8(bytes),
    };
    Some(Message { id, sent_ms: leased.id.sent_ms(), attempts: leased.attempts.into(), body })
}
