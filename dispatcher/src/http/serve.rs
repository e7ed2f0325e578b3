//! One request, from its head to the head of its answer.

use std::sync::Arc;
use std::time::Instant;

use bindery_logic::failure::{self, Failure};
use bindery_logic::route::{self, Route};
use bindery_wire::Outcome;
use bindery_wire::event::Handler;
use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response};
use hyper::body::Incoming;

use super::body::{Answer, take_in};
use super::front::Front;
use super::request::{self, Peer};
use super::response;
use crate::code::Code;
use crate::line::{
    About, Begun, Cut, MOVE_COUNT_MAX, NotTaken, Reply, ReplyBody, RequestBody, RequestId,
};
use crate::placement::{Failed, NoRoom};
use crate::problem::{self, Problem};
use crate::registry::{self, Custom};
use crate::tasks::Tasks;
use crate::trace::Trace;

/// Where a request is served: the server, the connection, the thread.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) front: Arc<Front>,
    pub(super) peer: Arc<Peer>,
    pub(super) tasks: Tasks,
}

/// Why the host answers instead of a worker.
struct Refusal {
    problem: Box<Problem>,
    /// How the event ended, if one began.
    outcome: Option<Outcome>,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self { problem: Box::new(problem), outcome: None }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        response::problem(failure).into()
    }
}

impl Refusal {
    fn ended(outcome: Outcome, code: &Code) -> Self {
        let problem = response::ended(outcome, &code.limits);
        Self { problem: Box::new(problem), outcome: Some(outcome) }
    }
}

impl Place {
    /// Answers a request. Dropped before, the event is canceled.
    pub(super) fn serve(
        self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Answer>> + Send {
        let id = self.front.request_id();
        // Outside of the future, which would keep the whole request beside its parts.
        let (parts, body) = request.into_parts();
        async move {
            let ids = (id, Trace::of(&parts.headers));
            let asked = self.front.figures.asked();
            let mut response = match self.answer(ids, &parts, body).await {
                Ok(response) => response,
                Err(refusal) => {
                    report(&refusal.problem, ids);
                    self.front.figures.refused(refusal.problem.code);
                    let of = (&parts.method, id);
                    response::failure(&refusal.problem, refusal.outcome, of)
                }
            };
            response::stamp(&mut response, id);
            asked.answered(response.status());
            response
        }
    }

    async fn answer(
        &self,
        ids: (RequestId, Trace),
        parts: &Parts,
        body: Incoming,
    ) -> Result<Response<Answer>, Refusal> {
        let host = request::host(parts, request::check(parts)?, &self.peer);
        let code = self.route(parts, host).await?;
        let body = take_in(body).await.map_err(cut)?;
        let run = Run { place: self, ids, parts, host, code };
        let (status, headers, body) = run.to_head(body).await?;
        let domain = &self.front.domain;
        response::answer(&parts.method, domain, (status, &headers, body)).map_err(|error| {
            let (request, trace) = ids;
            tracing::debug!(%error, %request, %trace, "a worker's answer can not be sent");
            Refusal::ended(Outcome::Exception, &run.code)
        })
    }

    /// The code that a request is for.
    async fn route(&self, parts: &Parts, host: &str) -> Result<Arc<Code>, Refusal> {
        let bad = |error: route::Error| Problem::new(problem::Code::BadRequest, error.to_string());
        let host = route::host(host).map_err(bad)?;
        let domain = &self.front.domain;
        let nobody = |_| Refusal::from(response::no_worker(&host, domain));
        match route::parse(&host, domain).map_err(nobody)? {
            Route::Worker { tenant, worker, version } => {
                self.code((tenant, worker, version), &host).await
            }
            Route::Custom(name) => {
                let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
                let scheme = request::scheme(parts, &self.peer);
                match self.front.registry.custom(name, scheme, target) {
                    Custom::Worker { tenant, worker } => {
                        self.code((&tenant, &worker, None), &host).await
                    }
                    Custom::NoRoute => Err(response::no_route(name).into()),
                    Custom::NotGranted => Err(response::no_worker(name, domain).into()),
                }
            }
        }
    }

    /// The code of a worker that `host` means.
    async fn code(
        &self,
        (tenant, worker, version): (&str, &str, Option<&str>),
        host: &str,
    ) -> Result<Arc<Code>, Refusal> {
        let registry = &self.front.registry;
        if version.is_none()
            && let Some(code) = registry.hot(tenant, worker)
        {
            return Ok(code);
        }
        registry.code(tenant, worker, version).await.map_err(|error| match error {
            registry::Error::NoWorker => response::no_worker(host, &self.front.domain).into(),
            registry::Error::Suspended => {
                Problem::new(problem::Code::Forbidden, "the tenant is suspended").into()
            }
            registry::Error::Stopped => Failure::Overloaded.into(),
            error => Problem::internal(&error).into(),
        })
    }
}

/// Logs what the host did wrong.
fn report(problem: &Problem, (request, trace): (RequestId, Trace)) {
    if problem.code == problem::Code::Internal {
        let error = problem.cause.as_deref();
        tracing::error!(%request, %trace, error, "a request failed by the host's fault");
    }
}

/// A request whose code is known.
struct Run<'a> {
    place: &'a Place,
    ids: (RequestId, Trace),
    parts: &'a Parts,
    host: &'a str,
    code: Arc<Code>,
}

impl Run<'_> {
    /// Runs the event, once more if an isolate died by another's fault, until there is a head.
    async fn to_head(&self, mut body: RequestBody) -> Result<(u16, Bytes, ReplyBody), Refusal> {
        let method = self.parts.method.as_str();
        let mut runs = 0;
        loop {
            let again = body.again();
            let begun = self.begin(body).await?;
            runs += 1;
            match begun.reply().await {
                Reply::Head { status, headers, body } => return Ok((status, headers, body)),
                Reply::Ended(spent) | Reply::Handled(spent, _) => {
                    return Err(Refusal::ended(spent.outcome, &self.code));
                }
                Reply::Cut(what) => return Err(cut(what)),
                Reply::NotTaken(held) => match held.or(again) {
                    Some(again) if runs < MOVE_COUNT_MAX => body = again,
                    _ => return Err(Failure::Overloaded.into()),
                },
                Reply::Lost(blame) => match again {
                    Some(again) if failure::runs_again(method, blame, runs) => body = again,
                    _ => return Err(Refusal::ended(Outcome::Lost, &self.code)),
                },
            }
        }
    }

    /// Gives the event to an isolate that takes it.
    async fn begin(&self, mut body: RequestBody) -> Result<Begun, Refusal> {
        let placement = &self.place.front.placement;
        let since = Instant::now();
        for _ in 0..MOVE_COUNT_MAX {
            let permit = placement.permit(&self.code, &self.place.tasks, |_| true).await;
            let permit = permit.map_err(|why| match why {
                NoRoom::NotStarted(failed) => not_started(failed, &self.code),
                NoRoom::Full => response::queue_full().into(),
                NoRoom::Closed | NoRoom::Unfit => Failure::Overloaded.into(),
            })?;
            let of = (self.parts, self.host);
            let begun = request::as_event(of, &self.place.peer, &self.place.front.trusted, |e| {
                Begun::begin(permit, e, body, self.about())
            });
            match begun {
                Ok(begun) => {
                    self.place.front.figures.taken(since.elapsed());
                    return Ok(begun);
                }
                Err((NotTaken::TooLarge, _)) => return Err(Failure::BodyTooLarge.into()),
                Err((NotTaken::Closed | NotTaken::Full, back)) => body = back,
            }
        }
        Err(Failure::Overloaded.into())
    }

    fn about(&self) -> About {
        let path = About::clip(self.parts.uri.path()).into();
        let method: Method = self.parts.method.clone();
        let (request, trace) = self.ids;
        About { request, trace, handler: Handler::Fetch, method, path, status: 0, hops: 0 }
    }
}

fn cut(cut: Cut) -> Refusal {
    match cut {
        Cut::TooLong => Failure::BodyTooLarge.into(),
        Cut::Unfinished => Failure::BadRequest.into(),
    }
}

fn not_started(failed: Failed, code: &Code) -> Refusal {
    match failed {
        Failed::Refused(spent, _) => response::not_started(spent.outcome, &code.limits).into(),
        Failed::Lost(_) => Failure::IsolateLost.into(),
        Failed::Overloaded { after_ms } => {
            let seconds = u32::try_from(after_ms.div_ceil(1_000)).unwrap_or(u32::MAX);
            response::problem(Failure::Overloaded).retry_after(seconds.max(1)).into()
        }
        Failed::Host(_) => Problem::internal(&failed).into(),
    }
}
