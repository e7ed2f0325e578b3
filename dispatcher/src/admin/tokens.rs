//! Tokens of a tenant.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use http::StatusCode;
use serde_json::json;

use super::Admin;
use super::answer::{Answer, done, json as answer};

pub(super) async fn create(State(admin): State<Admin>, Path(tenant): Path<String>) -> Answer {
    let token = admin.parts.registry.create_token(&tenant).await?;
    Ok((StatusCode::CREATED, Json(token)).into_response())
}

pub(super) async fn list(State(admin): State<Admin>, Path(tenant): Path<String>) -> Answer {
    let tokens = admin.parts.registry.list_tokens(&tenant).await?;
    answer(json!({ "tokens": tokens }))
}

pub(super) async fn delete(
    State(admin): State<Admin>,
    Path((tenant, id)): Path<(String, String)>,
) -> Answer {
    admin.parts.registry.delete_token(&tenant, &id).await?;
    done()
}
