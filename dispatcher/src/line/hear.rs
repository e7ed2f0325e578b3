//! What a line does with each frame of its isolate. Nothing in a frame is believed.

use std::collections::HashMap;
use std::sync::Arc;

use bindery_wire::event::Handler;
use bindery_wire::frame::{BODY_INLINE_BYTES_MAX, Body, Down, Head, Up, WINDOW_BYTES};
use bindery_wire::log::{Exception, Record, Spent};
use bindery_wire::{Outcome, codec};
use bytes::Bytes;

use super::again::Back;
use super::body::{Download, Outflow, Pumped, pump};
use super::call::Calling;
use super::event::{Exchange, Sending, State as Moved};
use super::told::Told;
use super::upload::Cut;
use super::{About, Begin, Line, Reply, ReplyBody, RequestBody, State, Table, Unread};
use crate::clock::Millis;
use crate::limit::TOLD;
use crate::rpc::why;

/// A frame that no honest isolate sends.
#[derive(Debug, thiserror::Error)]
pub enum Violation {
    /// The bytes are not a frame.
    #[error(transparent)]
    Codec(#[from] codec::Error),
    /// The frame does not fit what came before.
    #[error("an isolate sent {0}")]
    Order(&'static str),
}

pub(super) type Heard = Result<(), Violation>;

impl Line {
    /// Takes in one frame.
    pub(super) fn hear(self: &Arc<Self>, up: Up<'_>) -> Heard {
        match up {
            Up::Head(head) => self.hear_head(head),
            Up::Done { event, spent } => self.hear_done(event, spent),
            Up::Call(call) => self.hear_call(call),
            Up::Abort { call } => {
                self.hear_abort(call);
                Ok(())
            }
            Up::Chunk { body, bytes } => self.hear_chunk(body, bytes),
            Up::End { body, whole } => {
                if let Some(intake) = self.table().intakes.remove(&body) {
                    intake.end(whole);
                }
                Ok(())
            }
            Up::Credit { body, bytes } => {
                self.hear_credit(body, bytes);
                Ok(())
            }
            Up::Unwanted { body } => {
                self.hear_unwanted(body);
                Ok(())
            }
            Up::Record { event, at_ms, record } => {
                let ids = |e: &Exchange| (e.about.request, e.about.trace);
                let of = event.and_then(|event| {
                    let mut table = self.table();
                    let exchange = table.events.get_mut(&event)?;
                    if let Some(told) = &mut exchange.told {
                        told.record(Millis(at_ms), &record);
                    }
                    Some(ids(exchange))
                });
                self.ring.record(Millis(at_ms), &self.code, of, record);
                Ok(())
            }
            Up::Compiled { name, code } => {
                (self.host.keep)(&self.code, name, code);
                Ok(())
            }
            Up::Started(_) | Up::Refused { .. } => self.hear_begin(up),
            Up::NotTaken { event } => self.hear_not_taken(event),
            Up::Returned(returned) => self.hear_returned(returned),
            Up::Loopback(loopback) => self.hear_loopback(loopback),
            Up::Finish { event, call } => {
                self.hear_finish(event, call);
                Ok(())
            }
            Up::Watch { event, slot } => {
                self.hear_watch(event, slot);
                Ok(())
            }
            Up::Release { slot } => {
                self.hear_release(slot);
                Ok(())
            }
            Up::Decided { event, decision } => self.hear_decided(event, decision),
            Up::Condemned { .. } => {
                // It ends once it has read this, and with it every event that was sent before.
                self.condemn_locked(&mut self.table());
                self.send(&Down::Stop);
                Ok(())
            }
        }
    }

    fn hear_begin(&self, up: Up<'_>) -> Heard {
        let mut table = self.table();
        let begin = table.begin.take().ok_or(Violation::Order("a second answer to its start"))?;
        let begun = match up {
            Up::Started(started) => {
                // It may have been condemned meanwhile.
                if table.state == State::Starting {
                    table.state = State::Serving;
                }
                table.entrypoints = Some(started.entrypoints.clone());
                Begin::Started(started)
            }
            Up::Refused { spent, exception } => {
                self.condemn_locked(&mut table);
                Begin::Refused(spent, exception)
            }
            _ => return Err(Violation::Order("no answer to its start")),
        };
        drop(table);
        self.touch();
        let _ = begin.send(begun);
        Ok(())
    }

    fn hear_head(self: &Arc<Self>, head: Head<'_>) -> Heard {
        let mut table = self.table();
        let Table { events, bodies, .. } = &mut *table;
        let exchange =
            events.get_mut(&head.event).ok_or(Violation::Order("a head of no event of its"))?;
        if exchange.about.handler != Handler::Fetch {
            return Err(Violation::Order("a head of an event without a response"));
        }
        let Some(reply) = exchange.reply.take() else {
            return Err(Violation::Order("a second head"));
        };
        exchange.about.status = head.status;
        let (body, streams) = match head.body {
            Body::None => (ReplyBody::None, None),
            Body::Inline(bytes) if bytes.len() <= BODY_INLINE_BYTES_MAX => {
                self.host.meter.bytes_out(bytes.len());
                (ReplyBody::Inline(Bytes::copy_from_slice(bytes)), None)
            }
            Body::Inline(_) => return Err(Violation::Order("an inline body over the limit")),
            Body::Passed { body } => {
                let (from, length) = take_unread(bodies, head.event, body)?;
                let (from, is_as_sent) = from.under(head.headers);
                let from = from.passed(&self.host.meter);
                (ReplyBody::Passed { from, length: length.filter(|_| is_as_sent) }, None)
            }
            Body::Stream { body, length } => {
                let intake = table.receive((head.event, body), WINDOW_BYTES)?;
                let max = self.code.limits.response_bytes_max;
                let download = Download::new(self, intake, (Some(head.event), body), (length, max));
                (ReplyBody::Stream(download), Some(body))
            }
        };
        drop(table);
        if streams.is_none() {
            self.answered(head.event);
        }
        let headers = Bytes::copy_from_slice(head.headers);
        // If nobody waits any more, the reply is dropped here, and a stream in it says so.
        let _ = reply.send(Reply::Head { status: head.status, headers, body });
        Ok(())
    }

    fn hear_done(&self, event: u32, spent: Spent) -> Heard {
        let (mut exchange, left, _handed) = {
            let mut table = self.table();
            let exchange = table.events.remove(&event);
            let exchange = exchange.ok_or(Violation::Order("the end of no event of its"))?;
            let left = table.let_go(event, &exchange);
            let handed = table.slots.take(&exchange.slots);
            (exchange, left, handed)
        };
        left.close();
        self.end_methods(exchange.methods.take(), spent.outcome);
        self.slots.add_permits(1);
        self.touch();
        self.events_ended.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if let Some(reply) = exchange.reply {
            let _ = reply.send(match exchange.about.handler {
                Handler::Fetch => Reply::Ended(spent),
                _ => Reply::Handled(spent, exchange.decision),
            });
        }
        self.host.meter.event(&spent);
        self.tell(exchange.told, &exchange.about, &spent);
        self.ring.outcome(self.host.clock.now(), &self.code, exchange.about, spent);
        Ok(())
    }

    /// What is kept of an event that begins, for those who are told of it.
    pub(super) fn told(&self, entrypoint: Option<&str>, what: serde_json::Value) -> Box<Told> {
        let log_bytes_max = self.code.limits.log_bytes_max;
        Told::new(entrypoint, what, (self.host.clock.now(), log_bytes_max))
    }

    /// Has those told of an event that are to be.
    pub(super) fn tell(&self, told: Option<Box<Told>>, about: &About, spent: &Spent) {
        let (Some(told), Some(tails)) = (told, &self.code.tails) else { return };
        match told.item(tails, (&self.code, about), spent) {
            Some(item) => self.host.outside.tell(self.code.clone(), item),
            None => {
                let message = TOLD.fixed().to_string();
                let (name, stack) = ("Error".into(), String::new());
                let lost =
                    Exception { name, message: format!("no tail was told: {message}"), stack };
                let ids = Some((about.request, about.trace));
                let record = Record::Exception(lost);
                self.ring.record(self.host.clock.now(), &self.code, ids, record);
            }
        }
    }

    /// The event ran into the isolate's end: whoever waits may go elsewhere with it.
    fn hear_not_taken(&self, event: u32) -> Heard {
        let (mut exchange, body, back, _handed) = {
            let mut table = self.table();
            let exchange = table.events.remove(&event);
            let mut exchange =
                exchange.ok_or(Violation::Order("the refusal of no event of its"))?;
            let back = Back::of(&mut table, &mut exchange);
            let handed = table.slots.take(&exchange.slots);
            let body = table.bodies.remove(&event);
            let left = table.let_go(event, &exchange);
            (exchange, body, back, (handed, left))
        };
        if let Some(back) = back {
            back.go(&why(&self.code.worker, Outcome::Lost));
        }
        self.end_methods(exchange.methods.take(), Outcome::Lost);
        self.slots.add_permits(1);
        self.touch();
        let held = match body.map(|body| body.state) {
            Some(Moved::Held { from, length }) => {
                Some(RequestBody::Stream { from: from.as_sent(), length })
            }
            _ => None,
        };
        if let Some(reply) = exchange.reply {
            let _ = reply.send(Reply::NotTaken(held));
        }
        Ok(())
    }

    fn hear_chunk(&self, body: u32, bytes: &[u8]) -> Heard {
        // A body that nobody wants any more may still have chunks under way.
        let Some(intake) = self.table().intakes.get(&body).cloned() else { return Ok(()) };
        self.host.meter.bytes_out(bytes.len());
        if intake.chunk(bytes) { Ok(()) } else { Err(Violation::Order("a chunk without credit")) }
    }

    /// A body is asked for: the first time, it begins to be read.
    fn hear_credit(self: &Arc<Self>, body: u32, bytes: u32) {
        let mut table = self.table();
        let Some(sending) = table.bodies.get_mut(&body) else { return };
        if let Moved::Pumped(flow) = &sending.state {
            return flow.credit(bytes);
        }
        let (event, flow) = (sending.event, Arc::new(Outflow::default()));
        flow.credit(bytes);
        let former = std::mem::replace(&mut sending.state, Moved::Pumped(flow.clone()));
        drop(table);
        let Moved::Held { from, .. } = former else { return };
        let from = from.decoded();
        let line = self.clone();
        self.host.tasks.spawn("body", async move {
            let pumped = pump(&line, body, from, &flow).await;
            line.pumped(event, body, pumped);
        });
    }

    fn hear_unwanted(&self, body: u32) {
        let sending = self.table().bodies.remove(&body);
        if let Some(sending) = sending {
            sending.close();
        }
    }

    /// A body came to its end. A request's that is too long is answered here.
    fn pumped(&self, event: u32, body: u32, pumped: Pumped) {
        let reply = {
            let mut table = self.table();
            table.bodies.remove(&body);
            let Some(exchange) = table.events.get_mut(&event) else { return };
            // The body of an event's own request has the number of the event.
            match pumped {
                Pumped::Cut(Cut::TooLong) if body == event => exchange.reply.take(),
                Pumped::Cut(_) | Pumped::Done => None,
            }
        };
        if let Some(reply) = reply {
            let _ = reply.send(Reply::Cut(Cut::TooLong));
            self.client_gone(event);
        }
    }
}

/// A body that goes elsewhere without having entered the isolate.
pub(super) fn take_unread(
    bodies: &mut HashMap<u32, Sending>,
    event: u32,
    body: u32,
) -> Result<(Unread, Option<u64>), Violation> {
    let unread = |sending: &mut Sending| {
        sending.event == event && matches!(sending.state, Moved::Held { .. })
    };
    if bodies.get_mut(&body).is_some_and(unread)
        && let Some(Sending { state: Moved::Held { from, length }, .. }) = bodies.remove(&body)
    {
        return Ok((from, length));
    }
    Err(Violation::Order("a body to pass on that it was not given or has read"))
}

impl Table {
    /// Ends what an event has left behind. Bodies on their way to the isolate are given back, to
    /// be dropped when the table is free: one may come from an isolate, even from the same.
    fn let_go(&mut self, event: u32, exchange: &Exchange) -> Left {
        let methods = exchange.methods.as_ref().map_or(0, |methods| methods.waiting);
        let calls = if exchange.calls_waiting > 0 || methods > 0 {
            self.calls.extract_if(|_, calling| calling.event() == event).map(|(_, c)| c).collect()
        } else {
            Vec::new()
        };
        for body in &exchange.intakes {
            if let Some(intake) = self.intakes.remove(body) {
                intake.end(false);
            }
        }
        let bodies = std::iter::once(&event).chain(&exchange.bodies);
        let bodies = bodies.filter_map(|body| self.bodies.remove(body)).collect();
        Left { bodies, _calls: calls }
    }
}

/// What an event has left behind, to be dropped when no table is locked: an end of a call may be
/// another event's.
struct Left {
    bodies: Vec<Sending>,
    _calls: Vec<Calling>,
}

impl Left {
    fn close(&self) {
        self.bodies.iter().for_each(Sending::close);
    }
}
