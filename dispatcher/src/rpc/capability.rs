//! What a slot can stand for.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use bindery_wire::TenantId;
use bindery_wire::binding::Kind;
use bindery_wire::limits::Lower;
use bindery_wire::manifest::Binding;
use bindery_wire::name::check_resource;
use bindery_wire::value::Rights;
use futures_util::future::BoxFuture;

use super::{Export, Value};
use crate::code::{Code, Slot};
use crate::line::Refused;

/// Something that an isolate may use. Clones stand for the same.
#[derive(Clone, Debug)]
pub struct Capability {
    /// Whose it is: it is handed to nobody else.
    pub tenant: TenantId,
    /// What it is.
    pub what: What,
}

/// What a capability is.
#[derive(Clone, Debug)]
pub enum What {
    /// What a version can declare.
    Binding {
        /// The declaration.
        binding: Arc<Binding>,
        /// What may be done with it.
        rights: Rights,
    },
    /// An export of a worker.
    Service(Arc<Service>),
    /// Something that an event has handed over: it lasts for as long as the event.
    Export(Arc<Export>),
}

/// An export of a worker, as somebody sees it.
#[derive(Clone, Debug)]
pub struct Service {
    /// Of which worker.
    pub target: Target,
    /// The export; absent for `default`.
    pub entrypoint: Option<Box<str>>,
    /// What it sees as `ctx.props`.
    pub props: Props,
    /// Limits of its events, lower than the worker's own.
    pub limits: Lower,
}

/// Which worker a service runs in.
#[derive(Clone)]
pub enum Target {
    /// The tenant's worker of that name, looked up at each call.
    Named(Box<str>),
    /// This very code.
    Code(Arc<Code>),
    /// What somebody says at each call.
    Provided(Arc<dyn Provide>),
}

/// Knows which code a service runs in.
pub trait Provide: Any + Send + Sync {
    /// The code, as of now. It must be of the tenant of the capability. Cancel-safe.
    fn code(&self) -> BoxFuture<'_, Result<Arc<Code>, Refused>>;

    /// How deep values lie in each other in what it holds.
    fn depth(&self) -> u32;
}

/// What a callee sees as `ctx.props`. Whoever made the service chose it, not who calls.
#[derive(Clone, Debug, Default)]
pub enum Props {
    /// An object without properties.
    #[default]
    None,
    /// A value, as the text of its JSON.
    Json(Arc<str>),
    /// A value that an isolate wrote.
    Value(Arc<Value>),
}

/// What stands for code that there is not.
struct Refusing(Refused);

impl Provide for Refusing {
    fn code(&self) -> BoxFuture<'_, Result<Arc<Code>, Refused>> {
        Box::pin(async { Err(self.0.clone()) })
    }

    fn depth(&self) -> u32 {
        0
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => f.debug_tuple("Named").field(name).finish(),
            Self::Code(code) => f.debug_tuple("Code").field(&code.version).finish(),
            Self::Provided(_) => f.write_str("Provided"),
        }
    }
}

impl Capability {
    /// One that a version declares.
    pub fn declared(code: &Code, slot: u32) -> Option<Self> {
        let Some(Slot::Binding(binding)) = code.slot(slot) else { return None };
        let what = match Service::declared(binding) {
            Some(service) => What::Service(Arc::new(service)),
            None => What::Binding { binding: Arc::new(binding.clone()), rights: Rights::All },
        };
        Some(Self { tenant: code.tenant, what })
    }

    /// A service whose calls are refused.
    pub fn refused(tenant: TenantId, why: Refused) -> Self {
        let target = Target::Provided(Arc::new(Refusing(why)));
        let (entrypoint, props, limits) = (None, Props::None, Lower::NONE);
        let service = Service { target, entrypoint, props, limits };
        Self { tenant, what: What::Service(Arc::new(service)) }
    }

    /// What stands for it in an isolate.
    pub fn kind(&self) -> Option<Kind> {
        match &self.what {
            What::Binding { binding, .. } => binding.kind(),
            What::Service(_) => Some(Kind::Service),
            What::Export(_) => Some(Kind::Stub),
        }
    }

    /// One of those that it has by name, with the same rights. `None` if it has none.
    pub fn part(self, name: &str) -> Option<Self> {
        let What::Binding { binding, rights } = self.what else { return None };
        check_resource(name).ok()?;
        let name = name.to_owned();
        let binding = Arc::new(match *binding {
            Binding::DynamicKv => Binding::KvNamespace { namespace: name },
            Binding::DynamicQueue => Binding::Queue { queue: name, delivery_delay: None },
            _ => return None,
        });
        Some(Self { what: What::Binding { binding, rights }, ..self })
    }

    /// Whether it may outlive the event that hands it over.
    pub fn lasts(&self) -> bool {
        !matches!(self.what, What::Export(_))
    }

    /// The same with no more than these rights. `None` if none would be left, or if it has none
    /// that could be taken away.
    pub fn with(self, rights: Rights) -> Option<Self> {
        let what = match self.what {
            What::Binding { binding, rights: has } => {
                What::Binding { binding, rights: has.and(rights)? }
            }
            what if rights.is_all() => what,
            What::Service(_) | What::Export(_) => return None,
        };
        Some(Self { what, ..self })
    }
}

impl Service {
    /// What a declaration says, if it is one of a service.
    pub fn declared(binding: &Binding) -> Option<Self> {
        let Binding::Service { service, entrypoint, props } = binding else { return None };
        Some(Self {
            target: Target::Named(service.as_str().into()),
            entrypoint: entrypoint.as_deref().map(Into::into),
            props: props.as_deref().map_or(Props::None, |json| Props::Json(json.into())),
            limits: Lower::NONE,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kv(rights: Rights) -> Capability {
        let binding = Arc::new(Binding::KvNamespace { namespace: "n".into() });
        Capability { tenant: TenantId(1), what: What::Binding { binding, rights } }
    }

    fn rights(capability: &Capability) -> Rights {
        match capability.what {
            What::Binding { rights, .. } => rights,
            What::Service(_) | What::Export(_) => panic!("not a binding"),
        }
    }

    #[test]
    fn a_capability_loses_rights_and_never_gains_any() {
        let read = kv(Rights::All).with(Rights::Read).expect("some are left");
        assert_eq!(rights(&read), Rights::Read);
        assert_eq!(rights(&read.clone().with(Rights::All).expect("the same")), Rights::Read);
        assert!(read.with(Rights::Send).is_none());
    }

    #[test]
    fn one_of_many_is_handed_on_by_name_and_with_no_more_rights() {
        let binding = Arc::new(Binding::DynamicKv);
        let what = What::Binding { binding, rights: Rights::Read };
        let all = Capability { tenant: TenantId(1), what };
        let one = all.clone().part("notes").expect("there");
        assert_eq!((one.kind(), rights(&one)), (Some(Kind::Kv), Rights::Read));
        assert!(one.part("notes").is_none());
        assert!(all.part("").is_none());
    }

    #[test]
    fn a_service_has_no_rights_that_could_be_taken() {
        let binding =
            Binding::Service { service: "s".into(), entrypoint: None, props: Some("{}".into()) };
        let service = Service::declared(&binding).expect("a service");
        assert!(matches!(&service.props, Props::Json(json) if &**json == "{}"));
        let capability = Capability { tenant: TenantId(1), what: What::Service(Arc::new(service)) };
        assert!(capability.clone().with(Rights::All).is_some());
        assert!(capability.with(Rights::Read).is_none());
    }
}
