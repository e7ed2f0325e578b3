//! What a line does with each frame of its isolate. Nothing in a frame is believed.

use std::sync::Arc;

use bindery_wire::codec;
use bindery_wire::frame::{BODY_INLINE_BYTES_MAX, Body, Down, Head, Up};
use bindery_wire::log::Spent;
use bytes::Bytes;

use super::body::{Cut, Download, Intake, Outflow, Pumped, pump};
use super::event::{Exchange, Sending};
use super::{Begin, Line, Reply, ReplyBody, RequestBody, State, Table};
use crate::clock::Millis;

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

type Heard = Result<(), Violation>;

impl Line {
    /// Takes in one frame.
    pub(super) fn hear(self: &Arc<Self>, up: Up<'_>) -> Heard {
        match up {
            Up::Head(head) => self.hear_head(head),
            Up::Done { event, spent } => self.hear_done(event, spent),
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
                let of = event.and_then(|event| self.table().events.get(&event).map(ids));
                self.ring.record(Millis(at_ms), &self.code, of, record);
                Ok(())
            }
            Up::Compiled { name, code } => {
                (self.host.keep)(&self.code, name, code);
                Ok(())
            }
            Up::Started(_) | Up::Refused { .. } => self.hear_begin(up),
            Up::NotTaken { event } => self.hear_not_taken(event),
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
        let Table { events, intakes, .. } = &mut *table;
        let exchange =
            events.get_mut(&head.event).ok_or(Violation::Order("a head of no event of its"))?;
        let Some(reply) = exchange.reply.take() else {
            return Err(Violation::Order("a second head"));
        };
        exchange.about.status = head.status;
        let (body, streams) = match head.body {
            Body::None => (ReplyBody::None, None),
            Body::Inline(bytes) if bytes.len() <= BODY_INLINE_BYTES_MAX => {
                (ReplyBody::Inline(Bytes::copy_from_slice(bytes)), None)
            }
            Body::Inline(_) => return Err(Violation::Order("an inline body over the limit")),
            Body::Passed { body } => (passed(exchange, head.event, body)?, None),
            Body::Stream { body, length } => {
                let intake = Arc::new(Intake::new());
                if intakes.insert(body, intake.clone()).is_some() {
                    return Err(Violation::Order("a body number twice"));
                }
                exchange.intake = Some(body);
                let max = self.code.limits.response_bytes_max;
                let download = Download::new(self, intake, (head.event, body), (length, max));
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
        let (exchange, intake) = {
            let mut table = self.table();
            let exchange = table
                .events
                .remove(&event)
                .ok_or(Violation::Order("the end of no event of its"))?;
            let intake = exchange.intake.and_then(|body| table.intakes.remove(&body));
            (exchange, intake)
        };
        self.slots.add_permits(1);
        self.touch();
        self.events_ended.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if let Some(intake) = intake {
            intake.end(false);
        }
        if let Some(Sending::Pumped(flow)) = &exchange.upload {
            flow.close();
        }
        if let Some(reply) = exchange.reply {
            let _ = reply.send(Reply::Ended(spent));
        }
        self.ring.outcome(self.host.clock.now(), &self.code, exchange.about, spent);
        Ok(())
    }

    /// The event ran into the isolate's end: whoever waits may go elsewhere with it.
    fn hear_not_taken(&self, event: u32) -> Heard {
        let exchange = self.table().events.remove(&event);
        let exchange = exchange.ok_or(Violation::Order("the refusal of no event of its"))?;
        self.slots.add_permits(1);
        self.touch();
        let held = match exchange.upload {
            Some(Sending::Held { from, length }) => Some(RequestBody::Stream { from, length }),
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
        if intake.chunk(bytes) { Ok(()) } else { Err(Violation::Order("a chunk without credit")) }
    }

    /// A request's body is first asked for: now it is read.
    fn hear_credit(self: &Arc<Self>, event: u32, bytes: u32) {
        let mut table = self.table();
        let Some(exchange) = table.events.get_mut(&event) else { return };
        let flow = match exchange.upload.take() {
            None => return,
            Some(Sending::Pumped(flow)) => {
                flow.credit(bytes);
                exchange.upload = Some(Sending::Pumped(flow));
                return;
            }
            Some(Sending::Held { from, .. }) => {
                let flow = Arc::new(Outflow::default());
                exchange.upload = Some(Sending::Pumped(flow.clone()));
                let line = self.clone();
                let own = flow.clone();
                self.host.tasks.spawn("request body", async move {
                    let pumped = pump(&line, event, from, &own).await;
                    line.pumped(event, pumped);
                });
                flow
            }
        };
        drop(table);
        flow.credit(bytes);
    }

    fn hear_unwanted(&self, event: u32) {
        let upload = self.table().events.get_mut(&event).and_then(|e| e.upload.take());
        if let Some(Sending::Pumped(flow)) = upload {
            flow.close();
        }
    }

    /// A request's body came to its end. One that is too long is answered here.
    fn pumped(&self, event: u32, pumped: Pumped) {
        let reply = {
            let mut table = self.table();
            let Some(exchange) = table.events.get_mut(&event) else { return };
            exchange.upload = None;
            match pumped {
                Pumped::Cut(Cut::TooLong) => exchange.reply.take(),
                Pumped::Cut(Cut::Unfinished) | Pumped::Done => None,
            }
        };
        if let Some(reply) = reply {
            let _ = reply.send(Reply::Cut(Cut::TooLong));
            self.client_gone(event);
        }
    }
}

/// The request's own body as the response's: it goes back without entering the isolate.
fn passed(exchange: &mut Exchange, event: u32, body: u32) -> Result<ReplyBody, Violation> {
    match exchange.upload.take() {
        Some(Sending::Held { from, length }) if body == event => {
            Ok(ReplyBody::Passed { from, length })
        }
        _ => Err(Violation::Order("a body to pass on that it was not given or has read")),
    }
}
