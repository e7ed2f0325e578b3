//! A request, its redirects, and the response.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bindery_logic::egress::redirect::{self, Next, REDIRECT_COUNT_MAX};
use bindery_logic::egress::request_drops;
use bindery_logic::header::is_hop_by_hop;
use bindery_wire::TenantId;
use bindery_wire::limits::{HEADER_COUNT_MAX, HEADERS_BYTES_MAX};
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderName, LOCATION};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body::Body;
use http_body_util::{BodyExt, Empty};

use super::connection::{Connection, Failed};
use super::download::{Download, Lease};
use super::error::Error;
use super::target::Target;
use super::upload::Upload;
use super::{Incoming, IncomingBody, Inner, Outgoing, Redirect};

/// What is sent at one hop, apart from the body.
struct Head {
    tenant: TenantId,
    method: Method,
    headers: HeaderMap,
}

pub(super) async fn fetch(egress: &Arc<Inner>, outgoing: Outgoing) -> Result<Incoming, Error> {
    let Outgoing { tenant, method, url, headers, body, redirect, hops_max } = outgoing;
    let mut target = Target::parse(&url, &egress.reach)?;
    let mut head = Head { tenant, method, headers: cleaned(headers)? };
    let mut upload = Upload::from(body);
    let mut hops = 0;
    loop {
        let again = if redirect == Redirect::Follow { upload.again() } else { None };
        let response = exchange(egress, &target, &head, upload).await?;
        let status = response.status().as_u16();
        let location = response.headers().get(LOCATION);
        let next = match redirect {
            Redirect::Follow => redirect::next(status, head.method.as_str()).zip(location),
            Redirect::Manual => None,
        };
        let Some((next, location)) = next else {
            let (parts, body) = response.into_parts();
            let (url, headers) = (target.into_url(), parts.headers);
            return Ok(Incoming { status, url, redirected: hops > 0, hops, headers, body });
        };
        hops += 1;
        if hops > REDIRECT_COUNT_MAX {
            return Err(Error::TooManyRedirects { max: REDIRECT_COUNT_MAX });
        }
        if hops > hops_max {
            return Err(Error::TooManySubrequests);
        }
        let to = redirected(&target, location, egress)?;
        head.redirect(next, target.origin == to.origin);
        upload = match (next, again) {
            (Next::Get, _) => Upload::Empty,
            (Next::Same, again) => again.ok_or(Error::OneTimeBody)?,
        };
        target = to;
    }
}

impl Head {
    /// What is left of it for the next place.
    fn redirect(&mut self, next: Next, same_origin: bool) {
        let mut goes: Vec<HeaderName> = Vec::new();
        if next == Next::Get {
            self.method = Method::GET;
            goes.extend(names(&self.headers, redirect::describes_body));
        }
        if !same_origin {
            goes.extend(names(&self.headers, redirect::is_of_origin));
        }
        for name in goes {
            self.headers.remove(name);
        }
    }

    fn request(&self, (uri, host): (&Uri, &HeaderValue), upload: Upload) -> Request<Upload> {
        let told = matches!(self.method, Method::POST | Method::PUT | Method::PATCH);
        let empty = told && upload.size_hint().exact() == Some(0);
        let mut request = Request::new(upload);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri.clone();
        let headers = request.headers_mut();
        *headers = self.headers.clone();
        headers.insert(HOST, host.clone());
        if empty {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        request
    }
}

fn redirected(from: &Target, location: &HeaderValue, egress: &Inner) -> Result<Target, Error> {
    from.join(location, &egress.reach).map_err(|error| match error {
        Error::Url { .. } => {
            Error::Redirect { host: from.origin.host.to_string(), source: Box::new(error) }
        }
        refused => refused,
    })
}

/// The headers that are sent.
fn cleaned(mut headers: HeaderMap) -> Result<HeaderMap, Error> {
    let goes = drops(&headers, request_drops);
    for name in goes {
        headers.remove(name);
    }
    let too_large = |got, max, unit| Error::RequestHeaders { got, max, unit };
    if headers.len() > HEADER_COUNT_MAX {
        return Err(too_large(headers.len(), HEADER_COUNT_MAX, "headers"));
    }
    let bytes = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 2).sum();
    if bytes > HEADERS_BYTES_MAX {
        return Err(too_large(bytes, HEADERS_BYTES_MAX, "bytes"));
    }
    Ok(headers)
}

/// Names that `drops` says, and those that `Connection` nominates.
fn drops(headers: &HeaderMap, drops: impl Fn(&str) -> bool) -> Vec<HeaderName> {
    let mut goes: Vec<HeaderName> = names(headers, drops).collect();
    for value in headers.get_all(CONNECTION) {
        let tokens = value.as_bytes().split(|byte| *byte == b',');
        goes.extend(tokens.filter_map(|token| HeaderName::from_bytes(token.trim_ascii()).ok()));
    }
    goes
}

fn names(headers: &HeaderMap, wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = HeaderName> {
    headers.keys().filter(move |name| wanted(name.as_str())).cloned()
}

/// One request and its response. A kept connection that turns out to be closed is replaced once.
async fn exchange(
    egress: &Arc<Inner>,
    target: &Target,
    head: &Head,
    upload: Upload,
) -> Result<Response<IncomingBody>, Error> {
    let line = (&target.path()?, &target.host()?);
    let (permit, kept) = egress.pool.take(head.tenant, &target.origin)?;
    let lease = |connection| Lease {
        connection,
        permit,
        origin: target.origin.clone(),
        tenant: head.tenant,
        egress: egress.clone(),
    };
    let mut request = head.request(line, upload);
    if let Some(mut connection) = kept {
        let again = request.body().again().filter(|_| head.method.is_idempotent());
        match send(egress, &mut connection, request).await {
            Ok(response) => return received(target, response, lease(connection)),
            Err(Failed::Unsent(unsent, _)) => request = *unsent,
            Err(Failed::Sent(error)) if is_closed(&error) && again.is_some() => {
                request = head.request(line, again.unwrap_or(Upload::Empty));
            }
            Err(failed) => return Err(why(egress, target, failed)),
        }
    }
    let mut connection = egress.connect(head.tenant, target).await?;
    match send(egress, &mut connection, request).await {
        Ok(response) => received(target, response, lease(connection)),
        Err(failed) => Err(why(egress, target, failed)),
    }
}

async fn send(
    egress: &Inner,
    connection: &mut Connection,
    request: Request<Upload>,
) -> Result<Response<hyper::body::Incoming>, Failed> {
    let progress = request.body().progress();
    let time = Duration::from_millis(egress.config.response_ms.into());
    let response = connection.send(request, (&egress.clock, time)).await?;
    connection.leave_uploading(progress.as_deref(), &egress.tasks);
    Ok(response)
}

/// A response as the worker sees it.
fn received(
    target: &Target,
    response: Response<hyper::body::Incoming>,
    lease: Lease,
) -> Result<Response<IncomingBody>, Error> {
    let (mut parts, incoming) = response.into_parts();
    if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        // Nobody asked for another protocol.
        return Err(Error::Malformed { host: target.origin.host.to_string() });
    }
    for name in drops(&parts.headers, is_hop_by_hop) {
        parts.headers.remove(name);
    }
    let body = if incoming.is_end_stream() {
        lease.give_back();
        Empty::new().map_err(|never| match never {}).boxed_unsync()
    } else {
        Download::new(incoming, lease).boxed_unsync()
    };
    Ok(Response::from_parts(parts, body))
}

/// Whether a kept connection was closed by the server while the request was on its way.
fn is_closed(error: &hyper::Error) -> bool {
    let lost = || std::error::Error::source(error).is_some_and(|source| source.is::<io::Error>());
    error.is_incomplete_message() || error.is_closed() || error.is_canceled() || lost()
}

/// A failure to get a response, in the tenant's words.
fn why(egress: &Inner, target: &Target, failed: Failed) -> Error {
    let host = target.origin.host.to_string();
    match failed {
        Failed::Late => Error::ResponseTimeout { host, max_ms: egress.config.response_ms },
        Failed::Unsent(_, source) => Error::Lost { host, source },
        Failed::Sent(error) if error.is_user() => Error::RequestBody,
        Failed::Sent(error) if error.is_parse_too_large() => Error::ResponseHeaders { host },
        Failed::Sent(error) if error.is_parse() => Error::Malformed { host },
        Failed::Sent(source) => Error::Lost { host, source },
    }
}
