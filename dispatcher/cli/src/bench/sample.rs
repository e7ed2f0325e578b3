//! What was measured, and under which conditions.

use std::fs;
use std::thread::available_parallelism;
use std::time::Duration;

use bindery_dispatcher::config::PoolConfig;
use serde::Serialize;

/// What the figures depend on.
#[derive(Serialize)]
pub(crate) struct Conditions {
    cpu: String,
    cores: usize,
    kernel: String,
    program: String,
    blank_isolates: String,
    tenants: u32,
    worker_bytes: u32,
    compiled_code: &'static str,
    client: &'static str,
}

impl Conditions {
    /// What is known of this machine, with the sizes of the run.
    pub(crate) fn of_this_machine(tenants: u32, worker_bytes: u32) -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"));
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let blanks = PoolConfig::default().blank_count_max;
        let build = if cfg!(debug_assertions) { "debug build" } else { "release build" };
        Self {
            cpu: model.map_or("unknown", |model| model.trim_matches([' ', '\t', ':'])).to_owned(),
            cores: available_parallelism().map_or(0, usize::from),
            kernel: kernel.trim().to_owned(),
            program: format!("bindery {}, {build}", env!("CARGO_PKG_VERSION")),
            blank_isolates: format!(
                "up to {blanks} for each process, except where the run has none"
            ),
            tenants,
            worker_bytes,
            compiled_code: "kept from the upload, if the server keeps it on disk",
            client: "HTTP/1.1 on one connection that is kept, on the same machine",
        }
    }
}

/// The times of one run.
#[derive(Serialize)]
pub(crate) struct Sample {
    name: String,
    count: usize,
    p50_ms: f64,
    p90_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    per_second: f64,
}

impl Sample {
    /// Sums up the times of requests that took `wall` together.
    pub(crate) fn of(name: &str, mut times: Vec<Duration>, wall: Duration) -> Self {
        times.sort();
        let count = times.len();
        let ms = |time: Option<&Duration>| time.map_or(0.0, |time| time.as_secs_f64() * 1e3);
        // The smallest time that at least so many of a hundred did not exceed.
        let percentile = |p: usize| ms(times.get((count * p).div_ceil(100).max(1) - 1));
        Self {
            name: name.to_owned(),
            count,
            p50_ms: percentile(50),
            p90_ms: percentile(90),
            p99_ms: percentile(99),
            max_ms: ms(times.last()),
            per_second: count as f64 / wall.as_secs_f64(),
        }
    }

    /// The cells of a table.
    pub(crate) fn row(&self) -> Vec<String> {
        let mut row = vec![self.name.clone(), self.count.to_string()];
        row.extend(
            [self.p50_ms, self.p90_ms, self.p99_ms, self.max_ms].map(|ms| format!("{ms:.2}")),
        );
        row.push(format!("{:.0}", self.per_second));
        row
    }
}
