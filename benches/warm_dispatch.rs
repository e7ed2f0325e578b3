//! Requests to workers that are already running: how many a second, how long each takes, and what
//! each process pays for it. The worker is the `hello` example.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use support::Result;
use support::bindery::{self, Bindery, Data};
use support::histogram::median;
use support::http;
use support::load::{self, Plan};
use support::options::Options;
use support::process::{self, Running};
use support::report::{Bound, Report};
use support::worker::Worker;
use support::workerd::{self, Mode, Workerd};

mod support;

const TENANT_COUNT: usize = 16;

/// One load: how many connections, spread over how many tenants.
struct Case {
    name: &'static str,
    connection_count: usize,
    tenant_count: usize,
    floor: f64,
    goal: Option<f64>,
}

const CASES: [Case; 4] = [
    Case { name: "1 connection", connection_count: 1, tenant_count: 1, floor: 1.5, goal: None },
    Case { name: "16 connections", connection_count: 16, tenant_count: 1, floor: 3.0, goal: None },
    Case {
        name: "64 connections",
        connection_count: 64,
        tenant_count: 1,
        floor: 3.5,
        goal: Some(5.0),
    },
    Case {
        name: "16 tenants, 64 connections",
        connection_count: 64,
        tenant_count: TENANT_COUNT,
        floor: 5.0,
        goal: None,
    },
];

/// What one contender showed in one round of one case.
struct Sample {
    per_second: f64,
    p50_us: f64,
    p99_us: f64,
    /// CPU microseconds per request, by process.
    cpu_us: Vec<f64>,
    failure_count: u64,
}

/// One running server and the column of figures it fills.
struct Contender<'a> {
    name: &'static str,
    running: &'a Running,
    address: SocketAddr,
    /// The cases it takes part in.
    takes: fn(&Case) -> bool,
}

fn main() -> Result<()> {
    let options = Options::read()?;
    let mut report = Report::new("warm_dispatch", &options)?;
    let round_count = options.pick(5, 3);
    let time = Duration::from_millis(options.pick(3_000, 1_000));
    report.condition("rounds", round_count);
    report.condition("seconds per round and case", time.as_secs_f64());
    report.condition("worker", "examples/hello, GET /Ada");

    let worker = Worker::hello();
    let data = Data::new()?;
    let ours = if options.runs(bindery::NAME) { Some(serve(&data, &worker)?) } else { None };
    let theirs = if options.runs(workerd::NAME) {
        Some((Workerd::start(&worker, Mode::Static)?, Workerd::start(&worker, Mode::Loader)?))
    } else {
        None
    };
    let contenders = contenders(ours.as_ref(), theirs.as_ref());
    let mut samples = BTreeMap::new();
    for _ in 0..round_count {
        round(&contenders, time, &mut samples)?;
    }
    fill(&mut report, &contenders, &samples);
    report.print()
}

/// Those that were started, in the order in which they take their turns.
fn contenders<'a>(
    ours: Option<&'a Bindery>,
    theirs: Option<&'a (Workerd, Workerd)>,
) -> Vec<Contender<'a>> {
    let mut contenders = Vec::new();
    if let Some(server) = ours {
        contenders.push(Contender {
            name: bindery::NAME,
            running: &server.running,
            address: server.address,
            takes: |_| true,
        });
    }
    if let Some((fixed, loader)) = theirs {
        contenders.push(Contender {
            name: "workerd",
            running: &fixed.running,
            address: fixed.address,
            takes: |case| case.tenant_count == 1,
        });
        contenders.push(Contender {
            name: "workerd loader",
            running: &loader.running,
            address: loader.address,
            takes: |case| case.connection_count == 64,
        });
    }
    contenders
}

fn serve(data: &Data, worker: &Worker) -> Result<Bindery> {
    let server = data.serve()?;
    let mut uploader = server.uploader()?;
    for number in 0..TENANT_COUNT {
        uploader.upload(&tenant(number), worker)?;
    }
    Ok(server)
}

fn tenant(number: usize) -> String {
    format!("t{number}")
}

/// Samples by case and contender, one for each round.
type Samples = BTreeMap<(usize, &'static str), Vec<Sample>>;

/// Every case once, the contenders in turn; the others are idle meanwhile.
fn round(contenders: &[Contender<'_>], time: Duration, samples: &mut Samples) -> Result<()> {
    for (at, case) in CASES.iter().enumerate() {
        for contender in contenders.iter().filter(|contender| (contender.takes)(case)) {
            let sample = measure(contender, case, time)?;
            samples.entry((at, contender.name)).or_default().push(sample);
        }
    }
    Ok(())
}

fn measure(contender: &Contender<'_>, case: &Case, time: Duration) -> Result<Sample> {
    let requests: Vec<_> = (0..case.tenant_count)
        .map(|number| http::get(&bindery::host(&tenant(number)), "/Ada"))
        .collect();
    let run =
        |time| load::run(contender.address, case.connection_count, &requests, &Plan::Repeat(time));
    run(time / 5)?;
    let family = contender.running.family();
    let before: Vec<_> = family.iter().map(|pid| process::cpu(*pid)).collect();
    let seen = run(time)?;
    let cpu_us = family
        .iter()
        .zip(before)
        .map(|(pid, before)| {
            let spent = process::cpu(*pid).saturating_sub(before);
            spent.as_secs_f64() * 1e6 / seen.latency.count() as f64
        })
        .collect();
    Ok(Sample {
        per_second: seen.per_second(),
        p50_us: seen.latency.micros_at(0.5),
        p99_us: seen.latency.micros_at(0.99),
        cpu_us,
        failure_count: seen.failure_count,
    })
}

fn fill(report: &mut Report, contenders: &[Contender<'_>], samples: &Samples) {
    let mut rows = Vec::new();
    for (at, case) in CASES.iter().enumerate() {
        for contender in contenders {
            if let Some(samples) = samples.get(&(at, contender.name)) {
                rows.push(row(case, contender.name, samples));
            }
        }
        let rival = if case.tenant_count == 1 { "workerd" } else { "workerd loader" };
        if let (Some(ours), Some(theirs)) =
            (samples.get(&(at, bindery::NAME)), samples.get(&(at, rival)))
        {
            floors(report, case, ours, theirs);
        }
    }
    let columns = [
        "load",
        "contender",
        "requests/s",
        "p50 us",
        "p99 us",
        "CPU us/request",
        "failed",
        "by process",
    ];
    report.table("medians of the rounds", &columns, rows);
    report.note("by process: the dispatcher first, then each cordon, in CPU us/request");
}

fn row(case: &Case, contender: &str, samples: &[Sample]) -> Vec<Value> {
    let middle =
        |figure: fn(&Sample) -> f64| median(&samples.iter().map(figure).collect::<Vec<_>>());
    let process_count = samples.iter().map(|sample| sample.cpu_us.len()).max().unwrap_or(0);
    let by_process: Vec<_> = (0..process_count)
        .map(|at| {
            let all: Vec<_> = samples.iter().filter_map(|sample| sample.cpu_us.get(at)).collect();
            format!("{:.1}", median(&all.into_iter().copied().collect::<Vec<_>>()))
        })
        .collect();
    vec![
        case.name.into(),
        contender.into(),
        middle(|sample| sample.per_second).into(),
        middle(|sample| sample.p50_us).into(),
        middle(|sample| sample.p99_us).into(),
        middle(|sample| sample.cpu_us.iter().sum()).into(),
        samples.iter().map(|sample| sample.failure_count).sum::<u64>().into(),
        by_process.join(" ").into(),
    ]
}

fn floors(report: &mut Report, case: &Case, ours: &[Sample], theirs: &[Sample]) {
    let ratio = |figure: fn(&Sample) -> f64| {
        let pairs = ours.iter().zip(theirs);
        median(&pairs.map(|(ours, theirs)| figure(ours) / figure(theirs)).collect::<Vec<_>>())
    };
    report.floor(
        &format!("{}, requests/s, x workerd", case.name),
        ratio(|sample| sample.per_second),
        Bound::AtLeast(case.floor),
        case.goal.map(Bound::AtLeast),
    );
    report.floor(
        &format!("{}, p99, x workerd", case.name),
        ratio(|sample| sample.p99_us),
        Bound::AtMost(1.0),
        None,
    );
}
