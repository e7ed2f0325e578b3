//! Calls from one worker to another of the same tenant.

use std::sync::Arc;

use bindery_logic::egress::redirect::{self, Next, REDIRECT_COUNT_MAX};
use bindery_wire::event::Handler;
use bindery_wire::limits::{HOP_COUNT_MAX, Limits};
use bindery_wire::log::Exception;
use bindery_wire::{Outcome, flat};
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use url::Url;

use super::encoded::unread;
use super::{ONE_TIME_BODY, Workers, refused, wrong};
use crate::code::Code;
use crate::line::{
    self, About, Begun, Call, Cut, Event, Fetched, FetchedBody, Line, MOVE_COUNT_MAX, NotTaken,
    Permit, Refused, Reply, ReplyBody, RequestBody, Upload,
};
use crate::loader;
use crate::placement::{Failed, NoRoom};
use crate::registry;
use crate::rpc::{Service, Target};

/// Bytes of a URL that an error's text shows.
const URL_BYTES_SHOWN: usize = 100;

/// Runs a worker's handler for a call, as an event of its own. Cancel-safe: dropped, the event is
/// canceled.
pub(super) async fn fetch(
    workers: &Workers,
    call: Call,
    service: &Service,
) -> Result<Fetched, Refused> {
    check_hops(call.hops)?;
    let code = find(workers, &call.code, service).await?;
    let mut run = Run { workers, code, service, request: Request::new(&call)? };
    let limits = &call.code.limits;
    let (mut body, mut redirects) = (call.body, 0);
    loop {
        let again = body.again();
        let (status, headers, answer) = run.to_head(body).await?;
        let next = redirect::next(status, run.request.method.as_str()).filter(|_| call.follow);
        let Some((next, location)) = next.zip(location(&headers)) else {
            let mut fetched = fetched(&run.request.method, status, &headers, answer, limits)?;
            fetched.redirects = redirects;
            fetched.url = (redirects > 0).then(|| run.request.url.into());
            return Ok(fetched);
        };
        without(answer);
        redirects += 1;
        if redirects > REDIRECT_COUNT_MAX {
            return Err(wrong(format!("Too many redirects. The limit is {REDIRECT_COUNT_MAX}.")));
        }
        if redirects > call.redirects_max {
            return Err(line::too_many(limits.subrequest_count_max));
        }
        run.request.redirect(next, &location)?;
        body = match next {
            Next::Get => RequestBody::None,
            Next::Same => again.ok_or_else(|| wrong(ONE_TIME_BODY))?,
        };
    }
}

/// Room for one more event in an isolate of a service. Cancel-safe.
pub(super) async fn room(
    workers: &Workers,
    caller: &Code,
    service: &Service,
    hops: u32,
) -> Result<Permit, Refused> {
    check_hops(hops)?;
    let code = find(workers, caller, service).await?;
    permit(workers, &code, None).await
}

/// Room for an event in an isolate of `code`, which has the export, if one is named.
async fn permit(
    workers: &Workers,
    code: &Arc<Code>,
    export: Option<&str>,
) -> Result<Permit, Refused> {
    let fits = |line: &Line| export.is_none_or(|name| line.exports(name) != Some(false));
    workers.placement.permit(code, &workers.tasks, fits).await.map_err(|why| match why {
        NoRoom::NotStarted(failed) => not_started(code, &failed),
        NoRoom::Unfit => {
            refused(format!("Worker has no such entrypoint: {}", export.unwrap_or_default()))
        }
        NoRoom::Full | NoRoom::Closed => overloaded(code),
    })
}

fn check_hops(hops: u32) -> Result<(), Refused> {
    if hops < HOP_COUNT_MAX {
        return Ok(());
    }
    Err(refused(format!(
        "Subrequest depth limit exceeded. This request recursed through Workers too many times: \
         {HOP_COUNT_MAX} is the limit. This can happen e.g. if you have a Worker that calls other \
         Workers recursively."
    )))
}

/// Where a response's headers lead to.
fn location(headers: &[u8]) -> Option<String> {
    let parsed = flat::parse(headers).ok()?;
    let found = parsed.iter().find(|(name, _)| name.eq_ignore_ascii_case(b"location"))?;
    std::str::from_utf8(found.1).ok().map(str::to_owned)
}

/// The code that a service runs in, as of now: of the caller's tenant.
pub(super) async fn find(
    workers: &Workers,
    caller: &Code,
    service: &Service,
) -> Result<Arc<Code>, Refused> {
    let name = match &service.target {
        Target::Named(name) => name,
        Target::Code(code) if code.tenant == caller.tenant => return Ok(code.clone()),
        Target::Code(_) => return Err(refused(ANOTHERS)),
        Target::Provided(provider) => {
            let code = provider.code().await?;
            let is_own = code.tenant == caller.tenant;
            return if is_own { Ok(code) } else { Err(refused(ANOTHERS)) };
        }
    };
    let missing = || refused(format!("The worker `{name}` does not exist."));
    let code = workers.registry.code(&caller.tenant_name, name, None).await;
    match code {
        // A tenant that was made anew under the same name is another one.
        Ok(code) if code.tenant == caller.tenant => Ok(code),
        Ok(_) | Err(registry::Error::NoWorker) => Err(missing()),
        Err(registry::Error::Suspended) => Err(refused("The tenant is suspended.")),
        Err(error) => {
            tracing::error!(%error, "a worker was not found for a call");
            Err(refused("The server failed to find the worker."))
        }
    }
}

const ANOTHERS: &str = "The worker is another tenant's.";

/// The request as the called worker sees it.
struct Request {
    method: Method,
    url: Url,
    headers: Vec<u8>,
    about: About,
}

impl Request {
    fn new(call: &Call) -> Result<Self, Refused> {
        let method = Method::from_bytes(call.method.as_bytes());
        let method = method.map_err(|_| wrong("Invalid HTTP method string."))?;
        let url = Url::parse(&call.url).ok().filter(is_web).ok_or_else(|| cannot(&call.url))?;
        let headers = headers(&call.headers, &host(&url))?;
        let about = About {
            request: call.request,
            trace: call.trace,
            handler: Handler::Fetch,
            method: method.clone(),
            path: About::clip(url.path()).into(),
            status: 0,
            hops: call.hops + 1,
        };
        Ok(Self { method, url, headers, about })
    }

    /// What is left of it for the next place.
    fn redirect(&mut self, next: Next, location: &str) -> Result<(), Refused> {
        let url = self.url.join(location).ok().filter(is_web).ok_or_else(|| cannot(location))?;
        let leaves = url.origin() != self.url.origin();
        let host = host(&url);
        let sent = std::mem::take(&mut self.headers);
        flat::push(&mut self.headers, b"host", host.as_bytes());
        for (name, value) in flat::parse(&sent).unwrap_or_default() {
            let text = std::str::from_utf8(name).unwrap_or_default();
            let goes = text == "host"
                || (leaves && redirect::is_of_origin(text))
                || (next == Next::Get && redirect::describes_body(text));
            if !goes {
                flat::push(&mut self.headers, name, value);
            }
        }
        if next == Next::Get {
            self.method = Method::GET;
        }
        self.url = url;
        self.url.set_fragment(None);
        Ok(())
    }
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

/// The host as the header names it.
fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn cannot(url: &str) -> Refused {
    let shown = url.get(..url.floor_char_boundary(URL_BYTES_SHOWN)).unwrap_or_default();
    wrong(format!("Fetch API cannot load: {shown}"))
}

fn headers(sent: &[u8], host: &str) -> Result<Vec<u8>, Refused> {
    let parsed = flat::parse(sent).map_err(|error| wrong(format!("request headers: {error}")))?;
    let mut headers = Vec::with_capacity(sent.len() + host.len() + 6);
    flat::push(&mut headers, b"host", host.as_bytes());
    for (name, value) in parsed {
        if let Some(name) = super::passes(name)? {
            flat::push(&mut headers, name.as_str().as_bytes(), value);
        }
    }
    Ok(headers)
}

/// An event that is to be run.
struct Run<'a> {
    workers: &'a Workers,
    code: Arc<Code>,
    service: &'a Service,
    request: Request,
}

impl Run<'_> {
    async fn to_head(&self, mut body: RequestBody) -> Result<(u16, Bytes, ReplyBody), Refused> {
        for _ in 0..MOVE_COUNT_MAX {
            let again = body.again();
            match self.begin(body).await?.reply().await {
                Reply::Head { status, headers, body } => return Ok((status, headers, body)),
                Reply::NotTaken(held) => match held.or(again) {
                    Some(again) => body = again,
                    None => break,
                },
                Reply::Ended(spent) | Reply::Handled(spent, _) => {
                    return Err(self.ended(spent.outcome));
                }
                Reply::Lost(_) => return Err(self.ended(Outcome::Lost)),
                Reply::Cut(Cut::Unfinished | Cut::TooLong) => {
                    return Err(refused("The request's body broke off, or is over its limit."));
                }
            }
        }
        Err(overloaded(&self.code))
    }

    /// Gives the event to an isolate that takes it.
    async fn begin(&self, mut body: RequestBody) -> Result<Begun, Refused> {
        for _ in 0..MOVE_COUNT_MAX {
            let entrypoint = self.service.entrypoint.as_deref();
            let permit = permit(self.workers, &self.code, entrypoint).await?;
            let Request { method, url, headers, about } = &self.request;
            let (method, props) = (method.as_str(), &self.service.props);
            let (url, limits) = (url.as_str(), &self.service.limits);
            let event = Event { entrypoint, method, url, headers, cf: "", props, limits };
            match Begun::begin(permit, event, body, about.clone()) {
                Ok(begun) => return Ok(begun),
                Err((NotTaken::TooLarge, _)) => break,
                Err((NotTaken::Closed | NotTaken::Full, back)) => body = back,
            }
        }
        Err(overloaded(&self.code))
    }

    fn ended(&self, outcome: Outcome) -> Refused {
        ended(&self.code, outcome)
    }
}

fn overloaded(code: &Code) -> Refused {
    refused(format!("There is no capacity for the worker `{}` now; try again.", code.worker))
}

fn ended(code: &Code, outcome: Outcome) -> Refused {
    refused(format!("The worker `{}` ended without a response: {outcome}.", code.worker))
}

fn not_started(code: &Code, failed: &Failed) -> Refused {
    match failed {
        Failed::Overloaded { .. } => overloaded(code),
        Failed::Refused(_, exception) if code.instance != 0 => {
            let Exception { name, message, .. } = exception;
            loader::not_started(&format!("{name}: {message}"))
        }
        Failed::Refused(..) => refused(format!("The worker `{}` does not start.", code.worker)),
        Failed::Lost(_) => ended(code, Outcome::Lost),
        Failed::Host(error) => {
            tracing::error!(error, "a worker was not started for a call");
            refused("The server failed to start the worker.")
        }
    }
}

/// The other worker's response, as the caller gets it.
fn fetched(
    method: &Method,
    status: u16,
    headers: &[u8],
    body: ReplyBody,
    limits: &Limits,
) -> Result<Fetched, Refused> {
    let malformed = || refused("The called worker's response is not one of HTTP.");
    let code = StatusCode::from_u16(status).ok().filter(|_| (200..600).contains(&status));
    let code = code.ok_or_else(malformed)?;
    let parsed = flat::parse(headers).map_err(|_| malformed())?;
    let mut passed = Vec::with_capacity(headers.len());
    let mut encoding = None;
    for (name, value) in parsed {
        let name = HeaderName::from_bytes(name).map_err(|_| malformed())?;
        if !bindery_logic::header::response_drops(name.as_str()) {
            flat::push(&mut passed, name.as_str().as_bytes(), value);
        }
        if name == CONTENT_ENCODING {
            encoding = HeaderValue::from_bytes(value).ok();
        }
    }
    let body = Answered { encoding, body, bytes_max: limits.response_bytes_max };
    let bare = method == Method::HEAD || matches!(status, 204 | 205 | 304);
    Ok(Fetched {
        status,
        status_text: super::status_text(code.as_u16()).into(),
        url: None,
        redirects: 0,
        headers: passed,
        body: if bare { without(body.body) } else { body.fetched()? },
    })
}

fn without(body: ReplyBody) -> FetchedBody {
    if let ReplyBody::Stream(download) = body {
        download.discard();
    }
    FetchedBody::None
}

/// A body under its headers.
struct Answered {
    encoding: Option<HeaderValue>,
    body: ReplyBody,
    bytes_max: u64,
}

impl Answered {
    fn fetched(self) -> Result<FetchedBody, Refused> {
        let Self { encoding, body, bytes_max } = self;
        let (from, length): (Upload, _) = match body {
            ReplyBody::None => return Ok(FetchedBody::Inline(Bytes::new())),
            ReplyBody::Inline(bytes) if encoding.is_none() => {
                return Ok(FetchedBody::Inline(bytes));
            }
            ReplyBody::Inline(bytes) => {
                let length = bytes.len() as u64;
                (super::whole(bytes), Some(length))
            }
            ReplyBody::Passed { from, length } => (from, length),
            ReplyBody::Stream(download) => {
                let length = download.length();
                (Upload::new(download.map_err(|_| Cut::Unfinished)), length)
            }
        };
        // Each encoding is undone around the one before, however the body came here.
        if encoding.is_some() && from.layers() >= HOP_COUNT_MAX {
            return Err(refused(format!(
                "A body has {HOP_COUNT_MAX} encodings, one within the other, which is the limit."
            )));
        }
        let from = unread(encoding.as_ref(), from, bytes_max);
        Ok(FetchedBody::Stream { from, length })
    }
}
