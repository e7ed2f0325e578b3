//! Servers as processes: started, stopped, and what /proc says about them and their children.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::Result;

/// How long a server may take to end when it is asked to.
const STOP_MAX: Duration = Duration::from_secs(10);
/// How long memory must stand still to count as settled, and how long that is waited for. Isolates
/// give back what they do not need after some seconds of nothing, and processes at most every ten.
const STILL: Duration = Duration::from_secs(13);
const STILL_MAX: Duration = Duration::from_secs(90);

/// The unit of CPU times in /proc, on every architecture of Linux.
const TICKS_PER_SECOND: u64 = 100;

/// A started program. It is asked to end when this is dropped, and killed if it does not.
pub(crate) struct Running {
    /// The process.
    pub(crate) child: Child,
}

impl Running {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let name = command.get_program().display().to_string();
        let child = command.spawn().map_err(|error| format!("{name}: {error}"))?;
        Ok(Self { child })
    }

    /// It and its children.
    pub(crate) fn family(&self) -> Vec<u32> {
        family(self.child.id())
    }

    /// Resident bytes of it and its children, once they stand still.
    pub(crate) fn settled_bytes(&self) -> Result<u64> {
        let begun = Instant::now();
        let mut since = begun;
        let mut bytes = resident_bytes(&self.family())?;
        while since.elapsed() < STILL && begun.elapsed() < STILL_MAX {
            std::thread::sleep(Duration::from_millis(250));
            let now = resident_bytes(&self.family())?;
            if now.abs_diff(bytes) > bytes / 200 {
                since = Instant::now();
                bytes = now;
            }
        }
        resident_bytes(&self.family())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let begun = Instant::now();
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        while begun.elapsed() < STOP_MAX {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a short command prints.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Bytes that all files below a directory take on the disk.
pub(crate) fn disk_bytes(folder: &Path) -> Result<u64> {
    let mut total = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        total += meta.blocks() * 512;
        if meta.is_dir() {
            total += disk_bytes(&entry.path())?;
        }
    }
    Ok(total)
}

/// A process and all below it, itself first.
pub(crate) fn family(root: u32) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
        if let Some(parent) = stat_field(pid, 1) {
            children.entry(parent as u32).or_default().push(pid);
        }
    }
    let mut family = vec![root];
    let mut at = 0;
    while let Some(pid) = family.get(at) {
        let below = children.remove(pid).unwrap_or_default();
        family.extend(below);
        at += 1;
    }
    family
}

/// CPU time of a process so far, user and system.
pub(crate) fn cpu(pid: u32) -> Duration {
    let ticks = stat_field(pid, 11).unwrap_or(0) + stat_field(pid, 12).unwrap_or(0);
    Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND)
}

/// How many threads these processes have together.
pub(crate) fn thread_count(pids: &[u32]) -> u64 {
    pids.iter().filter_map(|pid| stat_field(*pid, 17)).sum()
}

/// Resident bytes of these processes together, shared pages divided among those who share them.
pub(crate) fn resident_bytes(pids: &[u32]) -> Result<u64> {
    let mut total = 0;
    for pid in pids {
        // A child that ended since the family was listed has no memory.
        let Ok(text) = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) else {
            if fs::metadata(format!("/proc/{pid}")).is_ok() && thread_count(&[*pid]) > 0 {
                return Err(format!("/proc/{pid}/smaps_rollup may not be read").into());
            }
            continue;
        };
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        total += kib.unwrap_or(0) << 10;
    }
    Ok(total)
}

/// A field of /proc/PID/stat, counted from the state, which comes after the name in brackets.
fn stat_field(pid: u32, index: usize) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(") ")?;
    fields.split_whitespace().nth(index)?.parse().ok()
}
