//! Who makes a call, and whether they may.

use std::collections::BTreeMap;

use axum::extract::{FromRequestParts, MatchedPath, Path, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bindery_wire::TenantId;
use http::{HeaderMap, Method, header};

use super::Admin;
use super::answer::Refusal;
use super::audit;
use super::call::{self, Scope};
use crate::problem::{Code, Problem};
use crate::registry::{self, Registry};

/// Who makes a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// Somebody with the operator's token.
    Operator,
    /// Somebody with a token of this tenant.
    Tenant(TenantId),
}

/// The name of who makes a call, for the audit log.
#[derive(Clone, Debug)]
pub(super) struct Who(pub(super) String);

/// Lets a call through to whom it is open, and tells it who makes it.
pub(super) async fn guard(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    match admitted(&admin, request).await {
        Ok(request) => audit::observed(&admin, request, next).await,
        Err(refusal) => refusal.into_response(),
    }
}

async fn admitted(admin: &Admin, request: Request) -> Result<Request, Refusal> {
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    // What is not in the list is not open to anybody but the operator.
    let scope = call::scope(method(request.method()), path.as_deref().unwrap_or_default());
    if scope == Scope::Open {
        return Ok(request);
    }
    let (mut parts, body) = request.into_parts();
    let (caller, who) = caller(admin, &parts.headers).await?;
    if let Caller::Tenant(tenant) = caller
        && !may(admin, &mut parts, scope, tenant).await?
    {
        return Err(Problem::new(Code::Forbidden, "the token does not reach this").into());
    }
    parts.extensions.insert(caller);
    parts.extensions.insert(who);
    Ok(Request::from_parts(parts, body))
}

/// A HEAD is answered as the GET that it asks about.
fn method(method: &Method) -> &str {
    if method == Method::HEAD { "GET" } else { method.as_str() }
}

async fn caller(admin: &Admin, headers: &HeaderMap) -> Result<(Caller, Who), Refusal> {
    let header = headers.get(header::AUTHORIZATION).and_then(|h| h.to_str().ok());
    let token = header.and_then(|header| {
        let (scheme, token) = header.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    let unauthorized = || Problem::new(Code::Unauthorized, "a valid bearer token is needed");
    let token = token.ok_or_else(unauthorized)?;
    if admin.parts.operator.is(token) {
        return Ok((Caller::Operator, Who("operator".into())));
    }
    let owner = admin.parts.registry.token_owner(token).await?;
    let owner = owner.ok_or_else(unauthorized)?;
    Ok((Caller::Tenant(owner), Who(format!("token {}", Registry::token_id(token)))))
}

/// Whether a tenant's token reaches a call: the tenant named by its path must be the token's.
async fn may(
    admin: &Admin,
    parts: &mut http::request::Parts,
    scope: Scope,
    tenant: TenantId,
) -> Result<bool, Refusal> {
    match scope {
        Scope::Open | Scope::Anybody => Ok(true),
        Scope::Operator => Ok(false),
        Scope::Tenant => {
            let path = Path::<BTreeMap<String, String>>::from_request_parts(parts, &()).await;
            let named = path.ok().and_then(|Path(mut path)| path.remove("t")).unwrap_or_default();
            match admin.parts.registry.tenant_id(&named).await {
                Ok(named) => Ok(named == tenant),
                // Whether another tenant exists is nothing that a tenant's token may learn.
                Err(registry::Error::NotFound(_)) => Ok(false),
                Err(error) => Err(error.into()),
            }
        }
    }
}
