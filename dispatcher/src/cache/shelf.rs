//! What one tenant keeps, in the order in which it was last used.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio::sync::oneshot;

use super::CACHE_VARIANT_COUNT_MAX;
use super::variant::{Key, Variant};

/// How much something takes of what is shared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Weight {
    /// Bytes of memory.
    pub(super) memory: u64,
    /// Bytes of files.
    pub(super) disk: u64,
}

/// The responses of one tenant.
#[derive(Default)]
pub(super) struct Shelf {
    entries: HashMap<Arc<Key>, Entry>,
    /// Entries by when they were used: those that are all in memory.
    light: BTreeMap<u64, Arc<Key>>,
    /// The same of those with a file.
    heavy: BTreeMap<u64, Arc<Key>>,
    /// Files that are being written.
    drafts: BTreeMap<u64, Growing>,
    held: Weight,
}

/// The responses to requests of one key; the newest first.
struct Entry {
    used: u64,
    weight: Weight,
    variants: Variants,
}

/// Responses to one key.
pub(super) type Variants = Vec<Arc<Variant>>;

/// A file that is being written.
struct Growing {
    bytes: u64,
    /// Dropped, it tells the writer to give up.
    _wanted: oneshot::Sender<()>,
}

impl Shelf {
    pub(super) fn held(&self) -> Weight {
        self.held
    }

    pub(super) fn count(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.drafts.is_empty()
    }

    /// Takes an entry away.
    pub(super) fn take(&mut self, key: &Key) -> Option<(Arc<Key>, Variants)> {
        let (key, Entry { used, weight, variants }) = self.entries.remove_entry(key)?;
        self.line(weight).remove(&used);
        self.held.memory -= weight.memory;
        self.held.disk -= weight.disk;
        Some((key, variants))
    }

    /// Puts an entry where none is, as used now. One without a response is none.
    pub(super) fn place(&mut self, key: Arc<Key>, variants: Variants, used: u64) {
        if variants.is_empty() {
            return;
        }
        let mut weight = Weight { memory: key.bytes(), disk: 0 };
        for variant in &variants {
            let Weight { memory, disk } = variant.weight();
            weight.memory += memory;
            weight.disk += disk;
        }
        self.held.memory += weight.memory;
        self.held.disk += weight.disk;
        self.line(weight).insert(used, key.clone());
        self.entries.insert(key, Entry { used, weight, variants });
    }

    fn line(&mut self, weight: Weight) -> &mut BTreeMap<u64, Arc<Key>> {
        if weight.disk > 0 { &mut self.heavy } else { &mut self.light }
    }

    /// Takes the entry away that was not used for longest, of those all in memory if there are any.
    pub(super) fn take_oldest(&mut self) -> Option<Variants> {
        let line = if self.light.is_empty() { &self.heavy } else { &self.light };
        let key = line.values().next()?.clone();
        self.take(&key).map(|(_, variants)| variants)
    }

    /// The same of those with a file; then it gives up a file that is being written.
    pub(super) fn take_oldest_file(&mut self) -> Option<Variants> {
        if let Some(key) = self.heavy.values().next().cloned() {
            return self.take(&key).map(|(_, variants)| variants);
        }
        let (_, Growing { bytes, .. }) = self.drafts.pop_first()?;
        self.held.disk -= bytes;
        Some(Vec::new())
    }

    /// Begins a file. The receiver ends when nobody wants it any more.
    pub(super) fn begin(&mut self, draft: u64) -> oneshot::Receiver<()> {
        let (wanted, unwanted) = oneshot::channel();
        self.drafts.insert(draft, Growing { bytes: 0, _wanted: wanted });
        unwanted
    }

    /// Counts bytes of a file that is being written; false if it was given up.
    pub(super) fn grow(&mut self, draft: u64, bytes: u64) -> bool {
        let Some(growing) = self.drafts.get_mut(&draft) else { return false };
        growing.bytes += bytes;
        self.held.disk += bytes;
        true
    }

    /// The file is written, or not wanted; false if it was given up before.
    pub(super) fn end(&mut self, draft: u64) -> bool {
        let Some(Growing { bytes, .. }) = self.drafts.remove(&draft) else { return false };
        self.held.disk -= bytes;
        true
    }
}

/// Adds a response to those of its key. Gives back those that it replaces: for the same requests,
/// and all if it answers every request.
pub(super) fn add(variants: &mut Variants, variant: Arc<Variant>) -> Variants {
    let any = variant.selector.is_any();
    let is_same = |other: &mut Arc<Variant>| any || other.selector == variant.selector;
    let mut gone: Variants = variants.extract_if(.., is_same).collect();
    variants.insert(0, variant);
    gone.extend(variants.drain(CACHE_VARIANT_COUNT_MAX.min(variants.len())..));
    gone
}
