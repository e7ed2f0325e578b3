//! The dynamic slots of a line: what its isolate was handed while it runs.
//!
//! Each belongs to an event, with which it goes, or to the isolate. A number is never used again,
//! so that one which the isolate was late to let go can not mean anything else.

use std::collections::HashMap;
use std::sync::Arc;

use bindery_wire::frame::Body;
use bindery_wire::limits::Lower;
use bindery_wire::value::{
    self, ATTACHED_COUNT_MAX, Attached, DYNAMIC_SLOT, Handed, OWN_COUNT_MAX, OWN_SLOTS, Rights,
};

use super::call::NO_EVENT;
use super::event::{Exchange, RequestBody};
use super::hear::Heard;
use super::methods::With;
use super::outside::Unread;
use super::{Line, Refused, Table, Violation};
use crate::code::{Code, Slot};
use crate::limit::SLOTS;
use crate::rpc::{Capability, Export, Props, Service, Target, Value, What};

/// Capabilities that one isolate holds beside those that its version declares.
pub(crate) const SLOT_COUNT_MAX: usize = 10_000;

/// Bytes of what lies within those, and as many within the isolate's own exports.
const SLOT_BYTES_MAX: u64 = 32 << 20;

/// What an isolate holds.
pub(super) struct Slots {
    next: u32,
    held: HashMap<u32, Held>,
    /// Of what has a number from here, and of what has one of the isolate's choice.
    given: Sum,
    own: Sum,
}

struct Held {
    capability: Capability,
    owner: Owner,
    bytes: u64,
}

/// How much is held.
#[derive(Default)]
struct Sum {
    count: usize,
    bytes: u64,
}

impl Sum {
    fn has_room(&self, count_max: usize, bytes: u64) -> bool {
        self.count < count_max && self.bytes.saturating_add(bytes) <= SLOT_BYTES_MAX
    }
}

/// Whose a slot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The isolate's, for good.
    Isolate,
    /// One event's.
    Event(u32),
}

/// What the slot of a call stands for.
pub(super) enum To {
    /// The global `fetch`.
    Outbound,
    /// What the version has in the call's slot, which is no service.
    Declared,
    /// Something that the isolate was handed.
    Held(Arc<bindery_wire::manifest::Binding>, Rights),
    /// An export of a worker.
    Service(Arc<Service>),
    /// Something that an event has handed over.
    Export(Arc<Export>),
}

impl Default for Slots {
    fn default() -> Self {
        let (given, own) = (Sum::default(), Sum::default());
        Self { next: DYNAMIC_SLOT, held: HashMap::new(), given, own }
    }
}

impl Slots {
    /// What an event, or the isolate by itself, may use by this number.
    fn get(&self, slot: u32, event: Option<u32>) -> Option<&Capability> {
        let held = self.held.get(&slot)?;
        let is_its = match held.owner {
            Owner::Isolate => true,
            Owner::Event(owner) => event == Some(owner),
        };
        is_its.then_some(&held.capability)
    }

    /// Gives the isolate a number for something. `None` if it holds as much as it may.
    fn put(&mut self, capability: Capability, owner: Owner) -> Option<u32> {
        let bytes = capability.size().bytes;
        if !self.given.has_room(SLOT_COUNT_MAX, bytes) || OWN_SLOTS.contains(&self.next) {
            return None;
        }
        let slot = self.next;
        self.next += 1;
        self.insert(slot, Held { capability, owner, bytes });
        Some(slot)
    }

    fn sum(&mut self, slot: u32) -> &mut Sum {
        if OWN_SLOTS.contains(&slot) { &mut self.own } else { &mut self.given }
    }

    fn insert(&mut self, slot: u32, held: Held) {
        let sum = self.sum(slot);
        sum.count += 1;
        sum.bytes = sum.bytes.saturating_add(held.bytes);
        self.held.insert(slot, held);
    }

    fn remove(&mut self, slot: u32) -> Option<Held> {
        let held = self.held.remove(&slot)?;
        let sum = self.sum(slot);
        sum.count = sum.count.saturating_sub(1);
        sum.bytes = sum.bytes.saturating_sub(held.bytes);
        Some(held)
    }

    /// Whether most of the numbers were used: none is used twice.
    pub(super) fn is_worn(&self) -> bool {
        self.next > OWN_SLOTS.start / 2
    }

    /// Takes back what an event was handed, for the caller to drop when the table is free: the end
    /// of one may concern another line.
    pub(super) fn take(&mut self, slots: &[u32]) -> Vec<Capability> {
        slots.iter().filter_map(|slot| self.remove(*slot)).map(|held| held.capability).collect()
    }

    pub(super) fn take_all(&mut self) -> Vec<Capability> {
        (self.given, self.own) = (Sum::default(), Sum::default());
        self.held.drain().map(|(_, held)| held.capability).collect()
    }
}

impl Table {
    /// Hands capabilities to the isolate, all or none. The numbers are in the order of what they
    /// stand for.
    pub(super) fn hand<'a>(
        &mut self,
        code: &Code,
        capabilities: &[Capability],
        owner: Owner,
    ) -> Result<Vec<Handed<'a>>, Refused> {
        let mut handed = Vec::with_capacity(capabilities.len());
        let mut slots = Vec::with_capacity(capabilities.len());
        for capability in capabilities {
            let kind = capability.kind().filter(|_| capability.tenant == code.tenant);
            let slot = kind.and_then(|_| self.slots.put(capability.clone(), owner));
            let Some((kind, slot)) = kind.zip(slot) else {
                // Clones only: the last of each is with the caller.
                drop(self.slots.take(&slots));
                return Err(too_many());
            };
            slots.push(slot);
            handed.push(match self.own_export(capability, owner) {
                Some(export) => Handed::Own { slot, export },
                None => Handed::Slot { kind, slot },
            });
        }
        if let Owner::Event(event) = owner
            && let Some(exchange) = self.events.get_mut(&event)
        {
            exchange.slots.extend(slots);
        }
        Ok(handed)
    }

    /// The number under which an event has handed over what is now handed to it.
    fn own_export(&self, capability: &Capability, owner: Owner) -> Option<u32> {
        let (What::Export(export), Owner::Event(event)) = (&capability.what, owner) else {
            return None;
        };
        let methods = self.events.get(&event)?.methods.as_ref()?;
        Arc::ptr_eq(&export.session, &methods.session).then_some(export.export)
    }

    /// Hands what goes with a value to an event. Bodies are moved, and gone if the rest is refused.
    pub(super) fn hand_with<'a>(
        &mut self,
        code: &Code,
        with: &mut [With],
        event: u32,
    ) -> Result<Vec<Handed<'a>>, Refused> {
        let capabilities: Vec<Capability> = with.iter().filter_map(With::capability).collect();
        let mut handed = self.hand(code, &capabilities, Owner::Event(event))?.into_iter();
        let mut all = Vec::with_capacity(with.len());
        for one in with {
            match one {
                With::Capability(_) => all.extend(handed.next()),
                With::Body(body) => {
                    let body = std::mem::replace(body, RequestBody::None);
                    all.push(Handed::Body(self.hand_body(body, event)));
                }
            }
        }
        Ok(all)
    }

    fn hand_body<'a>(&mut self, body: RequestBody, event: u32) -> Body<'a> {
        let RequestBody::Stream { from, length } = body else { return Body::None };
        match self.hold_new(event, Unread::Plain(from), length) {
            Some(body) => Body::Stream { body, length },
            None => Body::None,
        }
    }

    /// Takes back an event that was not sent, to be dropped when the table is free.
    pub(super) fn take_back(&mut self, event: u32) -> impl Drop + use<> {
        let exchange = self.events.remove(&event);
        let slots = exchange.as_ref().map_or(&[][..], |exchange| &exchange.slots);
        let handed = self.slots.take(slots);
        let bodies = exchange.as_ref().map_or(&[][..], |exchange| &exchange.bodies);
        let bodies: Vec<_> = bodies.iter().filter_map(|body| self.bodies.remove(body)).collect();
        Box::new((exchange, handed, bodies))
    }

    /// A value as the isolate gets it.
    pub(super) fn hand_value<'a>(
        &mut self,
        code: &Code,
        value: &'a Value,
        owner: Owner,
    ) -> Result<value::Value<'a>, Refused> {
        if !value.is_inline() {
            return Err(Refused::failed("The value is too large."));
        }
        let handed = self.hand(code, &value.capabilities, owner)?;
        Ok(value::Value { format: value.format, bytes: &value.bytes, handed })
    }

    /// `ctx.props` as the isolate gets it.
    pub(super) fn hand_props<'a>(
        &mut self,
        code: &Code,
        props: &'a Props,
        event: u32,
    ) -> Result<value::Props<'a>, Refused> {
        Ok(match props {
            Props::None => value::Props::None,
            Props::Json(json) => value::Props::Json(json),
            Props::Value(value) => {
                value::Props::Value(self.hand_value(code, value, Owner::Event(event))?)
            }
        })
    }

    /// What the slot of a call stands for.
    pub(super) fn to(&self, code: &Code, (event, slot): (u32, u32)) -> Option<To> {
        Some(match code.slot(slot) {
            Some(Slot::Outbound) => To::Outbound,
            Some(Slot::Caches) => To::Declared,
            Some(Slot::Binding(binding)) => match Service::declared(binding) {
                Some(service) => To::Service(Arc::new(service)),
                None => To::Declared,
            },
            None => match &self.slots.get(slot, Some(event))?.what {
                What::Service(service) => To::Service(self.lowered(code, Some(event), service)),
                What::Binding { binding, rights } => To::Held(binding.clone(), *rights),
                What::Export(export) => To::Export(export.clone()),
            },
        })
    }

    /// What an isolate hands over of what it holds, for an event or for good.
    pub(super) fn held_by(
        &self,
        code: &Code,
        event: Option<u32>,
        attached: &[Attached<'_>],
    ) -> Result<Vec<Capability>, Violation> {
        if attached.len() > ATTACHED_COUNT_MAX {
            return Err(Violation::Order("more with one value than may be"));
        }
        let held = |slot| {
            let mut held = self.slots.get(slot, event).cloned();
            if let Some(Capability { what: What::Service(service), .. }) = &mut held {
                *service = self.lowered(code, event, service);
            }
            held.or_else(|| Capability::declared(code, slot))
        };
        let one = |attached: &Attached<'_>| match attached {
            Attached::Slot { slot, rights } => held(*slot)?.with(*rights),
            Attached::Part { slot, name, rights } => held(*slot)?.part(name)?.with(*rights),
            _ => None,
        };
        let all: Option<Vec<_>> = attached.iter().map(one).collect();
        all.ok_or(Violation::Order("something that it does not hold"))
    }

    /// An export of the isolate's own worker is called, and handed on, with no more than the event
    /// itself may use.
    fn lowered(&self, code: &Code, event: Option<u32>, service: &Arc<Service>) -> Arc<Service> {
        let exchange = event.and_then(|event| self.events.get(&event));
        let limits = exchange.map_or(&Lower::NONE, |exchange| &exchange.limits);
        match &service.target {
            Target::Code(of) if *limits != Lower::NONE && of.is_of(code) => {
                let limits = service.limits.and(limits);
                Arc::new(Service { limits, ..(**service).clone() })
            }
            _ => service.clone(),
        }
    }

    /// Has the isolate hold something in a slot of its choice. What is too large is not held: calls
    /// of that slot are told so.
    pub(super) fn put_own(
        &mut self,
        slot: u32,
        capability: Result<Capability, Refused>,
        (code, owner): (&Code, Owner),
    ) -> Heard {
        if self.slots.own.count >= OWN_COUNT_MAX || self.slots.held.contains_key(&slot) {
            return Err(Violation::Order("more exports of its own than may be, or one twice"));
        }
        let fits = |one: &Capability| self.slots.own.has_room(OWN_COUNT_MAX, one.size().bytes);
        let capability = match capability {
            Ok(capability) if fits(&capability) => capability,
            Ok(_) => Capability::refused(code.tenant, too_many()),
            Err(refused) => Capability::refused(code.tenant, refused),
        };
        let bytes = capability.size().bytes;
        self.slots.insert(slot, Held { capability, owner, bytes });
        if let Owner::Event(event) = owner
            && let Some(exchange) = self.events.get_mut(&event)
        {
            exchange.slots.push(slot);
        }
        Ok(())
    }
}

impl Line {
    /// Adds what an event hands over, which it holds or which is its own, to a list that lives for
    /// longer than the table is locked: an end of a body locks it too.
    pub(super) fn attached(
        self: &Arc<Self>,
        table: &mut Table,
        event: u32,
        attached: &[Attached<'_>],
        with: &mut Vec<With>,
    ) -> Heard {
        let held: Vec<_> = attached.iter().filter(is_slot).cloned().collect();
        let mut held = table.held_by(&self.code, Some(event), &held)?.into_iter();
        if attached.len() == held.len() {
            with.extend(held.map(With::Capability));
            return Ok(());
        }
        if attached.len() > ATTACHED_COUNT_MAX {
            return Err(Violation::Order("more with one value than may be"));
        }
        let exchange = table.events.get_mut(&event).ok_or(NO_EVENT)?;
        let session = exchange.methods.get_or_insert_default().session.clone();
        for attached in attached {
            match attached {
                Attached::Slot { .. } | Attached::Part { .. } => {
                    with.extend(held.next().map(With::Capability));
                }
                Attached::Export { export } => {
                    let export = Export::new(Arc::downgrade(self), (event, *export), &session);
                    let what = What::Export(Arc::new(export));
                    with.push(With::Capability(Capability { tenant: self.code.tenant, what }));
                }
                Attached::Body(body @ (Body::Stream { .. } | Body::Passed { .. })) => {
                    with.push(With::Body(self.call_body(table, event, body)?.0));
                }
                Attached::Body(_) => return Err(Violation::Order("a body that is no stream")),
            }
        }
        Ok(())
    }

    /// The isolate does not want something any more that it was handed.
    pub(super) fn hear_release(&self, slot: u32) {
        let mut table = self.table();
        let Some(held) = table.slots.remove(slot) else { return };
        if let Owner::Event(event) = held.owner
            && let Some(Exchange { slots, .. }) = table.events.get_mut(&event)
        {
            slots.retain(|known| *known != slot);
        }
        drop(table);
        drop(held);
    }
}

impl With {
    fn capability(&self) -> Option<Capability> {
        match self {
            Self::Capability(capability) => Some(capability.clone()),
            Self::Body(_) => None,
        }
    }
}

fn is_slot(attached: &&Attached<'_>) -> bool {
    matches!(attached, Attached::Slot { .. } | Attached::Part { .. })
}

fn too_many() -> Refused {
    let mib = SLOT_BYTES_MAX >> 20;
    let told = SLOTS.fixed();
    Refused::failed(format!(
        "The isolate holds too many stubs, or more than {mib} MiB of their props. ({told})"
    ))
}
