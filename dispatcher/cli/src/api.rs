//! The client of the admin API.

use std::io::Read;
use std::time::Duration;

use bindery_wire::name;
use serde_json::Value;
use ureq::Agent;
use ureq::http::{Request, Response, StatusCode};
use ureq::{AsSendBody, Body, BodyReader};

use crate::config::{ClientArgs, Token};
use crate::error::Error;
use crate::output;

/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a server may take to begin an answer. An upload is started once before it is answered.
const ANSWER: Duration = Duration::from_secs(120);
/// Bytes of an answer that is read as a whole.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// Items of one page of a list.
const PAGE_ITEMS_MAX: usize = 1_000;
/// Pages of a list.
const PAGE_COUNT_MAX: usize = 10_000;
/// Characters of a message of the server's that are shown.
const MESSAGE_CHARS_MAX: usize = 4_000;

/// A server's admin API, and the token that opens it.
pub(crate) struct Api {
    agent: Agent,
    base: String,
    token: Token,
}

impl Api {
    /// The API that the flags and the environment name.
    pub(crate) fn open(args: &ClientArgs) -> Result<Self, Error> {
        let base = args.api.trim_end_matches('/').to_owned();
        if !base.starts_with("http://") {
            let shown = output::plain(&base, 200);
            return Err(Error::Usage(format!(
                "--api is `{shown}`: give an address of the form http://HOST:PORT \
                 (for a distant server, forward the port, for example with `ssh -L`)"
            )));
        }
        Ok(Self::at(base.clone(), args.token(&base)?))
    }

    /// The API at an address of the form `http://HOST:PORT`.
    pub(crate) fn at(base: String, token: Token) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(ANSWER))
            .build()
            .into();
        Self { agent, base, token }
    }

    /// `GET path`.
    pub(crate) fn get(&self, path: &str) -> Result<Value, Error> {
        self.call("GET", path, ())
    }

    /// `GET path` of a list, page by page, until there are `limit` items or no more.
    pub(crate) fn list(&self, path: &str, items: &str, limit: usize) -> Result<Value, Error> {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        for _ in 0..PAGE_COUNT_MAX {
            let wanted = (limit - found.len()).min(PAGE_ITEMS_MAX);
            let mark = if path.contains('?') { '&' } else { '?' };
            let mut page = self.get(&format!("{path}{mark}limit={wanted}{cursor}"))?;
            if let Some(Value::Array(page)) = page.get_mut(items).map(Value::take) {
                found.extend(page);
            }
            match page["cursor"].as_str().and_then(|cursor| word(cursor).ok()) {
                Some(next) if found.len() < limit => cursor = format!("&cursor={next}"),
                _ => break,
            }
        }
        Ok(serde_json::json!({ items: found }))
    }

    /// `DELETE path`.
    pub(crate) fn delete(&self, path: &str) -> Result<Value, Error> {
        self.call("DELETE", path, ())
    }

    /// `method path` with a JSON body.
    pub(crate) fn send(&self, method: &str, path: &str, body: &Value) -> Result<Value, Error> {
        let mut request = self.request(method, path);
        request = request.header("content-type", "application/json");
        self.read(self.run(request, body.to_string())?)
    }

    /// `PUT path` with a body of a known length that is read as it is sent.
    pub(crate) fn upload(
        &self,
        path: &str,
        content_type: &str,
        length: usize,
        body: &mut dyn Read,
    ) -> Result<Value, Error> {
        let request = self
            .request("PUT", path)
            .header("content-type", content_type)
            .header("content-length", length);
        self.read(self.run(request, ureq::SendBody::from_reader(body))?)
    }

    /// Begins to read a stream of events.
    pub(crate) fn events(&self, path: &str) -> Result<BodyReader<'static>, Error> {
        self.stream(self.request("GET", path).header("accept", "text/event-stream"))
    }

    /// Begins to read a file that a call makes.
    pub(crate) fn file(&self, method: &str, path: &str) -> Result<BodyReader<'static>, Error> {
        self.stream(self.request(method, path))
    }

    fn stream(&self, request: ureq::http::request::Builder) -> Result<BodyReader<'static>, Error> {
        let response = self.run(request, ())?;
        if response.status() != StatusCode::OK {
            self.read(response)?;
            return Err(Error::Failed(format!("{} did not answer with a stream", self.base)));
        }
        Ok(response.into_body().into_with_config().limit(u64::MAX).reader())
    }

    fn call(&self, method: &str, path: &str, body: impl AsSendBody) -> Result<Value, Error> {
        self.read(self.run(self.request(method, path), body)?)
    }

    fn request(&self, method: &str, path: &str) -> ureq::http::request::Builder {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        match &self.token.text {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        }
    }

    fn run(
        &self,
        request: ureq::http::request::Builder,
        body: impl AsSendBody,
    ) -> Result<Response<Body>, Error> {
        let request = request.body(body).map_err(|error| {
            Error::Usage(format!("--api {} or the token can not be sent: {error}", self.base))
        })?;
        self.agent.run(request).map_err(|error| self.unreachable(&error))
    }

    fn unreachable(&self, error: &ureq::Error) -> Error {
        // The library's own text has a prefix that says nothing.
        let why = match error {
            ureq::Error::Io(error) => error.to_string(),
            error => error.to_string(),
        };
        Error::Unavailable(format!(
            "no answer from {}: {why}\n  is `bindery serve` running there? \
             --api or BINDERY_API name another address",
            self.base
        ))
    }

    fn read(&self, response: Response<Body>) -> Result<Value, Error> {
        let status = response.status();
        let text = response
            .into_body()
            .into_with_config()
            .limit(ANSWER_BYTES_MAX)
            .lossy_utf8(true)
            .read_to_string()
            .map_err(|error| self.unreachable(&error))?;
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        if status.is_success() { Ok(body) } else { Err(self.refused(status, &body)) }
    }

    fn refused(&self, status: StatusCode, body: &Value) -> Error {
        let error = &body["error"];
        let code = error["code"].as_str().unwrap_or("no code");
        let message = error["message"].as_str().unwrap_or("no message: is this a bindery server?");
        let message = output::plain(message, MESSAGE_CHARS_MAX);
        let heading = format!("{message} ({} {code}, {})", status.as_u16(), self.base);
        if let Some(problems) = error["problems"].as_array() {
            // A problem alone is the message itself.
            let lines: Vec<String> =
                problems.iter().map(problem).filter(|line| *line != message).collect();
            if !lines.is_empty() {
                return Error::Several { heading, lines };
            }
        }
        match status {
            StatusCode::UNAUTHORIZED => {
                Error::Failed(format!("{heading}\n  {}", self.token.advice()))
            }
            StatusCode::NOT_FOUND => Error::Absent(heading),
            status if status.is_server_error() => Error::Unavailable(heading),
            _ => Error::Failed(heading),
        }
    }
}

/// One problem of a refused upload: `path: message`.
fn problem(problem: &Value) -> String {
    let message = problem["message"].as_str().map_or_else(|| problem.to_string(), str::to_owned);
    let line = match problem["path"].as_str() {
        Some(path) if !path.is_empty() => format!("{path}: {message}"),
        _ => message,
    };
    output::plain(&line, MESSAGE_CHARS_MAX)
}

/// Checks a tenant's or worker's name before it stands in a path.
pub(crate) fn label(name: &str) -> Result<String, String> {
    name::check_label(name).map(|()| name.to_owned()).map_err(|error| error.to_string())
}

/// Checks what stands in a path or query as it is.
pub(crate) fn word(text: &str) -> Result<String, String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'*');
    let good = !text.is_empty() && text.bytes().all(plain) && text != "." && text != "..";
    if good { Ok(text.to_owned()) } else { Err("use letters, digits, `-`, `_` and `.`".into()) }
}

/// Checks `T/W`.
pub(crate) fn worker(text: &str) -> Result<Worker, String> {
    let (tenant, worker) = text.split_once('/').unwrap_or((text, "main"));
    Ok(Worker { tenant: label(tenant)?, worker: label(worker)? })
}

/// A worker of a tenant, as it is named on the command line.
#[derive(Clone, Debug)]
pub(crate) struct Worker {
    /// The tenant's name.
    pub(crate) tenant: String,
    /// The worker's name.
    pub(crate) worker: String,
}

impl Worker {
    /// Where the API has it.
    pub(crate) fn path(&self) -> String {
        format!("/v1/tenants/{}/workers/{}", self.tenant, self.worker)
    }
}
