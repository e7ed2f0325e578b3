//! The lines of a project's files that a stack or a refusal points at.
//!
//! A stack is a worker's own text: a name leads to a file only if it is a module's name, which
//! stays below the project's directory.

use std::fs;
use std::path::PathBuf;

use bindery_wire::name;

use crate::deploy::plain;
use crate::excerpt::{self, Place};

/// Frames that are looked at for one of the project's.
const FRAME_COUNT_MAX: usize = 50;
/// Bytes of a file that is shown.
const FILE_BYTES_MAX: u64 = 32 << 20;
/// Lines of a refusal that are looked at.
const LINE_COUNT_MAX: usize = 100;

/// The lines at the first frame that is the project's own, each on a new line.
pub(super) fn first_own(stack: &str, places: &[PathBuf]) -> Option<String> {
    let frames = stack.lines().filter(|line| line.trim_start().starts_with("at "));
    frames.take(FRAME_COUNT_MAX).find_map(|frame| {
        let frame = frame.trim().trim_start_matches("at ");
        let inner = frame.rsplit_once('(').map_or(frame, |(_, inner)| inner);
        found(inner.trim_end_matches(')'), places)
    })
}

/// A refusal with the lines that it points at, as `modules["a.js"]:3:5`, behind each of its lines.
pub(super) fn with_excerpts(text: &str, places: &[PathBuf]) -> String {
    let mut shown = String::new();
    for (count, line) in text.lines().enumerate() {
        let separator = if count == 0 { "" } else { "\n" };
        shown.push_str(separator);
        shown.push_str(line);
        let pointed = line.split_once("modules[\"").filter(|_| count < LINE_COUNT_MAX);
        let pointed = pointed.and_then(|(_, rest)| rest.split_once("\"]:"));
        if let Some((name, rest)) = pointed {
            let mut digits = rest.splitn(3, ':');
            let (line, column) = (digits.next().unwrap_or(""), digits.next().unwrap_or(""));
            let found = found(&format!("{name}:{line}:{column}"), places);
            shown.push_str(&found.unwrap_or_default());
        }
    }
    shown
}

/// The lines at `NAME:LINE:COLUMN`, with the file's path before them.
fn found(text: &str, places: &[PathBuf]) -> Option<String> {
    let mut parts = text.rsplitn(3, ':');
    let column: usize = parts.next()?.trim().parse().ok()?;
    let line: usize = parts.next()?.parse().ok()?;
    let module = parts.next()?;
    name::check_module(module).ok()?;
    let path = places.iter().map(|place| place.join(module)).find(|path| path.is_file())?;
    let size = fs::metadata(&path).ok()?.len();
    let text = fs::read_to_string(&path).ok().filter(|_| size <= FILE_BYTES_MAX)?;
    let lines = excerpt::lines(&text, Place { line, column, length: 1 });
    let path = plain(&path);
    let path = path.display();
    (!lines.is_empty()).then(|| format!("\n  {path}:{line}:{column}{lines}"))
}
