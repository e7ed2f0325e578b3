//! From results to responses: every response carries the request's id, every failure one body.

use axum::Json;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chacha20poly1305::aead::OsRng;
use chacha20poly1305::aead::rand_core::RngCore;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use super::Admin;
use crate::line::RequestId;
use crate::problem::{Code, Fault, Problem};
use crate::registry::{self, StartFailure};

/// What a call ends with.
pub(super) type Answer = Result<Response, Refusal>;

/// A failure on its way out: [`finish`] gives it its body.
#[derive(Clone, Debug)]
pub(super) struct Refusal(pub(super) Problem);

impl<E: Into<Problem>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        response.extensions_mut().insert(self);
        response
    }
}

/// The id of the request, for those who handle it.
#[derive(Clone, Debug)]
pub(super) struct Named(pub(super) String);

/// A JSON body.
pub(super) fn json(body: impl Serialize) -> Answer {
    Ok(Json(body).into_response())
}

/// Done, with nothing to show.
pub(super) fn done() -> Answer {
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Puts the request's id on every response, writes the body of a failure, and counts.
pub(super) async fn finish(
    State(admin): State<Admin>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = RequestId(OsRng.next_u64()).to_string();
    request.extensions_mut().insert(Named(id.clone()));
    let mut response = next.run(request).await;
    if let Some(Refusal(problem)) = response.extensions_mut().remove::<Refusal>() {
        if problem.code == Code::Internal {
            let error = problem.cause.as_deref();
            tracing::error!(request = id, error, "an admin call failed by the host's fault");
        }
        response = refuse(&problem, &id);
    }
    admin.counts.count(response.status());
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-bindery-request", id);
    }
    response
}

fn refuse(problem: &Problem, id: &str) -> Response {
    let mut response = Response::new(problem.body(id).into());
    *response.status_mut() =
        StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(seconds) = problem.retry_after_s {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if problem.code == Code::Unauthorized {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

pub(super) async fn no_such_call() -> Refusal {
    Refusal(Problem::new(Code::NotFound, "there is no such call; see /openapi.json"))
}

pub(super) async fn no_such_method() -> Refusal {
    let problem = Problem::new(Code::BadRequest, "the call does not take this method");
    Refusal(problem.with_status(405))
}

impl From<registry::Error> for Problem {
    fn from(error: registry::Error) -> Self {
        use registry::Error;
        let message = error.to_string();
        match error {
            Error::NoWorker => Self::new(Code::NoWorker, message),
            Error::NotFound(_) => Self::new(Code::NotFound, message),
            Error::Suspended => Self::new(Code::Forbidden, message),
            Error::Conflict(_) => Self::new(Code::Conflict, message),
            Error::Quota(_) | Error::OverQuota(_) => Self::new(Code::Quota, message),
            Error::Invalid(faults) => Self::invalid(faults),
            Error::Start(failure) => not_started(&failure),
            Error::Stopped => Self::new(Code::Overloaded, message).retry_after(1),
            Error::WrongKey
            | Error::Secret
            | Error::Manifest(_)
            | Error::Table(_)
            | Error::Blob(_)
            | Error::File { .. }
            | Error::FileContent { .. } => Self::internal(&error),
        }
    }
}

/// A module that does not start is wrong content, with the position where it failed. That the
/// host could not try is not.
fn not_started(failure: &StartFailure) -> Problem {
    match failure.code {
        Code::StartupFailed
        | Code::ExceededCpu
        | Code::ExceededMemory
        | Code::ExceededWallTime
        | Code::Hung => {
            let path = position(&failure.stack).unwrap_or_else(|| "modules".into());
            let message = format!("{}: {}", failure.code, failure.message);
            Problem::invalid(vec![Fault::new(path, message)])
        }
        code => {
            let problem = Problem::new(code, failure.message.clone());
            if problem.status == 503 { problem.retry_after(1) } else { problem }
        }
    }
}

/// The position that the first frame names, as `modules["a.js"]:3:7`.
fn position(stack: &str) -> Option<String> {
    stack.lines().find_map(|line| {
        let frame = line.trim().trim_end_matches(')');
        let (rest, column) = frame.rsplit_once(':')?;
        let (rest, line) = rest.rsplit_once(':')?;
        let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !number(line) || !number(column) {
            return None;
        }
        let name = match rest.rsplit_once('(') {
            Some((_, name)) => name,
            None => rest.strip_prefix("at ").unwrap_or(rest),
        };
        let name = name.strip_prefix("async ").unwrap_or(name);
        Some(format!("modules[{name:?}]:{line}:{column}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_from_the_first_frame() {
        let of = |stack: &str| position(stack).unwrap_or_default();
        assert_eq!(of("    at index.js:3:7\n    at b.js:1:1"), "modules[\"index.js\"]:3:7");
        assert_eq!(of("TypeError: x\n    at f (lib/a b.js:12:1)"), "modules[\"lib/a b.js\"]:12:1");
        assert_eq!(of("    at async index.js:3:7"), "modules[\"index.js\"]:3:7");
        assert_eq!(of("nothing here"), "");
        assert_eq!(of(""), "");
    }
}
