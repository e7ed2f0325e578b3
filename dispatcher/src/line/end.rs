//! How a line ends: let go, condemned, or lost; and its events, when nobody waits for them.

use std::time::Duration;

use bindery_logic::blame::Blame;
use bindery_wire::Outcome;
use bindery_wire::frame::Down;
use bindery_wire::limit;
use bindery_wire::log::{Exception, Record, Spent};

use super::event::Client;
use super::{Begin, Line, State, Table};
use crate::code::Code;

/// How long an isolate may take to answer a cancel that ends an event, beside its CPU limit: its
/// thread reads nothing while code runs on it.
const GRACE: Duration = Duration::from_secs(10);
/// Numbers of events and bodies after which an isolate takes no more events: none is used twice.
const NUMBER_WORN: u32 = u32::MAX / 2;

/// What a sweep found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweep {
    /// Nothing to do.
    Well,
    /// The isolate does not end an event though it was told to.
    Stuck,
}

impl Line {
    /// Lets the isolate go if nothing runs or waits there.
    pub fn stop_if_idle(&self) -> bool {
        let mut table = self.table();
        if table.state != State::Serving || !table.events.is_empty() || table.waiting > 0 {
            return false;
        }
        self.condemn_locked(&mut table);
        drop(table);
        self.send(&Down::Stop);
        true
    }

    /// Takes no new events, and ends when those that run have ended.
    pub fn condemn(&self) {
        let mut table = self.table();
        if matches!(table.state, State::Condemned | State::Ended) {
            return;
        }
        self.condemn_locked(&mut table);
        drop(table);
        self.send(&Down::Stop);
    }

    pub(super) fn condemn_locked(&self, table: &mut Table) {
        table.state = State::Condemned;
        self.slots.close();
    }

    /// Ends the line at once: the isolate reads its end.
    pub fn sever(&self) {
        self.outbox.close();
    }

    /// The socket is closed: nothing is taken or sent any more. What runs waits for the verdict.
    pub(crate) fn closed(&self) {
        self.condemn_locked(&mut self.table());
        self.outbox.close();
    }

    /// Cancels what went on for too long after its client had gone. Tells whether the isolate did
    /// not answer such a cancel in time and has to be ended from outside.
    pub fn sweep(&self) -> Sweep {
        self.condemn_worn();
        let now = self.host.clock.elapsed();
        let mut stuck = false;
        let mut late = Vec::new();
        let after = Duration::from_millis(self.code.limits.after_client_ms_max.into());
        for (event, exchange) in &mut self.table().events {
            exchange.tend(now, after);
            match exchange.client {
                Client::Gone(until) if now >= until => {
                    exchange.client = Client::Ended(now + grace(&self.code));
                    late.push((*event, exchange.about.request, exchange.about.trace));
                }
                Client::Ended(until) if now >= until => stuck = true,
                _ => {}
            }
        }
        for (event, request, trace) in late {
            let record = Record::Exception(too_late(&self.code));
            self.ring.record(self.host.clock.now(), &self.code, Some((request, trace)), record);
            self.send(&Down::Cancel { event, outcome: Outcome::ExceededWallTime });
        }
        if stuck { Sweep::Stuck } else { Sweep::Well }
    }

    /// Has an isolate end whose numbers come to their end.
    fn condemn_worn(&self) {
        let (is_worn, is_spent) = {
            let table = self.table();
            let is_worn = table.next_number > NUMBER_WORN || table.slots.is_worn();
            (is_worn, !table.unsent.is_empty())
        };
        if is_worn {
            self.condemn();
        }
        if is_spent {
            self.sever();
        }
    }

    /// The end of the line: every event is answered, and nothing is taken any more.
    pub(crate) fn lost(&self, blame: Blame) {
        let (begin, events, intakes, bodies, _left) = {
            let mut table = self.table();
            self.condemn_locked(&mut table);
            table.state = State::Ended;
            let events = std::mem::take(&mut table.events);
            let bodies = std::mem::take(&mut table.bodies);
            let unsent = std::mem::take(&mut table.unsent);
            let left = (table.slots.take_all(), std::mem::take(&mut table.calls), unsent);
            (table.begin.take(), events, std::mem::take(&mut table.intakes), bodies, left)
        };
        self.outbox.close();
        if let Some(begin) = begin {
            let _ = begin.send(Begin::Lost(blame));
        }
        for intake in intakes.into_values() {
            intake.end(false);
        }
        bodies.into_values().for_each(|sending| sending.close());
        for mut exchange in events.into_values() {
            self.end_methods(exchange.methods.take(), Outcome::Lost);
            let wall = self.host.clock.elapsed().saturating_sub(exchange.since);
            let wall_us = u64::try_from(wall.as_micros()).unwrap_or(u64::MAX);
            let spent = Spent { outcome: Outcome::Lost, cpu_us: 0, wall_us };
            let about = exchange.lost(blame);
            self.host.meter.event(&spent);
            self.ring.outcome(self.host.clock.now(), &self.code, about, spent);
        }
    }
}

/// What the tail says of an event that goes on after its client.
fn too_late(code: &Code) -> Exception {
    let told = limit::AFTER_CLIENT.told(code.limits.after_client_ms_max);
    let message = format!("The event went on after its client had gone. ({told})");
    Exception { name: "Error".into(), message, stack: String::new() }
}

pub(super) fn grace(code: &Code) -> Duration {
    GRACE + Duration::from_millis(code.limits.cpu_ms_max.into())
}
