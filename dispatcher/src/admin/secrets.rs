//! Secrets of a worker: written, listed by name, never shown.

use axum::body::Body;
use axum::extract::{Path, State};
use bindery_wire::name::check_binding;
use serde_json::{Value, json};

use super::Admin;
use super::answer::{Answer, done, json as answer};
use super::fields::{self, Faults, Fields};

pub(super) async fn put(
    State(admin): State<Admin>,
    Path((tenant, worker, name)): Path<(String, String, String)>,
    body: Body,
) -> Answer {
    let body = fields::body(body).await?;
    let mut faults = Faults::default();
    faults.check("name", check_binding(&name));
    let mut text: Option<String> = None;
    if let Some(mut fields) = Fields::read("", &body, &mut faults) {
        text = fields.need("text", "a string", &mut faults);
        fields.finish(&mut faults);
    }
    faults.pass()?;
    let place = (tenant.as_str(), worker.as_str());
    admin.parts.registry.put_secret(place, &name, text.unwrap_or_default()).await?;
    done()
}

pub(super) async fn list(
    State(admin): State<Admin>,
    Path((tenant, worker)): Path<(String, String)>,
) -> Answer {
    let names = admin.parts.registry.list_secrets(&tenant, &worker).await?;
    let secrets: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
    answer(json!({ "secrets": secrets }))
}

pub(super) async fn delete(
    State(admin): State<Admin>,
    Path((tenant, worker, name)): Path<(String, String, String)>,
) -> Answer {
    admin.parts.registry.delete_secret((&tenant, &worker), &name).await?;
    done()
}
