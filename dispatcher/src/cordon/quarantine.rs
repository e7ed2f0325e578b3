//! Which versions start in a cordon of their own. What it means is decided in
//! [`bindery_logic::blame`]; here it is only kept.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bindery_logic::blame::Quarantine;
use bindery_wire::{TenantId, VersionId};

use crate::clock::Millis;
use crate::code::Code;

/// Versions in quarantine; the longest there is forgotten first.
const COUNT_MAX: usize = 10_000;
/// A bystander that does not start for this long is forgotten.
const FORGET_MS: u64 = 24 * 60 * 60_000;

/// The versions in quarantine.
#[derive(Debug, Default)]
pub(super) struct Book(Mutex<HashMap<Key, Quarantine>>);

type Key = (TenantId, VersionId);

/// Where a version starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Anywhere.
    Free,
    /// In a cordon of its own.
    Alone,
    /// In a cordon of its own, but not yet.
    Later {
        /// When, from now.
        after_ms: u64,
    },
}

impl Book {
    /// Where `code` starts now, which counts as a start.
    pub(super) fn start(&self, code: &Code, now: Millis) -> Start {
        let mut book = self.book();
        let Some(quarantine) = book.get_mut(&key(code)) else { return Start::Free };
        if quarantine.is_over(now.0) {
            book.remove(&key(code));
            return Start::Free;
        }
        match quarantine.start_after_ms(now.0) {
            0 => {
                quarantine.starts += 1;
                Start::Alone
            }
            after_ms => Start::Later { after_ms },
        }
    }

    /// The version killed a cordon.
    pub(super) fn killed(&self, code: &Code, now: Millis) {
        let mut book = self.book();
        let kills = book.get(&key(code)).map_or(0, |quarantine| quarantine.kills);
        let kills = kills.saturating_add(1);
        insert(&mut book, key(code), Quarantine { kills, since_ms: now.0, events: 0, starts: 0 });
    }

    /// The version ran in a cordon that died for no known reason.
    pub(super) fn stood_by(&self, code: &Code, now: Millis) {
        let mut book = self.book();
        if !book.contains_key(&key(code)) {
            let bystander = Quarantine { kills: 0, since_ms: now.0, events: 0, starts: 0 };
            insert(&mut book, key(code), bystander);
        }
    }

    /// The version has ended this many events since its last start.
    pub(super) fn behaved(&self, code: &Code, events: u64) {
        if let Some(quarantine) = self.book().get_mut(&key(code)) {
            quarantine.events = events;
        }
    }

    /// Lets go whoever has been there long enough.
    pub(super) fn tick(&self, now: Millis) {
        self.book().retain(|_, quarantine| {
            let forgotten = now.0.saturating_sub(quarantine.since_ms) >= FORGET_MS;
            !quarantine.is_over(now.0) && !forgotten
        });
    }

    fn book(&self) -> MutexGuard<'_, HashMap<Key, Quarantine>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn insert(book: &mut HashMap<Key, Quarantine>, key: Key, quarantine: Quarantine) {
    if book.len() >= COUNT_MAX
        && let Some(oldest) = book.iter().min_by_key(|(_, q)| q.since_ms).map(|(key, _)| *key)
    {
        book.remove(&oldest);
    }
    book.insert(key, quarantine);
}

fn key(code: &Code) -> Key {
    (code.tenant, code.version)
}
