//! Isolates that come and go: tenants asked in random order while there is no room for all of
//! them, and what is left of tens of thousands of isolates when they have gone.

use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use support::Result;
use support::bindery::{self, Bindery, Data};
use support::http;
use support::load::{self, Plan, Seen};
use support::options::Options;
use support::process;
use support::report::{Bound, Report};
use support::worker::Worker;

mod support;

const CONNECTION_COUNT: usize = 8;
/// Between two looks at memory.
const SLICE: Duration = Duration::from_secs(1);
/// What cordons may hold beyond what they hold without isolates: some tens of isolates.
const ROOM_BYTES: u64 = 256 << 20;
/// Isolates at once while tens of thousands come and go: each request starts one.
const FEW: usize = 16;
const FEW_TENANTS: usize = 128;
/// How long threads may take to end.
const END_MAX: Duration = Duration::from_secs(30);

fn main() -> Result<()> {
    let options = Options::read()?;
    let mut report = Report::new("churn", &options)?;
    if options.runs(bindery::NAME) {
        crowd(&options, &mut report)?;
        remains(&options, &mut report)?;
    }
    report.note("there is no contender: nothing to compare with is bounded in this way");
    report.print()
}

/// More tenants than fit, in random order.
fn crowd(options: &Options, report: &mut Report) -> Result<()> {
    let tenant_count = options.pick(1_000, 150);
    let time = Duration::from_secs(options.pick(300, 20));
    let ceiling = base_bytes()? + ROOM_BYTES;
    report.condition("tenants", tenant_count);
    report.condition("seconds", time.as_secs());
    report.condition("ceiling, MiB", ceiling >> 20);
    let data = Data::new()?;
    let config = format!("[pool]\nisolate-count-max = 2000\nmemory-bytes-max = {ceiling}\n");
    let server = data.serve_with(&config)?;
    upload(&server, tenant_count)?;
    let mut dice = Dice(0x5eed);
    let (mut most_bytes, mut request_count, mut failure_count) = (0, 0, 0);
    let (mut p50, mut p99) = (Vec::new(), Vec::new());
    let begun = Instant::now();
    while begun.elapsed() < time {
        let seen = slice(server.address, tenant_count, &mut dice)?;
        request_count += seen.latency.count();
        failure_count += seen.failure_count;
        p50.push(seen.latency.micros_at(0.5));
        p99.push(seen.latency.micros_at(0.99));
        most_bytes = most_bytes.max(process::resident_bytes(&cordons(&server))?);
    }
    let middle = support::histogram::median;
    let row = vec![
        request_count.into(),
        failure_count.into(),
        (request_count as f64 / begun.elapsed().as_secs_f64()).into(),
        middle(&p50).into(),
        middle(&p99).into(),
        (most_bytes as f64 / 1e6).into(),
    ];
    let columns = ["requests", "failed", "requests/s", "p50 us", "p99 us", "most MB"];
    report.table("tenants in random order, more than fit", &columns, vec![row]);
    report.floor("failed requests", failure_count as f64, Bound::AtMost(0.0), None);
    let share = most_bytes as f64 / ceiling as f64;
    report.floor("most memory of cordons, x ceiling", share, Bound::AtMost(1.0), None);
    Ok(())
}

/// Requests to tenants at random, for about a second.
fn slice(address: SocketAddr, tenant_count: usize, dice: &mut Dice) -> Result<Seen> {
    let requests: Vec<_> = (0..400).map(|_| request(dice.below(tenant_count))).collect();
    let mut all: Option<Seen> = None;
    let begun = Instant::now();
    while begun.elapsed() < SLICE {
        let seen = load::run(address, CONNECTION_COUNT, &requests, &Plan::Once)?;
        match &mut all {
            Some(all) => {
                all.latency.add(&seen.latency);
                all.failure_count += seen.failure_count;
            }
            None => all = Some(seen),
        }
    }
    all.ok_or_else(|| "a second had no time".into())
}

/// What is left of isolates that have gone.
fn remains(options: &Options, report: &mut Report) -> Result<()> {
    let count = options.pick(20_000, 4_000);
    report.condition("isolates that come and go", count);
    let data = Data::new()?;
    // Nothing is replaced: what is left has to add up to be seen.
    let config = format!(
        "[pool]\nisolate-count-max = {FEW}\nidle-ms = 1000\ncordon-start-count-max = 1000000\n"
    );
    let server = data.serve_with(&config)?;
    upload(&server, FEW_TENANTS)?;
    // The first ones give the heaps of the processes their shape.
    let mut failure_count = come_and_go(&server, options.pick(4_000, 1_500))?;
    let before = Left::of(&server)?;
    failure_count += come_and_go(&server, count)?;
    let after = Left::of(&server)?;
    let each = (after.bytes as f64 - before.bytes as f64) / count as f64;
    let row = |when: &str, left: &Left| -> Vec<Value> {
        vec![
            when.into(),
            (left.bytes as f64 / 1e6).into(),
            left.threads.into(),
            json!(left.descriptors),
        ]
    };
    let rows = vec![row("before", &before), row("after", &after)];
    report.table("cordons without isolates", &["when", "MB", "threads", "descriptors"], rows);
    report.floor("bytes left of each isolate", each, Bound::AtMost(512.0), None);
    let added = |before: u64, after: u64| after as f64 - before as f64;
    let threads = added(before.threads, after.threads);
    report.floor("threads left", threads, Bound::AtMost(0.0), None);
    let descriptors = added(before.descriptors, after.descriptors);
    report.floor("descriptors left", descriptors, Bound::AtMost(0.0), None);
    report.floor("requests that failed", failure_count as f64, Bound::AtMost(0.0), None);
    Ok(())
}

/// Asks so many tenants one after the other: hardly one of them has an isolate.
fn come_and_go(server: &Bindery, count: usize) -> Result<u64> {
    let requests: Vec<_> = (0..count).map(|number| request(number % FEW_TENANTS)).collect();
    Ok(load::run(server.address, CONNECTION_COUNT, &requests, &Plan::Once)?.failure_count)
}

/// What cordons have when no isolate lives any more.
struct Left {
    bytes: u64,
    threads: u64,
    descriptors: u64,
}

impl Left {
    fn of(server: &Bindery) -> Result<Self> {
        let mut before = Self::now(server)?;
        let begun = Instant::now();
        // Idle isolates go after a second or two, and the pools shrink for some more.
        let mut still = 0;
        while still < 8 && begun.elapsed() < END_MAX {
            std::thread::sleep(SLICE);
            let now = Self::now(server)?;
            let same = (now.threads, now.descriptors) == (before.threads, before.descriptors);
            still = if same { still + 1 } else { 0 };
            before = now;
        }
        Ok(before)
    }

    fn now(server: &Bindery) -> Result<Self> {
        let pids = cordons(server);
        let open = |pid: &u32| fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
        Ok(Self {
            bytes: process::resident_bytes(&pids)?,
            threads: process::thread_count(&pids),
            descriptors: pids.iter().map(open).sum::<usize>() as u64,
        })
    }
}

/// What cordons hold without isolates.
fn base_bytes() -> Result<u64> {
    let data = Data::new()?;
    let server = data.serve()?;
    server.running.settled_bytes()?;
    process::resident_bytes(&cordons(&server))
}

fn cordons(server: &Bindery) -> Vec<u32> {
    server.running.family().split_off(1)
}

fn upload(server: &Bindery, tenant_count: usize) -> Result<()> {
    let mut uploader = server.uploader()?;
    let worker = Worker::hello();
    (0..tenant_count).try_for_each(|number| uploader.upload(&tenant(number), &worker))
}

fn tenant(number: usize) -> String {
    format!("t{number}")
}

fn request(tenant_number: usize) -> Vec<u8> {
    http::get(&bindery::host(&tenant(tenant_number)), "/Ada")
}

/// Numbers in no order, the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % count as u64) as usize
    }
}
