//! The one list of calls: who may make each and what it means.

use serde_json::{Map, Value, json};

use super::answer::{Answer, json as answer};

/// Who may make a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Whoever reaches the port.
    Open,
    /// Whoever has a token.
    Anybody,
    /// The operator, and who has a token of the tenant that the path names.
    Tenant,
    /// The operator.
    Operator,
}

impl Scope {
    fn doc(self) -> &'static str {
        match self {
            Self::Open => "No token.",
            Self::Anybody => "Any token.",
            Self::Tenant => "A token of the tenant or the operator.",
            Self::Operator => "A token of the operator.",
        }
    }
}

/// One call.
pub(super) struct Call {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) scope: Scope,
    query: &'static [&'static str],
    /// The status when it is done.
    status: u16,
    doc: &'static str,
}

const fn call(
    (method, path): (&'static str, &'static str),
    scope: Scope,
    query: &'static [&'static str],
    (status, doc): (u16, &'static str),
) -> Call {
    Call { method, path, scope, query, status, doc }
}

const TENANT: &str = "/v1/tenants/{t}";
const DOMAINS: &str = "/v1/tenants/{t}/domains";
const DOMAIN: &str = "/v1/tenants/{t}/domains/{host}";
const TOKENS: &str = "/v1/tenants/{t}/tokens";
const TOKEN: &str = "/v1/tenants/{t}/tokens/{id}";
const WORKERS: &str = "/v1/tenants/{t}/workers";
const WORKER: &str = "/v1/tenants/{t}/workers/{w}";
const VERSIONS: &str = "/v1/tenants/{t}/workers/{w}/versions";
const DEPLOYMENTS: &str = "/v1/tenants/{t}/workers/{w}/deployments";
const SECRETS: &str = "/v1/tenants/{t}/workers/{w}/secrets";
const SECRET: &str = "/v1/tenants/{t}/workers/{w}/secrets/{name}";
const LOGS: &str = "/v1/tenants/{t}/logs";
const USAGE: &str = "/v1/tenants/{t}/usage";
const PAGE: &[&str] = &["limit", "cursor"];

/// Every call.
pub(super) const CALLS: &[Call] = &[
    call(("GET", "/healthz"), Scope::Open, &[], (200, "Whether the process runs.")),
    call(("GET", "/readyz"), Scope::Open, &[], (200, "Whether the server takes work.")),
    call(("GET", "/metrics"), Scope::Operator, &[], (200, "Figures of the host as text.")),
    call(("GET", "/openapi.json"), Scope::Anybody, &[], (200, "This document.")),
    call(("GET", "/v1/capabilities"), Scope::Anybody, &[], (200, "Limits, bindings and dates.")),
    call(
        ("GET", "/v1/tenants"),
        Scope::Operator,
        &["prefix", "limit", "cursor"],
        (200, "Tenants, in the order of their names."),
    ),
    call(
        ("PUT", TENANT),
        Scope::Operator,
        &[],
        (200, "Makes a tenant, or sets what is set of it."),
    ),
    call(("GET", TENANT), Scope::Tenant, &[], (200, "A tenant.")),
    call(("DELETE", TENANT), Scope::Operator, &[], (204, "Deletes a tenant and all it has.")),
    call(("GET", DOMAINS), Scope::Tenant, &[], (200, "Host names granted to a tenant.")),
    call(("PUT", DOMAIN), Scope::Operator, &[], (200, "Grants a host name to a tenant.")),
    call(("GET", DOMAIN), Scope::Tenant, &[], (200, "A host name granted to a tenant.")),
    call(("DELETE", DOMAIN), Scope::Operator, &[], (204, "Takes a host name back.")),
    call(("POST", TOKENS), Scope::Tenant, &[], (201, "Makes a token; it is shown this once.")),
    call(("GET", TOKENS), Scope::Tenant, &[], (200, "A tenant's tokens by id.")),
    call(("DELETE", TOKEN), Scope::Tenant, &[], (204, "Makes a token worthless.")),
    call(
        ("GET", LOGS),
        Scope::Tenant,
        &["follow", "worker", "after"],
        (200, "Logs, exceptions and outcomes; with follow=1 as server-sent events."),
    ),
    call(
        ("GET", USAGE),
        Scope::Tenant,
        &["from", "to"],
        (200, "What the tenant used, hour by hour."),
    ),
    call(("GET", WORKERS), Scope::Tenant, PAGE, (200, "Workers, in the order of their names.")),
    call(
        ("PUT", WORKER),
        Scope::Tenant,
        &["deploy"],
        (200, "Uploads a version as multipart/form-data, and deploys it unless deploy=false."),
    ),
    call(("GET", WORKER), Scope::Tenant, &[], (200, "A worker with its deployments.")),
    call(
        ("DELETE", WORKER),
        Scope::Tenant,
        &["force"],
        (204, "Deletes a worker with its versions and secrets."),
    ),
    call(("GET", VERSIONS), Scope::Tenant, &[], (200, "Versions of a worker, the newest first.")),
    call(("POST", DEPLOYMENTS), Scope::Tenant, &[], (200, "Deploys a version, or rolls back.")),
    call(("GET", SECRETS), Scope::Tenant, &[], (200, "The names of a worker's secrets.")),
    call(("PUT", SECRET), Scope::Tenant, &[], (204, "Sets a secret; it is never shown.")),
    call(("DELETE", SECRET), Scope::Tenant, &[], (204, "Deletes a secret.")),
];

/// Who may make the call; what is not listed is the operator's.
pub(super) fn scope(method: &str, path: &str) -> Scope {
    let found = CALLS.iter().find(|call| call.method == method && call.path == path);
    found.map_or(Scope::Operator, |call| call.scope)
}

pub(super) async fn openapi() -> Answer {
    answer(document())
}

/// The list as an OpenAPI document.
pub(super) fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for call in CALLS {
        let path = paths.entry(call.path).or_insert_with(|| json!({}));
        path[call.method.to_ascii_lowercase()] = operation(call);
    }
    let mut document = json!({
        "openapi": "3.1.0",
        "info": { "title": "Bindery admin API", "version": env!("CARGO_PKG_VERSION") },
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "schemas": { "Error": error_schema() },
        },
        "paths": paths,
    });
    // One order, whichever map the build's features choose.
    document.sort_all_objects();
    document
}

fn operation(call: &Call) -> Value {
    let parameter = |name: &str, place: &str| {
        let schema = json!({ "type": "string" });
        json!({ "name": name, "in": place, "required": place == "path", "schema": schema })
    };
    let in_path = call.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameters: Vec<Value> = in_path
        .map(|name| parameter(name, "path"))
        .chain(call.query.iter().map(|name| parameter(name, "query")))
        .collect();
    let error = json!({ "$ref": "#/components/schemas/Error" });
    let content = json!({ "application/json": { "schema": error } });
    let error = json!({ "description": "A failure.", "content": content });
    let responses =
        json!({ call.status.to_string(): { "description": "Done." }, "default": error });
    let security = if call.scope == Scope::Open { json!([]) } else { json!([{ "token": [] }]) };
    json!({
        "summary": call.doc,
        "description": call.scope.doc(),
        "parameters": parameters,
        "responses": responses,
        "security": security,
    })
}

fn error_schema() -> Value {
    let text = json!({ "type": "string" });
    let fault = json!({ "type": "object", "properties": { "path": text, "message": text } });
    let codes: Vec<&str> = crate::problem::Code::ALL.iter().map(|code| code.as_str()).collect();
    let error = json!({
        "type": "object",
        "properties": {
            "code": { "type": "string", "enum": codes },
            "message": text,
            "requestId": text,
            "problems": { "type": "array", "items": fault },
        },
    });
    json!({ "type": "object", "properties": { "error": error } })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_document_of_all_calls_is_frozen() {
        let mut text = serde_json::to_string_pretty(&super::document()).expect("plain data");
        text.push('\n');
        expect_test::expect_file!["../../golden/openapi.json"].assert_eq(&text);
    }
}
