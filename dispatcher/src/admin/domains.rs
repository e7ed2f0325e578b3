//! Host names granted to a tenant.

use axum::extract::{Path, State};
use serde_json::{Value, json};

use super::Admin;
use super::answer::{Answer, done, json as answer};

pub(super) async fn put(
    State(admin): State<Admin>,
    Path((tenant, host)): Path<(String, String)>,
) -> Answer {
    let created_ms = admin.parts.registry.put_domain(&tenant, &host).await?;
    answer(shown(&host, created_ms))
}

pub(super) async fn show(
    State(admin): State<Admin>,
    Path((tenant, host)): Path<(String, String)>,
) -> Answer {
    let created_ms = admin.parts.registry.get_domain(&tenant, &host).await?;
    answer(shown(&host, created_ms))
}

pub(super) async fn list(State(admin): State<Admin>, Path(tenant): Path<String>) -> Answer {
    let domains = admin.parts.registry.list_domains(&tenant).await?;
    let domains: Vec<Value> =
        domains.iter().map(|(host, created_ms)| shown(host, *created_ms)).collect();
    answer(json!({ "domains": domains }))
}

pub(super) async fn delete(
    State(admin): State<Admin>,
    Path((tenant, host)): Path<(String, String)>,
) -> Answer {
    admin.parts.registry.delete_domain(&tenant, &host).await?;
    done()
}

fn shown(host: &str, created_ms: u64) -> Value {
    json!({ "host": host, "created_ms": created_ms })
}
