//! Calls of methods as a line's own isolate makes them, and what it says of those made of it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bindery_wire::Outcome;
use bindery_wire::event::Handler;
use bindery_wire::frame;
use bindery_wire::limits::Lower;
use bindery_wire::rpc::{self, How, Invoke, Loopback, Returned, Target};
use bindery_wire::value::{FORMAT, INLINE_BYTES_MAX, OWN_SLOTS};
use bytes::Bytes;

use super::call::{Calling, NO_EVENT, too_many};
use super::event::{Client, MOVE_COUNT_MAX};
use super::hear::Heard;
use super::methods::{self, Came, First, Made, Methods, Place, Remote, Soon, Waiting};
use super::outside::Refused;
use super::slots::{Owner, To};
use super::{About, Line, NotTaken, RequestBody, Table, Violation};
use crate::limit::RPC_VALUE;
use crate::rpc::{Capability, Export, Props, Service, Target as Callee, Value, What, why};

/// Calls that wait for one to begin.
type Queue = std::vec::IntoIter<(u32, Made)>;

/// Of what a call is made.
enum Of {
    Service(Arc<Service>),
    Export(Arc<Export>),
    /// The result of a call that has not begun.
    Soon(u32),
    Result(Place),
    /// A result that the caller has already.
    Late,
}

impl Line {
    pub(super) fn hear_invoke(
        self: &Arc<Self>,
        (id, event, slot): (u32, u32, u32),
        invoke: &Invoke<'_>,
        attached: &[bindery_wire::value::Attached<'_>],
    ) -> Heard {
        let path_bytes: usize = invoke.path.iter().map(|name| name.len()).sum();
        if invoke.path.len() > rpc::PATH_COUNT_MAX || path_bytes > rpc::PATH_BYTES_MAX {
            return Err(Violation::Order("a path that is longer than it may be"));
        }
        // Dropped when the table is free: an end of a body locks it.
        let (arguments, mut with);
        with = Vec::new();
        let mut table = self.table();
        let exchange = table.events.get(&event).ok_or(NO_EVENT)?;
        let methods = exchange.methods.as_ref();
        let waiting = methods.map_or(0, |methods| methods.waiting);
        let is_known = table.calls.contains_key(&id)
            || methods.is_some_and(|methods| methods.finishing.contains_key(&id));
        let unfinished = methods.map_or(0, |methods| methods.finishing.len());
        if waiting >= rpc::CALL_COUNT_MAX || unfinished >= UNFINISHED_COUNT_MAX || is_known {
            return Err(Violation::Order("more calls of methods than may be, or one twice"));
        }
        let of = self.of(&table, (event, slot), invoke)?;
        (arguments, _) = self.call_body(&mut table, event, &invoke.arguments)?;
        self.attached(&mut table, event, attached, &mut with)?;
        if let Some(why) = too_large(&arguments)? {
            drop(table);
            self.send_refusal(id, &Refused::failed(why));
            return Ok(());
        }
        let exchange = table.events.get_mut(&event).ok_or(NO_EVENT)?;
        if matches!(of, Of::Service(_)) {
            let Some(left) = exchange.calls_left.checked_sub(1) else {
                let refused = too_many(exchange.calls_max);
                drop(table);
                self.send_refusal(id, &refused);
                return Ok(());
            };
            exchange.calls_left = left;
            self.host.meter.subrequests(1);
        }
        let soon = Soon::count(&self.soon, (&invoke.path, &arguments, &with));
        let Some(soon) = soon.map(Arc::new) else {
            drop(table);
            self.send_refusal(id, &Soon::refused());
            return Ok(());
        };
        exchange.methods.get_or_insert_default().waiting += 1;
        let about = exchange.about.clone();
        table.calls.insert(id, Calling::of_method(event));
        let path = invoke.path.iter().map(|name| (*name).into()).collect();
        let made = Made { path, calls: invoke.calls, arguments, with, soon };
        match of {
            Of::Soon(former) => {
                if let Some(queue) = table.calls.get_mut(&former).and_then(Calling::queue) {
                    queue.push((id, made));
                }
            }
            Of::Service(service) => {
                drop(table);
                let about = of_method(about, &made);
                self.try_method((id, 0), about, (service, made));
            }
            of => {
                drop(table);
                let place = self.make(of, id, made);
                self.moved(id, place);
            }
        }
        Ok(())
    }

    /// What a call is made of.
    fn of(
        &self,
        table: &Table,
        (event, slot): (u32, u32),
        invoke: &Invoke<'_>,
    ) -> Result<Of, Violation> {
        let Some(former) = invoke.of else {
            return match table.to(&self.code, (event, slot)) {
                Some(To::Service(service)) => Ok(Of::Service(service)),
                Some(To::Export(export)) => Ok(Of::Export(export)),
                _ => Err(Violation::Order("a call of a slot that it does not have")),
            };
        };
        if let Some(calling) = table.calls.get(&former).filter(|calling| calling.event() == event) {
            return match calling.remote() {
                Some(Remote::Soon(_)) => Ok(Of::Soon(former)),
                Some(Remote::At(place)) => Ok(Of::Result(place.clone())),
                None => Err(Violation::Order("a call of what is no method's result")),
            };
        }
        let methods = table.events.get(&event).and_then(|exchange| exchange.methods.as_ref());
        let place = methods.and_then(|methods| methods.finishing.get(&former));
        Ok(place.map_or(Of::Late, |place| Of::Result(place.clone())))
    }

    /// Makes a call of something that is there. No table may be locked.
    fn make(self: &Arc<Self>, of: Of, id: u32, made: Made) -> Option<Place> {
        match of {
            Of::Export(export) => {
                let waiting = Waiting::new(self, id);
                let target = (export.event, Target::Export(export.export));
                match (export.session.ended(), export.line.upgrade()) {
                    (None, Some(line)) => line.invoke(target, made, waiting),
                    (ended, _) => {
                        waiting.refuse(ended.unwrap_or(methods::ENDED));
                        None
                    }
                }
            }
            Of::Result(place) => place.invoke(made, Waiting::new(self, id)),
            Of::Service(_) | Of::Soon(_) | Of::Late => {
                self.late(id);
                None
            }
        }
    }

    /// Says where a call is, and lets go what has waited for that, in the order in which it was made:
    /// calls of results of calls are a list and not a recursion, as long as the caller likes.
    fn moved(self: &Arc<Self>, id: u32, place: Option<Place>) {
        let mut under_way: Vec<_> = self.begun(id, place).into_iter().collect();
        while let Some((place, queue)) = under_way.last_mut() {
            match queue.next() {
                None => drop(under_way.pop()),
                Some((next, made)) => {
                    let place = self.make(Of::Result(place.clone()), next, made);
                    under_way.extend(self.begun(next, place));
                }
            }
        }
    }

    /// Notes where a call is; with what has waited for that.
    fn begun(&self, id: u32, place: Option<Place>) -> Option<(Place, Queue)> {
        let place = place?;
        let mut table = self.table();
        let queue = table.calls.get_mut(&id)?.begun(place.clone());
        Some((place, queue.into_iter()))
    }

    /// Begins the event that a service's method is called in, for the first time or again.
    pub(super) fn try_method(
        self: &Arc<Self>,
        (id, attempt): (u32, u32),
        about: About,
        (service, made): (Arc<Service>, Made),
    ) {
        let line = self.clone();
        self.host.tasks.spawn("call", async move {
            match line.find_and_begin(id, about, (&service, made)).await {
                Ok(first) => line.first_begun((id, attempt), first),
                Err(refused) => line.refuse_call(id, &refused),
            }
        });
    }

    async fn find_and_begin(
        self: &Arc<Self>,
        id: u32,
        about: About,
        (service, mut made): (&Arc<Service>, Made),
    ) -> Result<First, Refused> {
        for _ in 0..MOVE_COUNT_MAX {
            let (outside, code) = (&self.host.outside, self.code.clone());
            let permit = outside.room(code, service.clone(), about.hops).await?;
            let own = About { hops: about.hops + 1, ..about.clone() };
            let waiting = Waiting::new(self, id);
            let back = match methods::begin(permit, service, made, (own, waiting)) {
                Ok(first) => return Ok(first),
                Err(back) => *back,
            };
            match back {
                (NotTaken::Closed, back) => made = back,
                (NotTaken::Full | NotTaken::TooLarge, _) => break,
            }
        }
        Err(Refused::failed("There is no capacity for the called worker now; try again."))
    }

    fn first_begun(self: &Arc<Self>, (id, attempt): (u32, u32), first: First) {
        let place = first.place();
        // If nobody waits any more, what has begun is canceled, once the table is free.
        let held = match self.table().calls.get_mut(&id) {
            Some(calling) => calling.hold(first, attempt),
            None => Err(first),
        };
        if matches!(held, Ok(true)) {
            self.moved(id, Some(place));
        }
    }

    pub(super) fn hear_returned(self: &Arc<Self>, returned: Returned<'_>) -> Heard {
        let Returned { event, invocation, how, value, attached } = returned;
        // Dropped when the table is free: an end of a body locks it.
        let mut came = Came { how, value: RequestBody::None, with: Vec::new() };
        let mut table = self.table();
        let exchange = table.events.get(&event).ok_or(Violation::Order("a return of no event"))?;
        let methods = exchange.methods.as_ref();
        if !methods.is_some_and(|methods| methods.invocations.contains_key(&invocation)) {
            return Err(Violation::Order("a return of no invocation"));
        }
        (came.value, _) = self.call_body(&mut table, event, &value)?;
        self.attached(&mut table, event, &attached, &mut came.with)?;
        let too_large = too_large(&came.value)?;
        let exchange = table.events.get_mut(&event).ok_or(NO_EVENT)?;
        let methods = exchange.methods.get_or_insert_default();
        let waiting = methods.invocations.remove(&invocation);
        if came.is_kept() {
            methods.kept.insert(invocation);
        }
        if exchange.about.handler == Handler::Rpc && invocation == 0 {
            let wall = Duration::from_millis(self.code.limits.wall_ms_max.into());
            if exchange.client == Client::Listens {
                exchange.client = Client::Gone(self.host.clock.elapsed() + wall);
            }
            methods.returned = true;
            methods.again = None;
        }
        drop(table);
        let place = Place::new(self, event, invocation);
        match (waiting, too_large) {
            (Some(waiting), None) => waiting.answer(came, place),
            (waiting, why) => {
                place.finish_if(came.is_kept());
                if let Some((waiting, why)) = waiting.zip(why) {
                    waiting.refuse(&why);
                }
            }
        }
        Ok(())
    }

    /// A call of a method is answered. No table may be locked.
    pub(super) fn answer_call(self: &Arc<Self>, id: u32, came: Came, place: Place) {
        let is_kept = came.is_kept();
        let Came { how, value, mut with } = came;
        let calling = self.forget_call(id);
        let event = calling.as_ref().map(Calling::event);
        // It may be here before it is known where the call is: what waits for that comes first.
        let queue = calling.map(Calling::answered).unwrap_or_default();
        for (next, made) in queue {
            let place = self.make(Of::Result(place.clone()), next, made);
            self.moved(next, place);
        }
        let mut table = self.table();
        let Some(event) = event.filter(|event| table.events.contains_key(event)) else {
            drop(table);
            return place.finish_if(is_kept);
        };
        let refused = match table.hand_with(&self.code, &mut with, event) {
            Ok(handed) => {
                let given = self.give_locked(&mut table, event, value.into());
                let answer = frame::Answer::Rpc(rpc::Result { how, value: given.frame() });
                self.send_answer(id, answer, handed);
                if is_kept && let Some(exchange) = table.events.get_mut(&event) {
                    exchange.methods.get_or_insert_default().finishing.insert(id, place);
                }
                return;
            }
            Err(refused) => (refused, value),
        };
        drop(table);
        // The caller does not learn that there is something to finish.
        place.finish_if(is_kept);
        self.send_refusal(id, &refused.0);
    }

    /// Nothing will come of a call of a method.
    pub(super) fn refuse_call(self: &Arc<Self>, id: u32, refused: &Refused) {
        let Some(calling) = self.forget_call(id) else { return };
        let queue = calling.answered();
        self.send_refusal(id, refused);
        // What was to be made of its result finds the same at the caller.
        queue.into_iter().for_each(|(next, _)| self.late(next));
    }

    /// A call was made of a result that its caller has; so are those that wait for that one.
    pub(super) fn late(self: &Arc<Self>, id: u32) {
        let mut late = VecDeque::from([id]);
        while let Some(id) = late.pop_front() {
            let Some(calling) = self.forget_call(id) else { continue };
            let queue = calling.answered();
            let result = rpc::Result { how: How::Late, value: frame::Body::None };
            self.send_answer(id, frame::Answer::Rpc(result), Vec::new());
            late.extend(queue.into_iter().map(|(next, _)| next));
        }
    }

    fn forget_call(&self, id: u32) -> Option<Calling> {
        let mut table = self.table();
        let calling = table.calls.remove(&id)?;
        let exchange = table.events.get_mut(&calling.event());
        if let Some(methods) = exchange.and_then(|exchange| exchange.methods.as_mut()) {
            methods.waiting = methods.waiting.saturating_sub(1);
        }
        Some(calling)
    }

    pub(super) fn hear_finish(&self, event: u32, call: u32) {
        let place = {
            let mut table = self.table();
            let methods = table.events.get_mut(&event).and_then(|e| e.methods.as_mut());
            methods.and_then(|methods| methods.finishing.remove(&call))
        };
        if let Some(place) = place {
            place.finish();
        }
    }

    pub(super) fn hear_watch(self: &Arc<Self>, event: u32, slot: u32) {
        let export = match self.table().to(&self.code, (event, slot)) {
            Some(To::Export(export)) => export,
            _ => return,
        };
        export.session.watch(self, (event, slot));
    }

    /// The isolate is to hold an export of its own worker.
    pub(super) fn hear_loopback(self: &Arc<Self>, loopback: Loopback<'_>) -> Heard {
        let Loopback { slot, event, entrypoint, props, attached } = loopback;
        let too_large = props.is_some_and(|props| props.len() > INLINE_BYTES_MAX);
        if !OWN_SLOTS.contains(&slot) || too_large {
            return Err(Violation::Order("an export of its own that is none"));
        }
        let mut table = self.table();
        let owner = match event {
            None => Owner::Isolate,
            Some(event) if table.events.contains_key(&event) => Owner::Event(event),
            Some(_) => return Err(NO_EVENT),
        };
        let capabilities = table.held_by(&self.code, event, &attached)?;
        let props = match props {
            None => Ok(Props::None),
            Some(bytes) => Value::new(FORMAT, Bytes::copy_from_slice(bytes), capabilities)
                .map(|value| Props::Value(Arc::new(value))),
        };
        let capability = props.map(|props| {
            let (target, entrypoint) =
                (Callee::Code(self.code.clone()), entrypoint.map(Into::into));
            let service = Service { target, entrypoint, props, limits: Lower::NONE };
            let what = What::Service(Arc::new(service));
            Capability { tenant: self.code.tenant, what }
        });
        table.put_own(slot, capability, (&self.code, owner))
    }

    /// Tells whoever has to do with an event's methods that it has ended. No table may be locked.
    pub(super) fn end_methods(&self, methods: Option<Box<Methods>>, outcome: Outcome) {
        let Some(methods) = methods else { return };
        let why = why(&self.code.worker, outcome);
        methods.session.end(&why);
        let Methods { invocations, kept, .. } = &*methods;
        invocations.values().for_each(|waiting| waiting.event_ended(kept, &why));
        methods.finishing.values().for_each(Place::finish);
    }
}

/// What is told of an event that a method is called in.
fn of_method(about: About, made: &Made) -> About {
    let name = made.path.join(".");
    About {
        handler: Handler::Rpc,
        method: http::Method::GET,
        path: About::clip(&name).into(),
        status: 0,
        ..about
    }
}

/// Results of one event of which more can be made: an isolate finishes one when it has read it and
/// what it made of it before is answered.
const UNFINISHED_COUNT_MAX: usize = 16 * rpc::CALL_COUNT_MAX;

/// Why arguments or a result do not travel, if they are longer than they may be. How long they are
/// is always said, and nothing comes behind that.
fn too_large(value: &RequestBody) -> Result<Option<String>, Violation> {
    let bytes = match value {
        RequestBody::None | RequestBody::Inline(_) => return Ok(None),
        RequestBody::Stream { length: Some(length), .. } => *length,
        RequestBody::Stream { length: None, .. } => {
            return Err(Violation::Order("a value that does not say how long it is"));
        }
    };
    Ok((bytes > rpc::VALUE_BYTES_MAX as u64).then(|| {
        format!(
            "Serialized RPC arguments or return values are limited to 32MiB, but the size of this \
             value was: {bytes} bytes. ({})",
            RPC_VALUE.fixed()
        )
    }))
}
