//! A place in a text as a person sees it: `file:line:column: message`, the lines around it, a caret.

use crate::output::plain;

/// Characters of a line that are shown.
const LINE_CHARS_MAX: usize = 160;
/// Lines that are shown before the one that is meant.
const LINES_BEFORE: usize = 2;

/// A place in a text. Lines and columns begin at 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The line.
    pub(crate) line: usize,
    /// The column, in characters.
    pub(crate) column: usize,
    /// Characters that are underlined, as far as the line goes.
    pub(crate) length: usize,
}

impl Place {
    /// The place of some bytes of a text.
    pub(crate) fn of(text: &str, at: usize, bytes: usize) -> Self {
        let at = text.floor_char_boundary(at);
        let (line, column) = crate::config::position(text, at);
        let end = text.floor_char_boundary(at.saturating_add(bytes));
        let length = text.get(at..end).map_or(0, |meant| meant.chars().count());
        Self { line, column, length: length.max(1) }
    }
}

/// `file:line:column: message`, and the lines there with a caret under what is meant.
pub(crate) fn excerpt(file: &str, text: &str, place: Place, message: &str) -> String {
    let Place { line, column, .. } = place;
    format!("{file}:{line}:{column}: {message}{}", lines(text, place))
}

/// The lines around a place with a caret under it, each on a new line; nothing if there is no such
/// place.
pub(crate) fn lines(text: &str, place: Place) -> String {
    let first = place.line.saturating_sub(LINES_BEFORE).max(1);
    let shown: Vec<(usize, &str)> =
        (1..).zip(text.lines()).skip(first - 1).take(place.line + 1 - first).collect();
    let Some((_, meant)) = shown.last().filter(|(number, _)| *number == place.line) else {
        return String::new();
    };
    if place.column > meant.chars().count() + 1 {
        return String::new();
    }
    let width = place.line.to_string().len();
    let mut out = String::new();
    for (number, line) in &shown {
        out.push_str(&format!("\n  {number:>width$} | {}", plain(&tabless(line), LINE_CHARS_MAX)));
    }
    let column = place.column.saturating_sub(1);
    if column <= LINE_CHARS_MAX {
        let room = meant.chars().count().min(LINE_CHARS_MAX).saturating_sub(column).max(1);
        let carets = "^".repeat(place.length.clamp(1, room));
        out.push_str(&format!("\n  {:width$} | {:column$}{carets}", "", ""));
    }
    out
}

/// A tab is as wide as a caret's blank.
fn tabless(line: &str) -> String {
    line.trim_end().replace('\t', " ")
}
