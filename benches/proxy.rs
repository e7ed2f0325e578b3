//! Requests through a worker that passes them on to an origin: how many a second, and how fast long
//! bodies come back. The origin is a thread of this program, the same for both contenders.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;

use support::Result;
use support::bindery::{self, Data};
use support::client::Client;
use support::histogram::median;
use support::http::{self, Body};
use support::load::{self, Plan};
use support::options::Options;
use support::origin::Origin;
use support::pair::Pair;
use support::report::{Bound, Report};
use support::worker::Worker;
use support::workerd;

mod support;

/// What the client gets without a proxy between: more is not possible with one.
const ALONE: &str = "origin alone";
const HOST: &str = "t0.localhost";
const CONNECTION_COUNTS: [usize; 3] = [1, 16, 64];
/// Bytes of a short response and of a long one.
const SHORT_BYTES: u64 = 200;
const LONG_BYTES: u64 = 100 << 20;

/// What one contender showed in one round.
#[derive(Clone, Copy)]
struct Sample {
    /// Requests or MB a second.
    per_second: f64,
    p50_us: f64,
    p99_us: f64,
    failure_count: u64,
}

/// Samples by load and contender, one for each round; load 0 is the long body.
type Samples = BTreeMap<(usize, &'static str), Vec<Sample>>;

fn main() -> Result<()> {
    let options = Options::read()?;
    let mut report = Report::new("proxy", &options)?;
    let round_count = options.pick(5, 3);
    let time = Duration::from_millis(options.pick(3_000, 1_000));
    report.condition("rounds", round_count);
    report.condition("seconds per round and load, at least one body", time.as_secs_f64());
    report.condition("bytes of a short response", SHORT_BYTES);

    let origin = Origin::start()?;
    let worker = Worker::proxy(&format!("http://{}", origin.address));
    let data = Data::new()?;
    let pair = Pair::start(&options, &worker, || {
        let server = data.serve_with_private_egress()?;
        server.uploader()?.upload("t0", &worker)?;
        Ok(server)
    })?;
    let contenders = pair.addresses();
    let mut samples = Samples::new();
    for _ in 0..round_count {
        samples.entry((0, ALONE)).or_default().push(long(origin.address, time)?);
        for (name, address) in &contenders {
            samples.entry((0, name)).or_default().push(long(*address, time)?);
        }
        for count in CONNECTION_COUNTS {
            for (name, address) in &contenders {
                samples.entry((count, name)).or_default().push(short(*address, count, time)?);
            }
        }
    }
    fill(&mut report, &samples);
    report.print()
}

/// Short responses over so many connections.
fn short(address: SocketAddr, connection_count: usize, time: Duration) -> Result<Sample> {
    let requests = [http::get(HOST, &format!("/bytes/{SHORT_BYTES}"))];
    let run = |time| load::run(address, connection_count, &requests, &Plan::Repeat(time));
    run(time / 5)?;
    let seen = run(time)?;
    Ok(Sample {
        per_second: seen.per_second(),
        p50_us: seen.latency.micros_at(0.5),
        p99_us: seen.latency.micros_at(0.99),
        failure_count: seen.failure_count,
    })
}

/// Long responses, one after the other.
fn long(address: SocketAddr, time: Duration) -> Result<Sample> {
    let mut client = Client::connect(address, Body::Count)?;
    client.get(HOST, "/bytes/1048576")?;
    let begun = Instant::now();
    let (mut spent, mut count) = (Duration::ZERO, 0_u32);
    while begun.elapsed() < time {
        spent += client.get(HOST, &format!("/bytes/{LONG_BYTES}"))?;
        count += 1;
        if client.body_bytes() != LONG_BYTES {
            return Err(format!("{} of {LONG_BYTES} bytes came", client.body_bytes()).into());
        }
    }
    let each_us = spent.as_secs_f64() * 1e6 / f64::from(count);
    let per_second = LONG_BYTES as f64 / each_us;
    Ok(Sample { per_second, p50_us: each_us, p99_us: each_us, failure_count: 0 })
}

fn fill(report: &mut Report, samples: &Samples) {
    let mut rows = Vec::new();
    for ((load, contender), samples) in samples {
        rows.push(row(&name(*load), contender, samples));
    }
    let columns = ["load", "contender", "requests/s, MB/s", "p50 us", "p99 us", "failed"];
    report.table("medians of the rounds", &columns, rows);
    for load in [0].into_iter().chain(CONNECTION_COUNTS) {
        let of = |contender| samples.get(&(load, contender));
        if let Some((ours, theirs)) = of(bindery::NAME).zip(of(workerd::NAME)) {
            let pairs = ours.iter().zip(theirs);
            let ratio =
                median(&pairs.map(|(a, b)| a.per_second / b.per_second).collect::<Vec<_>>());
            let (what, floor) = if load == 0 { ("MB/s", 2.0) } else { ("requests/s", 1.0) };
            let title = format!("{}, {what}, x workerd", name(load));
            report.floor(&title, ratio, Bound::AtLeast(floor), None);
        }
    }
}

fn name(load: usize) -> String {
    match load {
        0 => "100 MiB, 1 connection".into(),
        1 => "1 connection".into(),
        count => format!("{count} connections"),
    }
}

fn row(load: &str, contender: &str, samples: &[Sample]) -> Vec<Value> {
    let middle =
        |figure: fn(&Sample) -> f64| median(&samples.iter().map(figure).collect::<Vec<_>>());
    vec![
        load.into(),
        contender.into(),
        middle(|sample| sample.per_second).into(),
        middle(|sample| sample.p50_us).into(),
        middle(|sample| sample.p99_us).into(),
        samples.iter().map(|sample| sample.failure_count).sum::<u64>().into(),
    ]
}
