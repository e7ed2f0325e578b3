//! Workers, their versions and deployments.

use axum::body::Body;
use axum::extract::{Path, State};
use http::Uri;
use serde_json::json;

use super::Admin;
use super::answer::{Answer, done, json as answer};
use super::fields::{self, Faults, Fields};
use super::tenants::Page;
use crate::problem::{Code, Problem};
use crate::registry::Delete;

pub(super) async fn list(
    State(admin): State<Admin>,
    Path(tenant): Path<String>,
    uri: Uri,
) -> Answer {
    let page = Page::read(&uri, &["limit", "cursor"])?;
    let registry = &admin.parts.registry;
    let workers = registry.list_workers(&tenant, page.after.as_deref(), page.count_max).await?;
    let cursor = page.cursor(workers.len(), workers.last().map(|worker| worker.name.as_str()));
    answer(json!({ "workers": workers, "cursor": cursor }))
}

pub(super) async fn show(
    State(admin): State<Admin>,
    Path((tenant, name)): Path<(String, String)>,
) -> Answer {
    let worker = admin.parts.registry.get_worker(&tenant, &name).await?;
    let mut shown = serde_json::to_value(worker).map_err(|error| Problem::internal(&error))?;
    shown["url"] = url(&admin, &tenant, &name).into();
    answer(shown)
}

pub(super) async fn delete(
    State(admin): State<Admin>,
    Path((tenant, name)): Path<(String, String)>,
    uri: Uri,
) -> Answer {
    let force = flag(fields::query(&uri, &["force"])?.remove("force"), "query.force")?;
    let how = if force.unwrap_or(false) { Delete::Anyway } else { Delete::Unreferenced };
    admin.parts.registry.delete_worker(&tenant, &name, how).await?;
    done()
}

pub(super) async fn versions(
    State(admin): State<Admin>,
    Path((tenant, name)): Path<(String, String)>,
) -> Answer {
    let versions = admin.parts.registry.list_versions(&tenant, &name).await?;
    answer(json!({ "versions": versions }))
}

pub(super) async fn deploy(
    State(admin): State<Admin>,
    Path((tenant, name)): Path<(String, String)>,
    body: Body,
) -> Answer {
    let body = fields::body(body).await?;
    let mut faults = Faults::default();
    let mut version: Option<String> = None;
    if let Some(mut fields) = Fields::read("", &body, &mut faults) {
        version = fields.need("version", "a version", &mut faults);
        fields.finish(&mut faults);
    }
    faults.pass()?;
    let Some(version) = version else {
        return Err(Problem::new(Code::Invalid, "no version is given").into());
    };
    answer(admin.parts.registry.deploy(&tenant, &name, &version).await?)
}

/// A parameter that is a flag: absent, `true`, `1`, `false` or `0`.
pub(super) fn flag(value: Option<String>, path: &str) -> Result<Option<bool>, Problem> {
    match value.as_deref() {
        None => Ok(None),
        Some("true" | "1") => Ok(Some(true)),
        Some("false" | "0") => Ok(Some(false)),
        Some(_) => {
            let mut faults = Faults::default();
            faults.add(path, "expected true or false");
            faults.pass().map(|()| None)
        }
    }
}

/// Where a worker is reached.
pub(super) fn url(admin: &Admin, tenant: &str, worker: &str) -> String {
    let (domain, port) = (&admin.parts.domain, admin.parts.port);
    let worker = if worker == "main" { String::new() } else { format!("{worker}.") };
    let port = if port == 80 { String::new() } else { format!(":{port}") };
    format!("http://{worker}{tenant}.{domain}{port}/")
}
