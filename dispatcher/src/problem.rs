//! The failures that the host answers with, on the front door and the admin API alike: one table
//! of codes, one body.
//!
//! A code, once published, keeps its meaning. What a message may hold: the caller's own words and
//! limits; never a secret, another tenant's name or the host's inner state.

use std::fmt;

use serde::Serialize;

macro_rules! codes {
    ($($name:ident = $code:literal, $status:literal, $doc:literal;)*) => {
        /// What went wrong, as programs read it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $doc] $name,)*
        }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &[Code] = &[$(Code::$name,)*];

            /// The upper-case name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The status that it is answered with where nothing else is said.
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// What it means.
            pub fn doc(self) -> &'static str {
                match self { $(Self::$name => $doc,)* }
            }
        }
    };
}

codes! {
    NoWorker = "NO_WORKER", 404, "There is no such tenant, worker or version.";
    Exception = "EXCEPTION", 500, "The handler threw, or returned no Response.";
    StartupFailed = "STARTUP_FAILED", 500, "The worker's modules could not be evaluated.";
    ExceededCpu = "EXCEEDED_CPU", 503, "The event used more CPU time than its limit.";
    ExceededMemory = "EXCEEDED_MEMORY", 503, "The isolate used more memory than its limit.";
    ExceededWallTime = "EXCEEDED_WALL_TIME", 503, "The event took longer than its limit.";
    Hung = "HUNG", 500, "Nothing was left that could ever have produced the response.";
    IsolateLost = "ISOLATE_LOST", 503, "The isolate or its process died under the event.";
    Overloaded = "OVERLOADED", 503, "The server has no capacity for this now.";
    Quota = "QUOTA", 429, "The tenant is over a quota of its own.";
    TooLarge = "TOO_LARGE", 413, "The request is larger than its limit (431 if its headers are).";
    BadRequest = "BAD_REQUEST", 400, "The request is malformed.";
    Internal = "INTERNAL", 500, "The host failed; its log has the details under the request's id.";
    Unauthorized = "UNAUTHORIZED", 401, "There is no valid token with the request.";
    Forbidden = "FORBIDDEN", 403, "The token does not reach this, or the tenant is suspended.";
    NotFound = "NOT_FOUND", 404, "There is no such thing.";
    Conflict = "CONFLICT", 409, "The thing is in use, is another's, or changed meanwhile.";
    Invalid = "INVALID", 422, "The content is wrong; each problem has its path.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that is wrong with what was sent, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Where, as `bindings[2].type`, or `modules["a.js"]:3:1`.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

impl Fault {
    /// Says what is wrong at `path`.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

/// A failure as the client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What went wrong.
    pub code: Code,
    /// The status of the answer.
    pub status: u16,
    /// What went wrong, for people.
    pub message: String,
    /// Each thing that is wrong with what was sent.
    pub faults: Vec<Fault>,
    /// After how many seconds to try again.
    pub retry_after_s: Option<u32>,
    /// What the host's log says of it, under the request's ids: nothing for a client to see.
    pub cause: Option<Box<str>>,
}

impl Problem {
    /// A failure with the code's own status.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            status: code.status(),
            message: message.into(),
            faults: Vec::new(),
            retry_after_s: None,
            cause: None,
        }
    }

    /// The same with another status.
    pub fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// The same with the time after which to try again.
    pub fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }

    /// Content that is wrong in these places.
    pub fn invalid(faults: Vec<Fault>) -> Self {
        let message = match faults.as_slice() {
            [fault] if fault.path.is_empty() => fault.message.clone(),
            [fault] => format!("{}: {}", fault.path, fault.message),
            faults => format!("{} problems", faults.len()),
        };
        Self { faults, ..Self::new(Code::Invalid, message) }
    }

    /// The host's own fault: whoever answers with it logs the cause, which no client is told.
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut chain = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            chain.push_str(": ");
            chain.push_str(&error.to_string());
            source = error.source();
        }
        Self { cause: Some(chain.into()), ..Self::new(Code::Internal, "the server failed") }
    }

    /// The JSON of the answer.
    pub fn body(&self, request_id: &str) -> Vec<u8> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Error<'a> {
            code: &'static str,
            message: &'a str,
            request_id: &'a str,
            #[serde(skip_serializing_if = "<[Fault]>::is_empty")]
            problems: &'a [Fault],
        }
        #[derive(Serialize)]
        struct Body<'a> {
            error: Error<'a>,
        }
        let (code, message, problems) = (self.code.as_str(), &self.message, &self.faults);
        let body = Body { error: Error { code, message, request_id, problems } };
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_codes_is_frozen() {
        let table: Vec<String> = Code::ALL
            .iter()
            .map(|code| format!("{} {} {}\n", code.as_str(), code.status(), code.doc()))
            .collect();
        expect_test::expect_file!["../golden/codes.txt"].assert_eq(&table.concat());
    }

    #[test]
    fn a_body_lists_every_problem_with_its_path() {
        let faults = vec![Fault::new("bindings[2].type", "unknown"), Fault::new("a", "b")];
        let body = String::from_utf8(Problem::invalid(faults).body("req_1")).expect("utf-8");
        let expected = concat!(
            r#"{"error":{"code":"INVALID","message":"2 problems","requestId":"req_1","problems":["#,
            r#"{"path":"bindings[2].type","message":"unknown"},{"path":"a","message":"b"}]}}"#,
        );
        assert_eq!(body, expected);
        let body = Problem::new(Code::NoWorker, "no \"x\"").body("r");
        assert_eq!(
            String::from_utf8(body).expect("utf-8"),
            r#"{"error":{"code":"NO_WORKER","message":"no \"x\"","requestId":"r"}}"#
        );
    }
}
