//! Crons of the version of a worker that serves. One is run by hand as an event (see `events`).

use axum::extract::{Path, State};
use serde_json::json;

use super::Admin;
use super::answer::{Answer, json as answer};

pub(super) async fn list(
    State(admin): State<Admin>,
    Path((tenant, worker)): Path<(String, String)>,
) -> Answer {
    answer(json!({ "crons": admin.parts.registry.list_crons(&tenant, &worker).await? }))
}
