//! What it costs to be there: resident memory of an idle live isolate after one request and after
//! three thousand, what a tenant without an isolate costs in memory and on disk, and how many
//! isolates 4 GiB hold. Memory is the proportional set size of all processes together; MB are
//! 10^6 bytes.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;

use support::Result;
use support::bindery::{self, Bindery, Data};
use support::http;
use support::load::{self, Plan};
use support::options::Options;
use support::process::{self, Running};
use support::report::{Bound, Report};
use support::worker::Worker;
use support::workerd::{self, Mode, Workerd};

mod support;

/// What the isolates are to fit in.
const HOST_BYTES: f64 = (4_u64 << 30) as f64;
const REQUESTS_EACH: usize = 3_000;
const CONNECTION_COUNT: usize = 16;
/// Isolates that live before the measured ones are made.
const FIRST_COUNT: usize = 4;

/// How many of what one run makes.
#[derive(Clone, Copy)]
struct Counts {
    live: usize,
    worked: usize,
    tenants: usize,
}

/// Bytes of one contender: with the first isolates, and with all.
struct Crowd {
    before: f64,
    after: f64,
    threads_added: u64,
}

/// What tenants without isolates cost.
struct Idle {
    disk_each: f64,
    log_bytes: f64,
    memory_each: f64,
    threads_added: i64,
    ready: Duration,
}

fn main() -> Result<()> {
    let options = Options::read()?;
    let mut report = Report::new("memory", &options)?;
    let counts = Counts {
        live: options.pick(1_000, 100),
        worked: options.pick(100, 10),
        tenants: options.pick(10_000, 200),
    };
    report.condition("live isolates", counts.live);
    report.condition("isolates of 3,000 requests each", counts.worked);
    report.condition("idle tenants", counts.tenants);
    report.condition("worker", "examples/hello");
    report.condition("isolates", "with --blanks 0, so that none that waits is counted");
    let mut rows = Vec::new();
    if options.runs(bindery::NAME) {
        ours(counts, &mut report, &mut rows)?;
    }
    if options.runs(workerd::NAME) {
        theirs(counts, &mut rows)?;
    }
    let columns =
        ["contender", "what", "each MB", "before MB", "all MB", "fit in 4 GiB", "threads added"];
    report.table("idle live isolates", &columns, rows);
    if options.runs(bindery::NAME) {
        let idle = idle(counts.tenants)?;
        idle.fill(&mut report);
    }
    report.print()
}

fn ours(counts: Counts, report: &mut Report, rows: &mut Vec<Vec<Value>>) -> Result<()> {
    let worker = Worker::hello();
    let data = Data::new()?;
    {
        let server = data.serve()?;
        upload(&server, counts.live, &worker)?;
    }
    {
        let server = data.serve_without_blanks()?;
        let crowd = crowd((&server.running, server.address), counts.live, 1)?;
        rows.push(crowd.row(bindery::NAME, "after one request", counts.live));
        let each = crowd.each(counts.live);
        report.floor(
            "MB per live isolate after one request",
            each / 1e6,
            Bound::AtMost(3.2),
            Some(Bound::AtMost(2.2)),
        );
        let fit = crowd.fit(counts.live);
        report.floor("live isolates in 4 GiB", fit, Bound::AtLeast(1_000.0), None);
    }
    let server = data.serve_without_blanks()?;
    let crowd = crowd((&server.running, server.address), counts.worked, REQUESTS_EACH)?;
    rows.push(crowd.row(bindery::NAME, "after 3,000 requests", counts.worked));
    let each = crowd.each(counts.worked) / 1e6;
    report.floor("MB per live isolate after 3,000 requests", each, Bound::AtMost(4.7), None);
    Ok(())
}

fn theirs(counts: Counts, rows: &mut Vec<Vec<Value>>) -> Result<()> {
    let worker = Worker::hello();
    for (count, each, what) in [
        (counts.live, 1, "after one request"),
        (counts.worked, REQUESTS_EACH, "after 3,000 requests"),
    ] {
        let server = Workerd::start(&worker, Mode::Loader)?;
        let crowd = crowd((&server.running, server.address), count, each)?;
        rows.push(crowd.row("workerd loader", what, count));
    }
    Ok(())
}

fn tenant(number: usize) -> String {
    format!("t{number}")
}

fn upload(server: &Bindery, count: usize, worker: &Worker) -> Result<()> {
    let mut uploader = server.uploader()?;
    for number in 0..count {
        let tenant = tenant(number);
        uploader.upload(&tenant, &worker.marked(&tenant))?;
    }
    Ok(())
}

/// Makes so many isolates live with so many requests each, and lets them stand idle. What is
/// compared is a server in which [`FIRST_COUNT`] of them live already: what the first ones bring
/// with them, such as pages of the program, the others share.
fn crowd(
    (running, address): (&Running, SocketAddr),
    count: usize,
    requests_each: usize,
) -> Result<Crowd> {
    let hosts: Vec<_> =
        (0..count).map(|number| http::get(&bindery::host(&tenant(number)), "/Ada")).collect();
    let (first, others) = hosts.split_at(FIRST_COUNT);
    ask(address, first, requests_each)?;
    let before = running.settled_bytes()? as f64;
    let threads = process::thread_count(&running.family());
    ask(address, others, requests_each)?;
    let after = running.settled_bytes()? as f64;
    let threads_added = process::thread_count(&running.family()).saturating_sub(threads);
    Ok(Crowd { before, after, threads_added })
}

fn ask(address: SocketAddr, hosts: &[Vec<u8>], requests_each: usize) -> Result<()> {
    let connections = CONNECTION_COUNT.min(hosts.len());
    for _ in 0..requests_each {
        let seen = load::run(address, connections, hosts, &Plan::Once)?;
        if seen.failure_count > 0 {
            return Err(format!("{} of {} requests failed", seen.failure_count, hosts.len()).into());
        }
    }
    Ok(())
}

impl Crowd {
    fn each(&self, count: usize) -> f64 {
        (self.after - self.before) / (count - FIRST_COUNT) as f64
    }

    fn fit(&self, count: usize) -> f64 {
        ((HOST_BYTES - self.before) / self.each(count)).floor() + FIRST_COUNT as f64
    }

    fn row(&self, contender: &str, what: &str, count: usize) -> Vec<Value> {
        vec![
            contender.into(),
            format!("{count}, {what}").into(),
            (self.each(count) / 1e6).into(),
            (self.before / 1e6).into(),
            (self.after / 1e6).into(),
            self.fit(count).into(),
            self.threads_added.into(),
        ]
    }
}

/// A server with so many tenants that were uploaded and never asked, beside one with a single one.
fn idle(count: usize) -> Result<Idle> {
    let worker = Worker::hello();
    let small = Data::new()?;
    fill(&small, 1, &worker)?;
    let (few_bytes, few_threads, _) = restarted(&small)?;
    let disk_few = small.disk_bytes()? as f64;

    let large = Data::new()?;
    fill(&large, count, &worker)?;
    let (bytes, threads, ready) = restarted(&large)?;
    let disk = large.disk_bytes()? as f64;
    Ok(Idle {
        disk_each: (disk - disk_few) / (count - 1) as f64,
        log_bytes: large.log_bytes()? as f64,
        memory_each: (bytes - few_bytes) / (count - 1) as f64,
        threads_added: threads - few_threads,
        ready,
    })
}

/// Uploads the tenants to a server of its own, which stops when its store is at rest.
fn fill(data: &Data, count: usize, worker: &Worker) -> Result<()> {
    let server = data.serve()?;
    upload(&server, count, worker)?;
    server.uploader()?.rest()
}

/// Memory, threads and the time to the first line of a server that starts on this data.
fn restarted(data: &Data) -> Result<(f64, i64, Duration)> {
    let begun = Instant::now();
    let server = data.serve()?;
    let ready = begun.elapsed();
    let bytes = server.running.settled_bytes()? as f64;
    let threads = process::thread_count(&server.running.family());
    Ok((bytes, i64::try_from(threads)?, ready))
}

impl Idle {
    fn fill(&self, report: &mut Report) {
        let columns =
            ["disk bytes each", "MB of logs", "memory bytes each", "threads added", "ready ms"];
        let row = vec![
            self.disk_each.into(),
            (self.log_bytes / 1e6).into(),
            self.memory_each.into(),
            self.threads_added.into(),
            (self.ready.as_secs_f64() * 1_000.0).into(),
        ];
        report.table("idle tenants, after a restart", &columns, vec![row]);
        report.note("the logs are two for the whole server, of at most 64 MiB each");
        let floors = [
            ("disk bytes per idle tenant", self.disk_each, 4_096.0),
            // Less than a byte of every page that the server has anyway: what a run can tell.
            ("memory bytes per idle tenant", self.memory_each, 256.0),
            ("threads that idle tenants add", self.threads_added as f64, 0.0),
            ("seconds from restart to ready", self.ready.as_secs_f64(), 1.0),
        ];
        for (name, figure, bound) in floors {
            report.floor(name, figure, Bound::AtMost(bound), None);
        }
    }
}
