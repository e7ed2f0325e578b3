//! What a worker asks of its caches, and what it is answered.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bindery_logic::cache::freshness::{self, Kept};
use bindery_logic::cache::select::Selector;
use bindery_logic::cache::serve::{self, Given};
use bindery_logic::header;
use bindery_wire::{TenantId, flat};
use bytes::Bytes;
use http::header::{AGE, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use super::receive::{Ended, Received};
use super::variant::{Key, Stored, Variant};
use super::{CACHE_KEY_BYTES_MAX, CACHE_NAME_BYTES_MAX, Inner};
use crate::limit::{CACHE_KEY, CACHE_NAME};
use crate::line::{Answer, Ask, FetchedBody, Refused, RequestBody, Unread, Upload};
use crate::outbound;

/// Tells a worker that its response was kept.
const CF_CACHE_STATUS: HeaderName = HeaderName::from_static("cf-cache-status");

/// What is asked. Headers are in the flat form, a character for each byte.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Asked {
    Match(Match),
    Put(Put),
    Delete(Place),
}

/// A response for a request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Match {
    of: Place,
    /// The request's headers.
    request: Box<str>,
}

/// A response to be kept, whose body goes with the call.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Put {
    of: Place,
    /// The request's headers: those that decide, at least.
    request: Box<str>,
    status: u16,
    headers: Box<str>,
}

/// What a response is found by.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    cache: Option<Box<str>>,
    key: Box<str>,
}

/// The head of a response that was found.
#[derive(Serialize)]
struct Found {
    status: u16,
    status_text: &'static str,
    headers: String,
}

impl Inner {
    pub(super) async fn answer(&self, ask: Ask) -> Result<Answer, Refused> {
        let tenant = ask.code.tenant;
        let response_bytes_max = ask.code.limits.response_bytes_max;
        match ask.read()? {
            Asked::Match(Match { of, request }) => {
                let (key, request) = (of.key()?, headers_of(&request)?);
                let found = self.find(tenant, &key, &request);
                self.figures.matched(found.is_some());
                match found {
                    None => Answer::new(&None::<Found>, FetchedBody::None),
                    Some(found) => self.give(&found, &request, response_bytes_max).await,
                }
            }
            Asked::Put(Put { of, request, status, headers }) => {
                let (key, request) = (of.key()?, headers_of(&request)?);
                let mut headers = headers_of(&headers)?;
                if ask.decoded {
                    headers.remove(CONTENT_ENCODING);
                }
                self.keep((tenant, key), &request, (status, headers), ask.body).await?;
                Answer::new(&(), FetchedBody::None)
            }
            Asked::Delete(of) => {
                let was = self.shelves.delete(tenant, &of.key()?, self.clock.elapsed());
                Answer::new(&was, FetchedBody::None)
            }
        }
    }

    fn find(&self, tenant: TenantId, key: &Key, request: &HeaderMap) -> Option<Arc<Variant>> {
        self.shelves.get(tenant, key, (request, self.clock.elapsed()))
    }

    /// Keeps a response, if it may be kept.
    async fn keep(
        &self,
        (tenant, key): (TenantId, Key),
        request: &HeaderMap,
        (status, headers): (u16, HeaderMap),
        body: RequestBody,
    ) -> Result<(), Refused> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(self.clock.now().0);
        let kept_at = self.clock.elapsed();
        let Some(kept) = freshness::keep(request, status, &headers, now) else {
            self.figures.passed();
            return Ok(());
        };
        let Received { body, draft } = match self.receive(tenant, body).await {
            Ok(received) => received,
            Err(Ended::NoRoom) => {
                self.figures.crowded();
                return Ok(());
            }
            Err(Ended::Refused(refused)) => return Err(refused),
        };
        let Kept { mut headers, fresh, age } = kept;
        let selector = Selector::new(request, &headers);
        for name in [CF_CACHE_STATUS, CONTENT_LENGTH, AGE] {
            headers.remove(name);
        }
        let variant = Variant { status, headers, selector, kept_at, fresh, age, body };
        match self.shelves.put(tenant, key, (Arc::new(variant), draft)) {
            Some(evicted) => self.figures.kept(evicted),
            None => self.figures.crowded(),
        }
        Ok(())
    }

    /// What a request gets of a response.
    async fn give(
        &self,
        variant: &Variant,
        request: &HeaderMap,
        bytes_max: u64,
    ) -> Result<Answer, Refused> {
        let Variant { status, headers, body, .. } = variant;
        let mut headers = headers.clone();
        headers.insert(AGE, variant.age_s(self.clock.elapsed()).into());
        headers.insert(CF_CACHE_STATUS, HeaderValue::from_static("HIT"));
        let length = body.length();
        let (status, range) = match serve::given(request, *status, &headers, length) {
            Given::Whole => (*status, Some((0, length))),
            Given::NotModified => (304, None),
            Given::Part { first, last } => {
                headers.insert(CONTENT_RANGE, header_of(format!("bytes {first}-{last}/{length}"))?);
                (206, Some((first, last + 1)))
            }
            Given::Unsatisfiable => {
                headers.insert(CONTENT_RANGE, header_of(format!("bytes */{length}"))?);
                (416, None)
            }
        };
        let range = range.filter(|_| !matches!(status, 204 | 205 | 304));
        let Some((first, end)) = range else {
            return Answer::new(&Found::new(status, &headers), FetchedBody::None);
        };
        headers.insert(CONTENT_LENGTH, (end - first).into());
        let body = read(body, (first, end), (&headers, bytes_max)).await?;
        Answer::new(&Found::new(status, &headers), body)
    }
}

/// Bytes of a body that is kept, from `first` to the one before `end`.
async fn read(
    body: &Stored,
    (first, end): (u64, u64),
    (headers, bytes_max): (&HeaderMap, u64),
) -> Result<FetchedBody, Refused> {
    let encoding = headers.get(CONTENT_ENCODING);
    let from = match body {
        Stored::Here(bytes) => {
            let range = usize::try_from(first).ok().zip(usize::try_from(end).ok());
            let part = range.filter(|(first, end)| first <= end && *end <= bytes.len());
            let bytes = part.map_or(Bytes::new(), |(first, end)| bytes.slice(first..end));
            if encoding.is_none() {
                return Ok(FetchedBody::Inline(bytes));
            }
            outbound::whole(bytes)
        }
        Stored::Filed(filed) => Upload::new(filed.read(first, end).await.map_err(|error| {
            tracing::error!(%error, "a file of the cache can not be opened");
            Refused::failed("internal error: the cache can not read the response")
        })?),
    };
    let from = match encoding {
        None => Unread::Plain(from),
        Some(_) => outbound::unread(encoding, from, bytes_max),
    };
    Ok(FetchedBody::Stream { from, length: Some(end - first) })
}

impl Place {
    fn key(self) -> Result<Key, Refused> {
        if self.cache.as_ref().is_some_and(|name| name.len() > CACHE_NAME_BYTES_MAX) {
            return Err(Refused::wrong(format!(
                "Cache name is too long. ({})",
                CACHE_NAME.fixed()
            )));
        }
        if self.key.len() > CACHE_KEY_BYTES_MAX {
            return Err(Refused::wrong(format!("The URL is too long. ({})", CACHE_KEY.fixed())));
        }
        Ok(Key { cache: self.cache, url: self.key })
    }
}

impl Found {
    fn new(status: u16, headers: &HeaderMap) -> Self {
        let mut text = String::new();
        for (name, value) in headers {
            let value = value.as_bytes().iter().map(|byte| char::from(*byte));
            text.extend([name.as_str(), "\n"]);
            text.extend(value.chain(['\n']));
        }
        Self { status, status_text: outbound::status_text(status), headers: text }
    }
}

/// Headers of the flat form, without those that are the host's to say.
fn headers_of(text: &str) -> Result<HeaderMap, Refused> {
    let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c).ok()).collect();
    let bytes = Bytes::from(bytes.ok_or_else(|| Refused::wrong("Invalid header value."))?);
    let parsed =
        flat::parse(&bytes).map_err(|error| Refused::wrong(format!("headers: {error}")))?;
    let mut headers = HeaderMap::with_capacity(parsed.len());
    for (name, value) in parsed {
        let name = HeaderName::from_bytes(name);
        let name = name.map_err(|_| Refused::wrong("Invalid header name."))?;
        let value = HeaderValue::from_maybe_shared(bytes.slice_ref(value));
        let value = value.map_err(|_| Refused::wrong("Invalid header value."))?;
        if !header::response_drops(name.as_str()) || name == http::header::CONNECTION {
            headers.append(name, value);
        }
    }
    Ok(headers)
}

fn header_of(text: String) -> Result<HeaderValue, Refused> {
    HeaderValue::try_from(text).map_err(|_| Refused::failed("internal error"))
}
