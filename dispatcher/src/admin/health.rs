//! Whether the server runs, whether it takes work, and figures of the host.

use axum::extract::State;
use axum::response::IntoResponse;
use http::{StatusCode, header};

use super::Admin;
use super::answer::{Answer, done};
use crate::metrics::{self, Family};
use crate::problem::{Code, Problem};

/// Classes of a status.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Counts answers by the class of their status.
#[derive(Debug, Default)]
pub(super) struct Counts(metrics::Counts<{ CLASSES.len() }>);

impl Counts {
    pub(super) fn count(&self, status: StatusCode) {
        self.0.one(usize::from(status.as_u16() / 100).saturating_sub(1));
    }

    fn measure(&self) -> Family {
        let help = "Answers of the admin API by the class of their status.";
        let counts = CLASSES.into_iter().zip(self.0.read());
        Family::counters(("bindery_admin_answers_total", help), "class", counts)
    }
}

pub(super) async fn alive() -> Answer {
    done()
}

pub(super) async fn ready(State(admin): State<Admin>) -> Answer {
    if *admin.parts.serving.borrow() {
        done()
    } else {
        Err(Problem::new(Code::Overloaded, "the server is shutting down").retry_after(1).into())
    }
}

pub(super) async fn metrics(State(admin): State<Admin>) -> Answer {
    let mut families = admin.parts.measured.measure();
    families.push(admin.counts.measure());
    let content_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Ok((content_type, metrics::text(&families)).into_response())
}
