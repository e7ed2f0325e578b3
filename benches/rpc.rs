//! Calls from worker to worker: how long a method or a fetch takes between two isolates of one
//! process and of two, one after the other, on a promise that is not there yet, and many at once.
//!
//! The counterpart is workerd, which runs the same two workers in one process. What a request takes
//! by itself is subtracted.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use support::Result;
use support::bindery::{self, Bindery, Data};
use support::client::Client;
use support::histogram::{Histogram, median};
use support::http::Body;
use support::options::Options;
use support::process;
use support::report::{Bound, Report};
use support::worker::Worker;
use support::workerd::{self, Mode, Workerd};

mod support;

const HOST: &str = "t0.localhost";
const ONE_CORDON: &str = "bindery, one cordon";
const TWO_CORDONS: &str = "bindery, two cordons";

/// As few as may host one tenant's isolates in two of them.
const CORDON_COUNT: usize = 4;
/// A tenant's isolates go to one cordon until that is much fuller than the other one.
const CALLER_COUNT_MAX: usize = 50;
/// Requests after which it shows who works: what a cordon uses then, at the least.
const CALLS_TO_TELL: usize = 10;
const AT_WORK: Duration = Duration::from_millis(30);

/// One way of calling, and how often one request calls.
struct Case {
    what: &'static str,
    way: &'static str,
    call_count: u32,
}

const fn case(what: &'static str, way: &'static str, call_count: u32) -> Case {
    Case { what, way, call_count }
}

const CASES: [Case; 7] = [
    case("within an isolate", "within", 900),
    case("across isolates", "across", 300),
    case("pipelined, 1 on a promise", "pipelined", 1),
    case("pipelined, 10 on a promise", "pipelined", 10),
    case("pipelined, 100 on a promise", "pipelined", 100),
    case("64 in flight", "together", 900),
    case("fetch of a service", "fetch", 300),
];

/// Calls whose time beside workerd's is a floor: a round trip, and what many at once take.
const ROUND_TRIP: usize = 1;
const TOGETHER: usize = 5;

/// Microseconds of one call, one figure for each round.
type Rounds = BTreeMap<(usize, &'static str), Vec<f64>>;

fn main() -> Result<()> {
    let options = Options::read()?;
    let mut report = Report::new("rpc", &options)?;
    let round_count = options.pick(5, 2);
    let request_count = options.pick(100, 10);
    report.condition("rounds", round_count);
    report.condition("requests per round and case", request_count);
    report.condition("value of a call", "a number, there and back");
    let worker = Worker::calling();
    let mut rounds = Rounds::new();
    for _ in 0..round_count {
        if options.runs(bindery::NAME) {
            for (name, cordon_count) in [(ONE_CORDON, 1), (TWO_CORDONS, CORDON_COUNT)] {
                let data = Data::new()?;
                let config = format!("cordons = {cordon_count}\n{}", bindery::CONFIG);
                let server = data.serve_with(&config)?;
                let host = place(&server, &worker, cordon_count > 1)?;
                let mut client = Client::connect(server.address, Body::Count)?;
                measure(&mut client, (name, &host), request_count, &mut rounds)?;
            }
        }
        if options.runs(workerd::NAME) {
            let server = Workerd::start(&worker, Mode::Static)?;
            let mut client = Client::connect(server.address, Body::Count)?;
            measure(&mut client, (workerd::NAME, HOST), request_count, &mut rounds)?;
        }
    }
    fill(&mut report, &rounds);
    report.print()
}

fn measure(
    client: &mut Client,
    (name, host): (&'static str, &str),
    request_count: u32,
    rounds: &mut Rounds,
) -> Result<()> {
    let mut time = |way: &str, call_count: u32| -> Result<f64> {
        let path = format!("/{way}/{call_count}");
        for _ in 0..request_count.div_ceil(5) {
            client.get(host, &path)?;
        }
        let mut times = Histogram::new();
        for _ in 0..request_count {
            times.record(client.get(host, &path)?);
        }
        Ok(times.micros_at(0.5))
    };
    for (at, case) in CASES.iter().enumerate() {
        let request = time("nothing", 0)?;
        let each = (time(case.way, case.call_count)? - request) / f64::from(case.call_count);
        rounds.entry((at, name)).or_default().push(each);
    }
    Ok(())
}

/// Uploads the callee, and callers until there is one that lives as it is wanted: in another cordon
/// than the callee, or in the same. The host name of that caller.
fn place(server: &Bindery, worker: &Worker, apart: bool) -> Result<String> {
    let mut uploader = server.uploader()?;
    uploader.upload_callee("t0", worker)?;
    let mut client = Client::connect(server.address, Body::Count)?;
    for number in 0..CALLER_COUNT_MAX {
        let name = format!("caller-{number}");
        uploader.upload_as("t0", &name, worker)?;
        let host = format!("{name}.t0.localhost");
        let before = cpus(server);
        for _ in 0..CALLS_TO_TELL {
            client.get(&host, "/together/900")?;
        }
        let worked = before.iter().zip(cpus(server)).map(|(before, now)| now - *before);
        let at_work = worked.filter(|cpu| *cpu > AT_WORK).count();
        if (at_work > 1) == apart {
            return Ok(host);
        }
    }
    Err(format!("none of {CALLER_COUNT_MAX} callers came to another cordon than its callee").into())
}

/// What each cordon has used so far.
fn cpus(server: &Bindery) -> Vec<Duration> {
    server.running.family().iter().skip(1).map(|cordon| process::cpu(*cordon)).collect()
}

fn fill(report: &mut Report, rounds: &Rounds) {
    let mut rows: Vec<Vec<Value>> = Vec::new();
    let ratios = |at: usize, name: &'static str| -> Option<f64> {
        let (ours, theirs) = (rounds.get(&(at, name))?, rounds.get(&(at, workerd::NAME))?);
        let ratios: Vec<_> = ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect();
        Some(median(&ratios))
    };
    for ((at, name), times) in rounds {
        let case = &CASES[*at];
        let ratio = ratios(*at, name).filter(|_| *name != workerd::NAME);
        rows.push(vec![
            case.what.into(),
            case.call_count.into(),
            (*name).into(),
            median(times).into(),
            ratio.into(),
        ]);
    }
    let columns = ["what", "calls of a request", "contender", "us a call", "x workerd"];
    report.table("medians of the rounds", &columns, rows);
    for (name, at, bound) in [(ONE_CORDON, ROUND_TRIP, 3.0), (ONE_CORDON, TOGETHER, 1.0)] {
        if let Some(ratio) = ratios(at, name) {
            let what = format!("{}, time of a call, x workerd", CASES[at].what);
            report.floor(&what, ratio, Bound::AtMost(bound), None);
        }
    }
}
