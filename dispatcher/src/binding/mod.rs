//! What workers' bindings stand for: each call goes to what carries out its kind.
//!
//! Guarantees: whose binding it is, and which resource it names, is read from the caller's own code
//! on this side of the line; a call says only what is to be done with it. Nothing in a head is
//! believed.

mod operations;

use bindery_wire::binding;
use bindery_wire::manifest::Binding;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use operations::Operations;

use crate::cache::Caches;
use crate::code::Slot;
use crate::kv::{self, Kv};
use crate::line::{Answer, Ask, FetchedBody, Refused};
use crate::loader::Loaders;
use crate::queue::Queues;

/// Carries out the calls of bindings.
#[derive(Clone)]
pub struct Bindings {
    /// Caches.
    pub caches: Caches,
    /// Namespaces of keys and values.
    pub kv: Kv,
    /// What loads workers.
    pub loaders: Loaders,
    /// Every tenant's queues.
    pub queues: Queues,
}

impl Bindings {
    /// Carries out one call. Dropped, it may still be done, whole.
    pub fn ask(&self, ask: Ask) -> BoxFuture<'static, Result<Answer, Refused>> {
        let kv = |ask, namespace| Box::pin(kv::answer(self.kv.clone(), ask, namespace));
        match ask.of() {
            Some(Slot::Caches) => self.caches.ask(ask),
            Some(Slot::Binding(Binding::KvNamespace { namespace })) => {
                let namespace = namespace.clone();
                kv(ask, Some(namespace))
            }
            Some(Slot::Binding(Binding::DynamicKv)) => kv(ask, None),
            Some(Slot::Binding(Binding::WorkerLoader)) if ask.rights().is_all() => {
                let loaders = self.loaders.clone();
                Box::pin(async move { loaders.ask(ask).await })
            }
            Some(Slot::Binding(binding @ (Binding::Queue { .. } | Binding::DynamicQueue))) => {
                let (queues, binding) = (self.queues.clone(), binding.clone());
                Box::pin(async move { queues.ask(ask, &binding).await })
            }
            _ => Box::pin(async { Err(malformed()) }),
        }
    }
}

impl Ask {
    /// What is asked.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Refused> {
        binding::read(&self.head).map_err(|_| malformed())
    }
}

impl Answer {
    /// An answer of this head and body.
    pub fn new(head: &impl Serialize, body: FetchedBody) -> Result<Self, Refused> {
        let head = binding::write(head).map_err(|error| {
            tracing::error!(%error, "an answer can not be written");
            Refused::failed("internal error")
        })?;
        Ok(Self { head, body, handed: Vec::new() })
    }
}

/// What is said of a call that no honest isolate makes.
pub(crate) fn malformed() -> Refused {
    Refused::failed("internal error: the call is malformed")
}
