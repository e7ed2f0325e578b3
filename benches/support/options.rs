//! What may be said on a bench's command line.

use super::Result;

const HELP: &str = "\
usage: cargo bench --bench NAME -- [--quick] [--json] [--only bindery|workerd]
  --quick   fewer and shorter rounds: a look, not a measurement
  --json    one JSON document on stdout instead of tables
  --only    measures one contender, so there are no ratios to the other";

/// How a bench was asked to run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// Fewer and shorter rounds.
    pub(crate) quick: bool,
    /// One JSON document instead of tables.
    pub(crate) json: bool,
    /// The one contender to measure.
    pub(crate) only: Option<String>,
}

impl Options {
    /// Reads the command line. `--bench`, which cargo adds, means nothing.
    pub(crate) fn read() -> Result<Self> {
        let mut options = Self::default();
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--bench" => {}
                "--quick" => options.quick = true,
                "--json" => options.json = true,
                "--only" => options.only = Some(contender(words.next())?),
                _ => return Err(format!("`{word}` means nothing here\n{HELP}").into()),
            }
        }
        Ok(options)
    }

    /// Whether this contender is measured.
    pub(crate) fn runs(&self, contender: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == contender)
    }

    /// One of two values, by whether the run is quick.
    pub(crate) fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}

fn contender(word: Option<String>) -> Result<String> {
    word.filter(|word| matches!(word.as_str(), "bindery" | "workerd")).ok_or_else(|| HELP.into())
}
