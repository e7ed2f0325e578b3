//! What a binding is asked, and what it answers.

use std::borrow::Cow;

use bindery_logic::kv::{self, Refusal};
use bindery_wire::name::check_resource;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::body::joined;
use super::{Error, Found, Kv, Namespace, Options};
use crate::line::{Answer, Ask, FetchedBody, Refused, RequestBody};

/// The head of a call.
#[derive(Debug, Deserialize)]
struct Head {
    /// The namespace, of a binding that has many.
    #[serde(default)]
    namespace: Option<String>,
    #[serde(flatten)]
    asked: Asked,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Asked {
    Get {
        name: String,
        cache_ttl: Option<i64>,
    },
    GetMany {
        names: Vec<String>,
        cache_ttl: Option<i64>,
    },
    Put {
        name: String,
        expiration: Option<i64>,
        expiration_ttl: Option<i64>,
        metadata: Option<String>,
    },
    Delete {
        name: String,
    },
    List {
        prefix: String,
        limit: Option<i64>,
        cursor: Option<String>,
    },
}

/// What is said of a value beside its bytes.
#[derive(Serialize)]
struct Said {
    length: u64,
    metadata: Option<String>,
}

impl Said {
    fn of(found: &Found) -> Self {
        Self { length: found.content.length, metadata: found.metadata.clone() }
    }
}

/// Carries out a call of a binding: of the namespace that it is of, or, where it is of none, of the
/// one that the call names.
pub async fn answer(kv: Kv, ask: Ask, namespace: Option<String>) -> Result<Answer, Refused> {
    let Head { namespace: named, asked } = ask.read()?;
    let name = match (namespace, named) {
        (Some(of), None) => of,
        (None, Some(named)) => {
            check_resource(&named).map_err(|error| Refused::wrong(error.to_string()))?;
            named
        }
        _ => return Err(crate::binding::malformed()),
    };
    let of = Namespace { tenant: ask.code.tenant, name };
    let (method, rights) = (asked.method(), ask.rights());
    if !(if asked.writes() { rights.is_all() } else { rights.may_read() }) {
        let message = format!("KV {method} failed: 403 the binding was not handed on for this");
        return Err(Refused::failed(message));
    }
    asked.answer(&kv, &of, ask.body).await.map_err(|error| refused(method, &error))
}

impl Asked {
    /// What errors call it.
    fn method(&self) -> &'static str {
        match self {
            Self::Get { .. } | Self::List { .. } => "GET",
            Self::GetMany { .. } => "GET_BULK",
            Self::Put { .. } => "PUT",
            Self::Delete { .. } => "DELETE",
        }
    }

    fn writes(&self) -> bool {
        matches!(self, Self::Put { .. } | Self::Delete { .. })
    }

    async fn answer(self, kv: &Kv, of: &Namespace, body: RequestBody) -> super::Result<Answer> {
        match self {
            Self::Get { name, cache_ttl } => {
                kv::check_cache_ttl(cache_ttl)?;
                let found = kv.get(of, &name).await?;
                values(&found.as_ref().map(Said::of), found).await
            }
            Self::GetMany { names, cache_ttl } => {
                kv::check_cache_ttl(cache_ttl)?;
                let found = kv.get_many(of, &names).await?;
                let said: Vec<_> = found.iter().map(|found| found.as_ref().map(Said::of)).collect();
                values(&said, found.into_iter().flatten()).await
            }
            Self::Put { name, expiration, expiration_ttl, metadata } => {
                let options = Options { expiration_s: expiration, ttl_s: expiration_ttl, metadata };
                kv.put(of, &name, options, body).await?;
                done(FetchedBody::None)
            }
            Self::Delete { name } => {
                kv.delete(of, &name).await?;
                done(FetchedBody::None)
            }
            Self::List { prefix, limit, cursor } => {
                let page = kv.list(of, &prefix, limit, cursor.as_deref()).await?;
                let keys = page.keys.iter().map(|key| {
                    json!({
                        "name": key.name, "expiration": key.expires_s, "metadata": key.metadata,
                    })
                });
                let keys: Vec<_> = keys.collect();
                let text = json!({ "keys": keys, "cursor": page.cursor }).to_string();
                done(bytes(text.into()))
            }
        }
    }
}

/// What was found, with the values behind each other.
async fn values(
    said: &impl Serialize,
    found: impl IntoIterator<Item = Found>,
) -> super::Result<Answer> {
    let contents: Vec<_> = found.into_iter().map(|found| found.content).collect();
    let body = if contents.is_empty() { FetchedBody::None } else { joined(contents).await? };
    Ok(Answer { head: head(said), body, handed: Vec::new() })
}

fn done(body: FetchedBody) -> super::Result<Answer> {
    Ok(Answer { head: head(&()), body, handed: Vec::new() })
}

fn head(said: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(said).expect("numbers and texts")
}

/// Bytes as a body, of whatever length.
fn bytes(bytes: Bytes) -> FetchedBody {
    use bindery_wire::frame::BODY_INLINE_BYTES_MAX;

    if bytes.len() <= BODY_INLINE_BYTES_MAX {
        return FetchedBody::Inline(bytes);
    }
    let length = Some(bytes.len() as u64);
    let from = crate::line::Unread::Plain(crate::outbound::whole(bytes));
    FetchedBody::Stream { from, length }
}

/// What a worker is told.
fn refused(method: &str, error: &Error) -> Refused {
    let told = |status: u16, message: Cow<'_, str>| {
        Refused::failed(format!("KV {method} failed: {status} {message}"))
    };
    let message = || Cow::Owned(error.to_string());
    match error {
        Error::Refused(Refusal::Wrong(message)) => Refused::wrong(message.clone()),
        Error::Refused(Refusal::Status(status, _)) => told(*status, message()),
        Error::Cursor | Error::Metadata | Error::Cut => told(400, message()),
        Error::Slow => told(408, message()),
        Error::Quota(_) | Error::Busy => told(429, message()),
        Error::Gone => told(410, message()),
        Error::Table(_) | Error::Blob(_) => {
            tracing::error!(%error, "a call of a namespace failed");
            told(500, "the server failed".into())
        }
    }
}
