//! A layer: changes that stand over the folded rows, in memory.
//!
//! A copy shares everything with its original and costs nothing, whichever of them changes later:
//! that is how a group is planned before anybody sees it, and how a reader keeps what it began
//! with.

use std::ops::Bound;

use bytes::Bytes;
use rpds::RedBlackTreeMapSync;

use crate::engine::{Bounds, KeyRange, Result};
use crate::plan::Change;

/// Bytes that a row takes beside its key and value, roughly.
const ROW_BYTES: usize = 256;

/// What a layer says of a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Its value.
    Value(Bytes),
    /// That there is no row.
    Gone,
    /// Nothing: what lies below counts.
    Unknown,
}

/// What lies below a layer.
pub(super) trait Ground {
    /// Whether there is a row under a key.
    fn has(&self, key: &[u8]) -> Result<bool>;
    /// Whether there is a row in a range.
    fn has_in(&self, range: &KeyRange) -> Result<bool>;
}

/// Changes, of which each key's newest counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer {
    /// Values, and rows that are gone.
    rows: RedBlackTreeMapSync<Bytes, Option<Bytes>>,
    /// Ranges of which nothing that lies below counts: starts, and the ends before which they
    /// stop. No two meet.
    erased: RedBlackTreeMapSync<Bytes, Option<Bytes>>,
    bytes: usize,
    gone: usize,
}

impl Layer {
    /// What it says of a key.
    pub(super) fn find(&self, key: &[u8]) -> Found {
        match self.rows.get(key) {
            Some(Some(value)) => Found::Value(value.clone()),
            Some(None) => Found::Gone,
            None if self.erased_until(key).is_some() => Found::Gone,
            None => Found::Unknown,
        }
    }

    /// The end of the erased range that a key is in.
    pub(super) fn erased_until(&self, key: &[u8]) -> Option<Option<&Bytes>> {
        let (_, end) = self.erased.range::<[u8], _>(up_to(key)).next_back()?;
        end.as_ref().is_none_or(|end| key < end).then_some(end.as_ref())
    }

    /// Its rows, those that are gone included.
    pub(super) fn rows<'a>(
        &'a self,
        bounds: Bounds<'a>,
    ) -> impl Iterator<Item = (&'a Bytes, Option<&'a Bytes>)> {
        self.rows.range::<[u8], _>(bounds).map(|(key, value)| (key, value.as_ref()))
    }

    /// Its erased ranges.
    pub(super) fn erased(&self) -> impl Iterator<Item = KeyRange> {
        self.erased.iter().map(|(start, end)| KeyRange {
            start: start.to_vec(),
            end: end.as_ref().map(|end| end.to_vec()),
        })
    }

    /// Rows, those that are gone included.
    pub(super) fn row_count(&self) -> usize {
        self.rows.size()
    }

    /// Rows and ranges that are gone. A scan steps over each.
    pub(super) fn gone_count(&self) -> usize {
        self.gone + self.erased.size()
    }

    /// The memory that it takes, roughly.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.erased.size() * ROW_BYTES
    }

    /// Makes a change.
    pub(super) fn apply(&mut self, change: Change, below: &impl Ground) -> Result<()> {
        match change {
            Change::Put { key, value } => self.set(key.into(), Some(value.into())),
            Change::Delete { key } => self.delete(key.into(), below)?,
            Change::DeleteRange(range) => self.erase(range),
        }
        Ok(())
    }

    /// A row that came and goes within the layer leaves nothing: a queue that is read as fast as it
    /// is written is never folded, and no scan steps over what it was.
    fn delete(&mut self, key: Bytes, below: &impl Ground) -> Result<()> {
        let came = matches!(self.rows.get(&key), Some(Some(_)));
        if self.erased_until(&key).is_some() || (came && !below.has(&key)?) {
            self.forget(&key);
            return Ok(());
        }
        if let Some((from, gap)) = self.gone_before(&key)
            && !below.has_in(&KeyRange { start: gap, end: Some(key.to_vec()) })?
        {
            self.erase(KeyRange { start: from, end: Some(behind(&key)) });
        } else {
            self.set(key, None);
        }
        Ok(())
    }

    /// What is gone next before a key, if the layer has no row between: where it may be erased from
    /// together with the key, and where it ends. What is deleted in order, as a queue is from its
    /// front, becomes one range, and a scan steps over it at once.
    fn gone_before(&self, key: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        let before = || (Bound::Unbounded, Bound::Excluded(key));
        let row = self.rows.range::<[u8], _>(before()).next_back();
        if let Some((gone, None)) = row {
            return Some((gone.to_vec(), behind(gone)));
        }
        let (_, end) = self.erased.range::<[u8], _>(before()).next_back()?;
        // A row that came back within the range is before its end.
        let end = end.as_ref().filter(|end| row.is_none_or(|(row, _)| row < *end))?;
        Some((end.to_vec(), end.to_vec()))
    }

    fn set(&mut self, key: Bytes, value: Option<Bytes>) {
        self.forget(&key);
        self.bytes += ROW_BYTES + key.len() + value.as_ref().map_or(0, Bytes::len);
        self.gone += usize::from(value.is_none());
        self.rows.insert_mut(key, value);
    }

    fn forget(&mut self, key: &[u8]) {
        let Some(value) = self.rows.get(key) else { return };
        self.bytes -= ROW_BYTES + key.len() + value.as_ref().map_or(0, Bytes::len);
        self.gone -= usize::from(value.is_none());
        self.rows.remove_mut(key);
    }

    fn erase(&mut self, range: KeyRange) {
        let inside: Vec<Bytes> = self.rows(range.bounds()).map(|(key, _)| key.clone()).collect();
        inside.iter().for_each(|key| self.forget(key));
        let (mut start, mut end) = (Bytes::from(range.start), range.end.map(Bytes::from));
        while let Some((other_start, other_end)) = self.last_that_meets(&start, end.as_ref()) {
            self.erased.remove_mut(&other_start);
            start = start.min(other_start);
            end = end.zip(other_end).map(|(one, other)| one.max(other));
        }
        self.erased.insert_mut(start, end);
    }

    /// The last erased range that overlaps or touches one from `start` to `end`.
    fn last_that_meets(&self, start: &[u8], end: Option<&Bytes>) -> Option<(Bytes, Option<Bytes>)> {
        let bounds = end.map_or((Bound::Unbounded, Bound::Unbounded), |end| up_to(end));
        let (other_start, other_end) = self.erased.range::<[u8], _>(bounds).next_back()?;
        let meets = other_end.as_ref().is_none_or(|other_end| start <= other_end);
        meets.then(|| (other_start.clone(), other_end.clone()))
    }
}

/// The first key that is greater.
fn behind(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

fn up_to(key: &[u8]) -> Bounds<'_> {
    (Bound::Unbounded, Bound::Included(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &str) -> Change {
        Change::Put { key: key.into(), value: b"v".to_vec() }
    }

    fn delete(key: &str) -> Change {
        Change::Delete { key: key.into() }
    }

    fn erase(start: &str, end: Option<&str>) -> Change {
        Change::DeleteRange(KeyRange { start: start.into(), end: end.map(Into::into) })
    }

    /// Rows below: those of these names.
    struct Below(&'static [&'static str]);

    impl Ground for Below {
        fn has(&self, key: &[u8]) -> Result<bool> {
            Ok(self.0.iter().any(|row| row.as_bytes() == key))
        }

        fn has_in(&self, range: &KeyRange) -> Result<bool> {
            let end = range.end.as_deref();
            let inside = |row: &&str| row.as_bytes() >= &range.start[..];
            let inside = |row: &&str| inside(row) && end.is_none_or(|end| row.as_bytes() < end);
            Ok(self.0.iter().any(inside))
        }
    }

    /// A layer after these changes, over these rows.
    fn over(below: &'static [&'static str], changes: impl IntoIterator<Item = Change>) -> Layer {
        let mut layer = Layer::default();
        for change in changes {
            layer.apply(change, &Below(below)).expect("nothing fails below");
        }
        layer
    }

    /// A layer after these changes, over rows that are all there or all absent.
    fn after(changes: impl IntoIterator<Item = Change>, below: bool) -> Layer {
        over(if below { &["a", "b", "bb", "c", "d"] } else { &[] }, changes)
    }

    fn ranges(layer: &Layer) -> Vec<String> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let end = |end: Option<Vec<u8>>| end.map_or("..".into(), |end| text(&end));
        layer.erased().map(|range| format!("{}-{}", text(&range.start), end(range.end))).collect()
    }

    #[test]
    fn erased_ranges_that_meet_become_one() {
        let some = |ends: &[(&str, Option<&str>)]| {
            ranges(&after(ends.iter().map(|(start, end)| erase(start, *end)), true))
        };
        assert_eq!(some(&[("a", Some("c")), ("e", Some("g"))]), ["a-c", "e-g"]);
        assert_eq!(some(&[("a", Some("c")), ("c", Some("g"))]), ["a-g"]);
        assert_eq!(some(&[("c", Some("g")), ("a", Some("c"))]), ["a-g"]);
        assert_eq!(some(&[("a", Some("b")), ("c", Some("d")), ("a1", Some("c1"))]), ["a-d"]);
        assert_eq!(some(&[("b", Some("c")), ("e", Some("f")), ("a", Some("z"))]), ["a-z"]);
        assert_eq!(some(&[("b", None), ("a", Some("c"))]), ["a-.."]);
        assert_eq!(some(&[("b", Some("c")), ("d", Some("e")), ("c1", None)]), ["b-c", "c1-.."]);
        assert_eq!(some(&[("a", Some("z")), ("b", Some("c"))]), ["a-z"]);
    }

    #[test]
    fn a_row_in_an_erased_range_is_gone_until_it_is_put_again() {
        let layer = after([put("b"), erase("a", Some("c")), put("bb")], true);
        assert_eq!(layer.find(b"b"), Found::Gone);
        assert_eq!(layer.find(b"bb"), Found::Value("v".into()));
        assert_eq!(layer.find(b"c"), Found::Unknown);
        assert_eq!(layer.row_count(), 1);
    }

    #[test]
    fn a_row_that_came_and_went_leaves_nothing_unless_one_lies_below() {
        let layer = after([put("a"), delete("a")], false);
        assert_eq!((layer.find(b"a"), layer.row_count()), (Found::Unknown, 0));
        let layer = after([put("a"), delete("a")], true);
        assert_eq!((layer.find(b"a"), layer.gone_count()), (Found::Gone, 1));
        let layer = after([delete("a")], false);
        assert_eq!((layer.find(b"a"), layer.gone_count()), (Found::Gone, 1));
        let layer = after([erase("a", None), put("a"), delete("a")], true);
        assert_eq!((layer.find(b"a"), layer.row_count()), (Found::Gone, 0));
    }

    #[test]
    fn rows_that_are_deleted_in_order_are_erased_as_one_range() {
        let rows = &["a", "b", "c", "d", "e"];
        let layer = over(rows, ["a", "b", "c"].map(delete));
        assert_eq!(ranges(&layer), ["a-c\0"]);
        assert_eq!((layer.row_count(), layer.gone_count()), (0, 1));
        assert_eq!((layer.find(b"bb"), layer.find(b"d")), (Found::Gone, Found::Unknown));
        // One that is there, below or in the layer, ends a range.
        assert_eq!(ranges(&over(rows, ["a", "c"].map(delete))), [""; 0]);
        let layer = over(&["a", "c"], [put("b"), delete("a"), delete("c")]);
        assert_eq!((ranges(&layer), layer.gone_count()), (vec![], 2));
        // One that came and went does not, nor does one that comes back stay in it.
        let layer = over(&["a", "c"], [put("b"), delete("b"), delete("a"), delete("c"), put("b")]);
        assert_eq!((&*ranges(&layer), layer.row_count()), (&["a-c\0".into()][..], 1));
        assert_eq!(layer.find(b"b"), Found::Value("v".into()));
        let layer = over(rows, [erase("a", Some("b")), put("a"), delete("b"), delete("c")]);
        assert_eq!(
            (&*ranges(&layer), layer.find(b"a")),
            (&["a-c\0".into()][..], Found::Value("v".into()))
        );
        let layer = over(rows, [erase("a", Some("b")), delete("b"), delete("c"), delete("e")]);
        assert_eq!((&*ranges(&layer), layer.gone_count()), (&["a-c\0".into()][..], 2));
    }

    #[test]
    fn what_it_takes_is_counted_up_and_down() {
        let layer = after([put("a"), put("a"), delete("b"), put("b"), delete("c")], true);
        assert_eq!((layer.bytes(), layer.gone_count()), (3 * ROW_BYTES + 5, 1));
        let layer = after([put("a"), delete("b"), erase("a", Some("c"))], true);
        assert_eq!((layer.bytes(), layer.gone_count()), (ROW_BYTES, 1));
    }

    #[test]
    fn a_copy_does_not_see_what_is_changed_later() {
        let mut layer = after([put("a")], true);
        let copy = layer.clone();
        layer.apply(erase("", None), &Below(&[])).expect("applied");
        assert_eq!(copy.find(b"a"), Found::Value("v".into()));
        assert_eq!(layer.find(b"a"), Found::Gone);
    }
}
