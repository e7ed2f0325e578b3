//! What a tenant notices of others: its latency alone, beside tenants that spin, beside one that
//! fills its memory every second, and beside a storm of cold starts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use support::Result;
use support::bindery::{self, Bindery, Data};
use support::client::Client;
use support::histogram::{Histogram, median};
use support::http::{self, Body};
use support::load::{self, Plan};
use support::options::Options;
use support::report::{Bound, Report};
use support::worker::Worker;

mod support;

const NEIGHBOUR: &str = "neighbour";
/// Few isolates live at once, so that a storm never finds one.
const CONFIG: &str = "[pool]\nisolate-count-max = 64\n";
const STORM_TENANTS: usize = 300;
/// Cold starts a second.
const STORM_PER_SECOND: u32 = 50;
/// Between two requests of the neighbour: it is a tenant with something to do, not a load.
const PAUSE: Duration = Duration::from_millis(2);
/// How long offenders run before the neighbour is measured.
const SETTLE: Duration = Duration::from_secs(1);
const OFFENDERS_MAX: usize = 20;

/// Who is there beside the neighbour.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    Nobody,
    Spinning(usize),
    Bombs(usize),
    Storm,
}

impl Beside {
    fn name(self) -> String {
        match self {
            Self::Nobody => "alone".into(),
            Self::Spinning(count) => format!("{count} spinning"),
            Self::Bombs(count) => format!("{count} filling memory every second"),
            Self::Storm => format!("{STORM_PER_SECOND} cold starts a second"),
        }
    }

    /// Whether the floor is asked of it; the others are only printed.
    fn counts(self, core_count: usize) -> bool {
        match self {
            Self::Nobody => false,
            Self::Spinning(count) | Self::Bombs(count) => count <= core_count.min(2),
            Self::Storm => true,
        }
    }
}

/// What the neighbour saw in one round.
struct Sample {
    p50_us: f64,
    p99_us: f64,
    failure_count: u64,
}

fn main() -> Result<()> {
    let options = Options::read()?;
    let mut report = Report::new("noisy_neighbour", &options)?;
    let core_count = std::thread::available_parallelism()?.get();
    let round_count = options.pick(5, 1);
    let time = Duration::from_secs(options.pick(10, 3));
    report.condition("rounds", round_count);
    report.condition("seconds per round and case", time.as_secs());
    report.condition("pause between requests, ms", PAUSE.as_millis() as u64);
    report.condition("settings of bindery", CONFIG.replace('\n', " ").trim());
    report.condition("worker", "examples/hello, GET /Ada");
    let cases = [
        Beside::Nobody,
        Beside::Spinning(core_count),
        Beside::Bombs(1),
        Beside::Bombs(2),
        Beside::Storm,
        Beside::Spinning(OFFENDERS_MAX),
        Beside::Bombs(OFFENDERS_MAX),
    ];
    if options.runs(bindery::NAME) {
        let data = Data::new()?;
        let server = serve(&data)?;
        let mut samples: Vec<Vec<Sample>> = cases.iter().map(|_| Vec::new()).collect();
        for _ in 0..round_count {
            for (case, samples) in cases.iter().zip(&mut samples) {
                samples.push(measure(&server, *case, time)?);
            }
        }
        fill(&mut report, &cases, &samples, core_count);
    }
    report.print()
}

fn serve(data: &Data) -> Result<Bindery> {
    let server = data.serve_with(CONFIG)?;
    let mut uploader = server.uploader()?;
    uploader.upload(NEIGHBOUR, &Worker::hello())?;
    for number in 0..OFFENDERS_MAX {
        uploader.upload(&offender(number), &Worker::offender())?;
    }
    for number in 0..STORM_TENANTS {
        uploader.upload(&stranger(number), &Worker::hello())?;
    }
    Ok(server)
}

fn offender(number: usize) -> String {
    format!("offender-{number}")
}

fn stranger(number: usize) -> String {
    format!("stranger-{number}")
}

fn measure(server: &Bindery, beside: Beside, time: Duration) -> Result<Sample> {
    // The neighbour lives, and is not the longest idle one.
    let request = vec![http::get(&bindery::host(NEIGHBOUR), "/Ada")];
    load::run(server.address, 1, &request, &Plan::Repeat(SETTLE / 2))?;
    let noise = Noise::start(server.address, beside);
    load::run(server.address, 1, &request, &Plan::Repeat(SETTLE))?;
    let seen = paced(server.address, time);
    noise.end();
    seen
}

/// Asks with pauses: a request that comes while others have the processor is the usual one.
fn paced(address: SocketAddr, time: Duration) -> Result<Sample> {
    let mut client = Client::connect(address, Body::Count)?;
    let mut latency = Histogram::new();
    let mut failure_count = 0;
    let begun = Instant::now();
    while begun.elapsed() < time {
        match client.get(&bindery::host(NEIGHBOUR), "/Ada") {
            Ok(took) => latency.record(took),
            Err(_) => {
                failure_count += 1;
                client = Client::connect(address, Body::Count)?;
            }
        }
        std::thread::sleep(PAUSE);
    }
    let (p50_us, p99_us) = (latency.micros_at(0.5), latency.micros_at(0.99));
    Ok(Sample { p50_us, p99_us, failure_count })
}

/// The offenders' clients, a thread each.
struct Noise {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

impl Noise {
    fn start(address: SocketAddr, beside: Beside) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut noise = Self { stop, clients: Vec::new() };
        match beside {
            Beside::Nobody => {}
            Beside::Spinning(count) => noise.offend(address, count, "/spin", Duration::ZERO),
            Beside::Bombs(count) => {
                noise.offend(address, count, "/bomb", Duration::from_secs(1));
            }
            Beside::Storm => noise.storm(address),
        }
        noise
    }

    /// Each offender's event is asked for again when it has been ended, at most so often.
    fn offend(&mut self, address: SocketAddr, count: usize, path: &'static str, every: Duration) {
        for number in 0..count {
            let stop = self.stop.clone();
            let client = std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    let _ = ask(address, &offender(number), path, &stop);
                    while begun.elapsed() < every && !stop.load(Ordering::Relaxed) {
                        std::thread::sleep(Duration::from_millis(10));
                    }
                }
            });
            self.clients.push(client);
        }
    }

    /// Asks tenants in turn, each of which has lost its isolate since the last time.
    fn storm(&mut self, address: SocketAddr) {
        let next = Arc::new(AtomicU64::new(0));
        let begun = Instant::now();
        for _ in 0..4 {
            let (stop, next) = (self.stop.clone(), next.clone());
            let client = std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let due = Duration::from_secs(number) / STORM_PER_SECOND;
                    std::thread::sleep(due.saturating_sub(begun.elapsed()));
                    let tenant = stranger(number as usize % STORM_TENANTS);
                    let _ = ask(address, &tenant, "/Ada", &stop);
                }
            });
            self.clients.push(client);
        }
    }

    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            let _ = client.join();
        }
    }
}

/// Asks once, and goes away when it is to stop. What the answer is does not matter.
fn ask(address: SocketAddr, tenant: &str, path: &str, stop: &AtomicBool) -> Result<()> {
    use std::io::{ErrorKind, Read, Write};
    let mut stream = std::net::TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_millis(100)))?;
    stream.write_all(&http::get(&bindery::host(tenant), path))?;
    let mut buffer = [0; 4096];
    while !stop.load(Ordering::Relaxed) {
        match stream.read(&mut buffer) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => return Ok(()),
        }
    }
    Ok(())
}

fn fill(report: &mut Report, cases: &[Beside], samples: &[Vec<Sample>], core_count: usize) {
    let middle = |samples: &[Sample], figure: fn(&Sample) -> f64| {
        median(&samples.iter().map(figure).collect::<Vec<_>>())
    };
    let quiet = samples.first().map_or(0.0, |samples| middle(samples, |s| s.p99_us));
    let mut rows: Vec<Vec<Value>> = Vec::new();
    for (case, samples) in cases.iter().zip(samples) {
        let p99 = middle(samples, |sample| sample.p99_us);
        rows.push(vec![
            case.name().into(),
            middle(samples, |sample| sample.p50_us).into(),
            p99.into(),
            (p99 / quiet).into(),
            samples.iter().map(|sample| sample.failure_count).sum::<u64>().into(),
        ]);
        if case.counts(core_count) {
            let name = format!("p99 beside {}, x quiet", case.name());
            report.floor(&name, p99 / quiet, Bound::AtMost(5.0), None);
        }
    }
    let failed = samples.iter().flatten().map(|sample| sample.failure_count).sum::<u64>();
    report.floor("failed requests of the neighbour", failed as f64, Bound::AtMost(0.0), None);
    let columns = ["beside", "p50 us", "p99 us", "p99 x quiet", "failed"];
    report.table("the neighbour's requests, medians of the rounds", &columns, rows);
}
