//! What the threads of a store and its readers have in common.

use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock};

use super::lanes::Lanes;
use super::layer::Layer;
use super::snapshot::Snapshots;
use super::view::{Below, View};
use super::{Options, Stats};
use crate::engine::{Error, Result};
use crate::redb::{Folded, Rows, unavailable};

/// One open store.
pub(super) struct Shared {
    pub(super) lanes: Lanes,
    pub(super) folded: Folded,
    pub(super) snapshots: Snapshots<View>,
    pub(super) options: Options,
    view: RwLock<View>,
    failure: OnceLock<String>,
    /// Bytes of the log in use that are used.
    log_used: AtomicU64,
}

impl Shared {
    pub(super) fn new(folded: Folded, view: View, options: Options) -> Self {
        Self {
            lanes: Lanes::new(options.payload_max()),
            folded,
            snapshots: Snapshots::default(),
            options,
            view: RwLock::new(view),
            failure: OnceLock::new(),
            log_used: AtomicU64::new(0),
        }
    }

    /// What is durable now.
    pub(super) fn view(&self) -> View {
        self.view.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Shows what has become durable.
    pub(super) fn publish(&self, active: Layer) {
        drop(self.change(|view| mem::replace(&mut view.active, active)));
    }

    /// Puts the active layer below a new one, and returns it.
    pub(super) fn freeze(&self) -> Layer {
        self.change(|view| {
            let layer = mem::take(&mut view.active);
            view.below.frozen = Some(layer.clone());
            layer
        })
    }

    /// Replaces the frozen layer by the rows that it was folded into.
    pub(super) fn thaw(&self, rows: Rows) {
        drop(self.change(|view| mem::replace(&mut view.below, Below { frozen: None, rows })));
    }

    /// What a change puts aside is dropped outside the lock: a layer has many rows.
    fn change<T>(&self, change: impl FnOnce(&mut View) -> T) -> T {
        change(&mut self.view.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes how far the log in use is used.
    pub(super) fn note_log(&self, used: u64) {
        self.log_used.store(used, Ordering::Relaxed);
    }

    /// Figures of what is in use. Reads the whole file of the folded rows.
    pub(super) fn stats(&self) -> Result<Stats> {
        let view = self.view();
        let layers = [Some(&view.active), view.below.frozen.as_ref()];
        let layers = || layers.into_iter().flatten();
        let (rows_folded, rows_folded_bytes) = self.folded.size()?;
        Ok(Stats {
            rows_folded,
            rows_folded_bytes,
            epoch_folded: self.folded.epoch()?.unwrap_or_default(),
            changes_in_memory: layers().map(|layer| layer.row_count() as u64).sum(),
            memory_bytes: layers().map(|layer| layer.bytes() as u64).sum(),
            memory_bytes_max: 2 * self.options.overlay_bytes_max as u64,
            log_bytes_used: self.log_used.load(Ordering::Relaxed),
            log_bytes_max: self.options.log_bytes_max,
            is_folding: view.below.frozen.is_some(),
            failure: self.failure.get().cloned(),
        })
    }

    /// An error, if something failed since the store was opened.
    pub(super) fn check(&self) -> Result<()> {
        self.failure.get().map_or(Ok(()), |failure| Err(unavailable(failure)))
    }

    /// Notes that a part of the store failed. What is on disk is no longer known, so nothing is
    /// written until the store is opened again and has looked; what was durable can be read.
    pub(super) fn fail(&self, part: &str, error: impl std::fmt::Display) -> Error {
        let failure = format!("{part} failed: {error}; nothing is written until it is reopened");
        tracing::error!(failure, "the store failed");
        unavailable(self.failure.get_or_init(|| failure))
    }
}
