//! The dynamic slots of a line: what its isolate was handed while it runs.
//!
//! Each belongs to an event, with which it goes, or to the isolate. A number is never used again,
//! so that one which the isolate was late to let go can not mean anything else.

use std::collections::HashMap;
use std::sync::Arc;

use bindery_wire::frame::Operation;
use bindery_wire::value::{self, ATTACHED_COUNT_MAX, Attached, DYNAMIC_SLOT, Handed, Rights};

use super::event::Exchange;
use super::{Line, Refused, Table, Violation};
use crate::code::{Code, Slot};
use crate::limit::SLOTS;
use crate::rpc::{Capability, Props, Service, Value, What};

/// Capabilities that one isolate holds beside those that its version declares.
pub(crate) const SLOT_COUNT_MAX: usize = 10_000;

/// What an isolate holds.
pub(super) struct Slots {
    next: u32,
    held: HashMap<u32, Held>,
}

struct Held {
    capability: Capability,
    owner: Owner,
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
}

impl Default for Slots {
    fn default() -> Self {
        Self { next: DYNAMIC_SLOT, held: HashMap::new() }
    }
}

impl Slots {
    /// What an event may use by this number.
    fn get(&self, slot: u32, event: u32) -> Option<&Capability> {
        let held = self.held.get(&slot)?;
        let is_its = matches!(held.owner, Owner::Isolate) || held.owner == Owner::Event(event);
        is_its.then_some(&held.capability)
    }

    /// Gives the isolate a number for something. `None` if it holds as much as it may.
    fn put(&mut self, capability: Capability, owner: Owner) -> Option<u32> {
        if self.held.len() >= SLOT_COUNT_MAX {
            return None;
        }
        let slot = self.next;
        self.next = slot.checked_add(1)?;
        self.held.insert(slot, Held { capability, owner });
        Some(slot)
    }

    /// Takes back what an event was handed, for the caller to drop when the table is free: the end
    /// of one may concern another line.
    pub(super) fn take(&mut self, slots: &[u32]) -> Vec<Capability> {
        slots.iter().filter_map(|slot| self.held.remove(slot)).map(|held| held.capability).collect()
    }

    pub(super) fn take_all(&mut self) -> Vec<Capability> {
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
            handed.push(Handed::Slot { kind, slot });
        }
        if let Owner::Event(event) = owner
            && let Some(exchange) = self.events.get_mut(&event)
        {
            exchange.slots.extend(slots);
        }
        Ok(handed)
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

    /// What the slot of a call stands for, if the operation is one that it knows.
    pub(super) fn to(
        &self,
        code: &Code,
        (event, slot): (u32, u32),
        operation: &Operation<'_>,
    ) -> Option<To> {
        let to = match code.slot(slot) {
            Some(Slot::Outbound) => To::Outbound,
            Some(Slot::Caches) => To::Declared,
            Some(Slot::Binding(binding)) => match Service::declared(binding) {
                Some(service) => To::Service(Arc::new(service)),
                None => To::Declared,
            },
            None => match &self.slots.get(slot, event)?.what {
                What::Service(service) => To::Service(service.clone()),
                What::Binding { binding, rights } => To::Held(binding.clone(), *rights),
            },
        };
        let knows = match operation {
            Operation::Fetch(_) => matches!(to, To::Outbound | To::Service(_)),
            Operation::Bound(_) => matches!(to, To::Declared | To::Held(..)),
        };
        knows.then_some(to)
    }

    /// What an isolate hands over, which it must hold.
    pub(super) fn attached(
        &self,
        code: &Code,
        event: u32,
        attached: &[Attached<'_>],
    ) -> Result<Vec<Capability>, Violation> {
        if attached.len() > ATTACHED_COUNT_MAX {
            return Err(Violation::Order("more with one value than may be"));
        }
        let held = |slot| {
            let held = self.slots.get(slot, event).cloned();
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
}

impl Line {
    /// The isolate does not want something any more that it was handed.
    pub(super) fn hear_release(&self, slot: u32) {
        let mut table = self.table();
        let Some(held) = table.slots.held.remove(&slot) else { return };
        if let Owner::Event(event) = held.owner
            && let Some(Exchange { slots, .. }) = table.events.get_mut(&event)
        {
            slots.retain(|known| *known != slot);
        }
        drop(table);
        drop(held);
    }
}

fn too_many() -> Refused {
    Refused::failed(format!("The isolate holds too many stubs. ({})", SLOTS.fixed()))
}
