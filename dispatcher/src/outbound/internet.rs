//! Calls that go out of the machine, through the egress.

use std::borrow::Cow;

use bindery_wire::flat;
use bytes::Bytes;
use http::Method;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderValue};
use http_body::Body;
use http_body_util::BodyExt;

use super::encoded::{self, Bounded};
use super::{ONE_TIME_BODY, refused, wrong};
use crate::egress::{
    BoxError, Egress, Error, Incoming, IncomingBody, Outgoing, OutgoingBody, Redirect,
};
use crate::line::{self, Call, Fetched, FetchedBody, Refused, RequestBody, Upload};

/// Sends a request and waits for the head of its response. Cancel-safe.
pub(super) async fn fetch(egress: &Egress, call: Call) -> Result<Fetched, Refused> {
    let Call { code, method, url, headers, follow, body, redirects_max, .. } = call;
    let method = Method::from_bytes(method.as_bytes());
    let method = method.map_err(|_| wrong("Invalid HTTP method string."))?;
    let head = method == Method::HEAD;
    let outgoing = Outgoing {
        tenant: code.tenant,
        headers: outgoing_headers(&headers)?,
        body: outgoing_body(body),
        method,
        url: url.into(),
        redirect: if follow { Redirect::Follow } else { Redirect::Manual },
        hops_max: redirects_max,
    };
    let limits = &code.limits;
    match egress.fetch(outgoing).await {
        Ok(incoming) => Ok(fetched(incoming, head, limits.response_bytes_max)),
        Err(error) => Err(explain(&error, limits.subrequest_count_max)),
    }
}

/// What the worker set, without what is the host's to say.
fn outgoing_headers(flat: &Bytes) -> Result<HeaderMap, Refused> {
    let parsed = flat::parse(flat).map_err(|error| wrong(format!("request headers: {error}")))?;
    let mut headers = HeaderMap::with_capacity(parsed.len() + 2);
    for (name, value) in parsed {
        let Some(name) = super::passes(name)? else { continue };
        let value = HeaderValue::from_maybe_shared(flat.slice_ref(value));
        headers.append(name, value.map_err(|_| wrong("Invalid header value."))?);
    }
    Ok(headers)
}

fn outgoing_body(body: RequestBody) -> Option<OutgoingBody> {
    match body {
        RequestBody::None => None,
        RequestBody::Inline(bytes) => Some(OutgoingBody::Bytes(bytes)),
        RequestBody::Stream { from, length } => {
            let body = from.map_err(BoxError::from).boxed_unsync();
            Some(OutgoingBody::Stream { body, length })
        }
    }
}

fn fetched(incoming: Incoming, head: bool, bytes_max: u64) -> Fetched {
    let Incoming { status, url, redirected, hops, headers, body } = incoming;
    let bare = head || matches!(status, 204 | 205 | 304);
    let body = if bare { FetchedBody::None } else { incoming_body(&headers, body, bytes_max) };
    Fetched {
        status,
        status_text: Cow::Borrowed(super::status_text(status)),
        url: redirected.then_some(url),
        redirects: hops,
        headers: incoming_headers(&headers),
        body,
    }
}

fn incoming_headers(headers: &HeaderMap) -> Vec<u8> {
    let bytes: usize =
        headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 2).sum();
    let mut flat = Vec::with_capacity(bytes);
    for (name, value) in headers {
        // A line feed can not stand in a header, but an isolate would read it as the next one.
        if !value.as_bytes().contains(&b'\n') {
            flat::push(&mut flat, name.as_str().as_bytes(), value.as_bytes());
        }
    }
    flat
}

fn incoming_body(headers: &HeaderMap, body: IncomingBody, bytes_max: u64) -> FetchedBody {
    if body.is_end_stream() {
        return FetchedBody::Inline(Bytes::new());
    }
    let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let length = declared.or_else(|| body.size_hint().exact());
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    let encoding = encodings.next().filter(|_| encodings.next().is_none());
    let from = encoded::unread(encoding, Upload::new(Bounded::new(body, bytes_max)), bytes_max);
    FetchedBody::Stream { from, length }
}

/// What a worker is told; where workers elsewhere know a text by heart, it is that one.
fn explain(error: &Error, subrequest_count_max: u32) -> Refused {
    tracing::debug!(%error, "a request of a worker failed");
    match error {
        Error::TooManySubrequests => line::too_many(subrequest_count_max),
        Error::OneTimeBody => wrong(ONE_TIME_BODY),
        Error::TooManyRedirects { max } => {
            wrong(format!("Too many redirects. The limit is {max}."))
        }
        Error::Connect { .. }
        | Error::ConnectTimeout { .. }
        | Error::ResponseTimeout { .. }
        | Error::Lost { .. }
        | Error::BodyLost(_)
        | Error::RequestBody => refused(format!("Network connection lost. ({error})")),
        Error::Url { .. } => wrong(format!("Fetch API cannot load: {error}")),
        other => refused(other.to_string()),
    }
}
