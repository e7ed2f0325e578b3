//! What goes with a call of a loader: rights, exports and bindings, and how long they last.

use std::any::Any;
use std::sync::Arc;

use bindery_wire::binding::loader::Outbound;
use bindery_wire::limits::Lower;
use bindery_wire::value::INLINE_BYTES_MAX;

use super::instance::{Loaded, Right, Stub};
use super::names::Turn;
use super::read::Read;
use super::register::Registered;
use super::{hand, malformed};
use crate::line::{Answer, Ask, Refused};
use crate::rpc::{Capability, Props, Service, Target, Value, What};

/// What goes with code, by what it is for.
pub(super) struct Attached {
    pub(super) turn: Option<Arc<Turn>>,
    pub(super) outbound: Option<Arc<Service>>,
    pub(super) tails: Vec<Arc<Service>>,
    pub(super) env: Vec<Capability>,
}

/// An export of a loaded worker.
pub(super) async fn entrypoint_of(
    ask: Ask,
    entrypoint: Option<String>,
    props: bool,
    limits: Lower,
) -> Result<Answer, Refused> {
    let Ask { code, body, mut attached, .. } = ask;
    if attached.is_empty() {
        return Err(malformed());
    }
    let What::Service(stub) = attached.remove(0).what else { return Err(malformed()) };
    let target = match (provider::<Stub>(&stub), provider::<Registered>(&stub)) {
        (Some(stub), _) => Target::Provided(stub.0.clone()),
        (None, Some(registered)) => Target::Named(registered.worker.as_str().into()),
        (None, None) => return Err(malformed()),
    };
    let props = match props {
        true => {
            outlives(&attached)?;
            Props::Value(Arc::new(Value::read(body, attached, INLINE_BYTES_MAX).await?))
        }
        false => Props::None,
    };
    let entrypoint = entrypoint.map(Into::into);
    hand(&code, &(), Service { target, entrypoint, props, limits })
}

impl Attached {
    /// What goes with code, in the order in which the index counts it.
    pub(super) fn of(read: &Read, attached: Vec<Capability>) -> Result<Self, Refused> {
        let index = &read.index;
        let mut attached = attached.into_iter();
        let mut service = || match attached.next()?.what {
            What::Service(service) => Some(service),
            What::Binding { .. } | What::Export(_) => None,
        };
        let turn = match index.named {
            true => {
                let held = service().ok_or_else(malformed)?;
                Some(provider::<Right>(&held).ok_or_else(malformed)?.0.clone())
            }
            false => None,
        };
        let outbound = match index.outbound {
            Outbound::Attached => Some(service().ok_or_else(malformed)?),
            Outbound::Inherit | Outbound::None => None,
        };
        let tails = (0..index.tails).map(|_| service().ok_or_else(malformed));
        let tails: Vec<_> = tails.collect::<Result<_, _>>()?;
        let env: Vec<_> = attached.collect();
        if index.env.is_none() && !env.is_empty() {
            return Err(malformed());
        }
        outlives(&env)?;
        if outbound.iter().chain(&tails).any(|service| is_of_event(service)) {
            return Err(Refused::wrong(NOT_TRANSFERRED));
        }
        Ok(Self { turn, outbound, tails, env })
    }
}

pub(super) const NOT_TRANSFERRED: &str = "Entrypoints to dynamically-loaded workers cannot be transferred to \
    other Workers, because the system does not know how to reload this Worker from scratch. Instead, \
    have the parent Worker expose an entrypoint which constructs the dynamic worker and forwards to \
    it.";

/// Refuses what ends before that which is to hold it.
fn outlives(held: &[Capability]) -> Result<(), Refused> {
    let ends = |held: &Capability| match &held.what {
        What::Service(service) => is_of_event(service),
        What::Binding { .. } => false,
        What::Export(_) => true,
    };
    if held.iter().any(ends) { Err(Refused::wrong(NOT_TRANSFERRED)) } else { Ok(()) }
}

/// Whether a service ends with those who hold it: nothing could start it from scratch.
fn is_of_event(service: &Service) -> bool {
    provider::<Stub>(service).is_some()
        || provider::<Loaded>(service).is_some()
        || provider::<Right>(service).is_some()
        || provider::<Registered>(service).is_some()
}

fn provider<T: Any>(service: &Service) -> Option<&T> {
    let Target::Provided(provider) = &service.target else { return None };
    let provider: &dyn Any = &**provider;
    provider.downcast_ref()
}
