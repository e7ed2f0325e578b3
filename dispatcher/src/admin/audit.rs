//! The audit log: what is written of a call, and who may read it.

use axum::extract::{Path, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use bindery_storage::tables::{AuditEntry, Place};
use bindery_wire::TenantId;
use http::{Method, Uri};
use serde_json::{Value, json};

use super::Admin;
use super::answer::{Answer, Named, Refusal, json as answer};
use super::auth::Who;
use super::fields;
use super::tenants::Page;
use crate::audit::{Cause, PAGE_COUNT_MAX};
use crate::problem::{Code, Problem};
use crate::registry;

/// Bytes of a path that an entry keeps.
const PATH_BYTES_MAX: usize = 512;

/// Whether a call is a worker's kind of work, and not a change of what the tenant has set up:
/// messages of queues would push everything else out of the log.
fn is_traffic(path: &str) -> bool {
    let mut parts = path.split('/').skip(4);
    parts.next() == Some("queues") && parts.nth(1) == Some("messages")
}

/// Answers a call, and writes who asked for a change. What only reads is not written.
pub(super) async fn observed(admin: &Admin, request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if reads || is_traffic(request.uri().path()) {
        return next.run(request).await;
    }
    let entry = entry(&request);
    let tenant = entry.tenant.clone();
    // Looked up before the call too, as a tenant that it deletes is not found afterwards.
    let before = id(admin, tenant.as_deref()).await;
    let cause = admin.parts.audit.begin(entry);
    let response = Cause::within(Some(cause.clone()), next.run(request)).await;
    let refused = response.extensions().get::<Refusal>();
    let outcome = refused.map_or("done", |Refusal(problem)| problem.code.as_str());
    let after = id(admin, tenant.as_deref()).await;
    // The entries of a tenant that is gone are gone as well.
    cause.close(after.filter(|_| before.is_none() || before == after), outcome).await;
    response
}

fn entry(request: &Request) -> AuditEntry {
    let path = request.uri().path();
    let shown = path.get(..path.floor_char_boundary(PATH_BYTES_MAX)).unwrap_or_default();
    let tenant = path.strip_prefix("/v1/tenants/").and_then(|rest| rest.split('/').next());
    let tenant = tenant.filter(|name| bindery_wire::name::check_label(name).is_ok());
    let named = request.extensions().get::<Named>().map(|Named(id)| id.clone());
    let who = request.extensions().get::<Who>().map(|Who(who)| who.clone());
    AuditEntry {
        at_ms: 0,
        who: who.unwrap_or_else(|| "nobody".into()),
        method: request.method().to_string(),
        path: shown.into(),
        tenant: tenant.map(str::to_owned),
        outcome: String::new(),
        request: named.unwrap_or_default(),
    }
}

async fn id(admin: &Admin, tenant: Option<&str>) -> Option<TenantId> {
    admin.parts.registry.tenant_id(tenant?).await.ok()
}

pub(super) async fn list_own(
    State(admin): State<Admin>,
    Path(tenant): Path<String>,
    uri: Uri,
) -> Answer {
    let page = Page::read(&uri, &["limit", "cursor"])?;
    let tenant = admin.parts.registry.tenant_id(&tenant).await?;
    let before = before(&page)?;
    let entries = admin.parts.audit.list(Place::Tenant(tenant), before, page.count_max).await;
    let entries = entries.map_err(registry::Error::from)?;
    let full = entries.len() >= page.count_max;
    let cursor = entries.last().map(|(number, _)| *number).filter(|_| full);
    shown(&entries, cursor)
}

pub(super) async fn list(State(admin): State<Admin>, uri: Uri) -> Answer {
    const KNOWN: &[&str] = &["tenant", "limit", "cursor"];
    let page = Page::read(&uri, KNOWN)?;
    let tenant = fields::query(&uri, KNOWN)?.remove("tenant");
    let before = before(&page)?;
    // One tenant's entries are looked for in everybody's: it may have been deleted.
    let look = if tenant.is_some() { PAGE_COUNT_MAX } else { page.count_max };
    let entries = admin.parts.audit.list(Place::Store, before, look).await;
    let mut entries = entries.map_err(registry::Error::from)?;
    let mut cursor = entries.last().map(|(number, _)| *number).filter(|_| entries.len() >= look);
    entries.retain(|(_, entry)| tenant.is_none() || entry.tenant == tenant);
    if entries.len() > page.count_max {
        entries.truncate(page.count_max);
        cursor = entries.last().map(|(number, _)| *number);
    }
    shown(&entries, cursor)
}

fn before(page: &Page) -> Result<Option<u64>, Problem> {
    let number = page.after.as_deref().map(str::parse::<u64>).transpose();
    number.map_err(|_| Problem::new(Code::Invalid, "not a cursor that was given out"))
}

fn shown(entries: &[(u64, AuditEntry)], cursor: Option<u64>) -> Answer {
    let entries: Vec<&AuditEntry> = entries.iter().map(|(_, entry)| entry).collect();
    let cursor = cursor.map_or(Value::Null, |number| number.to_string().into());
    answer(json!({ "entries": entries, "cursor": cursor }))
}
