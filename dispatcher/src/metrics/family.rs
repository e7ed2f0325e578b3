//! Figures of one name, and the text form that scrapers read.

use std::fmt::Write;

/// The figures of one name. Its labels come from a fixed set: never a tenant's name.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    name: &'static str,
    help: &'static str,
    kind: &'static str,
    samples: Vec<Sample>,
}

#[derive(Clone, Debug, PartialEq)]
struct Sample {
    /// What follows the family's name.
    suffix: &'static str,
    /// Labels as they stand between the braces; empty for none.
    labels: String,
    value: f64,
}

impl Family {
    /// One figure that goes up and down.
    pub fn gauge(name: &'static str, help: &'static str, value: f64) -> Self {
        Self { name, help, kind: "gauge", samples: vec![] }.sample("", String::new(), value)
    }

    /// One figure that only grows.
    pub fn counter(name: &'static str, help: &'static str, value: f64) -> Self {
        Self { name, help, kind: "counter", samples: vec![] }.sample("", String::new(), value)
    }

    /// Figures that only grow, one for each value of a label.
    pub fn counters<'a>(
        (name, help): (&'static str, &'static str),
        label: &str,
        counts: impl Iterator<Item = (&'a str, u64)>,
    ) -> Self {
        let family = Self { name, help, kind: "counter", samples: vec![] };
        counts.fold(family, |family, (value, count)| {
            family.sample("", format!("{label}=\"{value}\""), count as f64)
        })
    }

    pub(super) fn histogram(name: &'static str, help: &'static str) -> Self {
        Self { name, help, kind: "histogram", samples: vec![] }
    }

    pub(super) fn sample(mut self, suffix: &'static str, labels: String, value: f64) -> Self {
        self.samples.push(Sample { suffix, labels, value });
        self
    }
}

/// The figures in the text form that scrapers read.
pub fn text(families: &[Family]) -> String {
    let mut text = String::new();
    for Family { name, help, kind, samples } in families {
        // Writing to a string can not fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for Sample { suffix, labels, value } in samples {
            let _ = match labels.as_str() {
                "" => writeln!(text, "{name}{suffix} {value}"),
                labels => writeln!(text, "{name}{suffix}{{{labels}}} {value}"),
            };
        }
    }
    text
}
