//! Whether the server runs, whether it takes work, and figures of the host.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;
use axum::response::IntoResponse;
use http::{StatusCode, header};

use super::Admin;
use super::answer::{Answer, done};
use crate::problem::{Code, Problem};

/// One figure. Its labels come from a fixed set: never a tenant's name.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// The name, such as `bindery_isolates`.
    pub name: &'static str,
    /// What it counts.
    pub help: &'static str,
    /// `counter` or `gauge`.
    pub kind: &'static str,
    /// Labels as they stand between the braces; empty for none.
    pub labels: String,
    /// The figure.
    pub value: f64,
}

/// Knows figures of the host.
pub trait Measured: Send + Sync {
    /// The figures now, those of one name together.
    fn measure(&self) -> Vec<Metric>;
}

/// Counts answers by the class of their status.
#[derive(Debug, Default)]
pub(super) struct Counts([AtomicU64; 5]);

impl Counts {
    pub(super) fn count(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(count) = self.0.get(class) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn measure(&self) -> impl Iterator<Item = Metric> {
        self.0.iter().zip(1..).map(|(count, class)| Metric {
            name: "bindery_admin_answers_total",
            help: "Answers of the admin API by the class of their status.",
            kind: "counter",
            labels: format!("class=\"{class}xx\""),
            value: count.load(Ordering::Relaxed) as f64,
        })
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
    let mut metrics = admin.parts.measured.measure();
    metrics.extend(admin.counts.measure());
    let content_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Ok((content_type, text(&metrics)).into_response())
}

/// The figures in the text form that scrapers read.
fn text(metrics: &[Metric]) -> String {
    let mut text = String::new();
    let mut last = "";
    for Metric { name, help, kind, labels, value } in metrics {
        // Writing to a string can not fail.
        if *name != last {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
            last = name;
        }
        let _ = match labels.as_str() {
            "" => writeln!(text, "{name} {value}"),
            labels => writeln!(text, "{name}{{{labels}}} {value}"),
        };
    }
    text
}
