//! A call of a method whose event an isolate did not take: it was condemned when the event reached
//! it, and the call is made anew in another. Nothing of it has run.
//!
//! What was made of its result meanwhile went to the isolate that ends, and is made by the caller
//! once the result is there: so is everything that is made of it from then on, in that order.

use std::sync::Arc;

use super::call::Calling;
use super::event::{Exchange, State as Moved};
use super::methods::{Made, Waiting, With};
use super::{About, Line, RequestBody, Table};
use crate::line::Refused;
use crate::rpc::Service;

/// How often one call is made anew.
const AGAIN_COUNT_MAX: u32 = 8;

/// What a call is made anew of, while its event may still come back.
pub(super) struct Again {
    service: Arc<Service>,
    made: Made,
    /// Whether the arguments are a body that the event has.
    is_long: bool,
}

impl Again {
    /// Of a call that is to begin. Its bodies move with the event.
    pub(super) fn of(service: &Arc<Service>, made: &Made) -> Self {
        let here = made.arguments.again();
        let (is_long, arguments) = (here.is_none(), here.unwrap_or(RequestBody::None));
        let with = made.with.iter().map(|with| match with {
            With::Capability(capability) => With::Capability(capability.clone()),
            With::Body(_) => With::Body(RequestBody::None),
        });
        let (path, calls) = (made.path.clone(), made.calls);
        let soon = made.soon.clone();
        let made = Made { path, calls, arguments, with: with.collect(), soon };
        Self { service: service.clone(), made, is_long }
    }

    /// With the bodies that went to the event, which nobody has begun to read.
    fn whole(mut self, table: &mut Table, exchange: &Exchange) -> Option<(Arc<Service>, Made)> {
        let mut bodies = exchange.bodies.iter().filter_map(|body| {
            let Moved::Held { from, length } = table.bodies.remove(body)?.state else {
                return None;
            };
            Some(RequestBody::Stream { from: from.as_sent(), length })
        });
        // In the order in which they went.
        for with in &mut self.made.with {
            if let With::Body(body) = with {
                *body = bodies.next()?;
            }
        }
        if self.is_long {
            self.made.arguments = bodies.next()?;
        }
        Some((self.service, self.made))
    }
}

/// A call that comes back, and whoever waits for it.
pub(super) struct Back {
    waiting: Waiting,
    about: About,
    again: Option<(Arc<Service>, Made)>,
}

impl Back {
    /// Of an event that was not taken, if it was begun for a call.
    pub(super) fn of(table: &mut Table, exchange: &mut Exchange) -> Option<Self> {
        let methods = exchange.methods.as_mut()?;
        let waiting = methods.invocations.remove(&0)?;
        let again = methods.again.take();
        let again = again.and_then(|again| again.whole(table, exchange));
        let about = About { hops: exchange.about.hops.saturating_sub(1), ..exchange.about.clone() };
        Some(Self { waiting, about, again })
    }

    /// Has the call made anew, or refused with `why`. No table may be locked.
    pub(super) fn go(self, why: &str) {
        match (self.again, self.waiting.caller()) {
            (Some(call), Some((line, id))) => line.again(id, self.about, call),
            _ => self.waiting.refuse(why),
        }
    }
}

impl Line {
    fn again(self: &Arc<Self>, id: u32, about: About, call: (Arc<Service>, Made)) {
        let (attempt, first) = {
            let mut table = self.table();
            match table.calls.get_mut(&id).and_then(Calling::again) {
                Some(again) => again,
                None => return,
            }
        };
        if let Some(first) = first {
            first.returned();
        }
        if attempt > AGAIN_COUNT_MAX {
            let message = "There is no capacity for the called worker now; try again.";
            return self.refuse_call(id, &Refused::failed(message));
        }
        self.try_method((id, attempt), about, call);
    }
}
