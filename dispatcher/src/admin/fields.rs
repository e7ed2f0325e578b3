//! JSON bodies and queries, read field by field so that every problem is found in one go.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Query;
use bindery_wire::limits::Lower;
use http::Uri;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::answer::Refusal;
use crate::problem::{Code, Fault, Problem};

/// Bytes of a JSON body.
pub(crate) const BODY_BYTES_MAX: usize = 128 << 10;
/// How long a client may take to send one.
const BODY_TIME_MAX: Duration = Duration::from_secs(30);
/// Problems that are reported at once.
const FAULT_COUNT_MAX: usize = 100;

/// The problems found so far.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    /// Adds one.
    pub(super) fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        if self.0.len() < FAULT_COUNT_MAX {
            self.0.push(Fault::new(path, message));
        }
    }

    /// Adds what a check says, if it says something.
    pub(super) fn check<E: std::fmt::Display>(
        &mut self,
        path: impl Into<String>,
        result: Result<(), E>,
    ) {
        if let Err(error) = result {
            self.add(path, error.to_string());
        }
    }

    /// The first of them.
    pub(super) fn first(&self) -> Option<&Fault> {
        self.0.first()
    }

    /// Passes if there are none.
    pub(super) fn pass(self) -> Result<(), Problem> {
        if self.0.is_empty() { Ok(()) } else { Err(Problem::invalid(self.0)) }
    }
}

/// An object being read.
pub(super) struct Fields<'a> {
    path: String,
    values: BTreeMap<String, &'a RawValue>,
}

impl<'a> Fields<'a> {
    /// The fields of `json`, which must be an object.
    pub(super) fn read(path: &str, json: &'a str, faults: &mut Faults) -> Option<Self> {
        match serde_json::from_str(json) {
            Ok(values) => Some(Self { path: path.into(), values }),
            Err(error) if error.is_data() => {
                faults.add(path, "expected an object");
                None
            }
            Err(error) => {
                faults.add(path, format!("not JSON: {error}"));
                None
            }
        }
    }

    /// The path of a field.
    pub(super) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.into() } else { format!("{}.{name}", self.path) }
    }

    /// Takes a field as it was sent. `null` is the same as nothing.
    pub(super) fn raw(&mut self, name: &str) -> Option<&'a str> {
        self.values.remove(name).map(RawValue::get).filter(|json| *json != "null")
    }

    /// Takes a field that must be what `expected` says, if it is there.
    pub(super) fn take<T: Deserialize<'a>>(
        &mut self,
        name: &str,
        expected: &str,
        faults: &mut Faults,
    ) -> Option<T> {
        let value = serde_json::from_str(self.raw(name)?).ok();
        if value.is_none() {
            faults.add(self.path(name), format!("expected {expected}"));
        }
        value
    }

    /// Takes a field that must be there.
    pub(super) fn need<T: Deserialize<'a>>(
        &mut self,
        name: &str,
        expected: &str,
        faults: &mut Faults,
    ) -> Option<T> {
        if self.values.get(name).is_none_or(|json| json.get() == "null") {
            self.values.remove(name);
            faults.add(self.path(name), format!("is missing: expected {expected}"));
            return None;
        }
        self.take(name, expected, faults)
    }

    /// Takes a field that must be there, as it was sent: `null` is a value like any other.
    pub(super) fn value(&mut self, name: &str, faults: &mut Faults) -> Option<&'a str> {
        let value = self.values.remove(name).map(RawValue::get);
        if value.is_none() {
            faults.add(self.path(name), "is missing: expected a value");
        }
        value
    }

    /// Refuses what was not taken.
    pub(super) fn finish(self, faults: &mut Faults) {
        for name in self.values.keys() {
            faults.add(self.path(&shown(name)), "unknown field");
        }
    }

    /// Takes an object of limits.
    pub(super) fn limits(&mut self, name: &str, faults: &mut Faults) -> Lower {
        const NUMBER: &str = "a number of at least 1";
        let path = self.path(name);
        let Some(mut fields) = self.raw(name).and_then(|json| Self::read(&path, json, faults))
        else {
            return Lower::default();
        };
        let mut positive = |name: &str| {
            let number: Option<u32> = fields.take(name, NUMBER, faults);
            if number == Some(0) {
                faults.add(fields.path(name), format!("expected {NUMBER}"));
            }
            number
        };
        let (cpu_ms, memory_mb) = (positive("cpu_ms"), positive("memory_mb"));
        let wall_ms = positive("wall_ms");
        let subrequests = fields.take("subrequests", "a number", faults);
        fields.finish(faults);
        Lower { cpu_ms, subrequests, memory_mb, wall_ms }
    }
}

/// Reads a JSON body.
pub(super) async fn body(body: Body) -> Result<String, Refusal> {
    body_within(body, BODY_BYTES_MAX).await
}

/// Reads a JSON body of at most `bytes_max` bytes.
pub(super) async fn body_within(body: Body, bytes_max: usize) -> Result<String, Refusal> {
    let read = tokio::time::timeout(BODY_TIME_MAX, to_bytes(body, bytes_max)).await;
    let slow = || Problem::new(Code::BadRequest, "the body took too long").with_status(408);
    let too_large = |_| {
        let told = crate::limit::BODY.told(bytes_max);
        let message = format!("the body is cut off or too long; {told}");
        Problem::new(Code::TooLarge, message)
    };
    let bytes = read.map_err(|_| slow())?.map_err(too_large)?;
    let text = String::from_utf8(bytes.into());
    text.map_err(|_| Problem::new(Code::BadRequest, "the body is not UTF-8").into())
}

/// Reads a query, whose names must be among those `known`.
pub(super) fn query(uri: &Uri, known: &[&str]) -> Result<BTreeMap<String, String>, Refusal> {
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri);
    let malformed = |_| Problem::new(Code::BadRequest, "the query is malformed");
    let Query(pairs) = pairs.map_err(malformed)?;
    let (mut faults, mut seen) = (Faults::default(), BTreeSet::new());
    for (name, _) in &pairs {
        let path = format!("query.{}", shown(name));
        if !known.contains(&name.as_str()) {
            faults.add(path, "unknown parameter");
        } else if !seen.insert(name.clone()) {
            faults.add(path, "given twice");
        }
    }
    faults.pass()?;
    Ok(pairs.into_iter().collect())
}

/// A name that a client sent, as a path shows it: never more than a line's worth.
pub(super) fn shown(name: &str) -> String {
    name.chars().take(80).flat_map(char::escape_debug).collect()
}
