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
        if outbound.iter().chain(&tails).any(|service| ends(service)) {
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
    if held.iter().any(|held| holds_what_ends(&held.what)) {
        return Err(Refused::wrong(NOT_TRANSFERRED));
    }
    Ok(())
}

fn holds_what_ends(what: &What) -> bool {
    match what {
        What::Service(service) => ends(service),
        What::Binding { .. } => false,
        What::Export(_) => true,
    }
}

/// Whether a service, or anything that lies within its props, ends with those who hold it.
fn ends(service: &Service) -> bool {
    let within = match &service.props {
        Props::Value(value) => &value.capabilities[..],
        Props::None | Props::Json(_) => &[],
    };
    is_of_event(service) || within.iter().any(|held| holds_what_ends(&held.what))
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

#[cfg(test)]
mod tests {
    use bindery_wire::TenantId;
    use bytes::Bytes;

    use super::*;
    use crate::outbound::Workers;

    fn service(target: Target, held: Vec<Capability>) -> Capability {
        let props = Value::new(1, Bytes::new(), held).expect("shallow");
        let props = Props::Value(Arc::new(props));
        let service = Service { target, entrypoint: None, props, limits: Lower::NONE };
        Capability { tenant: TenantId(1), what: What::Service(Arc::new(service)) }
    }

    fn named(held: Vec<Capability>) -> Capability {
        service(Target::Named("w".into()), held)
    }

    #[test]
    fn what_ends_is_found_however_deep_it_lies() {
        let code = Arc::new(crate::line::test_code());
        let loaded = Arc::new(Loaded::new(code, std::sync::Weak::<Workers>::new()));
        let stub = service(Target::Provided(Arc::new(Stub(loaded))), vec![]);
        assert!(outlives(&[named(vec![named(vec![])])]).is_ok());
        for held in [stub.clone(), named(vec![stub.clone()]), named(vec![named(vec![stub])])] {
            assert!(outlives(&[held]).is_err_and(|refused| refused.message == NOT_TRANSFERRED));
        }
    }
}
