//! The first request to a tenant that has no isolate: how long until its whole response is there,
//! for workers of three sizes, with isolates waiting and without, beside few live isolates and
//! beside a thousand; and how many such starts a second can go on.
//!
//! The counterpart is workerd's loader, asked for a name that it never saw.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use support::Result;
use support::bindery::{self, Data};
use support::client::Client;
use support::histogram::{Histogram, median};
use support::http::{self, Body};
use support::load::{self, Plan};
use support::options::Options;
use support::process::{self, Running};
use support::report::{Bound, Report};
use support::worker::Worker;
use support::workerd::{self, Mode, Workerd};

mod support;

/// Between two first requests when isolates are to be waiting.
const PACE: Duration = Duration::from_millis(60);
/// After a start of the server, before it is measured.
const REST: Duration = Duration::from_millis(1_500);
/// Connections that start isolates as fast as they can.
const STARTER_COUNT: usize = 4;

const SIZES: [(&str, usize); 3] = [("1 KiB", 1 << 10), ("100 KiB", 100 << 10), ("1 MiB", 1 << 20)];

/// How many first requests of each kind one round makes.
#[derive(Clone, Copy)]
struct Counts {
    round: usize,
    paced: usize,
    back_to_back: usize,
    live: usize,
}

/// Size, situation and contender.
type Key = (usize, &'static str, &'static str);

/// Figures by size, situation and contender: one for each round.
#[derive(Default)]
struct Figures {
    /// Microseconds at the median and at the 90th percentile.
    latency: BTreeMap<Key, Vec<(f64, f64)>>,
    /// Starts per second.
    rate: BTreeMap<&'static str, Vec<f64>>,
    /// How many threads a thousand live isolates added.
    threads: BTreeMap<&'static str, Vec<f64>>,
}

const PACED: &str = "never run";
const NO_BLANKS: &str = "never run, pool empty";
const BACK_TO_BACK: &str = "never run, back to back";
const RUN_BEFORE: &str = "run before";
const CROWDED: &str = "never run, beside many live";
const SITUATIONS: [&str; 5] = [PACED, NO_BLANKS, BACK_TO_BACK, RUN_BEFORE, CROWDED];

fn main() -> Result<()> {
    let options = Options::read()?;
    let mut report = Report::new("cold_start", &options)?;
    let counts = Counts {
        round: options.pick(3, 3),
        paced: options.pick(40, 10),
        back_to_back: options.pick(96, 20),
        live: options.pick(1_000, 100),
    };
    report.condition("rounds", counts.round);
    report.condition("first requests per round, paced", counts.paced);
    report.condition("milliseconds between paced requests", PACE.as_millis() as u64);
    report.condition("first requests per round, back to back", counts.back_to_back);
    report.condition("live isolates beside", counts.live);
    report.condition("connections for starts per second", STARTER_COUNT);

    let mut figures = Figures::default();
    for (size, (_, bytes)) in SIZES.iter().enumerate() {
        let worker = Worker::sized(*bytes);
        for round in 0..counts.round {
            let names = Names { size, round, counts };
            if options.runs(bindery::NAME) {
                ours(&names, &worker, &mut figures)?;
            }
            if options.runs(workerd::NAME) {
                theirs(&names, &worker, &mut figures)?;
            }
        }
    }
    fill(&mut report, &figures);
    report.print()
}

/// The tenants of one size and round; none of them is ever used for two purposes.
struct Names {
    size: usize,
    round: usize,
    counts: Counts,
}

impl Names {
    fn of(&self, kind: &str, count: usize) -> Vec<String> {
        let Self { size, round, .. } = self;
        (0..count).map(|number| format!("s{size}-r{round}-{kind}{number}")).collect()
    }

    fn paced(&self) -> Vec<String> {
        self.of("p", self.counts.paced)
    }

    fn no_blanks(&self) -> Vec<String> {
        self.of("e", self.counts.paced)
    }

    fn back_to_back(&self) -> Vec<String> {
        self.of("b", self.counts.back_to_back)
    }

    /// Those that are started to be live; the smallest size only.
    fn live(&self) -> Vec<String> {
        self.of("l", if self.size == 0 { self.counts.live } else { 0 })
    }

    fn crowded(&self) -> Vec<String> {
        self.of("c", if self.size == 0 { self.counts.paced } else { 0 })
    }
}

fn ours(names: &Names, worker: &Worker, figures: &mut Figures) -> Result<()> {
    let data = Data::new()?;
    {
        let server = data.serve()?;
        let mut uploader = server.uploader()?;
        let calm = [names.paced(), names.no_blanks(), names.back_to_back()];
        let crowd = [names.live(), names.crowded()];
        for tenant in calm.iter().chain(&crowd).flatten() {
            uploader.upload(tenant, worker)?;
        }
    }
    {
        let server = data.serve()?;
        few(names, bindery::NAME, server.address, figures)?;
    }
    {
        let server = data.serve()?;
        let waits = paced(server.address, &names.paced())?;
        figures.add(names.size, RUN_BEFORE, bindery::NAME, &waits);
    }
    {
        let server = data.serve_without_blanks()?;
        let waits = paced(server.address, &names.no_blanks())?;
        figures.add(names.size, NO_BLANKS, bindery::NAME, &waits);
    }
    let server = data.serve()?;
    crowd(names, bindery::NAME, (&server.running, server.address), figures)
}

fn theirs(names: &Names, worker: &Worker, figures: &mut Figures) -> Result<()> {
    {
        let server = Workerd::start(worker, Mode::Loader)?;
        few(names, workerd::NAME, server.address, figures)?;
    }
    let server = Workerd::start(worker, Mode::Loader)?;
    crowd(names, workerd::NAME, (&server.running, server.address), figures)
}

/// First requests beside few live isolates, with pauses and without.
fn few(
    names: &Names,
    contender: &'static str,
    address: SocketAddr,
    figures: &mut Figures,
) -> Result<()> {
    figures.add(names.size, PACED, contender, &paced(address, &names.paced())?);
    let waits = first_requests(address, &names.back_to_back(), Duration::ZERO)?;
    figures.add(names.size, BACK_TO_BACK, contender, &waits);
    Ok(())
}

/// As many starts as there are live isolates to be, and first requests beside those.
fn crowd(
    names: &Names,
    contender: &'static str,
    (running, address): (&Running, SocketAddr),
    figures: &mut Figures,
) -> Result<()> {
    let live = names.live();
    if live.is_empty() {
        return Ok(());
    }
    std::thread::sleep(REST);
    let requests: Vec<_> = live.iter().map(|name| http::get(&bindery::host(name), "/")).collect();
    let threads = process::thread_count(&running.family());
    let seen = load::run(address, STARTER_COUNT, &requests, &Plan::Once)?;
    if seen.failure_count > 0 {
        return Err(format!("{contender}: {} first requests failed", seen.failure_count).into());
    }
    let added = process::thread_count(&running.family()).saturating_sub(threads);
    figures.threads.entry(contender).or_default().push(added as f64);
    figures.rate.entry(contender).or_default().push(seen.per_second());
    figures.add(names.size, CROWDED, contender, &paced(address, &names.crowded())?);
    Ok(())
}

fn paced(address: SocketAddr, tenants: &[String]) -> Result<Vec<Duration>> {
    std::thread::sleep(REST);
    first_requests(address, tenants, PACE)
}

/// One request to each tenant, on one connection.
fn first_requests(
    address: SocketAddr,
    tenants: &[String],
    pause: Duration,
) -> Result<Vec<Duration>> {
    let mut client = Client::connect(address, Body::Keep)?;
    let mut waits = Vec::with_capacity(tenants.len());
    for tenant in tenants {
        std::thread::sleep(pause);
        waits.push(client.get(&bindery::host(tenant), "/")?);
    }
    Ok(waits)
}

impl Figures {
    fn add(
        &mut self,
        size: usize,
        situation: &'static str,
        contender: &'static str,
        waits: &[Duration],
    ) {
        let waits = Histogram::of(waits);
        let pair = (waits.micros_at(0.5), waits.micros_at(0.9));
        self.latency.entry((size, situation, contender)).or_default().push(pair);
    }

    /// The medians over the rounds, in milliseconds.
    fn millis(&self, key: Key) -> Option<(f64, f64)> {
        let rounds = self.latency.get(&key)?;
        let middle = |figure: fn(&(f64, f64)) -> f64| {
            median(&rounds.iter().map(figure).collect::<Vec<_>>()) / 1_000.0
        };
        Some((middle(|pair| pair.0), middle(|pair| pair.1)))
    }

    /// Ours over theirs, round by round, in the middle. What only we do is compared with what
    /// they do in its place.
    fn ratio(&self, size: usize, situation: &'static str, rival: &'static str) -> Option<f64> {
        let ours = self.latency.get(&(size, situation, bindery::NAME))?;
        let theirs = self.latency.get(&(size, rival, workerd::NAME))?;
        let pairs = ours.iter().zip(theirs);
        Some(median(&pairs.map(|(ours, theirs)| ours.0 / theirs.0).collect::<Vec<_>>()))
    }
}

fn fill(report: &mut Report, figures: &Figures) {
    let mut rows: Vec<Vec<Value>> = Vec::new();
    for (size, (name, _)) in SIZES.iter().enumerate() {
        for situation in SITUATIONS {
            for contender in [bindery::NAME, workerd::NAME] {
                if let Some((p50, p90)) = figures.millis((size, situation, contender)) {
                    rows.push(vec![
                        (*name).into(),
                        situation.into(),
                        contender.into(),
                        p50.into(),
                        p90.into(),
                    ]);
                }
            }
        }
    }
    let columns = ["worker", "situation", "contender", "p50 ms", "p90 ms"];
    report.table("first request, medians of the rounds", &columns, rows);
    let rows = figures.rate.iter().map(|(contender, rates)| {
        let threads = figures.threads.get(contender).map_or(0.0, |threads| median(threads));
        vec![(*contender).into(), median(rates).into(), threads.into()]
    });
    let columns = ["contender", "starts/s", "threads added"];
    report.table("starts as fast as they go, 1 KiB", &columns, rows.collect());
    report.note(
        "requests are paced unless it says back to back. workerd keeps no isolates waiting and no \
         compiled code, so its figure for `never run` stands for those situations too",
    );
    floors(report, figures);
}

fn floors(report: &mut Report, figures: &Figures) {
    let mut floor = |name: &str, figure: Option<f64>, floor: f64, goal: Option<f64>| {
        if let Some(figure) = figure {
            report.floor(name, figure, Bound::AtMost(floor), goal.map(Bound::AtMost));
        }
    };
    let waiting = figures.ratio(0, PACED, PACED);
    floor("1 KiB, isolate waiting, p50, x workerd's loader", waiting, 0.35, Some(0.2));
    let own = |situation| figures.millis((0, situation, bindery::NAME)).map(|pair| pair.0);
    let crowded = own(CROWDED).zip(own(PACED)).map(|(crowded, few)| crowded / few);
    floor("1 KiB, beside 1,000 live, p50, x beside few", crowded, 2.0, None);
    let empty = figures.ratio(0, NO_BLANKS, PACED);
    floor("1 KiB, pool empty, p50, x workerd's loader", empty, 1.6, Some(1.0));
    for (size, (name, _)) in SIZES.iter().enumerate().skip(1) {
        let cached = figures.ratio(size, RUN_BEFORE, PACED);
        floor(&format!("{name}, run before, p50, x workerd's loader"), cached, 1.0, None);
    }
}
