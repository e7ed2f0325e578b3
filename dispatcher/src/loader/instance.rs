//! Instances of loaded code, and what of a tenant's is kept of them.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bindery_wire::VersionId;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;

use super::names::Turn;
use crate::code::Code;
use crate::limit::{LOADED, LOADED_BYTES};
use crate::line::Refused;
use crate::outbound::Workers;
use crate::rpc::Provide;

/// Loaded workers of one tenant that somebody can still call.
pub(crate) const LOADED_COUNT_MAX: usize = 10_000;
/// Bytes of the code of those, what is the same counted once, and of what each is given.
pub(crate) const LOADED_BYTES_MAX: u64 = 256 << 20;
/// Bodies of code of one tenant that are read at once, of those that do not come in one piece.
const READING_COUNT_MAX: usize = 4;

/// What of one tenant's is loaded.
pub(super) struct Tenant {
    count: AtomicUsize,
    bytes: AtomicU64,
    sources: Mutex<HashMap<VersionId, Weak<Source>>>,
    /// Whose turn it is to have code read.
    pub(super) reading: Semaphore,
}

/// The modules of code, kept once for all instances of it.
struct Source {
    modules: Vec<(String, Bytes)>,
    version: VersionId,
    bytes: u64,
    tenant: Arc<Tenant>,
}

/// Room for one instance, until it is dropped: part of its code, so that it is given back when nothing
/// keeps that any more.
pub(crate) struct Room {
    tenant: Arc<Tenant>,
    /// Bytes that are its own.
    bytes: u64,
    source: Option<Arc<Source>>,
}

/// One instance of loaded code. It lives for as long as somebody can call it.
pub(crate) struct Loaded {
    code: Arc<Code>,
    workers: Weak<Workers>,
}

/// An instance as whoever loaded it has it: its exports are made of it.
pub(super) struct Stub(pub(super) Arc<Loaded>);

/// The right to load a name. There is nothing to call yet.
pub(super) struct Right(pub(super) Arc<Turn>);

impl Default for Tenant {
    fn default() -> Self {
        Self {
            count: AtomicUsize::new(0),
            bytes: AtomicU64::new(0),
            sources: Mutex::default(),
            reading: Semaphore::new(READING_COUNT_MAX),
        }
    }
}

impl Tenant {
    /// Whether nothing of it is left.
    pub(super) fn is_idle(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
            && self.reading.available_permits() == READING_COUNT_MAX
    }

    /// Room for one more instance.
    pub(super) fn room(self: &Arc<Self>) -> Result<Room, Refused> {
        if self.count.fetch_add(1, Ordering::Relaxed) < LOADED_COUNT_MAX {
            return Ok(Room { tenant: self.clone(), bytes: 0, source: None });
        }
        self.count.fetch_sub(1, Ordering::Relaxed);
        Err(Refused::failed(format!("Too many dynamic workers are loaded. ({})", LOADED.fixed())))
    }

    fn take(&self, bytes: u64) -> Result<(), Refused> {
        let more = |held: u64| held.checked_add(bytes).filter(|sum| *sum <= LOADED_BYTES_MAX);
        match self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(_) => Ok(()),
            Err(_) => {
                let told = LOADED_BYTES.fixed();
                Err(Refused::failed(format!("Too much code is loaded. ({told})")))
            }
        }
    }

    /// The modules of code that is known by `version`, kept once.
    fn source(
        self: &Arc<Self>,
        version: VersionId,
        modules: Vec<(String, Bytes)>,
    ) -> Result<Arc<Source>, Refused> {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = sources.get(&version).and_then(Weak::upgrade) {
            return Ok(known);
        }
        let bytes = modules.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        self.take(bytes)?;
        let source = Arc::new(Source { modules, version, bytes, tenant: self.clone() });
        sources.insert(version, Arc::downgrade(&source));
        Ok(source)
    }
}

impl Room {
    /// Keeps so many bytes that are the instance's own.
    pub(super) fn hold(&mut self, bytes: u64) -> Result<(), Refused> {
        self.tenant.take(bytes)?;
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }

    /// Keeps the modules of code that is known by `version`.
    pub(super) fn source(
        &mut self,
        version: VersionId,
        modules: Vec<(String, Bytes)>,
    ) -> Result<Vec<(String, Bytes)>, Refused> {
        let source = self.tenant.source(version, modules)?;
        Ok(self.source.insert(source).modules.clone())
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Room({} bytes)", self.bytes)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.tenant.count.fetch_sub(1, Ordering::Relaxed);
        self.tenant.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.tenant.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        let mut sources = self.tenant.sources.lock().unwrap_or_else(PoisonError::into_inner);
        // It may have come again meanwhile.
        if sources.get(&self.version).is_some_and(|known| known.strong_count() == 0) {
            sources.remove(&self.version);
        }
    }
}

impl Loaded {
    pub(super) fn new(code: Arc<Code>, workers: Weak<Workers>) -> Self {
        Self { code, workers }
    }

    pub(super) fn code(&self) -> &Arc<Code> {
        &self.code
    }
}

impl Drop for Loaded {
    /// Nobody can call it any more: its isolates end with what they run.
    fn drop(&mut self) {
        if let Some(workers) = self.workers.upgrade() {
            workers.placement.ended(&self.code);
        }
    }
}

impl Provide for Loaded {
    fn code(&self) -> BoxFuture<'_, Result<Arc<Code>, Refused>> {
        let code = self.code.clone();
        Box::pin(async { Ok(code) })
    }

    fn depth(&self) -> u32 {
        self.code.depth
    }
}

impl Provide for Stub {
    fn code(&self) -> BoxFuture<'_, Result<Arc<Code>, Refused>> {
        Provide::code(&*self.0)
    }

    fn depth(&self) -> u32 {
        self.0.depth()
    }
}

impl Provide for Right {
    fn code(&self) -> BoxFuture<'_, Result<Arc<Code>, Refused>> {
        Box::pin(async { Err(Refused::failed("The worker is not loaded.")) })
    }

    fn depth(&self) -> u32 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modules(text: &'static str) -> Vec<(String, Bytes)> {
        vec![("a.js".into(), Bytes::from_static(text.as_bytes()))]
    }

    #[test]
    fn code_that_comes_again_is_kept_once_and_let_go_with_its_last_instance() {
        let tenant = Arc::new(Tenant::default());
        let version = VersionId::of(b"1");
        let one = tenant.source(version, modules("let a;")).expect("room");
        let two = tenant.source(version, modules("let a;")).expect("room");
        assert!(Arc::ptr_eq(&one, &two));
        assert_eq!(tenant.bytes.load(Ordering::Relaxed), 6);
        drop((one, two));
        assert_eq!(tenant.bytes.load(Ordering::Relaxed), 0);
        assert!(tenant.sources.lock().expect("free").is_empty());
    }

    /// What an instance is given is as much memory as its code is, and lasts for as long as anything
    /// holds the code, which is longer than somebody can call it through its loader.
    #[test]
    fn what_an_instance_is_given_counts_until_its_code_is_let_go() {
        let tenant = Arc::new(Tenant::default());
        let mut room = tenant.room().expect("room");
        room.source(VersionId::of(b"1"), modules("let a;")).expect("room");
        room.hold(LOADED_BYTES_MAX - 6).expect("room");
        let mut other = tenant.room().expect("room");
        let refused = other.hold(1).expect_err("no room");
        assert!(refused.message.contains("loaded_bytes_max"), "{}", refused.message);
        let code = crate::code::Code { room: Some(room), ..crate::line::test_code() };
        assert!(other.hold(1).is_err());
        drop(code);
        assert!(other.hold(1).is_ok());
        drop(other);
        assert!(tenant.is_idle());
    }

    #[test]
    fn a_tenant_has_so_many_instances_and_no_more() {
        let tenant = Arc::new(Tenant::default());
        let rooms: Vec<_> = (0..LOADED_COUNT_MAX).map(|_| tenant.room().expect("room")).collect();
        let refused = tenant.room().expect_err("refused");
        assert!(refused.message.contains("loaded_count_max is 10000"), "{}", refused.message);
        drop(rooms);
        assert!(tenant.room().is_ok());
        assert!(tenant.is_idle());
    }
}
