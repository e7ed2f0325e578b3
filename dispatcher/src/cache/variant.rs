//! One response that is kept, and what it is found by.

use std::sync::Arc;
use std::time::Duration;

use bindery_logic::cache::select::Selector;
use bytes::Bytes;
use http::HeaderMap;

use super::file::Filed;
use super::shelf::Weight;

/// What an entry takes beside its bytes: tables, lists, allocations.
const OVERHEAD_BYTES: usize = 512;
/// The same for one header.
const HEADER_BYTES: usize = 64;

/// What a response is found by within its tenant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// The name of the cache; absent for the one that has none.
    pub(super) cache: Option<Box<str>>,
    /// The URL, or what stands in its place.
    pub(super) url: Box<str>,
}

/// A response, for the requests that it answers.
#[derive(Debug)]
pub(super) struct Variant {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) selector: Selector,
    /// When it was kept, as time since the clock was made.
    pub(super) kept_at: Duration,
    /// How long it is fresh from then on.
    pub(super) fresh: Duration,
    /// How old it was then.
    pub(super) age: Duration,
    pub(super) body: Stored,
}

/// The body of a response that is kept.
#[derive(Clone, Debug)]
pub(super) enum Stored {
    Here(Bytes),
    Filed(Arc<Filed>),
}

impl Variant {
    pub(super) fn is_fresh(&self, now: Duration) -> bool {
        now.saturating_sub(self.kept_at) < self.fresh
    }

    /// How old it is, in whole seconds.
    pub(super) fn age_s(&self, now: Duration) -> u64 {
        self.age.saturating_add(now.saturating_sub(self.kept_at)).as_secs()
    }

    pub(super) fn weight(&self) -> Weight {
        let headers = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
        let headers = headers.map(|bytes| bytes + HEADER_BYTES).sum::<usize>();
        let held = OVERHEAD_BYTES + headers + self.selector.bytes();
        let (here, disk) = match &self.body {
            Stored::Here(bytes) => (bytes.len(), 0),
            Stored::Filed(filed) => (0, filed.length()),
        };
        Weight { memory: (held + here) as u64, disk }
    }
}

impl Key {
    pub(super) fn bytes(&self) -> u64 {
        (self.url.len() + self.cache.as_ref().map_or(0, |name| name.len())) as u64
    }
}

impl Stored {
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Here(bytes) => bytes.len() as u64,
            Self::Filed(filed) => filed.length(),
        }
    }
}
