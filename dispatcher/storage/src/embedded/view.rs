//! What the store holds at one moment: two layers over the folded rows.

use std::iter::{self, Peekable};
use std::ops::Bound;

use bytes::Bytes;

use super::layer::{Found, Ground, Layer};
use crate::engine::{Bounds, Entry, KeyRange, Result};
use crate::plan;
use crate::redb::Rows;

/// A moment of the store. A copy is cheap and stays what it was.
#[derive(Clone)]
pub(super) struct View {
    /// What the log in use holds.
    pub(super) active: Layer,
    /// What lies below.
    pub(super) below: Below,
}

/// What lies below the active layer.
#[derive(Clone)]
pub(super) struct Below {
    /// What the other log holds while it is being folded.
    pub(super) frozen: Option<Layer>,
    /// What is folded.
    pub(super) rows: Rows,
}

impl Ground for Below {
    fn has(&self, key: &[u8]) -> Result<bool> {
        match self.frozen.as_ref().map_or(Found::Unknown, |frozen| frozen.find(key)) {
            Found::Value(_) => Ok(true),
            Found::Gone => Ok(false),
            Found::Unknown => self.rows.has(key),
        }
    }

    fn has_in(&self, range: &KeyRange) -> Result<bool> {
        if plan::is_empty(range) {
            return Ok(false);
        }
        Ok(merged(self.frozen.iter(), &self.rows, range)?.next().transpose()?.is_some())
    }
}

impl View {
    /// The value under a key.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        for layer in self.layers() {
            match layer.find(key) {
                Found::Value(value) => return Ok(Some(value)),
                Found::Gone => return Ok(None),
                Found::Unknown => {}
            }
        }
        self.below.rows.get(key)
    }

    /// The first `count_max` rows of a range.
    pub(super) fn scan(&self, range: &KeyRange, count_max: usize) -> Result<Vec<Entry>> {
        if plan::is_empty(range) {
            return Ok(Vec::new());
        }
        merged(self.layers(), &self.below.rows, range)?.take(count_max).collect()
    }

    /// The layers, newest first.
    fn layers(&self) -> impl Iterator<Item = &Layer> {
        iter::once(&self.active).chain(&self.below.frozen)
    }
}

/// The rows of a range in byte order: what layers, newest first, have of it, and folded rows.
fn merged<'a>(
    layers: impl Iterator<Item = &'a Layer>,
    rows: &'a Rows,
    range: &'a KeyRange,
) -> Result<impl Iterator<Item = Result<Entry>> + 'a> {
    let mut sources = Vec::new();
    let mut above: Vec<&Layer> = Vec::new();
    for layer in layers {
        let rows = move |bounds| Ok(rows_of(layer, bounds));
        sources.push(visible(rows, range, above.clone())?.peekable());
        above.push(layer);
    }
    sources.push(visible(|bounds| folded(rows, bounds), range, above)?.peekable());
    Ok(iter::from_fn(move || {
        loop {
            match newest_of_first(&mut sources)? {
                Ok(Row { key, value: Some(value) }) => return Some(Ok(Entry { key, value })),
                Ok(Row { value: None, .. }) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }))
}

/// A row that is there or gone.
struct Row {
    key: Bytes,
    value: Option<Bytes>,
}

/// Rows of one layer, or those that are folded, in byte order.
type Source<'a> = Box<dyn Iterator<Item = Result<Row>> + 'a>;

fn rows_of<'a>(layer: &'a Layer, bounds: Bounds<'a>) -> Source<'a> {
    let row =
        |(key, value): (&Bytes, Option<&Bytes>)| Row { key: key.clone(), value: value.cloned() };
    Box::new(layer.rows(bounds).map(move |found| Ok(row(found))))
}

fn folded<'a>(rows: &'a Rows, bounds: Bounds<'a>) -> Result<Source<'a>> {
    let row = |(key, value)| Row { key, value: Some(value) };
    Ok(Box::new(rows.range(bounds)?.map(move |found| found.map(row))))
}

/// What a source has of a range that no layer above it has erased. An erased range is stepped over
/// as a whole, however many rows it hides; the last may end outside of what is read.
fn visible<'a>(
    rows_in: impl Fn(Bounds<'a>) -> Result<Source<'a>> + 'a,
    range: &'a KeyRange,
    above: Vec<&'a Layer>,
) -> Result<Source<'a>> {
    let (_, last) = range.bounds();
    let within = |key: &Bytes| range.end.as_deref().is_none_or(|end| key < end);
    let mut rows = rows_in(range.bounds())?;
    Ok(Box::new(iter::from_fn(move || {
        loop {
            let row = match rows.next()? {
                Ok(row) => row,
                Err(error) => return Some(Err(error)),
            };
            let erased = above.iter().find_map(|layer| layer.erased_until(&row.key));
            let Some(end) = erased else { return Some(Ok(row)) };
            let end = end.filter(|end| within(end))?;
            match rows_in((Bound::Included(end), last)) {
                Ok(behind) => rows = behind,
                Err(error) => return Some(Err(error)),
            }
        }
    })))
}

/// The first key of all sources with what the newest of them says of it. Newer sources come first.
fn newest_of_first(sources: &mut [Peekable<Source<'_>>]) -> Option<Result<Row>> {
    let mut first: Option<Bytes> = None;
    for source in sources.iter_mut() {
        match source.peek() {
            Some(Ok(row)) if first.as_ref().is_none_or(|key| row.key < key) => {
                first = Some(row.key.clone());
            }
            Some(Err(_)) => return source.next(),
            _ => {}
        }
    }
    let key = first?;
    let is_it = |row: &Result<Row>| row.as_ref().is_ok_and(|row| row.key == key);
    // All of them step over the key; the first has the newest.
    sources.iter_mut().filter_map(|source| source.next_if(is_it)).reduce(|newest, _| newest)
}
