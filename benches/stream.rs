//! Bodies: MB/s (10^6 bytes) of responses and of an echo, one connection at a time, and how much
//! resident memory rises while a gibibyte passes through. Beside them a bare server in the bench's own
//! process writes as many bytes from its memory: what this machine gives at best.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use support::Result;
use support::bindery::{self, Data};
use support::client::Client;
use support::histogram::median;
use support::http::Body;
use support::options::Options;
use support::origin::Origin;
use support::pair::Pair;
use support::process::{self, Running};
use support::report::{Bound, Report};
use support::worker::Worker;
use support::workerd::{self, Mode, Workerd};

mod support;

const MIB: u64 = 1 << 20;
/// The echo's large body: the limit for a request's body is 100 MB, which 100 MiB would exceed.
const ECHO_MIB: u64 = 95;
const HOST: &str = "t0.localhost";
/// The bare server.
const BARE: &str = "bare";
/// Between two looks at the memory of a server.
const LOOK: Duration = Duration::from_millis(100);

/// Which way the bytes go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Out of one buffer of the worker.
    Whole,
    /// Out of a stream of 16 KiB pieces that the worker makes.
    Pieces,
    /// From the client through the worker and back.
    Echo,
}

/// One body.
struct Case {
    name: &'static str,
    way: Way,
    bytes: u64,
}

const CASES: [Case; 5] = [
    Case { name: "1 MiB, one buffer", way: Way::Whole, bytes: MIB },
    Case { name: "1 MiB, 16 KiB pieces", way: Way::Pieces, bytes: MIB },
    Case { name: "1 MiB, echo", way: Way::Echo, bytes: MIB },
    Case { name: "100 MiB, 16 KiB pieces", way: Way::Pieces, bytes: 100 * MIB },
    Case { name: "95 MiB, echo", way: Way::Echo, bytes: ECHO_MIB * MIB },
];

/// MB/s by case and contender: one for each round.
type Rates = BTreeMap<(usize, &'static str), Vec<f64>>;

fn main() -> Result<()> {
    let options = Options::read()?;
    let mut report = Report::new("stream", &options)?;
    let round_count = options.pick(5, 3);
    let time = Duration::from_millis(options.pick(2_000, 500));
    report.condition("rounds", round_count);
    report.condition("seconds per round and case, at least one body", time.as_secs_f64());

    let worker = Worker::stream();
    let data = Data::new()?;
    let rates = rates(&options, &data, &worker, (round_count, time))?;
    fill(&mut report, &rates);
    let total = options.pick(1_024, 96) * MIB;
    let mut rows = Vec::new();
    for way in [Way::Echo, Way::Pieces] {
        if options.runs(bindery::NAME) {
            let server = data.serve()?;
            let bytes = rise(&server.running, server.address, way, total)?;
            rows.push(rise_row(&mut report, bindery::NAME, bytes, way));
        }
        if options.runs(workerd::NAME) {
            let server = Workerd::start(&worker, Mode::Static)?;
            let bytes = rise(&server.running, server.address, way, total)?;
            rows.push(rise_row(&mut report, workerd::NAME, bytes, way));
        }
    }
    report.table(
        &format!("resident memory while {} MiB pass", total / MIB),
        &["contender", "way", "rise MiB"],
        rows,
    );
    report.note(format!("echoes are requests of {ECHO_MIB} MiB, under the limit of 100 MB"));
    report.print()
}

/// Every case in every round, the contenders in turn. The data holds the worker afterwards.
fn rates(
    options: &Options,
    data: &Data,
    worker: &Worker,
    (round_count, time): (usize, Duration),
) -> Result<Rates> {
    let pair = Pair::start(options, worker, || {
        let server = data.serve()?;
        server.uploader()?.upload("t0", worker)?;
        Ok(server)
    })?;
    let bare = Origin::start()?;
    let mut contenders = pair.addresses();
    contenders.push((BARE, bare.address));
    let mut rates = Rates::new();
    for _ in 0..round_count {
        for (at, case) in CASES.iter().enumerate() {
            for (name, address) in &contenders {
                if *name == BARE && case.way == Way::Echo {
                    continue;
                }
                let rate = rate(*address, case, time)
                    .map_err(|error| format!("{name}, {}: {error}", case.name))?;
                rates.entry((at, name)).or_default().push(rate);
            }
        }
    }
    Ok(rates)
}

/// Transfers bodies until the time is over; MB/s, an echo's bytes counted once.
fn rate(address: SocketAddr, case: &Case, time: Duration) -> Result<f64> {
    let mut client = Client::connect(address, Body::Count)?;
    transfer(&mut client, case.way, case.bytes.min(MIB))?;
    let begun = Instant::now();
    let mut spent = Duration::ZERO;
    let mut bytes = 0;
    while begun.elapsed() < time {
        spent += transfer(&mut client, case.way, case.bytes)?;
        bytes += case.bytes;
    }
    Ok(bytes as f64 / 1e6 / spent.as_secs_f64())
}

fn transfer(client: &mut Client, way: Way, bytes: u64) -> Result<Duration> {
    let took = match way {
        Way::Whole => client.get(HOST, &format!("/whole/{bytes}"))?,
        Way::Pieces => client.get(HOST, &format!("/pieces/{bytes}"))?,
        Way::Echo => client.echo(HOST, bytes)?,
    };
    if client.body_bytes() == bytes {
        Ok(took)
    } else {
        Err(format!("{} of {bytes} bytes came", client.body_bytes()).into())
    }
}

/// Bytes by which the resident memory of a server exceeds, at its highest, what it was before.
fn rise(running: &Running, address: SocketAddr, way: Way, total: u64) -> Result<f64> {
    let mut client = Client::connect(address, Body::Count)?;
    transfer(&mut client, way, MIB)?;
    let family = running.family();
    let before = running.settled_bytes()?;
    let done = AtomicBool::new(false);
    let peak = thread::scope(|scope| -> Result<u64> {
        let looker = scope.spawn(|| {
            let mut peak = 0;
            while !done.load(Ordering::Relaxed) {
                peak = peak.max(process::resident_bytes(&family).unwrap_or(0));
                thread::sleep(LOOK);
            }
            peak
        });
        let passed = pass(&mut client, way, total);
        done.store(true, Ordering::Relaxed);
        let peak = looker.join().map_err(|_| "the looking thread panicked")?;
        passed?;
        Ok(peak)
    })?;
    Ok(peak.saturating_sub(before) as f64)
}

fn pass(client: &mut Client, way: Way, total: u64) -> Result<()> {
    let most = if way == Way::Echo { ECHO_MIB * MIB } else { total };
    let mut left = total;
    while left > 0 {
        let bytes = left.min(most);
        transfer(client, way, bytes)?;
        left -= bytes;
    }
    Ok(())
}

fn rise_row(report: &mut Report, contender: &str, bytes: f64, way: Way) -> Vec<Value> {
    let (way, mib) = (if way == Way::Echo { "echo" } else { "pieces" }, bytes / MIB as f64);
    if contender == bindery::NAME {
        let name = format!("MiB that resident memory rises, {way}");
        report.floor(&name, mib, Bound::AtMost(32.0), None);
    }
    vec![contender.into(), way.into(), mib.into()]
}

fn fill(report: &mut Report, rates: &Rates) {
    let mut rows = Vec::new();
    for (at, case) in CASES.iter().enumerate() {
        let ours = rates.get(&(at, bindery::NAME));
        let theirs = rates.get(&(at, workerd::NAME));
        let bare = rates.get(&(at, BARE));
        let middle = |rates: Option<&Vec<f64>>| -> Value {
            rates.map_or(Value::Null, |rates| median(rates).into())
        };
        let to_theirs = |rates: Option<&Vec<f64>>| {
            let (rates, theirs) = rates.zip(theirs)?;
            Some(median(&rates.iter().zip(theirs).map(|(a, b)| a / b).collect::<Vec<_>>()))
        };
        let (ratio, most) = (to_theirs(ours), to_theirs(bare));
        let figures = [middle(ours), middle(theirs), ratio.into(), middle(bare), most.into()];
        rows.push([vec![case.name.into()], figures.to_vec()].concat());
        if let Some(ratio) = ratio.filter(|_| case.bytes == MIB) {
            let name = format!("{}, MB/s, x workerd", case.name);
            report.floor(&name, ratio, Bound::AtLeast(2.5), None);
        }
    }
    let columns = ["body", "bindery MB/s", "workerd MB/s", "ratio", "bare MB/s", "ratio"];
    report.table("medians of the rounds, ratios to workerd", &columns, rows);
    report
        .note("bare: a server that writes bytes from its memory, the most that this machine gives");
}
