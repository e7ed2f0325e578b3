//! The store by itself: durable commits per second and their latency at 1, 16 and 256 writers,
//! against the time that this machine's own flushes take in the same run; bytes that reach the
//! device; latency while a fold runs; and how long a store takes to open after a kill, and a server
//! over one to be ready.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bindery_storage::embedded::{Embedded, Options as StoreOptions};
use bindery_storage::engine::{Batch, Committed, Engine, Write};
use futures_util::future::try_join_all;
use serde_json::Value;

use support::Result;
use support::bindery::Data;
use support::flush::flushes;
use support::histogram::Histogram;
use support::options::Options;
use support::report::{Bound, Report};

mod support;

/// Set in the process that fills a store until it is killed: its directory, rows and bytes of each.
const FILL: &str = "BINDERY_BENCH_STORE_FILL";
const VALUE_BYTES: usize = 100;

/// What a number of writers saw.
struct Load {
    per_second: f64,
    all: Histogram,
    /// Commits that began or ended while a fold ran, and the others.
    folding: Histogram,
    quiet: Histogram,
    bytes_each: f64,
}

#[expect(clippy::disallowed_methods, reason = "the process to kill is told so by its parent")]
fn main() -> Result<()> {
    if let Ok(what) = std::env::var(FILL) {
        return fill_until_killed(&what);
    }
    // The contenders of other benches do not run here.
    let options = Options { only: Some("store".into()), ..Options::read()? };
    let mut report = Report::new("store", &options)?;
    let seconds = options.pick(20, 2);
    report.condition("seconds of each load", seconds);
    report.condition("bytes of a value", VALUE_BYTES);
    let (over, appending) = flushes(options.pick(4_000, 500))?;
    let mut rows = Vec::new();
    for (what, times) in [("over existing bytes", &over), ("appending", &appending)] {
        rows.push(vec![what.into(), times.micros_at(0.5).into(), times.micros_at(0.99).into()]);
    }
    report.table("fdatasync of 4 KiB", &["what", "p50 us", "p99 us"], rows);
    // A short run has to meet folds too.
    let log_bytes_max = options.pick(64 << 20, 4 << 20);
    report.condition("bytes of a log", log_bytes_max);
    let store = StoreOptions { log_bytes_max, ..StoreOptions::default() };
    loads(&mut report, (&store, Duration::from_secs(seconds)), &over, &appending)?;
    reopen(&mut report, &options)?;
    report.print()
}

fn loads(
    report: &mut Report,
    how: (&StoreOptions, Duration),
    over: &Histogram,
    appending: &Histogram,
) -> Result<()> {
    let columns = ["writers", "commits/s", "p50 us", "p99 us", "bytes/commit"];
    let (mut rows, mut folds) = (Vec::new(), Vec::new());
    for writers in [1, 16, 256] {
        let load = load(writers, how)?;
        let [p50, p99] = [0.5, 0.99].map(|share| load.all.micros_at(share));
        let figures = [writers as f64, load.per_second, p50, p99, load.bytes_each];
        rows.push(figures.map(Value::from).to_vec());
        let [quiet, folding] = [&load.quiet, &load.folding].map(|times| times.micros_at(0.99));
        folds.push([writers as f64, quiet, folding].map(Value::from).to_vec());
        if writers == 1 {
            let ratio = p50 / appending.micros_at(0.5);
            report.floor("p50 / appending fdatasync", ratio, Bound::AtMost(2.0), None);
            report.floor("bytes per commit", load.bytes_each, Bound::AtMost(10_000.0), None);
        }
        if writers == 256 {
            let one_each = 1e6 / over.micros_at(0.5);
            let floor = Bound::AtLeast((20.0 * one_each).min(30_000.0));
            let goal = Some(Bound::AtLeast(60_000.0));
            report.floor("commits/s, 256 writers", load.per_second, floor, goal);
        }
        if load.folding.count() > 0 {
            let name = format!("p99 in a fold / without, {writers} writers");
            report.floor(&name, folding / quiet, Bound::AtMost(5.0), None);
        }
    }
    report.table("commits", &columns, rows);
    report.table("p99 us", &["writers", "no fold runs", "a fold runs"], folds);
    Ok(())
}

/// Lets so many writers commit one row each, again and again, each for a tenant of its own.
fn load(writers: u64, (options, length): (&StoreOptions, Duration)) -> Result<Load> {
    let directory = tempfile::tempdir_in(".")?;
    let store = Embedded::open_with(directory.path(), options.clone())?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let written = device_bytes()?;
    let since = Instant::now();
    let each = runtime.block_on(try_join_all((0..writers).map(|writer| {
        let store = &store;
        async move { write(store, writer, since + length).await }
    })))?;
    let took = since.elapsed().as_secs_f64();
    let bytes = device_bytes()? - written;
    let (mut folding, mut quiet) = (Histogram::new(), Histogram::new());
    for (one, other) in &each {
        folding.add(one);
        quiet.add(other);
    }
    let mut all = folding.clone();
    all.add(&quiet);
    let count = all.count() as f64;
    Ok(Load { per_second: count / took, all, folding, quiet, bytes_each: bytes as f64 / count })
}

async fn write(store: &Embedded, writer: u64, until: Instant) -> Result<(Histogram, Histogram)> {
    let (mut folding, mut quiet) = (Histogram::new(), Histogram::new());
    for number in 0_u64.. {
        let since = Instant::now();
        if since >= until {
            break;
        }
        let was_folding = store.is_folding();
        // Spread like names, not in order.
        let row = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24;
        commit(store, vec![put(writer, row, VALUE_BYTES)]).await?;
        let during = was_folding || store.is_folding();
        if during { &mut folding } else { &mut quiet }.record(since.elapsed());
    }
    Ok((folding, quiet))
}

fn put(tenant: u64, row: u64, bytes: usize) -> Write {
    let key = [&[0xf0][..], &tenant.to_be_bytes(), &row.to_be_bytes()].concat();
    Write::Put { key, value: vec![7; bytes] }
}

async fn commit(store: &Embedded, writes: Vec<Write>) -> Result<()> {
    match store.commit(Batch { checks: vec![], writes }).await? {
        Committed::Done { .. } => Ok(()),
        conflict => Err(format!("{conflict:?} without a check").into()),
    }
}

/// Bytes that this process caused to be written to the device.
fn device_bytes() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/self/io")?;
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    Ok(line.ok_or("no write_bytes in /proc/self/io")?.parse()?)
}

/// Opens stores whose writers were killed.
fn reopen(report: &mut Report, options: &Options) -> Result<()> {
    let sizes = [
        ("2 GB", options.pick(500_000_u64, 25_000), 4_000_usize),
        ("1e6 rows", options.pick(1_000_000, 50_000), VALUE_BYTES),
    ];
    let mut table = Vec::new();
    for (name, rows, bytes) in sizes {
        let directory = tempfile::tempdir_in(".")?;
        kill_one_that_filled(directory.path(), rows, bytes)?;
        let since = Instant::now();
        let store = Embedded::open(directory.path())?;
        let took = since.elapsed().as_secs_f64() * 1e3;
        let stats = store.stats()?;
        let in_memory = stats.changes_in_memory;
        table.push(vec![name.into(), took.into(), rows.into(), in_memory.into()]);
        let floor = format!("ms to open after kill -9, {name}");
        report.floor(&floor, took, Bound::AtMost(1_000.0), None);
    }
    report.table("opening", &["store", "ms", "rows", "replayed"], table);
    let data = Data::beside()?;
    let rows = options.pick(1_000_000, 50_000);
    kill_one_that_filled(&data.store(), rows, VALUE_BYTES)?;
    let since = Instant::now();
    let server = data.serve()?;
    let ready = since.elapsed().as_secs_f64() * 1e3;
    drop(server);
    let name = "ms until a server is ready after kill -9, 1e6 rows";
    report.floor(name, ready, Bound::AtMost(1_000.0), None);
    Ok(())
}

fn kill_one_that_filled(directory: &Path, rows: u64, bytes: usize) -> Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command.env(FILL, format!("{rows} {bytes} {}", directory.display()));
    let mut child = command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn()?;
    let out = child.stdout.take().ok_or("no pipe")?;
    let filled = BufReader::new(out).lines().next();
    child.kill()?;
    child.wait()?;
    filled.ok_or("the writer ended early")??;
    Ok(())
}

/// Fills a store, says so, and goes on writing: the kill finds a log in use.
fn fill_until_killed(what: &str) -> Result<()> {
    let mut words = what.splitn(3, ' ');
    let mut word = || words.next().ok_or("three words");
    let (rows, bytes): (u64, usize) = (word()?.parse()?, word()?.parse()?);
    let store = Embedded::open(word()?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let each = 800_000 / (bytes + 32) as u64;
    let batch = |number: u64, end: u64| {
        let rows = number * each..((number + 1) * each).min(end);
        let spread = |row: u64| row.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        commit(&store, rows.map(|row| put(1, spread(row), bytes)).collect())
    };
    for first in (0..rows.div_ceil(each)).step_by(4) {
        runtime.block_on(try_join_all((first..first + 4).map(|number| batch(number, rows))))?;
    }
    println(&format!("{rows} rows"))?;
    // A while after the parent must have killed this.
    let until = Instant::now() + Duration::from_secs(60);
    let mut number = 0;
    while Instant::now() < until {
        number += 1;
        runtime.block_on(commit(&store, vec![put(2, number, bytes)]))?;
    }
    Ok(())
}

fn println(line: &str) -> Result<()> {
    use std::io::Write as _;

    let mut out = std::io::stdout().lock();
    Ok(writeln!(out, "{line}").and_then(|()| out.flush())?)
}
