//! Keys and values from a worker: how many puts and gets a second at 1, 16 and 256 connections and
//! how long each takes, against this machine's own flushes in the same run, and against workerd
//! with the service of namespaces that comes with it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use support::Result;
use support::bindery::{self, Data};
use support::flush::flushes;
use support::histogram::median;
use support::http;
use support::load::{self, Plan};
use support::options::Options;
use support::pair::Pair;
use support::report::{Bound, Report};
use support::worker::Worker;
use support::workerd;

mod support;

/// Over whom the connections are spread: one version takes no more than some hundred at once.
const TENANT_COUNT: usize = 16;
/// Connections of one tenant.
const EACH: usize = 16;

/// One load: what each connection does with a key of its own.
struct Case {
    what: &'static str,
    connection_count: usize,
}

const CASES: [Case; 6] = [
    Case { what: "put", connection_count: 1 },
    Case { what: "put", connection_count: 16 },
    Case { what: "put", connection_count: 256 },
    Case { what: "get", connection_count: 1 },
    Case { what: "get", connection_count: 16 },
    Case { what: "get", connection_count: 256 },
];

/// The load whose ratio to workerd is a floor.
const COMPARED: usize = 16;

/// What one contender showed in one round of one case.
struct Sample {
    per_second: f64,
    p50_us: f64,
    p99_us: f64,
    failure_count: u64,
}

fn main() -> Result<()> {
    let options = Options::read()?;
    let mut report = Report::new("kv", &options)?;
    let round_count = options.pick(5, 2);
    let time = Duration::from_millis(options.pick(3_000, 1_000));
    report.condition("rounds", round_count);
    report.condition("seconds per round and case", time.as_secs_f64());
    report.condition("bytes of a value", 100);
    report.condition("tenants", "one for each 16 connections; workerd has one worker for all");
    let (_, appending) = flushes(options.pick(4_000, 500))?;
    let flush_us = appending.micros_at(0.5);
    let flush = ["appending".into(), flush_us.into(), appending.micros_at(0.99).into()];
    report.table("fdatasync of 4 KiB", &["what", "p50 us", "p99 us"], vec![flush.to_vec()]);

    let worker = Worker::kv();
    let data = Data::beside()?;
    let pair = Pair::start(&options, &worker, || {
        let server = data.serve()?;
        let mut uploader = server.uploader()?;
        for number in 0..TENANT_COUNT {
            uploader.upload(&tenant(EACH * number), &worker)?;
        }
        Ok(server)
    })?;
    let contenders = pair.addresses();
    let mut samples: BTreeMap<_, Vec<Sample>> = BTreeMap::new();
    for _ in 0..round_count {
        for (at, case) in CASES.iter().enumerate() {
            for (name, address) in &contenders {
                let sample = measure(*address, case, time)?;
                samples.entry((at, *name)).or_default().push(sample);
            }
        }
    }
    drop(pair);
    fill(&mut report, &samples, flush_us);
    report.print()
}

/// Whose worker a connection asks.
fn tenant(number: usize) -> String {
    format!("t{}", number / EACH % TENANT_COUNT)
}

fn measure(address: SocketAddr, case: &Case, time: Duration) -> Result<Sample> {
    let of = |what: &str| -> Vec<Vec<u8>> {
        let path = |number| format!("/{what}/key-{number:03}");
        (0..case.connection_count)
            .map(|number| http::get(&bindery::host(&tenant(number)), &path(number)))
            .collect()
    };
    // What is read has to be there.
    load::run(address, case.connection_count, &of("put"), &Plan::Repeat(time / 10))?;
    let requests = of(case.what);
    let run = |time| load::run(address, case.connection_count, &requests, &Plan::Repeat(time));
    run(time / 5)?;
    let seen = run(time)?;
    Ok(Sample {
        per_second: seen.per_second(),
        p50_us: seen.latency.micros_at(0.5),
        p99_us: seen.latency.micros_at(0.99),
        failure_count: seen.failure_count,
    })
}

fn fill(
    report: &mut Report,
    samples: &BTreeMap<(usize, &'static str), Vec<Sample>>,
    flush_us: f64,
) {
    let mut rows: Vec<Vec<Value>> = Vec::new();
    for ((at, name), samples) in samples {
        let case = &CASES[*at];
        let middle =
            |figure: fn(&Sample) -> f64| median(&samples.iter().map(figure).collect::<Vec<_>>());
        let [p50, p99] = [middle(|sample| sample.p50_us), middle(|sample| sample.p99_us)];
        rows.push(vec![
            case.what.into(),
            case.connection_count.into(),
            (*name).into(),
            middle(|sample| sample.per_second).into(),
            p50.into(),
            p99.into(),
            (p50 / flush_us).into(),
            (p99 / flush_us).into(),
            samples.iter().map(|sample| sample.failure_count).sum::<u64>().into(),
        ]);
    }
    let columns = [
        "what",
        "connections",
        "contender",
        "requests/s",
        "p50 us",
        "p99 us",
        "p50, x flush",
        "p99, x flush",
        "failed",
    ];
    report.table("medians of the rounds", &columns, rows);
    report.note("x flush: in p50s of an appending fdatasync of the same run");
    for (at, case) in CASES.iter().enumerate() {
        let [ours, theirs] = [bindery::NAME, workerd::NAME].map(|name| samples.get(&(at, name)));
        if let (Some(ours), Some(theirs)) = (ours, theirs)
            && case.connection_count == COMPARED
        {
            let pairs = ours.iter().zip(theirs);
            let ratios = pairs.map(|(ours, theirs)| ours.per_second / theirs.per_second);
            let name = format!("{}, {COMPARED} connections, requests/s, x workerd", case.what);
            let ratio = median(&ratios.collect::<Vec<_>>());
            report.floor(&name, ratio, Bound::AtLeast(1.0), None);
        }
    }
}
