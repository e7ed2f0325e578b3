//! Keys of a tenant's namespaces: listed, shown, set and deleted as its workers do.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use bindery_logic::kv::Refusal;
use bindery_wire::name::check_resource;
use futures_util::TryStreamExt;
use http::{HeaderMap, HeaderValue, Uri, header};
use http_body::Body as _;
use http_body_util::BodyExt;
use serde::Serialize;
use serde_json::value::RawValue;

use super::Admin;
use super::answer::{Answer, Refusal as Refused, done, json as answer};
use super::fields::{self, Faults};
use crate::kv::{Error, Found, Namespace, Options};
use crate::line::{Cut, RequestBody, Upload};
use crate::problem::{Code, Problem};

/// How long a client may take to send a value.
const VALUE_TIME_MAX: Duration = Duration::from_secs(10 * 60);

#[derive(Serialize)]
struct Key<'a> {
    name: &'a str,
    expiration: Option<u64>,
    metadata: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Keys<'a> {
    keys: Vec<Key<'a>>,
    cursor: Option<&'a str>,
}

pub(super) async fn list(
    State(admin): State<Admin>,
    Path((tenant, namespace)): Path<(String, String)>,
    uri: Uri,
) -> Answer {
    let mut query = fields::query(&uri, &["prefix", "limit", "cursor"])?;
    let mut faults = Faults::default();
    let limit = number(&mut query, "limit", &mut faults);
    faults.pass()?;
    let of = find(&admin, &tenant, namespace).await?;
    let prefix = query.remove("prefix").unwrap_or_default();
    let page = admin.parts.kv.list(&of, &prefix, limit, query.get("cursor").map(String::as_str));
    let page = page.await.map_err(problem)?;
    let mut keys = Vec::with_capacity(page.keys.len());
    for listed in &page.keys {
        let metadata = listed.metadata.as_deref().map(serde_json::from_str).transpose();
        let metadata = metadata.map_err(|error| Problem::internal(&error))?;
        keys.push(Key { name: &listed.name, expiration: listed.expires_s, metadata });
    }
    answer(Keys { keys, cursor: page.cursor.as_deref() })
}

pub(super) async fn show(
    State(admin): State<Admin>,
    Path((tenant, namespace, name)): Path<(String, String, String)>,
) -> Answer {
    let of = find(&admin, &tenant, namespace).await?;
    let found = admin.parts.kv.get(&of, &name).await.map_err(problem)?;
    let found = found.ok_or_else(|| Problem::new(Code::NotFound, "there is no such key"))?;
    let headers = headers(&found);
    let pieces = found.content.pieces().inspect_err(|error| {
        tracing::warn!(%error, "a value was cut off on its way to its reader");
    });
    Ok((headers, Body::from_stream(pieces)).into_response())
}

/// What is known of a key beside its value.
fn headers(found: &Found) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let octets = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, octets);
    headers.insert(header::CONTENT_LENGTH, found.content.length.into());
    if let Some(second) = found.expires_s {
        headers.insert("x-bindery-kv-expiration", second.into());
    }
    let metadata = found.metadata.as_deref().map(in_ascii);
    if let Some(Ok(metadata)) = metadata.map(|text| HeaderValue::from_str(&text)) {
        headers.insert("x-bindery-kv-metadata", metadata);
    }
    headers
}

/// The same JSON without letters that no header has.
fn in_ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter {
            // Between tokens only: within a string they are escaped already.
            '\n' | '\r' | '\t' => text.push(' '),
            _ if letter.is_ascii() => text.push(letter),
            _ => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    text.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    text
}

pub(super) async fn put(
    State(admin): State<Admin>,
    Path((tenant, namespace, name)): Path<(String, String, String)>,
    uri: Uri,
    body: Body,
) -> Answer {
    let mut query = fields::query(&uri, &["expiration", "expiration_ttl", "metadata"])?;
    let mut faults = Faults::default();
    let expiration_s = number(&mut query, "expiration", &mut faults);
    let ttl_s = number(&mut query, "expiration_ttl", &mut faults);
    faults.pass()?;
    let options = Options { expiration_s, ttl_s, metadata: query.remove("metadata") };
    let of = find(&admin, &tenant, namespace).await?;
    let length = body.size_hint().exact();
    let from = Upload::new(body.map_err(|_| Cut::Unfinished));
    let body = RequestBody::Stream { from, length };
    let kept = tokio::time::timeout(VALUE_TIME_MAX, admin.parts.kv.put(&of, &name, options, body));
    kept.await.unwrap_or(Err(Error::Slow)).map_err(problem)?;
    done()
}

pub(super) async fn delete(
    State(admin): State<Admin>,
    Path((tenant, namespace, name)): Path<(String, String, String)>,
) -> Answer {
    let of = find(&admin, &tenant, namespace).await?;
    admin.parts.kv.delete(&of, &name).await.map_err(problem)?;
    done()
}

async fn find(admin: &Admin, tenant: &str, name: String) -> Result<Namespace, Refused> {
    let mut faults = Faults::default();
    faults.check("ns", check_resource(&name));
    faults.pass()?;
    let tenant = admin.parts.registry.tenant_id(tenant).await?;
    Ok(Namespace { tenant, name })
}

fn number(
    query: &mut std::collections::BTreeMap<String, String>,
    name: &str,
    faults: &mut Faults,
) -> Option<i64> {
    let number = query.remove(name)?.parse().ok();
    if number.is_none() {
        faults.add(format!("query.{name}"), "expected a number");
    }
    number
}

fn problem(error: Error) -> Problem {
    let message = error.to_string();
    let invalid = |path: &str| {
        let mut faults = Faults::default();
        faults.add(path, message.clone());
        faults.pass().err().unwrap_or_else(|| Problem::new(Code::Invalid, message.clone()))
    };
    match &error {
        Error::Refused(Refusal::Status(413 | 414, _)) => Problem::new(Code::TooLarge, message),
        Error::Refused(_) => invalid(""),
        Error::Cursor => invalid("query.cursor"),
        Error::Metadata => invalid("query.metadata"),
        Error::Quota(_) => Problem::new(Code::Quota, message),
        Error::Gone => Problem::new(Code::NotFound, message),
        Error::Cut => Problem::new(Code::BadRequest, message),
        Error::Slow => Problem::new(Code::BadRequest, message).with_status(408),
        Error::Busy => Problem::new(Code::Conflict, message),
        Error::Table(_) | Error::Blob(_) => Problem::internal(&error),
    }
}
