//! Workers that a worker loads: the first request to code that was never loaded, at a pace and back
//! to back; requests to one that is live; a thousand that are live at once, and ten thousand that
//! are registered.
//!
//! The counterpart is workerd, which runs the same loading worker.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;

use support::Result;
use support::bindery::{self, Data};
use support::client::Client;
use support::histogram::{Histogram, median};
use support::http::{self, Body};
use support::load::{self, Plan};
use support::options::Options;
use support::report::{Bound, Report};
use support::worker::Worker;
use support::workerd::{self, Mode, Workerd};

mod support;

/// After a start of the server, before it is measured.
const REST: Duration = Duration::from_millis(1_500);
/// What all is to fit in.
const HOST_BYTES: f64 = (4_u64 << 30) as f64;
/// Connections that register.
const CONNECTION_COUNT: usize = 8;

const TEN: &str = "10 per second";
const HUNDRED: &str = "100 per second";
const BACK_TO_BACK: &str = "back to back";
const WARM: &str = "live";
const SITUATIONS: [(&str, Duration); 3] = [
    (TEN, Duration::from_millis(100)),
    (HUNDRED, Duration::from_millis(10)),
    (BACK_TO_BACK, Duration::ZERO),
];

/// Microseconds at the median and at the 90th percentile, one pair for each round.
type Rounds = BTreeMap<(&'static str, &'static str), Vec<(f64, f64)>>;

fn main() -> Result<()> {
    let options = Options::read()?;
    let mut report = Report::new("loader", &options)?;
    let rounds = options.pick(3, 1);
    let loads = options.pick(60, 10);
    let warm = options.pick(2_000, 100);
    let live = options.pick(1_000, 50);
    let registered = options.pick(10_000, 100);
    report.condition("rounds", rounds);
    report.condition("loads per round and pace", loads);
    report.condition("warm calls per round", warm);
    report.condition("loaded workers alive at once", live);
    report.condition("registered workers", registered);
    report.condition("loaded code", "a counter of one module of 1 KiB");

    let worker = Worker::loading();
    let mut figures = Rounds::new();
    for round in 0..rounds {
        if options.runs(bindery::NAME) {
            let data = Data::new()?;
            let server = data.serve()?;
            server.uploader()?.upload(TENANT, &worker)?;
            measure(bindery::NAME, server.address, (round, loads, warm), &mut figures)?;
        }
        if options.runs(workerd::NAME) {
            let server = Workerd::start(&worker, Mode::Static)?;
            measure(workerd::NAME, server.address, (round, loads, warm), &mut figures)?;
        }
    }
    fill(&mut report, &figures);
    if options.runs(bindery::NAME) {
        crowd(&worker, live, &mut report)?;
        keep(&worker, registered, &mut report)?;
    }
    report.print()
}

const TENANT: &str = "bench";

fn measure(
    contender: &'static str,
    address: SocketAddr,
    (round, loads, warm): (usize, usize, usize),
    figures: &mut Rounds,
) -> Result<()> {
    std::thread::sleep(REST);
    let mut client = Client::connect(address, Body::Keep)?;
    let mut add = |situation, waits: &[Duration]| {
        let waits = Histogram::of(waits);
        let pair = (waits.micros_at(0.5), waits.micros_at(0.9));
        figures.entry((situation, contender)).or_default().push(pair);
    };
    // The loading worker itself is live.
    client.get(&bindery::host(TENANT), "/load/first")?;
    for (at, (situation, pace)) in SITUATIONS.into_iter().enumerate() {
        std::thread::sleep(REST);
        let begun = Instant::now();
        let mut waits = Vec::with_capacity(loads);
        for load in 0..loads {
            let due = begun + pace * u32::try_from(load)?;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let path = format!("/load/r{round}-s{at}-n{load}");
            waits.push(client.get(&bindery::host(TENANT), &path)?);
        }
        add(situation, &waits);
    }
    let mut waits = Vec::with_capacity(warm);
    for _ in 0..warm {
        waits.push(client.get(&bindery::host(TENANT), "/load/first")?);
    }
    add(WARM, &waits);
    Ok(())
}

fn fill(report: &mut Report, figures: &Rounds) {
    let middle = |of: &[(f64, f64)], figure: fn(&(f64, f64)) -> f64| {
        median(&of.iter().map(figure).collect::<Vec<_>>()) / 1_000.0
    };
    let mut rows: Vec<Vec<Value>> = Vec::new();
    for situation in [TEN, HUNDRED, BACK_TO_BACK, WARM] {
        for contender in [bindery::NAME, workerd::NAME] {
            if let Some(rounds) = figures.get(&(situation, contender)) {
                let (p50, p90) = (middle(rounds, |pair| pair.0), middle(rounds, |pair| pair.1));
                rows.push(vec![situation.into(), contender.into(), p50.into(), p90.into()]);
            }
        }
    }
    let columns = ["situation", "contender", "p50 ms", "p90 ms"];
    report.table("a request to a loaded worker, medians of the rounds", &columns, rows);
    for (situation, most) in [(TEN, 0.5), (HUNDRED, 1.0), (BACK_TO_BACK, 1.6)] {
        let of = |contender| figures.get(&(situation, contender));
        if let Some((ours, theirs)) = of(bindery::NAME).zip(of(workerd::NAME)) {
            let pairs = ours.iter().zip(theirs).map(|(ours, theirs)| ours.0 / theirs.0);
            let ratio = median(&pairs.collect::<Vec<_>>());
            let name = format!("first request, {situation}, p50, x workerd's");
            report.floor(&name, ratio, Bound::AtMost(most), None);
        }
    }
}

/// Loads many workers, and sees that each is still the one that was loaded.
fn crowd(worker: &Worker, count: usize, report: &mut Report) -> Result<()> {
    let data = Data::new()?;
    let server = data.serve()?;
    server.uploader()?.upload(TENANT, worker)?;
    std::thread::sleep(REST);
    let mut client = Client::connect(server.address, Body::Keep)?;
    let (mut alive, mut begun) = (0, Instant::now());
    let mut load_s = 0.0;
    for wanted in ["1", "2"] {
        for at in 0..count {
            client.get(&bindery::host(TENANT), &format!("/load/live{at}"))?;
            if wanted == "2" && client.body() == wanted.as_bytes() {
                alive += 1;
            }
        }
        if wanted == "1" {
            load_s = begun.elapsed().as_secs_f64();
            begun = Instant::now();
        }
    }
    let bytes = server.running.settled_bytes()? as f64;
    let row = vec![count.into(), alive.into(), (bytes / 1e6).into(), load_s.into()];
    let columns = ["loaded", "alive", "MB of all processes", "seconds to load"];
    report.table("loaded workers alive in one server", &columns, vec![row]);
    let floor = Bound::AtLeast(count as f64);
    report.floor("loaded workers alive at once", f64::from(alive), floor, None);
    report.floor("GiB of all processes then", bytes / HOST_BYTES * 4.0, Bound::AtMost(4.0), None);
    Ok(())
}

/// Registers many workers, and starts some of them in a server that begins anew.
fn keep(worker: &Worker, count: usize, report: &mut Report) -> Result<()> {
    const ASKED_COUNT: usize = 100;
    let data = Data::new()?;
    let host = bindery::host(TENANT);
    let begun = Instant::now();
    {
        let server = data.serve()?;
        server.uploader()?.upload(TENANT, worker)?;
        let requests: Vec<_> =
            (0..count).map(|at| http::get(&host, &format!("/register/k{at}"))).collect();
        let seen = load::run(server.address, CONNECTION_COUNT, &requests, &Plan::Once)?;
        if seen.failure_count > 0 {
            return Err(format!("{} registrations failed", seen.failure_count).into());
        }
    }
    let each_ms = begun.elapsed().as_secs_f64() * 1e3 / count as f64;
    let server = data.serve()?;
    std::thread::sleep(REST);
    let mut client = Client::connect(server.address, Body::Keep)?;
    client.get(&host, "/load/first")?;
    let step = (count / ASKED_COUNT).max(1);
    let mut waits = Vec::new();
    for at in (0..count).step_by(step) {
        std::thread::sleep(Duration::from_millis(20));
        waits.push(client.get(&host, &format!("/registered/k{at}"))?);
    }
    let waits = Histogram::of(&waits);
    let disk = data.disk_bytes()? as f64 / count as f64 / 1e3;
    let row = vec![
        count.into(),
        each_ms.into(),
        disk.into(),
        (waits.micros_at(0.5) / 1e3).into(),
        (waits.micros_at(0.9) / 1e3).into(),
    ];
    let columns =
        ["registered", "ms to register", "kB of disk each", "start p50 ms", "start p90 ms"];
    report.table("registered workers, started after a restart", &columns, vec![row]);
    Ok(())
}
