//! Events that have no response: their handler decides something, or nothing.

use std::time::Duration;

use bindery_wire::event::{Decision, Handler, Settled};
use bindery_wire::frame::{self, Down, EventKind};
use bindery_wire::limits::Lower;
use tokio::sync::oneshot;

use super::event::{Client, Exchange};
use super::hear::{Heard, Violation};
use super::told;
use super::{About, Begun, Line, NotTaken, Permit, State, Table};
use crate::rpc::Props;

impl Begun {
    /// Sends an event that has no response, for which `permit` was given. Nobody who goes away
    /// ends it: it may take as long as an event without a client may.
    pub fn handle(
        permit: Permit,
        entrypoint: Option<&str>,
        kind: EventKind<'_>,
        about: About,
    ) -> Result<Self, NotTaken> {
        Self::handle_as(permit, (entrypoint, &Props::None, &Lower::NONE), kind, about)
    }

    /// The same, in an export that sees these props and has these limits.
    pub fn handle_as(
        permit: Permit,
        (entrypoint, props, limits): (Option<&str>, &Props, &Lower),
        kind: EventKind<'_>,
        about: About,
    ) -> Result<Self, NotTaken> {
        let line = permit.line().cloned().ok_or(NotTaken::Closed)?;
        let mut table = line.table();
        if table.state != State::Serving {
            return Err(NotTaken::Closed);
        }
        let event = table.next_number;
        let next = event.checked_add(1).ok_or(NotTaken::Closed)?;
        let decision = undecided(&kind);
        let (sender, reply) = oneshot::channel();
        let since = line.host.clock.elapsed();
        let wall = Duration::from_millis(line.code.limits.wall_ms_max.into());
        let client = Client::Gone(since + wall);
        let exchange = Exchange::new(about, sender, &line.code, (client, since));
        let mut exchange = Exchange { decision, ..exchange };
        exchange.lower(limits);
        if line.code.tails.is_some() {
            exchange.told = Some(line.told(entrypoint, told::handled(&kind)));
        }
        table.events.insert(event, exchange);
        if let Err(reason) = push(&line, &mut table, event, (entrypoint, props, limits, kind)) {
            let exchange = table.events.remove(&event);
            let handed = table.slots.take(&exchange.map_or(Vec::new(), |e| e.slots));
            drop(table);
            drop(handed);
            return Err(reason);
        }
        table.next_number = next;
        drop(table);
        // From here on the event's end gives the permit back.
        let _ = permit.take();
        Ok(Self { line, event, reply, replied: false })
    }
}

fn push(
    line: &Line,
    table: &mut Table,
    event: u32,
    (entrypoint, props, limits, kind): (Option<&str>, &Props, &Lower, EventKind<'_>),
) -> Result<(), NotTaken> {
    let props = table.hand_props(&line.code, props, event).map_err(|_| NotTaken::Full)?;
    let cpu_ms_max = limits.cpu_ms;
    let frame = Down::Event(frame::Event { event, entrypoint, props, cpu_ms_max, kind });
    line.outbox.ask(&frame)
}

/// What stands if the handler says nothing.
fn undecided(kind: &EventKind<'_>) -> Option<Decision> {
    match kind {
        EventKind::Scheduled { .. } => Some(Decision::Scheduled { no_retry: false }),
        EventKind::Queue(batch) => Some(Decision::Queue(Settled::unsaid(batch.messages.len()))),
        EventKind::Fetch(_) | EventKind::Tail { .. } | EventKind::Rpc(_) => None,
    }
}

impl Line {
    /// Whether an export has a handler; absent before its start has ended.
    pub fn has(&self, entrypoint: Option<&str>, handler: Handler) -> Option<bool> {
        let table = self.table();
        let entrypoints = table.entrypoints.as_ref()?;
        let export = entrypoint.unwrap_or("default");
        let found = entrypoints.iter().find(|(name, _)| name == export);
        Some(found.is_some_and(|(_, handlers)| handlers.iter().any(|h| h == handler.as_str())))
    }

    /// Whether there is an export of this name; absent before its start has ended.
    pub fn exports(&self, name: &str) -> Option<bool> {
        let table = self.table();
        let entrypoints = table.entrypoints.as_ref()?;
        Some(entrypoints.iter().any(|(known, _)| known == name))
    }

    /// A decision must be of the kind, and of as many messages, as was asked for.
    pub(super) fn hear_decided(&self, event: u32, decision: Decision) -> Heard {
        let mut table = self.table();
        let exchange =
            table.events.get_mut(&event).ok_or(Violation::Order("a decision of no event"))?;
        let fits = match (&exchange.decision, &decision) {
            (Some(Decision::Scheduled { .. }), Decision::Scheduled { .. }) => true,
            (Some(Decision::Queue(asked)), Decision::Queue(said)) => {
                asked.messages.len() == said.messages.len()
            }
            _ => false,
        };
        if !fits {
            return Err(Violation::Order("a decision that it was not asked for"));
        }
        exchange.decision = Some(decision);
        Ok(())
    }
}
