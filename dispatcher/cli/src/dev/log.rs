//! What a session prints: its own doings, and what happens in its workers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::server::Running;
use super::trace;
use crate::api::Api;
use crate::error::Error;
use crate::output::{self, plain};
use crate::tail::{Events, show};

/// Characters of an address or a version.
const WORD_CHARS_MAX: usize = 2_000;

/// The terminal, or a program that reads JSON. Clones are the same one.
#[derive(Clone)]
pub(super) struct Log {
    json: bool,
    /// Where each worker's files are.
    places: Arc<Mutex<BTreeMap<String, [PathBuf; 2]>>>,
}

impl Log {
    /// A log that has said nothing.
    pub(super) fn new(json: bool) -> Self {
        Self { json, places: Arc::default() }
    }

    /// Says where the server is.
    pub(super) fn ready(&self, running: &Running) -> Result<(), Error> {
        let (listen, admin) = (running.listen, running.admin);
        if self.json {
            return output::line(json!({"kind": "ready", "listen": listen, "admin": admin}));
        }
        output::line(format_args!("ready listen={listen} admin={admin}"))
    }

    /// Says that a worker serves.
    pub(super) fn deployed(&self, name: &str, answer: &Value, took: Duration) -> Result<(), Error> {
        let ms = took.as_millis();
        let word = |field: &str| plain(answer[field].as_str().unwrap_or("?"), WORD_CHARS_MAX);
        let (version, url) = (word("version"), word("url"));
        if self.json {
            let ms = u64::try_from(ms).unwrap_or(u64::MAX);
            return output::line(json!({
                "kind": "deployed", "worker": name, "version": version, "url": url, "ms": ms
            }));
        }
        output::line(format_args!("{name} deployed in {ms} ms: {url}"))
    }

    /// Says where a worker is reached.
    pub(super) fn url(&self, name: &str, url: &str) -> Result<(), Error> {
        output::line(format_args!("{name}  {}", plain(url, WORD_CHARS_MAX)))
    }

    /// Says why a worker was not deployed.
    pub(super) fn problem(&self, name: &str, error: &Error, serves: bool) -> Result<(), Error> {
        let places = self.places(name);
        let text = trace::with_excerpts(&error.to_string(), &places);
        if self.json {
            return output::line(json!({
                "kind": "problem", "worker": name, "message": text, "serving": serves
            }));
        }
        output::note(format_args!("error: {text}"));
        if serves {
            output::note(format_args!("{name}: what was deployed before goes on serving"));
        }
        Ok(())
    }

    /// Says what the person should know.
    pub(super) fn warning(&self, warning: &str) -> Result<(), Error> {
        if self.json {
            return output::line(json!({"kind": "warning", "message": warning}));
        }
        output::note(format_args!("warning: {warning}"));
        Ok(())
    }

    /// Takes note where a worker's files are.
    pub(super) fn reads(&self, name: &str, places: [&PathBuf; 2]) {
        let mut all = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(name.to_owned(), places.map(PathBuf::clone));
    }

    fn places(&self, name: &str) -> Vec<PathBuf> {
        let all = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(name).into_iter().flatten().cloned().collect()
    }

    /// Prints what happens in a tenant's workers from now on, until the server ends.
    pub(super) fn follow(&self, api: &Api, tenant: &str) -> Result<(), Error> {
        let stream = api.events(&format!("/v1/tenants/{tenant}/logs?follow=1"))?;
        let log = self.clone();
        thread::spawn(move || {
            let mut events = Events::new(stream);
            while let Ok(Some(event)) = events.next() {
                // Whoever reads the output may be gone; the session ends with its own next line.
                let Ok(entry) = serde_json::from_str::<Value>(&event.data) else { continue };
                if log.entry(&entry).is_err() {
                    return;
                }
            }
        });
        Ok(())
    }

    fn entry(&self, entry: &Value) -> Result<(), Error> {
        let places = self.places(entry["worker"].as_str().unwrap_or_default());
        let excerpt = entry["stack"].as_str().and_then(|stack| trace::first_own(stack, &places));
        if self.json {
            let mut entry = entry.clone();
            if let Some(excerpt) = excerpt {
                entry["excerpt"] = excerpt.into();
            }
            return output::line(entry);
        }
        let shown = show::entry(entry);
        output::line(format_args!("{shown}{}", excerpt.unwrap_or_default()))
    }
}
