//! How much memory cordons hold, as the kernel counts it. Reading costs microseconds.

use std::sync::{Arc, Weak};

use bindery_logic::memory::Measured;

use super::{Cordon, Cordons};

/// Pages of one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Resident {
    /// Bytes that only it has.
    pub(super) own_bytes: u64,
    /// Bytes of files, which all cordons share.
    shared_bytes: u64,
}

impl Resident {
    /// What a process holds now; nothing if that can not be read.
    pub(super) fn of(pid: u32) -> Self {
        Self::parse(&std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default())
    }

    fn parse(status: &str) -> Self {
        let bytes = |name: &str| {
            let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
            Some(rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
        };
        Self {
            own_bytes: bytes("RssAnon:").unwrap_or(0),
            shared_bytes: bytes("RssFile:").unwrap_or(0),
        }
    }
}

impl Cordons {
    /// What all cordons hold, those included that are being replaced.
    pub fn measure(&self) -> Measured {
        let cordons = self.all();
        let mut measured = Measured::default();
        let mut shared_bytes = 0;
        for cordon in &cordons {
            let resident = cordon.measure();
            measured.bytes += resident.own_bytes;
            measured.base_bytes += cordon.base_bytes;
            measured.isolate_count += (cordon.isolate_count() + cordon.waiting_count()) as usize;
            shared_bytes = shared_bytes.max(resident.shared_bytes);
        }
        measured.bytes += shared_bytes;
        measured.base_bytes += shared_bytes;
        measured
    }

    /// Has every cordon give back memory that it keeps for later.
    pub fn trim(&self) {
        self.all().iter().for_each(|cordon| cordon.trim());
    }

    /// Every cordon whose process runs.
    fn all(&self) -> Vec<Arc<Cordon>> {
        let mut all = self.0.all.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        all.retain(|cordon| cordon.upgrade().is_some_and(|cordon| !cordon.is_dead()));
        all.iter().filter_map(Weak::upgrade).collect()
    }

    /// Counts a cordon among those that are measured.
    pub(super) fn count_in(&self, cordon: &Arc<Cordon>) {
        let mut all = self.0.all.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        all.push(Arc::downgrade(cordon));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared_is_told_from_what_is_a_cordons_own() {
        let status = "VmRSS:\t    300 kB\nRssAnon:\t     200 kB\nRssFile:\t     100 kB\n";
        let expected = Resident { own_bytes: 200 << 10, shared_bytes: 100 << 10 };
        assert_eq!(Resident::parse(status), expected);
        assert_eq!(Resident::parse(""), Resident::default());
        assert!(Resident::of(std::process::id()).own_bytes > 0);
    }
}
