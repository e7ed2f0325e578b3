//! From what a worker answered, or why it did not, to what the client gets.

use bindery_logic::failure::{self, Failure};
use bindery_logic::header;
use bindery_wire::limit::{self, Told};
use bindery_wire::{Limits, Outcome, flat};
use bytes::Bytes;
use http::header::{
    CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, SET_COOKIE,
};
use http::{Method, Response, StatusCode};

use super::body::Answer;
use crate::line::{ReplyBody, RequestId};
use crate::problem::{Code, Problem};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-bindery-request");
const OUTCOME: HeaderName = HeaderName::from_static("x-bindery-outcome");

/// An answer of a worker that can not be sent as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    /// Not a status that a worker may answer with.
    #[error("the status is not between 200 and 599")]
    Status,
    /// Not headers.
    #[error("a header is not one of HTTP")]
    Header,
}

/// The worker's answer: `status`, headers in the flat form, and the body.
pub(super) fn answer(
    method: &Method,
    domain: &str,
    (status, headers, body): (u16, &Bytes, ReplyBody),
) -> Result<Response<Answer>, Malformed> {
    let status = StatusCode::from_u16(status).map_err(|_| Malformed::Status)?;
    if status.as_u16() < 200 || status.as_u16() > 599 {
        return Err(Malformed::Status);
    }
    let head = method == Method::HEAD;
    let (mut map, declared) = read_headers(headers, domain)?;
    let bare = matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT);
    let body = if head || bare || status == StatusCode::NOT_MODIFIED {
        let length = declared.or_else(|| length(&body));
        if let Some(length) = length.filter(|_| !bare) {
            map.insert(CONTENT_LENGTH, length.into());
        }
        if let ReplyBody::Stream(download) = body {
            download.discard();
        }
        Answer::Empty
    } else {
        match body {
            ReplyBody::None => Answer::Empty,
            ReplyBody::Inline(bytes) => Answer::Full(bytes),
            ReplyBody::Stream(download) => Answer::Stream(download),
            ReplyBody::Passed { from, length } => Answer::Passed { from, left: length },
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = map;
    Ok(response)
}

/// How long a body is that is not sent: what a GET would have said.
fn length(body: &ReplyBody) -> Option<u64> {
    match body {
        ReplyBody::None => None,
        ReplyBody::Inline(bytes) => Some(bytes.len() as u64),
        ReplyBody::Stream(download) => download.length(),
        ReplyBody::Passed { length, .. } => *length,
    }
}

/// The headers that pass, and the length that the worker declared: only what is really sent says
/// how long it is.
fn read_headers(flat: &Bytes, domain: &str) -> Result<(HeaderMap, Option<u64>), Malformed> {
    let parsed = flat::parse(flat).map_err(|_| Malformed::Header)?;
    let mut map = HeaderMap::with_capacity(parsed.len() + 2);
    let mut declared = None;
    for (name, value) in parsed {
        let name = HeaderName::from_bytes(name).map_err(|_| Malformed::Header)?;
        let value =
            HeaderValue::from_maybe_shared(flat.slice_ref(value)).map_err(|_| Malformed::Header)?;
        if name == CONTENT_LENGTH {
            declared = value.to_str().ok().and_then(|text| text.parse().ok());
            continue;
        }
        let cookie = name == SET_COOKIE && !header::cookie_passes(value.as_bytes(), domain);
        if !cookie && !header::response_drops(name.as_str()) {
            map.append(name, value);
        }
    }
    Ok((map, declared))
}

/// What every answer carries.
pub(super) fn stamp(response: &mut Response<Answer>, request: RequestId) {
    let text = Bytes::from(request.to_string());
    if let Ok(value) = HeaderValue::from_maybe_shared(text) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
}

/// A failure of the host's to answer, as the client sees it.
pub(super) fn failure(
    problem: &Problem,
    outcome: Option<Outcome>,
    (method, request): (&Method, RequestId),
) -> Response<Answer> {
    let body = Bytes::from(problem.body(&request.to_string()));
    let length = body.len();
    let head = *method == Method::HEAD;
    let mut response = Response::new(if head { Answer::Empty } else { Answer::Full(body) });
    let status = StatusCode::from_u16(problem.status);
    *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if head {
        headers.insert(CONTENT_LENGTH, length.into());
    }
    if let Some(seconds) = problem.retry_after_s {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    if let Some(outcome) = outcome {
        headers.insert(OUTCOME, HeaderValue::from_static(outcome.as_str()));
    }
    response
}

/// An event that ended without an answer, as the client is told.
pub(super) fn ended(outcome: Outcome, limits: &Limits) -> Problem {
    let told = match outcome {
        Outcome::ExceededCpu => limit::CPU.told(limits.cpu_ms_max),
        Outcome::ExceededMemory => limit::MEMORY.told(limits.memory_bytes_max),
        Outcome::ExceededWallTime => limit::WALL.told(limits.wall_ms_max),
        _ => return problem(failure::of(outcome)),
    };
    with_limit(problem(failure::of(outcome)), told)
}

/// Modules that do not start, and the limit that they passed, if it was one.
pub(super) fn not_started(outcome: Outcome, limits: &Limits) -> Problem {
    let problem = problem(Failure::StartupFailed);
    match outcome {
        Outcome::ExceededCpu => {
            with_limit(problem, limit::STARTUP_CPU.told(limits.startup_cpu_ms_max))
        }
        Outcome::ExceededMemory => with_limit(problem, limit::MEMORY.told(limits.memory_bytes_max)),
        _ => problem,
    }
}

/// Too many events wait for an isolate.
pub(super) fn queue_full() -> Problem {
    with_limit(problem(Failure::Overloaded), limit::QUEUED_EVENTS.fixed())
}

fn with_limit(problem: Problem, told: Told) -> Problem {
    Problem { message: format!("{}; {told}", problem.message), ..problem }
}

/// The text of a failure.
pub(super) fn problem(failure: Failure) -> Problem {
    let new = Problem::new;
    match failure {
        Failure::NoWorker => new(Code::NoWorker, "no worker answers to this request"),
        Failure::Exception => new(Code::Exception, "the worker threw an exception"),
        Failure::StartupFailed => new(Code::StartupFailed, "the worker does not start"),
        Failure::ExceededCpu => new(Code::ExceededCpu, "the worker exceeded its CPU time limit"),
        Failure::ExceededMemory => {
            new(Code::ExceededMemory, "the worker exceeded its memory limit")
        }
        Failure::ExceededWallTime => {
            new(Code::ExceededWallTime, "the worker exceeded its wall time limit")
        }
        Failure::Hung => new(Code::Hung, "the worker's response could never have come"),
        Failure::IsolateLost => {
            new(Code::IsolateLost, "the worker's isolate was lost").retry_after(1)
        }
        Failure::Overloaded => {
            new(Code::Overloaded, "there is no capacity for this worker now").retry_after(1)
        }
        Failure::BodyTooLarge => with_limit(
            new(Code::TooLarge, "the request's body is too long"),
            limit::REQUEST.fixed(),
        ),
        Failure::HeadTooLarge => {
            let told = limit::HEADERS_BYTES.fixed();
            with_limit(new(Code::TooLarge, "the request's headers are too long"), told)
                .with_status(431)
        }
        Failure::BadRequest => new(Code::BadRequest, "the request is malformed"),
        Failure::Internal => new(Code::Internal, "the server failed"),
    }
}

/// No worker has this name. Says which names there could be, and nothing of whose there are.
pub(super) fn no_worker(host: &str, domain: &str) -> Problem {
    let message = format!(
        "no worker answers to {host}: a tenant's worker `main` is reached as TENANT.{domain}, \
         another as WORKER.TENANT.{domain} or WORKER--TENANT.{domain}, a version by its first 8 \
         digits as VERSION--WORKER--TENANT.{domain}, and any other host by a route of a worker \
         once the operator has granted the host to its tenant"
    );
    Problem::new(Code::NoWorker, message)
}

/// A host that is granted, and no route that takes the request.
pub(super) fn no_route(host: &str) -> Problem {
    let message = format!(
        "no route of a deployed worker takes this path on {host}: name it in `routes`, as \
         {host}/* for every path"
    );
    Problem::new(Code::NoWorker, message)
}

#[cfg(test)]
mod tests {
    use bindery_wire::limits::{self, Lower};

    use super::*;

    fn flat(headers: &[(&str, &str)]) -> Bytes {
        let mut flat = Vec::new();
        for (name, value) in headers {
            flat::push(&mut flat, name.as_bytes(), value.as_bytes());
        }
        flat.into()
    }

    fn get(status: u16, headers: &[(&str, &str)]) -> Result<Response<Answer>, Malformed> {
        let body = ReplyBody::Inline(Bytes::from_static(b"hello"));
        answer(&Method::GET, "example.com", (status, &flat(headers), body))
    }

    #[test]
    fn a_worker_sets_headers_but_not_the_hosts_nor_anybodys_cookies() {
        let response = get(
            201,
            &[
                ("Content-Type", "text/plain"),
                ("set-cookie", "a=b"),
                ("set-cookie", "a=b; Domain=example.com"),
                ("set-cookie", "c=d"),
                ("x-bindery-request", "forged"),
                ("transfer-encoding", "chunked"),
                ("connection", "close"),
                ("content-length", "3"),
                ("content-encoding", "gzip"),
            ],
        )
        .expect("an answer");
        assert_eq!(response.status(), 201);
        let names: Vec<&str> = response.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["content-type", "set-cookie", "content-encoding"]);
        assert_eq!(response.headers().get_all(SET_COOKIE).iter().count(), 2);
    }

    #[test]
    fn a_limit_that_was_passed_is_named_with_its_value_and_what_to_do() {
        let lower = Lower { cpu_ms: Some(50), memory_mb: Some(64), ..Lower::default() };
        let limits = limits::DEFAULT.lowered_by(&lower);
        for (problem, code, status, told) in [
            (
                ended(Outcome::ExceededCpu, &limits),
                Code::ExceededCpu,
                503,
                "cpu_ms_max is 50 ms: do less in one event, or raise `limits.cpu_ms`",
            ),
            (
                ended(Outcome::ExceededMemory, &limits),
                Code::ExceededMemory,
                503,
                "memory_bytes_max is 67108864 bytes: hold less at once",
            ),
            (
                ended(Outcome::ExceededWallTime, &limits),
                Code::ExceededWallTime,
                503,
                "wall_ms_max is 900000 ms: split",
            ),
            (
                not_started(Outcome::ExceededCpu, &limits),
                Code::StartupFailed,
                500,
                "startup_cpu_ms_max is 1000 ms: move work",
            ),
            (
                not_started(Outcome::ExceededMemory, &limits),
                Code::StartupFailed,
                500,
                "memory_bytes_max is 67108864 bytes",
            ),
            (queue_full(), Code::Overloaded, 503, "queued_event_count_max is 100: try again"),
            (
                problem(Failure::BodyTooLarge),
                Code::TooLarge,
                413,
                "request_bytes_max is 100000000 bytes: send it",
            ),
            (
                problem(Failure::HeadTooLarge),
                Code::TooLarge,
                431,
                "headers_bytes_max is 65536 bytes: send shorter",
            ),
        ] {
            assert_eq!((problem.code, problem.status), (code, status), "{told}");
            assert!(problem.message.contains(told), "{told}: {}", problem.message);
        }
        let thrown = ended(Outcome::Exception, &limits).message;
        assert_eq!(thrown, "the worker threw an exception");
    }

    #[test]
    fn a_status_or_header_that_is_none_is_the_workers_fault() {
        for status in [0, 100, 101, 199, 600, 999] {
            assert_eq!(get(status, &[]).err(), Some(Malformed::Status), "{status}");
        }
        for (name, value) in [("a b", "c"), ("", "c"), ("a", "b\r"), ("a", "b\0")] {
            assert_eq!(get(200, &[(name, value)]).err(), Some(Malformed::Header), "{name:?}");
        }
    }

    #[test]
    fn an_answer_without_a_body_says_how_long_it_would_be() {
        let body = || ReplyBody::Inline(Bytes::from_static(b"hello"));
        let length = |response: Response<Answer>| {
            assert!(matches!(response.body(), Answer::Empty));
            response.headers().get(CONTENT_LENGTH).map(|value| value.as_bytes().to_vec())
        };
        let head = |status, headers: &[(&str, &str)]| {
            answer(&Method::HEAD, "x.y", (status, &flat(headers), body())).expect("an answer")
        };
        assert_eq!(length(head(200, &[])), Some(b"5".to_vec()));
        assert_eq!(length(head(200, &[("content-length", "77")])), Some(b"77".to_vec()));
        assert_eq!(length(get(204, &[("content-length", "77")]).expect("an answer")), None);
        let unmodified = get(304, &[("content-length", "77")]).expect("an answer");
        assert_eq!(length(unmodified), Some(b"77".to_vec()));
    }
}
