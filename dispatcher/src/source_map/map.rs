//! One source map: from positions of a module to those of what it was made from.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Bytes of one map.
pub(crate) const MAP_BYTES_MAX: usize = 32 << 20;
/// Mappings of one map.
const SPOT_COUNT_MAX: usize = 1_000_000;
/// Sources of one map.
const SOURCE_COUNT_MAX: usize = 20_000;
/// Bytes of the name of a source.
const SOURCE_BYTES_MAX: usize = 512;
/// Sections of one map.
const SECTION_COUNT_MAX: usize = 10_000;

/// Why a map is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// Longer than what is read.
    #[error("{0} bytes; the limit of a source map is {MAP_BYTES_MAX}")]
    TooLong(usize),
    /// Not JSON, or not of this shape.
    #[error("not a source map: {0}")]
    Malformed(String),
    /// Of another version of the format.
    #[error("a source map of version {0}; version 3 is known")]
    Version(u32),
    /// Its mappings do not decode.
    #[error("not a source map: its mappings do not decode at byte {0}")]
    Mappings(usize),
    /// More mappings than what is kept.
    #[error(
        "over {SPOT_COUNT_MAX} mappings, {SOURCE_COUNT_MAX} sources, or {SECTION_COUNT_MAX} sections"
    )]
    TooMany,
}

/// A map, decoded.
#[derive(Debug, Default)]
pub(crate) struct Map {
    sources: Vec<Box<str>>,
    /// In the order of the module's positions.
    spots: Vec<Spot>,
}

/// Where a piece of the module comes from. Lines and columns are counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spot {
    line: u32,
    column: u32,
    source: u32,
    source_line: u32,
    source_column: u32,
}

/// Stands for the source of a piece that comes from none.
const NO_SOURCE: u32 = u32::MAX;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw<'a> {
    version: u32,
    #[serde(default, borrow)]
    source_root: Option<Cow<'a, str>>,
    #[serde(default)]
    sources: List<Option<String>, SOURCE_COUNT_MAX>,
    #[serde(default, borrow)]
    mappings: Cow<'a, str>,
    #[serde(default, borrow)]
    sections: List<Section<'a>, SECTION_COUNT_MAX>,
}

#[derive(Deserialize)]
struct Section<'a> {
    offset: Offset,
    /// Read one at a time.
    #[serde(borrow)]
    map: &'a RawValue,
}

#[derive(Clone, Copy, Default, Deserialize)]
struct Offset {
    line: u32,
    column: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    #[serde(default, borrow)]
    source_root: Option<Cow<'a, str>>,
    #[serde(default)]
    sources: List<Option<String>, SOURCE_COUNT_MAX>,
    #[serde(default, borrow)]
    mappings: Cow<'a, str>,
}

/// A list that is not read further than it may be long.
struct List<T, const MAX: usize>(Vec<T>);

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for List<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ListVisitor(PhantomData))
    }
}

struct ListVisitor<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for ListVisitor<T, MAX> {
    type Value = List<T, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MAX}")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            if items.len() >= MAX {
                return Err(A::Error::invalid_length(MAX + 1, &self));
            }
            items.push(item);
        }
        Ok(List(items))
    }
}

impl Map {
    /// Reads a map. `base` is the name of the module or map that its sources are relative to.
    pub(crate) fn parse(json: &[u8], base: &str) -> Result<Self, Error> {
        if json.len() > MAP_BYTES_MAX {
            return Err(Error::TooLong(json.len()));
        }
        // Some servers put this before JSON, and the format allows for it.
        let json = json.strip_prefix(b")]}'").unwrap_or(json);
        let raw: Raw<'_> =
            serde_json::from_slice(json).map_err(|error| Error::Malformed(error.to_string()))?;
        if raw.version != 3 {
            return Err(Error::Version(raw.version));
        }
        let mut map = Self::default();
        let Raw { source_root, sources, mappings, sections, version: _ } = raw;
        map.add(&Part { source_root, sources, mappings }, Offset::default(), base)?;
        for section in &sections.0 {
            let part = serde_json::from_str(section.map.get());
            let part = part.map_err(|error| Error::Malformed(error.to_string()))?;
            map.add(&part, section.offset, base)?;
        }
        map.spots.sort_by_key(|spot| (spot.line, spot.column));
        map.spots.shrink_to_fit();
        Ok(map)
    }

    fn add(&mut self, part: &Part<'_>, offset: Offset, base: &str) -> Result<(), Error> {
        let first = u32::try_from(self.sources.len()).map_err(|_| Error::TooMany)?;
        if self.sources.len() + part.sources.0.len() > SOURCE_COUNT_MAX {
            return Err(Error::TooMany);
        }
        let root = part.source_root.as_deref().unwrap_or_default();
        let names = part.sources.0.iter().map(|source| source.as_deref().unwrap_or_default());
        self.sources.extend(names.map(|source| resolve(base, root, source)));
        let mut reader = Reader { bytes: part.mappings.as_bytes(), at: 0 };
        let (mut line, mut column) = (0_i64, 0_i64);
        let (mut source, mut source_line, mut source_column) = (0_i64, 0_i64, 0_i64);
        while let Some(byte) = reader.peek() {
            if byte == b';' || byte == b',' {
                reader.at += 1;
                if byte == b';' {
                    (line, column) = (line + 1, 0);
                }
                continue;
            }
            column += reader.number()?;
            let mut named = NO_SOURCE;
            if reader.more() {
                source += reader.number()?;
                source_line += reader.number()?;
                source_column += reader.number()?;
                named = u32::try_from(source)
                    .ok()
                    .filter(|at| (*at as usize) < part.sources.0.len())
                    .ok_or(Error::Mappings(reader.at))?;
                named = named.checked_add(first).ok_or(Error::TooMany)?;
                if reader.more() {
                    // The name that stands there in the source.
                    reader.number()?;
                }
            }
            let number =
                |number: i64| u32::try_from(number).map_err(|_| Error::Mappings(reader.at));
            let shift = if line == 0 { offset.column } else { 0 };
            let spot = Spot {
                line: number(line + i64::from(offset.line))?,
                column: number(column + i64::from(shift))?,
                source: named,
                source_line: number(source_line)?,
                source_column: number(source_column)?,
            };
            if self.spots.len() >= SPOT_COUNT_MAX {
                return Err(Error::TooMany);
            }
            self.spots.push(spot);
        }
        Ok(())
    }

    /// Where a position comes from: source, line and column. Both are counted from 1.
    pub(super) fn find(&self, line: u32, column: u32) -> Option<(&str, u32, u32)> {
        let (line, column) = (line.checked_sub(1)?, column.checked_sub(1)?);
        let after = self.spots.partition_point(|spot| (spot.line, spot.column) <= (line, column));
        let spot = self.spots.get(after.checked_sub(1)?).filter(|spot| spot.line == line)?;
        let source = self.sources.get(spot.source as usize)?;
        Some((source, spot.source_line + 1, spot.source_column + 1))
    }

    /// Bytes in memory.
    pub(super) fn bytes(&self) -> usize {
        let names = self.sources.iter().map(|source| source.len() + size_of::<Box<str>>());
        size_of::<Self>() + self.spots.len() * size_of::<Spot>() + names.sum::<usize>()
    }
}

/// Reads the numbers of mappings: digits of base 64, the lowest first, the sign in the last bit.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Whether the mapping that has begun goes on.
    fn more(&self) -> bool {
        self.peek().is_some_and(|byte| byte != b',' && byte != b';')
    }

    fn number(&mut self) -> Result<i64, Error> {
        let (mut value, mut shift) = (0_i64, 0);
        loop {
            let wrong = Error::Mappings(self.at);
            let digit = self.peek().and_then(digit).ok_or_else(|| wrong.clone())?;
            self.at += 1;
            // Numbers have 32 bits, and a sign.
            if shift > 30 {
                return Err(wrong);
            }
            value |= i64::from(digit & 31) << shift;
            shift += 5;
            if digit & 32 == 0 {
                return Ok(if value & 1 == 1 { -(value >> 1) } else { value >> 1 });
            }
        }
    }
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

/// The name of a source as people know it: relative to the root of the upload, or a URL as it is.
/// What would not stand in a line of a stack, or in JSON, does not pass.
fn resolve(base: &str, root: &str, source: &str) -> Box<str> {
    let joined = match root {
        "" => source.to_owned(),
        root => format!("{}/{source}", root.trim_end_matches('/')),
    };
    let folder = base.rsplit_once('/').map_or("", |(folder, _)| folder);
    let name = if joined.contains("://") || joined.starts_with('/') {
        joined
    } else {
        relative(folder, &joined)
    };
    let end = name.floor_char_boundary(SOURCE_BYTES_MAX);
    let plain =
        |c: char| if c.is_control() || matches!(c, '"' | '\\' | '(' | ')') { '_' } else { c };
    name.get(..end).unwrap_or_default().chars().map(plain).collect()
}

/// A path from a folder on. What leads out of the upload's root stays at it.
pub(super) fn relative(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn map(json: &str) -> Result<Map, Error> {
        Map::parse(json.as_bytes(), "dist/index.js")
    }

    #[test]
    fn a_position_comes_from_the_last_piece_that_begins_before_it() {
        // Line 1: columns 1 and 5 come from 1:1 and 2:3 of a.ts; line 3: column 1 from b.ts 11:1.
        let map = map(r#"{"version":3,"sources":["../src/a.ts","b.ts"],"names":[],
            "mappings":"AAAA,IACE;;ACSF"}"#)
        .expect("a map");
        assert_eq!(map.find(1, 1), Some(("src/a.ts", 1, 1)));
        assert_eq!(map.find(1, 4), Some(("src/a.ts", 1, 1)));
        assert_eq!(map.find(1, 9), Some(("src/a.ts", 2, 3)));
        assert_eq!(map.find(2, 1), None);
        assert_eq!(map.find(3, 7), Some(("dist/b.ts", 11, 1)));
        assert_eq!(map.find(0, 0), None);
        assert_eq!(map.find(u32::MAX, u32::MAX), None);
    }

    #[test]
    fn a_piece_without_a_source_comes_from_nowhere() {
        let map =
            map(r#"{"version":3,"sources":["a.ts"],"mappings":"AAAA,I,IAAA"}"#).expect("a map");
        assert_eq!(map.find(1, 2), Some(("dist/a.ts", 1, 1)));
        assert_eq!(map.find(1, 6), None);
        assert_eq!(map.find(1, 9), Some(("dist/a.ts", 1, 1)));
    }

    #[test]
    fn sections_count_from_their_offset() {
        let map = map(r#"{"version":3,"sections":[
            {"offset":{"line":0,"column":4},"map":{"version":3,"sources":["a"],"mappings":"AAAA"}},
            {"offset":{"line":9,"column":0},"map":{"version":3,"sources":["b"],"mappings":";AAAA"}}]}"#)
        .expect("a map");
        assert_eq!(map.find(1, 4), None);
        assert_eq!(map.find(1, 5), Some(("dist/a", 1, 1)));
        assert_eq!(map.find(11, 1), Some(("dist/b", 1, 1)));
    }

    #[test]
    fn names_of_sources_are_plain_and_stay_within_the_upload() {
        let of = |base, root, source| resolve(base, root, source).into_string();
        assert_eq!(of("index.js", "", "../../src/./a.ts"), "src/a.ts");
        assert_eq!(of("a/b/index.js", "", "../c.ts"), "a/c.ts");
        assert_eq!(of("index.js", "src/", "a.ts"), "src/a.ts");
        assert_eq!(of("index.js", "", "webpack://app/./a.ts"), "webpack://app/./a.ts");
        assert_eq!(of("index.js", "", "/home/me/a.ts"), "/home/me/a.ts");
        assert_eq!(of("index.js", "", "a\"\n\\(x).ts"), "a____x_.ts");
        assert_eq!(of("index.js", "", &"x".repeat(9_999)).len(), SOURCE_BYTES_MAX);
    }

    #[test]
    fn what_is_no_map_says_why() {
        let text = |json: &str| map(json).expect_err("no map").to_string();
        assert!(text("{").starts_with("not a source map: EOF"), "{}", text("{"));
        assert_eq!(text(r#"{"version":2}"#), "a source map of version 2; version 3 is known");
        let wrong = "not a source map: its mappings do not decode at byte";
        for mappings in ["AAA!", "AA", "g", "ggggggggggggA", "ACAA", "ADAA", "AAAD"] {
            let json = format!(r#"{{"version":3,"sources":["a"],"mappings":"{mappings}"}}"#);
            assert!(text(&json).starts_with(wrong), "{mappings}: {}", text(&json));
        }
        let long = Map::parse(&vec![b' '; MAP_BYTES_MAX + 1], "").expect_err("too long");
        assert_eq!(long, Error::TooLong(MAP_BYTES_MAX + 1));
        let sources = vec!["\"\""; SOURCE_COUNT_MAX + 1].join(",");
        let many = text(&format!(r#"{{"version":3,"sources":[{sources}]}}"#));
        assert!(many.contains("a list of at most 20000"), "{many}");
    }

    #[test]
    fn a_map_of_too_many_pieces_is_not_kept() {
        let mappings = "AAAA,".repeat(SPOT_COUNT_MAX + 1);
        let json = format!(r#"{{"version":3,"sources":["a"],"mappings":"{mappings}"}}"#);
        assert_eq!(map(&json).expect_err("too many"), Error::TooMany);
    }

    proptest! {
        #[test]
        fn any_mappings_are_read_without_a_panic(mappings in "[A-Za-z0-9+/,;]{0,200}") {
            let json = format!(r#"{{"version":3,"sources":["a","b"],"mappings":"{mappings}"}}"#);
            if let Ok(map) = map(&json) {
                let _ = map.find(1, 1);
            }
        }
    }
}
