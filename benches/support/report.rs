//! What a bench prints: conditions, tables, and which floors are met.

use std::fs;
use std::io::Write;

use serde_json::{Map, Value, json};

use super::Result;
use super::options::Options;
use super::{bindery, workerd};

/// On which side of a figure the good ones are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    /// The figure must be this or more.
    AtLeast(f64),
    /// The figure must be this or less.
    AtMost(f64),
}

impl Bound {
    fn met(self, figure: f64) -> bool {
        match self {
            Self::AtLeast(bound) => figure >= bound,
            Self::AtMost(bound) => figure <= bound,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtLeast(bound) => format!("at least {}", number(bound)),
            Self::AtMost(bound) => format!("at most {}", number(bound)),
        }
    }
}

/// What must hold, and the figure that was measured.
struct Floor {
    name: String,
    figure: f64,
    floor: Bound,
    goal: Option<Bound>,
}

/// One table.
struct Table {
    title: String,
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
}

/// Everything that one bench found.
pub(crate) struct Report {
    bench: &'static str,
    json: bool,
    conditions: Map<String, Value>,
    tables: Vec<Table>,
    floors: Vec<Floor>,
    notes: Vec<String>,
}

impl Report {
    /// An empty report, with the conditions that every bench has.
    pub(crate) fn new(bench: &'static str, options: &Options) -> Result<Self> {
        let mut conditions = Map::new();
        let mut say = |name: &str, value: String| conditions.insert(name.into(), value.into());
        say("cpu", line_of("/proc/cpuinfo", "model name"));
        say("cores", std::thread::available_parallelism()?.to_string());
        say("memory", line_of("/proc/meminfo", "MemTotal"));
        say("kernel", fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().into());
        say("load before", fs::read_to_string("/proc/loadavg")?.trim().into());
        let profile = if cfg!(debug_assertions) { "dev: figures mean little" } else { "release" };
        say("profile", profile.into());
        say("run", options.pick("full", "quick: figures mean little").into());
        if options.runs(bindery::NAME) {
            say(bindery::NAME, bindery::version()?);
            say("settings of bindery", bindery::CONFIG.replace('\n', " ").trim().into());
        }
        if options.runs(workerd::NAME) {
            say(workerd::NAME, workerd::version()?);
        }
        Ok(Self {
            bench,
            json: options.json,
            conditions,
            tables: Vec::new(),
            floors: Vec::new(),
            notes: Vec::new(),
        })
    }

    /// Adds a condition of this bench.
    pub(crate) fn condition(&mut self, name: &str, value: impl Into<Value>) {
        self.conditions.insert(name.into(), value.into());
    }

    /// Adds a table.
    pub(crate) fn table(&mut self, title: &str, columns: &[&str], rows: Vec<Vec<Value>>) {
        let columns = columns.iter().map(|column| (*column).into()).collect();
        self.tables.push(Table { title: title.into(), columns, rows });
    }

    /// Adds a floor with its figure.
    pub(crate) fn floor(&mut self, name: &str, figure: f64, floor: Bound, goal: Option<Bound>) {
        self.floors.push(Floor { name: name.into(), figure, floor, goal });
    }

    /// Adds a sentence that a reader of the figures must know.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Prints all of it on stdout.
    pub(crate) fn print(&self) -> Result<()> {
        let text = if self.json { format!("{:#}\n", self.to_json()) } else { self.to_text() };
        std::io::stdout().write_all(text.as_bytes())?;
        Ok(())
    }

    fn to_json(&self) -> Value {
        let tables = self.tables.iter().map(
            |table| json!({ "title": table.title, "columns": table.columns, "rows": table.rows }),
        );
        let floors = self.floors.iter().map(|floor| {
            json!({
                "name": floor.name,
                "figure": floor.figure,
                "floor": floor.floor.text(),
                "met": floor.floor.met(floor.figure),
                "goal": floor.goal.map(Bound::text),
                "goal_met": floor.goal.map(|goal| goal.met(floor.figure)),
            })
        });
        json!({
            "bench": self.bench,
            "conditions": self.conditions,
            "tables": tables.collect::<Vec<_>>(),
            "floors": floors.collect::<Vec<_>>(),
            "notes": self.notes,
        })
    }

    fn to_text(&self) -> String {
        let mut text = format!("\n{}\n", self.bench);
        for (name, value) in &self.conditions {
            text.push_str(&format!("  {name}: {}\n", cell(value)));
        }
        self.tables.iter().for_each(|table| table.write(&mut text));
        for note in &self.notes {
            text.push_str(&format!("\nnote: {note}\n"));
        }
        if !self.floors.is_empty() {
            text.push_str("\nfloors\n");
            self.floors.iter().for_each(|floor| floor.write(&mut text));
            let met = self.floors.iter().filter(|floor| floor.floor.met(floor.figure)).count();
            text.push_str(&format!("{met} of {} floors are met\n", self.floors.len()));
        }
        text
    }
}

impl Floor {
    fn write(&self, text: &mut String) {
        let met = if self.floor.met(self.figure) { "met    " } else { "NOT MET" };
        let goal = match self.goal {
            Some(goal) if goal.met(self.figure) => format!("; goal {}, met", goal.text()),
            Some(goal) => format!("; goal {}, not met", goal.text()),
            None => String::new(),
        };
        let (figure, floor) = (number(self.figure), self.floor.text());
        text.push_str(&format!("  {met} {}: {figure} (floor {floor}{goal})\n", self.name));
    }
}

impl Table {
    fn write(&self, text: &mut String) {
        let cells: Vec<Vec<String>> =
            self.rows.iter().map(|row| row.iter().map(cell).collect()).collect();
        let widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| {
                let widest = cells.iter().filter_map(|row| row.get(at)).map(String::len).max();
                widest.unwrap_or(0).max(column.len())
            })
            .collect();
        text.push_str(&format!("\n{}\n", self.title));
        for row in std::iter::once(&self.columns).chain(&cells) {
            for (cell, width) in row.iter().zip(&widths) {
                text.push_str(&format!("  {cell:>width$}"));
            }
            text.push('\n');
        }
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(figure) => figure.as_f64().map_or_else(String::new, number),
        Value::Null => "-".into(),
        value => value.to_string(),
    }
}

/// A figure with about three digits that mean something.
fn number(figure: f64) -> String {
    match figure.abs() {
        0.0 => "0".into(),
        size if size >= 100.0 || figure.fract() == 0.0 => format!("{figure:.0}"),
        size if size >= 10.0 => format!("{figure:.1}"),
        size if size >= 0.1 => format!("{figure:.2}"),
        _ => format!("{figure:.3}"),
    }
}

/// The value of the first line of a file under /proc that starts with `name`.
fn line_of(path: &str, name: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or("");
    line.split_once(':').map_or("unknown", |(_, value)| value.trim()).into()
}
