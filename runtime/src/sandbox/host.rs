//! What `doctor` says of the host and a cordon cannot know.

use std::fs;
use std::thread::available_parallelism;

use rustix::process::{Resource, getrlimit};

/// Memory mappings that a cordon with a thousand isolates may need, with room.
const MAPPINGS_MIN: u64 = 262_144;

/// Descriptors for as many lines, and as many connections again.
const DESCRIPTORS_MIN: u64 = 16_384;

/// Memory under which isolates are evicted soon after they were made, in KiB.
const MEMORY_KIB_MIN: u64 = 1 << 20;

/// One thing that is known of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What it is.
    pub name: &'static str,
    /// What was found, or why it is not known.
    pub value: String,
    /// What the operator may want to change.
    pub advice: Option<String>,
}

/// What was found on this host.
pub fn host_facts() -> Vec<Fact> {
    let kernel = text("/proc/sys/kernel/osrelease");
    let processors = available_parallelism().map_or_else(|why| why.to_string(), |n| n.to_string());
    let descriptors = getrlimit(Resource::Nofile).maximum;
    vec![
        Fact { name: "kernel", value: kernel, advice: None },
        Fact { name: "processors", value: processors, advice: None },
        memory(&text("/proc/meminfo")),
        mappings(&text("/proc/sys/vm/max_map_count")),
        self::descriptors(descriptors),
    ]
}

fn text(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_else(|why| format!("{path}: {why}"));
    text.trim().to_owned()
}

fn memory(meminfo: &str) -> Fact {
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse().ok());
    let advice = "an isolate takes 3 to 5 MB, and each cordon some 60 MB besides";
    Fact {
        name: "memory",
        value: kib.map_or("unknown".to_owned(), |kib: u64| format!("{} MiB", kib >> 10)),
        advice: below(kib, MEMORY_KIB_MIN).then(|| advice.to_owned()),
    }
}

fn mappings(count: &str) -> Fact {
    let advice = format!("for thousands of isolates set sysctl vm.max_map_count={MAPPINGS_MIN}");
    Fact {
        name: "memory mappings per process",
        value: count.to_owned(),
        advice: below(count.parse().ok(), MAPPINGS_MIN).then_some(advice),
    }
}

fn descriptors(limit: Option<u64>) -> Fact {
    let advice = format!("raise the hard limit (ulimit -Hn) to {DESCRIPTORS_MIN} or more");
    Fact {
        name: "descriptors per process",
        value: limit.map_or("unlimited".to_owned(), |limit| limit.to_string()),
        advice: below(limit, DESCRIPTORS_MIN).then_some(advice),
    }
}

fn below(value: Option<u64>, min: u64) -> bool {
    value.is_some_and(|value| value < min)
}
