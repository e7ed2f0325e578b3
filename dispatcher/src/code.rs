//! What one isolate runs: a version of a tenant's worker, loaded.

use std::sync::Arc;

use bindery_wire::frame::{CACHES_SLOT, OUTBOUND_SLOT};
use bindery_wire::manifest::Binding;
use bindery_wire::{Limits, Manifest, TenantId, VersionId};
use bytes::Bytes;

use crate::line::Tails;
use crate::loader::Room;
use crate::rpc::{Service, Value};

/// A version with everything that an isolate needs to start it.
#[derive(Debug)]
pub struct Code {
    /// Whose it is.
    pub tenant: TenantId,
    /// The tenant's name, for logs.
    pub tenant_name: Arc<str>,
    /// The worker's name.
    pub worker: Arc<str>,
    /// The version.
    pub version: VersionId,
    /// What the version is.
    pub manifest: Manifest,
    /// Which instance of loaded code it is; 0 if it was uploaded.
    pub instance: u64,
    /// The bytes of the manifest's modules, in its order; source maps left out.
    pub modules: Vec<(String, Bytes)>,
    /// The worker's secrets that the version names.
    pub secrets: Vec<(String, String)>,
    /// An object whose properties `env` holds too.
    pub env: Option<Arc<Value>>,
    /// Where the global `fetch` goes, if not where the manifest says.
    pub outbound: Option<Arc<Service>>,
    /// What is told of each event, when it has ended.
    pub tails: Option<Arc<Tails>>,
    /// How deep values lie in each other in those: each is let go inside what holds it.
    pub depth: u32,
    /// What it takes of its tenant's room, if it was loaded: whoever holds the code holds that too.
    #[expect(dead_code, reason = "held, and never looked at")]
    pub(crate) room: Option<Room>,
    /// The lowest of the server's, the tenant's and the version's limits.
    pub limits: Limits,
    /// Changes with every change of the worker's secrets or the tenant's limits: an isolate of
    /// an older generation takes no new events.
    pub generation: u64,
}

/// What a slot of an isolate stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot<'a> {
    /// The global `fetch`.
    Outbound,
    /// The global `caches`.
    Caches,
    /// What the version declares.
    Binding(&'a Binding),
}

impl Code {
    /// Whether it is a version of the same worker, and the same instance if that was loaded.
    pub fn is_of(&self, other: &Self) -> bool {
        self.tenant == other.tenant
            && self.instance == other.instance
            && self.worker == other.worker
    }

    /// What a slot stands for; absent if the version has no such slot.
    pub fn slot(&self, slot: u32) -> Option<Slot<'_>> {
        match slot {
            OUTBOUND_SLOT => Some(Slot::Outbound),
            CACHES_SLOT => Some(Slot::Caches),
            slot => {
                let (.., binding) = self.manifest.bound().find(|(known, ..)| *known == slot)?;
                Some(Slot::Binding(binding))
            }
        }
    }
}
