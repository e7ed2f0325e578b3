//! What is counted of all caches together.

use std::sync::atomic::{AtomicU64, Ordering};

use super::shelves::Shelves;
use crate::metrics::{Counts, Family};

/// What becomes of a match.
const MATCHES: [&str; 2] = ["hit", "miss"];
/// What becomes of a put: kept, not to be kept, or its place was wanted for others.
const PUTS: [&str; 3] = ["kept", "passed", "crowded"];

#[derive(Default)]
pub(super) struct Figures {
    matches: Counts<{ MATCHES.len() }>,
    puts: Counts<{ PUTS.len() }>,
    evictions: AtomicU64,
}

impl Figures {
    pub(super) fn matched(&self, found: bool) {
        self.matches.one(usize::from(!found));
    }

    /// A response was kept, and so many went for it.
    pub(super) fn kept(&self, evicted: usize) {
        self.puts.one(0);
        self.evicted(evicted);
    }

    pub(super) fn passed(&self) {
        self.puts.one(1);
    }

    pub(super) fn crowded(&self) {
        self.puts.one(2);
    }

    pub(super) fn evicted(&self, count: usize) {
        self.evictions.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(super) fn measure(&self, shelves: &Shelves) -> Vec<Family> {
        let (held, entries) = shelves.held();
        let matches = ("bindery_cache_matches_total", "Look-ups in caches by their end.");
        let puts =
            ("bindery_cache_puts_total", "Responses given to caches by what became of them.");
        let evictions = self.evictions.load(Ordering::Relaxed) as f64;
        let evicted = "Responses that went to make room.";
        let memory = "Bytes of memory that caches hold.";
        let disk = "Bytes of files that caches hold.";
        vec![
            Family::counters(matches, "end", MATCHES.into_iter().zip(self.matches.read())),
            Family::counters(puts, "end", PUTS.into_iter().zip(self.puts.read())),
            Family::counter("bindery_cache_evictions_total", evicted, evictions),
            Family::gauge("bindery_cache_entries", "URLs with a cached response.", entries as f64),
            Family::gauge("bindery_cache_memory_bytes", memory, held.memory as f64),
            Family::gauge("bindery_cache_disk_bytes", disk, held.disk as f64),
        ]
    }
}
