//! Uploads: parts that are read within bounds, metadata of which every problem is reported.

mod bindings;
mod metadata;
mod modules;
mod parts;
mod routes;
mod services;
mod triggers;

pub(super) use bindings::BINDING_TYPES;
pub(crate) use metadata::FLAG_COUNT_MAX;
pub(super) use metadata::without_effect;
pub(super) use modules::CONTENT_TYPES;
pub(crate) use parts::METADATA_BYTES_MAX;

use std::time::Duration;

use axum::extract::multipart::MultipartRejection;
use axum::extract::{Extension, Multipart, Path, State};
use bindery_wire::manifest::QueueConsumer;
use bindery_wire::name::check_label;
use http::Uri;
use serde_json::json;

use super::Admin;
use super::answer::{Answer, Refusal, json as answer};
use super::auth::Caller;
use super::fields::{self, Faults, Fields};
use super::workers::{flag, url};
use crate::problem::{Code, Problem};
use crate::registry::{Deploy, Error};
use crate::source_map;

/// How long a client may take to send an upload.
const TIME_MAX: Duration = Duration::from_secs(300);

/// What runs a worker without a request, from JSON that names it as the metadata of an upload does:
/// crons, and the queues that it takes messages of.
pub(crate) fn triggers(json: &str) -> Result<(Vec<String>, Vec<QueueConsumer>), String> {
    let mut faults = Faults::default();
    let mut read = None;
    if let Some(mut fields) = Fields::read("", json, &mut faults) {
        let crons = triggers::crons(&mut fields, &mut faults);
        read = Some((crons, triggers::consumers(&mut fields, &mut faults)));
        fields.finish(&mut faults);
    }
    match (read, faults.first()) {
        (Some(read), None) => Ok(read),
        (_, fault) => Err(fault.map_or_else(String::new, |f| format!("{}: {}", f.path, f.message))),
    }
}

pub(super) async fn put(
    State(admin): State<Admin>,
    Extension(caller): Extension<Caller>,
    Path((tenant, worker)): Path<(String, String)>,
    uri: Uri,
    form: Result<Multipart, MultipartRejection>,
) -> Answer {
    let mut faults = Faults::default();
    faults.check("tenant", check_label(&tenant));
    faults.check("worker", check_label(&worker));
    faults.pass()?;
    let deploy = flag(fields::query(&uri, &["deploy"])?.remove("deploy"), "query.deploy")?;
    let deploy = if deploy == Some(false) { Deploy::Later } else { Deploy::Now };
    let form = form.map_err(|_| {
        Problem::new(Code::BadRequest, "an upload is multipart/form-data with a boundary")
    })?;
    let _pass = admin.uploads.enter(&tenant)?;
    let parts = tokio::time::timeout(TIME_MAX, parts::read(form)).await;
    let slow = |_| Problem::new(Code::BadRequest, "the upload took too long").with_status(408);
    let parts = parts.map_err(slow)??;
    let registry = &admin.parts.registry;
    let known = known(&admin, &tenant, &worker).await?;
    let (upload, mut warnings) = metadata::check(parts, &known, deploy)?;
    let patterns = upload.manifest.routes.clone();
    if caller == Caller::Operator {
        registry.ensure_tenant(&tenant).await?;
    }
    let maps = (upload.manifest.clone(), upload.modules.clone());
    let maps = tokio::task::spawn_blocking(move || source_map::warnings(&maps.0, &maps.1));
    let uploaded = registry.upload(&tenant, &worker, upload).await?;
    warnings.extend(uploaded.started.warnings);
    warnings.extend(routes::ungranted(registry, &tenant, &patterns).await?);
    warnings.extend(maps.await.unwrap_or_default());
    answer(json!({
        "version": uploaded.version,
        "url": url(&admin, &tenant, &worker),
        "routes": patterns,
        "startup": { "ms": uploaded.started.ms, "warnings": warnings },
    }))
}

/// What the worker has already.
async fn known(admin: &Admin, tenant: &str, worker: &str) -> Result<metadata::Known, Refusal> {
    let registry = &admin.parts.registry;
    let secrets = match registry.list_secrets(tenant, worker).await {
        Ok(names) => names.into_iter().collect(),
        Err(Error::NotFound(_)) => Default::default(),
        Err(error) => return Err(error.into()),
    };
    let deployed = registry.deployed(tenant, worker).await?;
    let (domain, limits) = (admin.parts.domain.clone(), registry.limits(tenant).await?);
    Ok(metadata::Known { secrets, deployed, domain, limits })
}
