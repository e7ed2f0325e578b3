//! What the machine has: memory for all cordons by default, and how much of its cores is free.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// The share of the machine's memory that cordons get if nobody says: in quarters.
const MEMORY_QUARTERS: u64 = 3;
/// What is taken for the machine's memory if that can not be read.
const MEMORY_BYTES: u64 = 4 << 30;
/// Two readings further apart say nothing of now.
const STALE: Duration = Duration::from_secs(5);

/// Bytes that all cordons together may hold if nobody says: a share of what the machine or the
/// control group of this process has.
pub(super) fn memory_bytes_max() -> u64 {
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let machine = total_bytes(&meminfo).unwrap_or(MEMORY_BYTES);
    let group = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limit = group_limits(&group).min().unwrap_or(u64::MAX);
    machine.min(limit) / 4 * MEMORY_QUARTERS
}

fn total_bytes(meminfo: &str) -> Option<u64> {
    let rest = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

/// The limits of a process's control group and of those above it, in both versions' places.
fn group_limits(group: &str) -> impl Iterator<Item = u64> {
    let unified = group.lines().filter_map(|line| line.strip_prefix("0::/"));
    let unified = unified.flat_map(|path| {
        Path::new("/sys/fs/cgroup").join(path).ancestors().map(Into::into).collect::<Vec<_>>()
    });
    let files = unified
        .filter(|folder: &std::path::PathBuf| folder.starts_with("/sys/fs/cgroup"))
        .map(|folder| folder.join("memory.max"))
        .chain([Path::new("/sys/fs/cgroup/memory/memory.limit_in_bytes").into()]);
    files.filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok())
}

/// How much of the cores is free, between two looks.
#[derive(Debug, Default)]
pub(super) struct Cores(Option<(Instant, Times)>);

/// Readings of all cores together, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Times {
    idle: u64,
    all: u64,
    core_count: u64,
}

impl Cores {
    /// What was free since the look before, in thousandths of a core; nothing if there was none
    /// lately.
    pub(super) fn free_permille(&mut self) -> u32 {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let Some(now) = times(&stat) else { return 0 };
        let before = self.0.replace((Instant::now(), now));
        let fresh = before.filter(|(at, _)| at.elapsed() < STALE);
        fresh.map_or(0, |(_, before)| free_permille(before, now))
    }
}

fn free_permille(before: Times, now: Times) -> u32 {
    let idle = now.idle.saturating_sub(before.idle);
    let all = now.all.saturating_sub(before.all).max(1);
    u32::try_from(idle * 1_000 * now.core_count / all).unwrap_or(u32::MAX)
}

/// The first line is the sum; idle time and waiting for disks count as free.
fn times(stat: &str) -> Option<Times> {
    let mut lines = stat.lines();
    let sum = lines.next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = sum.split_whitespace().filter_map(|field| field.parse().ok()).collect();
    // What guests used is counted as the host's own already.
    let ticks = ticks.get(..8)?;
    let core_count = lines.take_while(|line| line.starts_with("cpu")).count().max(1) as u64;
    let idle = ticks.get(3)? + ticks.get(4)?;
    Some(Times { idle, all: ticks.iter().sum(), core_count })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_cores_are_told_from_busy_ones() {
        let stat = |user, idle| {
            times(&format!("cpu  {user} 0 0 {idle} 0 0 0 0 0 0\ncpu0 1\ncpu1 1\nintr 5\n"))
        };
        let (before, now) = (stat(100, 100).expect("reads"), stat(200, 200).expect("reads"));
        assert_eq!(free_permille(before, now), 1_000, "one of two");
        assert_eq!(free_permille(before, stat(300, 100).expect("reads")), 0);
        assert_eq!(times("cpu"), None);
        assert_eq!(Cores::default().free_permille(), 0, "nothing is known of a first look");
    }

    #[test]
    fn memory_has_a_bound_that_fits_the_machine() {
        assert_eq!(total_bytes("MemTotal:       1024 kB\nMemFree: 1 kB\n"), Some(1 << 20));
        let bytes = memory_bytes_max();
        assert!(bytes > 64 << 20, "{bytes}");
        assert_eq!(group_limits("").filter(|bytes| *bytes == 0).count(), 0);
    }
}
