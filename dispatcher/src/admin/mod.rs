//! The admin API: what operators and tenants ask of the server itself, over HTTP.
//!
//! [`call::CALLS`] is the one list of calls: who may make each, what it means, and the document
//! that describes them. Every body is bounded; every problem of a body is reported at once with
//! its path; unknown fields are refused. Absent on purpose: rules about what is stored (see
//! `registry`).

mod answer;
mod auth;
mod call;
mod capabilities;
mod domains;
mod fields;
mod gate;
mod health;
mod logs;
mod secrets;
mod serve;
mod tenants;
#[cfg(test)]
mod tests;
mod tokens;
mod upload;
mod usage;
mod workers;

pub use capabilities::capabilities;
pub(crate) use fields::BODY_BYTES_MAX;
pub use health::{Measured, Metric};
pub(crate) use serve::serve;
pub(crate) use upload::{FLAG_COUNT_MAX, METADATA_BYTES_MAX};

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::routing::{delete, get, post, put};
use axum::{Router, middleware};
use bindery_wire::limits::REQUEST_BYTES_MAX;
use tokio::sync::watch;

use crate::limit;
use crate::registry::{Operator, Registry};
use crate::tail::Tail;
use crate::usage::Usage;

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
    /// Knows the operator.
    pub operator: Operator,
    /// What tenants see of their events.
    pub tail: Tail,
    /// What tenants used.
    pub usage: Usage,
    /// Figures of the host.
    pub measured: Arc<dyn Measured>,
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
    uploads: gate::Gate,
    followers: gate::Gate,
    counts: health::Counts,
}

/// The admin API as a service.
pub fn router(parts: Parts) -> Router {
    let admin = Arc::new(State {
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

fn calls() -> Router<Admin> {
    let upload = put(upload::put).layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX as usize));
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/openapi.json", get(call::openapi))
        .route("/v1/capabilities", get(capabilities::show))
        .route("/v1/tenants", get(tenants::list))
        .route("/v1/tenants/{t}", put(tenants::put).get(tenants::show).delete(tenants::delete))
        .route("/v1/tenants/{t}/domains", get(domains::list))
        .route(
            "/v1/tenants/{t}/domains/{host}",
            put(domains::put).get(domains::show).delete(domains::delete),
        )
        .route("/v1/tenants/{t}/tokens", post(tokens::create).get(tokens::list))
        .route("/v1/tenants/{t}/tokens/{id}", delete(tokens::delete))
        .route("/v1/tenants/{t}/logs", get(logs::read))
        .route("/v1/tenants/{t}/usage", get(usage::read))
        .route("/v1/tenants/{t}/workers", get(workers::list))
        .route("/v1/tenants/{t}/workers/{w}", upload.get(workers::show).delete(workers::delete))
        .route("/v1/tenants/{t}/workers/{w}/versions", get(workers::versions))
        .route("/v1/tenants/{t}/workers/{w}/deployments", post(workers::deploy))
        .route("/v1/tenants/{t}/workers/{w}/secrets", get(secrets::list))
        .route(
            "/v1/tenants/{t}/workers/{w}/secrets/{name}",
            put(secrets::put).delete(secrets::delete),
        )
}
