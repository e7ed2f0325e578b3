//! What a batch does to a store, decided before the first row changes.
//!
//! Each engine asks here, so that limits, checks and counters mean the same everywhere, and a
//! batch that is refused has touched nothing.

use crate::engine::{
    BATCH_BYTES_MAX, Batch, Check, Error, KEY_BYTES_MAX, KeyRange, Result, SCAN_COUNT_MAX,
    VALUE_BYTES_MAX, Write,
};

/// One change with nothing left to decide.
#[derive(Debug)]
pub(crate) enum Change {
    /// Sets a row.
    Put { key: Vec<u8>, value: Vec<u8> },
    /// Removes a row, if it is there.
    Delete { key: Vec<u8> },
    /// Removes every row of a range that is not empty.
    DeleteRange(KeyRange),
}

/// What becomes of a batch.
#[derive(Debug)]
pub(crate) enum Plan {
    /// These changes, in this order; `added` are the new values of its counters.
    Apply { changes: Vec<Change>, added: Vec<u64> },
    /// Nothing: the check at this place does not hold.
    Conflict { check: usize },
}

/// The size of a batch, if it and all its parts are within their limits.
pub(crate) fn measure(batch: &Batch) -> Result<usize> {
    let mut total = 0_usize;
    for Check { key, value } in &batch.checks {
        total = total.saturating_add(row(key, value.as_deref().unwrap_or_default())?);
    }
    for write in &batch.writes {
        match write {
            Write::Put { key, value } => row(key, value)?,
            Write::Delete { key } | Write::Add { key, .. } => measure_key(key)?,
            Write::DeleteRange(range) => measure_range(range)?,
        };
        total = total.saturating_add(write.bytes());
    }
    limit("a batch", total, BATCH_BYTES_MAX)
}

/// Checks the size of a key that is read.
pub(crate) fn measure_key(key: &[u8]) -> Result<usize> {
    limit("a key", key.len(), KEY_BYTES_MAX)
}

/// Checks the ends of a range. Each may be one byte longer than a key: [`KeyRange::after`].
pub(crate) fn measure_range(range: &KeyRange) -> Result<usize> {
    let end = range.end.as_deref().unwrap_or_default();
    let of = |key: &[u8]| limit("the end of a range", key.len(), KEY_BYTES_MAX + 1);
    Ok(of(&range.start)? + of(end)?)
}

/// How many rows a scan may return that is asked for `count_max`.
pub(crate) fn scan_count(count_max: usize) -> usize {
    count_max.min(SCAN_COUNT_MAX)
}

/// Whether no key can be in the range: its end does not stand behind its start.
pub(crate) fn is_empty(range: &KeyRange) -> bool {
    range.end.as_ref().is_some_and(|end| *end <= range.start)
}

fn row(key: &[u8], value: &[u8]) -> Result<usize> {
    Ok(measure_key(key)? + limit("a value", value.len(), VALUE_BYTES_MAX)?)
}

/// `got`, if it is within its limit.
pub(crate) fn limit(what: &'static str, got: usize, max: usize) -> Result<usize> {
    if got <= max { Ok(got) } else { Err(Error::TooLarge { what, got, max }) }
}

/// Decides what a batch does to the rows that `get` finds.
pub(crate) fn plan(batch: Batch, get: impl Fn(&[u8]) -> Result<Option<Vec<u8>>>) -> Result<Plan> {
    for (check, wanted) in batch.checks.iter().enumerate() {
        if get(&wanted.key)? != wanted.value {
            return Ok(Plan::Conflict { check });
        }
    }
    let mut changes: Vec<Change> = Vec::with_capacity(batch.writes.len());
    let mut added = Vec::new();
    for write in batch.writes {
        changes.push(match write {
            Write::Put { key, value } => Change::Put { key, value },
            Write::Delete { key } => Change::Delete { key },
            Write::DeleteRange(range) if is_empty(&range) => continue,
            Write::DeleteRange(range) => Change::DeleteRange(range),
            Write::Add { key, amount } => {
                let before = match newest(&changes, &key) {
                    Some(value) => value,
                    None => get(&key)?,
                };
                let sum = sum(&key, before.as_deref(), amount)?;
                added.push(sum);
                Change::Put { key, value: sum.to_be_bytes().into() }
            }
        });
    }
    Ok(Plan::Apply { changes, added })
}

/// What the changes so far make of a row; `None` if they do not touch it.
fn newest(changes: &[Change], wanted: &[u8]) -> Option<Option<Vec<u8>>> {
    changes.iter().rev().find_map(|change| match change {
        Change::Put { key, value } if key == wanted => Some(Some(value.clone())),
        Change::Delete { key } if key == wanted => Some(None),
        Change::DeleteRange(range) if contains(range, wanted) => Some(None),
        _ => None,
    })
}

fn contains(range: &KeyRange, key: &[u8]) -> bool {
    range.start.as_slice() <= key && range.end.as_deref().is_none_or(|end| key < end)
}

fn sum(key: &[u8], before: Option<&[u8]>, amount: u64) -> Result<u64> {
    let before = match before {
        None => Some(0),
        Some(value) => value.try_into().ok().map(u64::from_be_bytes),
    };
    let sum = before.and_then(|before| before.checked_add(amount));
    sum.ok_or_else(|| Error::NotACounter {
        key: key.iter().map(|byte| format!("{byte:02x}")).collect(),
    })
}
