//! Messages of 100 bytes through one queue, from a worker that consumes it itself: how many a second
//! are sent and delivered, and how long one takes from its sender's request to its consumer.
//!
//! The counterpart is workerd with the broker of its own development tools, which keeps messages in
//! memory. Ours are durable when their sender is answered.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use serde_json::Value;

use support::Result;
use support::bindery::{self, Data};
use support::client::Client;
use support::flush::flushes;
use support::histogram::{Histogram, median};
use support::http::{self, Body};
use support::load::{self, Plan};
use support::options::Options;
use support::origin::Origin;
use support::pair::Pair;
use support::report::{Bound, Report};
use support::worker::Worker;
use support::workerd;

mod support;

const HOST: &str = "t0.localhost";
/// How long all messages may take to arrive once nobody sends.
const DRAIN_MAX: Duration = Duration::from_secs(120);
/// How long one message may take to arrive.
const ARRIVAL_MAX: Duration = Duration::from_secs(10);

/// One load: what each connection asks for, again and again.
struct Case {
    what: &'static str,
    path: &'static str,
    messages_each: u64,
    connection_count: usize,
}

const fn send(connection_count: usize) -> Case {
    Case { what: "send", path: "/send", messages_each: 1, connection_count }
}

const fn batch(connection_count: usize) -> Case {
    Case { what: "sendBatch of 100", path: "/batch", messages_each: 100, connection_count }
}

const CASES: [Case; 5] = [send(1), send(16), send(64), batch(1), batch(16)];

impl Case {
    /// Workerd's broker fails when ten thousand messages wait, which is at once with batches.
    fn is_for(&self, contender: &str) -> bool {
        contender == bindery::NAME || self.messages_each == 1
    }
}

/// The load whose ratio to workerd is a floor.
const COMPARED: usize = 1;
/// The loads whose messages per second are one.
const FLOORED: [usize; 2] = [2, 4];

/// What one contender showed in one round of one case.
struct Sample {
    /// Messages that were sent and delivered, by the time from the first send to the last delivery.
    through_per_second: f64,
    /// How much longer delivery took than sending.
    drain_ms: f64,
    p50_us: f64,
    p99_us: f64,
    failure_count: u64,
}

fn main() -> Result<()> {
    let options = Options::read()?;
    let mut report = Report::new("queue", &options)?;
    let round_count = options.pick(5, 2);
    let time = Duration::from_millis(options.pick(3_000, 1_000));
    let told_count = options.pick(500, 50);
    report.condition("rounds", round_count);
    report.condition("seconds of sending per round and case", time.as_secs_f64());
    report.condition("bytes of a message", 100);
    report.condition("messages of a delivered batch, at most", 100);
    report.condition("messages alone in the queue", told_count);
    let (_, appending) = flushes(options.pick(4_000, 500))?;
    let flush = [appending.micros_at(0.5).into(), appending.micros_at(0.99).into()];
    report.table("appending fdatasync of 4 KiB", &["p50 us", "p99 us"], vec![flush.to_vec()]);

    let (sender, told) = mpsc::channel();
    let origin = Origin::start_with(Some(sender))?;
    let worker = Worker::queue(&format!("http://{}", origin.address));
    let data = Data::beside()?;
    let pair = Pair::start(&options, &worker, || {
        let server = data.serve_with_private_egress()?;
        server.uploader()?.upload("t0", &worker)?;
        Ok(server)
    })?;
    let contenders = pair.addresses();
    let mut samples: BTreeMap<_, Vec<Sample>> = BTreeMap::new();
    let mut arrivals: BTreeMap<_, Histogram> = BTreeMap::new();
    for _ in 0..round_count {
        for (at, case) in CASES.iter().enumerate() {
            for (name, address) in contenders.iter().filter(|(name, _)| case.is_for(name)) {
                let sample = measure(*address, case, time)?;
                samples.entry((at, *name)).or_default().push(sample);
            }
        }
        for (name, address) in &contenders {
            let seen = arrive(*address, told_count / round_count, &told)?;
            arrivals.entry(*name).or_insert_with(Histogram::new).add(&seen);
        }
    }
    drop(pair);
    fill(&mut report, &samples);
    fill_arrivals(&mut report, &arrivals);
    report.print()
}

/// Sends for a while, and waits until all of it is delivered.
fn measure(address: SocketAddr, case: &Case, time: Duration) -> Result<Sample> {
    let requests = [http::get(HOST, case.path)];
    let run = |time| load::run(address, case.connection_count, &requests, &Plan::Repeat(time));
    run(time / 10)?;
    drain(address)?;
    let begun = Instant::now();
    let seen = run(time)?;
    drain(address)?;
    let took = begun.elapsed();
    let message_count = seen.latency.count() * case.messages_each;
    Ok(Sample {
        through_per_second: message_count as f64 / took.as_secs_f64(),
        drain_ms: (took - seen.elapsed).as_secs_f64() * 1_000.0,
        p50_us: seen.latency.micros_at(0.5),
        p99_us: seen.latency.micros_at(0.99),
        failure_count: seen.failure_count,
    })
}

/// Waits until nothing waits in the queue.
fn drain(address: SocketAddr) -> Result<()> {
    let mut client = Client::connect(address, Body::Keep)?;
    let begun = Instant::now();
    while begun.elapsed() < DRAIN_MAX {
        client.get(HOST, "/waiting")?;
        if client.body() == b"0" {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let waiting = String::from_utf8_lossy(client.body());
    Err(format!("{waiting} messages still wait after {} s", DRAIN_MAX.as_secs()).into())
}

/// Sends one message after the other; from each request to its consumer's word of it.
fn arrive(address: SocketAddr, count: usize, told: &Receiver<String>) -> Result<Histogram> {
    let mut client = Client::connect(address, Body::Count)?;
    let mut times = Histogram::new();
    for number in 0..count {
        let sent = Instant::now();
        client.get(HOST, &format!("/tell?m{number}"))?;
        let path = told.recv_timeout(ARRIVAL_MAX).map_err(|_| "a message did not arrive")?;
        times.record(sent.elapsed());
        if path != format!("/m{number}/0") {
            return Err(format!("{path} arrived instead of message {number}").into());
        }
    }
    Ok(times)
}

fn fill(report: &mut Report, samples: &BTreeMap<(usize, &'static str), Vec<Sample>>) {
    let mut rows: Vec<Vec<Value>> = Vec::new();
    for ((at, name), samples) in samples {
        let case = &CASES[*at];
        let middle =
            |figure: fn(&Sample) -> f64| median(&samples.iter().map(figure).collect::<Vec<_>>());
        rows.push(vec![
            case.what.into(),
            case.connection_count.into(),
            (*name).into(),
            middle(|sample| sample.through_per_second).into(),
            middle(|sample| sample.drain_ms).into(),
            middle(|sample| sample.p50_us).into(),
            middle(|sample| sample.p99_us).into(),
            samples.iter().map(|sample| sample.failure_count).sum::<u64>().into(),
        ]);
    }
    let columns = [
        "what",
        "connections",
        "contender",
        "messages/s",
        "drained ms later",
        "p50 us",
        "p99 us",
        "failed",
    ];
    report.table("medians of the rounds", &columns, rows);
    report.note("messages/s: sent and delivered, from the first send to the last delivery");
    report.note("p50 and p99: of the sender's requests");
    report.note("workerd's broker fails when 10,000 messages wait, so it is not sent batches");
    for at in FLOORED {
        if let Some(ours) = samples.get(&(at, bindery::NAME)) {
            let case = &CASES[at];
            let name = format!("{}, {} connections, messages/s", case.what, case.connection_count);
            let rates: Vec<_> = ours.iter().map(|sample| sample.through_per_second).collect();
            report.floor(&name, median(&rates), Bound::AtLeast(5_000.0), None);
        }
    }
    let [ours, theirs] = [bindery::NAME, workerd::NAME].map(|name| samples.get(&(COMPARED, name)));
    if let (Some(ours), Some(theirs)) = (ours, theirs) {
        let pairs = ours.iter().zip(theirs);
        let ratios =
            pairs.map(|(ours, theirs)| ours.through_per_second / theirs.through_per_second);
        let case = &CASES[COMPARED];
        let name = format!("{}, {} connections, x workerd", case.what, case.connection_count);
        report.floor(&name, median(&ratios.collect::<Vec<_>>()), Bound::AtLeast(1.0), None);
    }
}

fn fill_arrivals(report: &mut Report, arrivals: &BTreeMap<&'static str, Histogram>) {
    let row = |(name, times): (&&'static str, &Histogram)| -> Vec<Value> {
        vec![(*name).into(), times.micros_at(0.5).into(), times.micros_at(0.99).into()]
    };
    report.table(
        "one message alone, from its sender's request until its consumer has told of it",
        &["contender", "p50 us", "p99 us"],
        arrivals.iter().map(row).collect(),
    );
}
