//! What the front door counts.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::StatusCode;

use crate::metrics::{Counts, Family, Histogram};
use crate::problem::Code;

/// Classes of a status, and what a client that did not wait is counted as.
const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "gone"];
const GONE: usize = CLASSES.len() - 1;

/// Counts of requests and of how long they took.
#[derive(Debug, Default)]
pub struct Figures {
    classes: Counts<{ CLASSES.len() }>,
    codes: Counts<{ Code::ALL.len() }>,
    running: AtomicUsize,
    took: Histogram,
    waited: Histogram,
}

/// A request that has no answer yet. Dropped before, its client has gone.
pub(super) struct Asked<'a> {
    figures: &'a Figures,
    since: Instant,
    class: usize,
}

impl Figures {
    /// A request has come.
    pub(super) fn asked(&self) -> Asked<'_> {
        self.running.fetch_add(1, Ordering::Relaxed);
        Asked { figures: self, since: Instant::now(), class: GONE }
    }

    /// The host answers instead of a worker.
    pub(super) fn refused(&self, code: Code) {
        self.codes.one(code as usize);
    }

    /// An isolate has taken an event that waited so long for it.
    pub(super) fn taken(&self, after: Duration) {
        self.waited.observe(after);
    }

    /// The figures now.
    pub fn measure(&self) -> Vec<Family> {
        let classes = CLASSES.into_iter().zip(self.classes.read());
        let codes = Code::ALL.iter().map(|code| code.as_str()).zip(self.codes.read());
        let requests = "Requests by the class of their status; gone: the client did not wait.";
        let refused = "Requests that the host answered instead of a worker, by code.";
        vec![
            Family::counters(("bindery_http_requests_total", requests), "class", classes),
            Family::counters(("bindery_http_failures_total", refused), "code", codes),
            Family::gauge(
                "bindery_http_requests_running",
                "Requests whose answer has not begun.",
                self.running.load(Ordering::Relaxed) as f64,
            ),
            self.took.family(
                "bindery_http_answer_seconds",
                "From a request's head to the head of its answer.",
            ),
            self.waited.family(
                "bindery_http_wait_seconds",
                "How long events waited for an isolate, a cold start included.",
            ),
        ]
    }
}

impl Asked<'_> {
    /// The head of the answer is there.
    pub(super) fn answered(mut self, status: StatusCode) {
        self.class = usize::from(status.as_u16() / 100).saturating_sub(1).min(GONE - 1);
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.figures.running.fetch_sub(1, Ordering::Relaxed);
        self.figures.classes.one(self.class);
        if self.class != GONE {
            self.figures.took.observe(self.since.elapsed());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::text;

    fn has(figures: &Figures, line: &str) -> bool {
        text(&figures.measure()).lines().any(|other| other == line)
    }

    #[test]
    fn a_request_is_running_until_it_is_answered_or_its_client_gone() {
        let figures = Figures::default();
        let (one, other) = (figures.asked(), figures.asked());
        assert!(has(&figures, "bindery_http_requests_running 2"));
        one.answered(StatusCode::IM_A_TEAPOT);
        drop(other);
        assert!(has(&figures, "bindery_http_requests_running 0"));
        assert!(has(&figures, "bindery_http_requests_total{class=\"4xx\"} 1"));
        assert!(has(&figures, "bindery_http_requests_total{class=\"gone\"} 1"));
        assert!(has(&figures, "bindery_http_answer_seconds_count 1"));
    }

    #[test]
    fn every_code_is_counted_under_its_own_name() {
        for code in Code::ALL {
            let figures = Figures::default();
            figures.refused(*code);
            assert!(has(&figures, &format!("bindery_http_failures_total{{code=\"{code}\"}} 1")));
        }
    }
}
