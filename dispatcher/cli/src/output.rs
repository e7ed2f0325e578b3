//! What the program prints: results on stdout, everything else on stderr.
//!
//! A reader of stdout that goes away (`| head`) is not a failure, and never a panic.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;
use serde_json::Value;

use crate::error::Error;

/// Characters of one value in a table.
const CELL_CHARS_MAX: usize = 400;

/// One line of result.
pub(crate) fn line(text: impl Display) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(Error::Output)
}

/// A value as indented JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Error> {
    line(serde_json::to_string_pretty(value).map_err(|error| Error::Output(error.into()))?)
}

/// One line for the person at the terminal.
pub(crate) fn note(text: impl Display) {
    // Nobody is left to tell if stderr is gone.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Replaces the line that the last call wrote, on a terminal.
pub(crate) fn progress(text: impl Display) {
    let mut err = io::stderr().lock();
    let _ = write!(err, "\r\x1b[K{text}").and_then(|()| err.flush());
}

/// Empties the terminal.
pub(crate) fn clear() -> Result<(), Error> {
    let mut out = io::stdout().lock();
    out.write_all(b"\x1b[2J\x1b[3J\x1b[H").and_then(|()| out.flush()).map_err(Error::Output)
}

/// Whether a person watches stderr.
pub(crate) fn watched() -> bool {
    io::stderr().is_terminal()
}

/// Rows as aligned columns, the first row being the heading.
pub(crate) fn table(rows: &[Vec<String>]) -> Result<(), Error> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        line(cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

/// A text of somebody else's, safe for a terminal and no longer than `max` characters.
pub(crate) fn plain(text: &str, max: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(max * 4));
    for c in text.chars().take(max) {
        match c {
            '\n' | '\t' => shown.push(c),
            c if c.is_control() || reorders(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    if text.chars().nth(max).is_some() {
        shown.push_str(" ...");
    }
    shown
}

/// Whether a character changes the direction of the text around it, which can make a line read
/// as another one.
fn reorders(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A server's answer: as it is, or as a person reads it.
pub(crate) fn answer(answer: &Value, as_json: bool) -> Result<(), Error> {
    if as_json {
        return json(answer);
    }
    let Value::Object(fields) = answer else {
        return if answer.is_null() { line("done") } else { line(cell(answer)) };
    };
    for (name, value) in fields {
        match value {
            Value::Array(items) => rows(name, items)?,
            value if !value.is_null() => line(format_args!("{name}: {}", cell(value)))?,
            _ => {}
        }
    }
    if fields.is_empty() { line("done") } else { Ok(()) }
}

/// The items of a list, with a column for each field that any of them has.
fn rows(name: &str, items: &[Value]) -> Result<(), Error> {
    let mut columns: Vec<&str> = Vec::new();
    for key in items.iter().filter_map(Value::as_object).flat_map(|fields| fields.keys()) {
        if !columns.contains(&key.as_str()) {
            columns.push(key);
        }
    }
    if items.is_empty() {
        return line(format_args!("no {name}"));
    }
    if columns.is_empty() {
        return items.iter().try_for_each(|item| line(cell(item)));
    }
    // What a thing is called stands first, whatever the order of the fields.
    columns.sort_by_key(|column| !matches!(*column, "name" | "version" | "id" | "host"));
    let heading = columns.iter().map(|column| column.to_uppercase()).collect();
    let row = |item: &Value| columns.iter().map(|column| cell(&item[*column])).collect();
    table(&std::iter::once(heading).chain(items.iter().map(row)).collect::<Vec<_>>())
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => plain(text, CELL_CHARS_MAX).replace(['\n', '\t'], " "),
        value => plain(&value.to_string(), CELL_CHARS_MAX),
    }
}
