//! The admin API: what operators and tenants ask of the server itself, over HTTP.
//!
//! [`call::CALLS`] is the one list of calls: who may make each, what it means and what answers
//! it; the router and the document that describes them are made of it. Every body is bounded;
//! every problem of a body is reported at once with its path; unknown fields are refused. Absent
//! on purpose: rules about what is stored (see `registry`).

mod answer;
mod audit;
mod auth;
mod call;
mod capabilities;
mod crons;
mod domains;
mod events;
mod fields;
mod gate;
mod health;
mod kv;
mod logs;
mod openapi;
mod queues;
mod secrets;
mod serve;
mod store;
mod tenants;
#[cfg(test)]
mod tests;
mod tokens;
mod upload;
mod usage;
mod workers;

pub use capabilities::capabilities;
pub(crate) use fields::BODY_BYTES_MAX;
pub(crate) use serve::serve;
pub(crate) use upload::{FLAG_COUNT_MAX, METADATA_BYTES_MAX, triggers};

use std::sync::Arc;

use axum::{Router, middleware};
use bindery_storage::blob::Blobs;
use bindery_storage::embedded::Embedded;
use tokio::sync::watch;

use crate::audit::Audit;
use crate::event::Runner;
use crate::kv::Kv;
use crate::limit;
use crate::metrics::Measured;
use crate::queue::Queues;
use crate::registry::{Operator, Registry};
use crate::source_map::SourceMaps;
use crate::tail::Tail;
use crate::usage::Usage;
use call::{CALLS, Call};

/// Uploads that run at once.
pub(crate) const UPLOAD_COUNT_MAX: usize = 8;
/// Uploads of one tenant that run at once.
pub(crate) const TENANT_UPLOAD_COUNT_MAX: usize = 2;
/// Readers that follow logs at once.
pub(crate) const FOLLOWER_COUNT_MAX: usize = 256;
/// Readers that follow one tenant's logs at once.
pub(crate) const TENANT_FOLLOWER_COUNT_MAX: usize = 16;

/// What the admin API is made of.
pub struct Parts {
    /// What the server knows.
    pub registry: Registry,
    /// What all of it is kept in.
    pub store: Arc<Embedded>,
    /// What is too large for rows.
    pub blobs: Blobs,
    /// Knows the operator.
    pub operator: Operator,
    /// Who asked for which change.
    pub audit: Audit,
    /// What tenants see of their events.
    pub tail: Tail,
    /// What tenants used.
    pub usage: Usage,
    /// What tenants keep under keys.
    pub kv: Kv,
    /// What tenants' workers send each other.
    pub queues: Queues,
    /// Figures of the host.
    pub measured: Arc<dyn Measured>,
    /// Runs events.
    pub runner: Arc<dyn Runner>,
    /// Whether the server takes work: turns false when it begins to shut down.
    pub serving: watch::Receiver<bool>,
    /// The name under which tenants have theirs.
    pub domain: String,
    /// The front door's port, for the addresses that are shown.
    pub port: u16,
}

type Admin = Arc<State>;

struct State {
    parts: Parts,
    source_maps: SourceMaps,
    uploads: gate::Gate,
    followers: gate::Gate,
    counts: health::Counts,
}

/// The admin API as a service.
pub fn router(parts: Parts) -> Router {
    let admin = Arc::new(State {
        source_maps: SourceMaps::new(parts.registry.clone()),
        parts,
        uploads: gate::Gate::new(limit::UPLOADS, limit::TENANT_UPLOADS),
        followers: gate::Gate::new(limit::FOLLOWERS, limit::TENANT_FOLLOWERS),
        counts: health::Counts::default(),
    });
    let guarded = middleware::from_fn_with_state(admin.clone(), auth::guard);
    let finished = middleware::from_fn_with_state(admin.clone(), answer::finish);
    calls()
        .route_layer(guarded)
        .fallback(answer::no_such_call)
        .method_not_allowed_fallback(answer::no_such_method)
        .layer(finished)
        .with_state(admin)
}

/// The router of the list of calls.
fn calls() -> Router<Admin> {
    let add = |router: Router<Admin>, call: &Call| router.route(call.path, (call.route)());
    CALLS.iter().fold(Router::new(), add)
}
