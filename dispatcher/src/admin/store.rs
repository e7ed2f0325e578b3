//! Figures of the store, and copies of it while the server serves.

use axum::body::Body;
use axum::extract::State;
use axum::response::IntoResponse;
use bindery_storage::backup;
use futures_util::TryStreamExt;
use http::header;

use super::Admin;
use super::answer::{Answer, json};
use crate::problem::{Code, Problem};

pub(super) async fn stats(State(admin): State<Admin>) -> Answer {
    let store = admin.parts.store.clone();
    let stats = tokio::task::spawn_blocking(move || store.stats()).await;
    let stats = stats.map_err(|error| Problem::internal(&error))?;
    json(stats.map_err(|error| Problem::internal(&error))?)
}

/// A backup as it is made. One that fails is cut off, which its reader sees by its missing end.
pub(super) async fn back_up(State(admin): State<Admin>) -> Answer {
    let made = backup::make(admin.parts.store.as_ref(), &admin.parts.blobs).await;
    let chunks = made.map_err(|error| match error {
        // More copies than snapshots may live at once, or the store is failing.
        backup::Error::Store(error) => Problem::new(Code::Overloaded, error.to_string()),
        error => Problem::internal(&error),
    })?;
    let chunks = chunks.inspect_err(|error| tracing::error!(%error, "a backup was cut off"));
    let content_type = [(header::CONTENT_TYPE, "application/octet-stream")];
    Ok((content_type, Body::from_stream(chunks)).into_response())
}
