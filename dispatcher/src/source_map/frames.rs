//! Positions in the text of a stack, in a plain text or inside the strings of JSON.

use std::collections::BTreeSet;
use std::ops::Range;

/// Frames of one text that are looked at.
const FRAME_COUNT_MAX: usize = 500;
/// What begins a frame.
const MARK: &str = "    at ";

/// A position that a frame names.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Frame<'a> {
    module: &'a str,
    line: u32,
    column: u32,
    /// Where in the text all three stand.
    place: Range<usize>,
}

/// The modules that the frames of a text name.
pub(super) fn modules(text: &str) -> BTreeSet<&str> {
    frames(text).map(|frame| frame.module).collect()
}

/// The text with each position replaced for which `find` knows another.
pub(super) fn replace<'m>(
    text: &str,
    find: impl Fn(&str, u32, u32) -> Option<(&'m str, u32, u32)>,
) -> Option<String> {
    let mut replaced = String::new();
    let mut done = 0;
    for Frame { module, line, column, place } in frames(text) {
        if let Some((source, line, column)) = find(module, line, column) {
            replaced.push_str(text.get(done..place.start)?);
            replaced.push_str(&format!("{source}:{line}:{column}"));
            done = place.end;
        }
    }
    if done == 0 {
        return None;
    }
    replaced.push_str(text.get(done..)?);
    Some(replaced)
}

fn frames(text: &str) -> impl Iterator<Item = Frame<'_>> {
    let starts = text.match_indices(MARK).map(|(at, mark)| at + mark.len());
    starts.take(FRAME_COUNT_MAX).filter_map(|start| frame(text, start))
}

/// The frame that begins at `start`, which ends with its line or with the string that holds it.
fn frame(text: &str, start: usize) -> Option<Frame<'_>> {
    let rest = text.get(start..)?;
    let end = rest.find(['\n', '\\', '"']).unwrap_or(rest.len());
    let line = rest.get(..end)?;
    let (from, place) = match line.strip_suffix(')') {
        Some(inner) => {
            let from = inner.rfind('(')? + 1;
            (from, inner.get(from..)?)
        }
        None => {
            let from = if line.starts_with("async ") { "async ".len() } else { 0 };
            (from, line.get(from..)?)
        }
    };
    let (named, column) = place.rsplit_once(':')?;
    let (module, number) = named.rsplit_once(':')?;
    let from = start + from;
    Some(Frame {
        module,
        line: number.parse().ok()?,
        column: column.parse().ok()?,
        place: from..from + place.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn twice<'m>(module: &str, line: u32, column: u32) -> Option<(&'m str, u32, u32)> {
        (module == "index.js").then_some(("src/a.ts", line * 2, column * 2))
    }

    #[test]
    fn every_form_of_a_frame_is_read_and_the_rest_stays() {
        let stack = "Error: at index.js:1:1\n    at f (index.js:1:2)\n    at index.js:3:4\n    \
            at async index.js:5:6\n    at async A.b [as c] (index.js:7:8)\n    at other.js:1:2\n    \
            at eval (eval at x (index.js:1:2), <anonymous>:1:1)\n    at native";
        let mapped = replace(stack, twice).expect("frames");
        let wanted = "Error: at index.js:1:1\n    at f (src/a.ts:2:4)\n    at src/a.ts:6:8\n    \
            at async src/a.ts:10:12\n    at async A.b [as c] (src/a.ts:14:16)\n    at other.js:1:2\n    \
            at eval (eval at x (index.js:1:2), <anonymous>:1:1)\n    at native";
        assert_eq!(mapped, wanted);
        assert!(modules(stack).contains("index.js") && modules(stack).contains("other.js"));
    }

    #[test]
    fn frames_inside_the_strings_of_json_are_read() {
        let json = r#"["failed",{"e":"Error: x\n    at f (index.js:1:2)\n    at index.js:3:4"}]"#;
        let wanted = r#"["failed",{"e":"Error: x\n    at f (src/a.ts:2:4)\n    at src/a.ts:6:8"}]"#;
        assert_eq!(replace(json, twice).as_deref(), Some(wanted));
    }

    #[test]
    fn a_text_without_such_frames_is_left_alone() {
        for text in
            ["", "    at ", "    at (", "    at )", "    at :1", "    at x:y:z", "at index.js:1:1"]
        {
            assert_eq!(replace(text, twice), None, "{text}");
        }
    }
}
