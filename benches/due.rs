//! The due index on the engine of a server: durable inserts and pops per second among 1e3, 1e5 and
//! 1e6 entries, and what finding the next ones costs then. The floor is that a hundred or a
//! thousand times as many entries make neither more than logarithmically slower.

use std::sync::Arc;
use std::time::Instant;

use bindery_storage::embedded::Embedded;
use bindery_storage::engine::{Batch, Committed, Engine, Write};
use bindery_storage::tables::{Due, DueTable, Kind};
use bindery_wire::TenantId;
use futures_util::future::try_join_all;
use serde_json::Value;

use support::Result;
use support::histogram::Histogram;
use support::options::Options;
use support::report::{Bound, Report};

mod support;

/// The time at which everything here is due or will be.
const NOW_MS: u64 = 1_800_000_000_000;
/// Tenants that share the entries.
const TENANT_COUNT: u64 = 100;
/// Writers at once, each for tenants of its own.
const WRITER_COUNT: u64 = 64;
/// Entries of one batch while an index is filled.
const FILL_COUNT: u64 = 1_000;

/// What was measured among so many entries.
struct Among {
    count: u64,
    inserts: f64,
    insert_p50: f64,
    pops: f64,
    pop_p50: f64,
    /// Microseconds to find a tenant's next eight.
    next_p50: f64,
}

fn main() -> Result<()> {
    // The contenders of other benches do not run here.
    let options = Options { only: Some("store".into()), ..Options::read()? };
    let mut report = Report::new("due", &options)?;
    let operations = options.pick(20_000, 2_000);
    report.condition("inserts and pops of each size", operations);
    report.condition("tenants", TENANT_COUNT);
    report.condition("writers", WRITER_COUNT);
    let mut found = Vec::new();
    for count in [1_000, 100_000, options.pick(1_000_000, 200_000)] {
        found.push(among(count, operations)?);
    }
    let columns =
        ["entries", "inserts/s", "insert p50 us", "pops/s", "pop p50 us", "next 8 p50 us"];
    let row = |among: &Among| {
        let Among { count, inserts, insert_p50, pops, pop_p50, next_p50 } = *among;
        [count as f64, inserts, insert_p50, pops, pop_p50, next_p50].map(Value::from).to_vec()
    };
    report.table("due entries", &columns, found.iter().map(row).collect());
    let (least, rest) = found.split_first().ok_or("nothing was measured")?;
    for among in rest {
        // What a search tree would cost more, doubled: other work shares the machine.
        let logarithmic = (among.count as f64).ln() / (least.count as f64).ln();
        let bound = Some(Bound::AtMost(logarithmic));
        for (what, ratio) in [
            ("insert", least.inserts / among.inserts),
            ("pop", least.pops / among.pops),
            ("next", among.next_p50 / least.next_p50),
        ] {
            let name = format!("{what} at {} / at {}", among.count, least.count);
            report.floor(&name, ratio, Bound::AtMost(2.0 * logarithmic), bound);
        }
    }
    report.print()
}

fn among(count: u64, operations: u64) -> Result<Among> {
    let directory = tempfile::tempdir_in(".")?;
    let engine: Arc<dyn Engine> = Arc::new(Embedded::open(directory.path())?);
    let table = DueTable::new(Arc::clone(&engine));
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(fill(&engine, &table, count))?;
    let (inserts, insert_p50) = runtime.block_on(timed(operations, |number| {
        let place = place(count + number);
        insert(&engine, &table, place)
    }))?;
    let mut next = Histogram::new();
    let found = runtime.block_on(async {
        let mut found = Vec::new();
        for tenant in 0..TENANT_COUNT {
            let since = Instant::now();
            table.until(TenantId(tenant), NOW_MS, 8).await?;
            next.record(since.elapsed());
            let share = operations.div_ceil(TENANT_COUNT) as usize;
            let due = table.until(TenantId(tenant), u64::MAX, share).await?;
            found.extend(due.into_iter().map(|due| (TenantId(tenant), due)));
        }
        Ok::<_, Box<dyn std::error::Error>>(found)
    })?;
    let pops = found.len() as u64;
    let (pops, pop_p50) =
        runtime.block_on(timed(pops, |number| pop(&engine, &table, &found[number as usize])))?;
    Ok(Among { count, inserts, insert_p50, pops, pop_p50, next_p50: next.micros_at(0.5) })
}

/// Whose and which an entry is: half of them due, spread like what is made at any time.
fn place(number: u64) -> (TenantId, Due) {
    let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let due = Due {
        time_ms: NOW_MS - 86_400_000 + (spread >> 24) % 172_800_000,
        kind: Kind::Queue,
        id: number.to_be_bytes().into(),
        failures: 0,
        data: vec![7; 16],
    };
    (TenantId(number % TENANT_COUNT), due)
}

/// Fills an index. What is due of a tenant in one batch counts on few hints, so these are added
/// to once.
async fn fill(engine: &Arc<dyn Engine>, table: &DueTable, count: u64) -> Result<()> {
    for first in (0..count).step_by(FILL_COUNT as usize) {
        let mut writes = Vec::new();
        for number in first..(first + FILL_COUNT).min(count) {
            let (tenant, due) = place(number);
            let [entry, hint] = table.add(tenant, &due, NOW_MS);
            writes.push(entry);
            if !writes.contains(&hint) {
                writes.push(hint);
            }
        }
        commit(engine, Batch { checks: vec![], writes }).await?;
    }
    Ok(())
}

async fn insert(
    engine: &Arc<dyn Engine>,
    table: &DueTable,
    (tenant, due): (TenantId, Due),
) -> Result<()> {
    let writes = table.add(tenant, &due, NOW_MS).into();
    commit(engine, Batch { checks: vec![], writes }).await
}

/// Settles an entry as its owner does: it must be there, and is not there afterwards.
async fn pop(
    engine: &Arc<dyn Engine>,
    table: &DueTable,
    (tenant, due): &(TenantId, Due),
) -> Result<()> {
    let checks = vec![table.there(*tenant, due)];
    let writes: Vec<Write> = vec![table.remove(*tenant, due)];
    commit(engine, Batch { checks, writes }).await
}

async fn commit(engine: &Arc<dyn Engine>, batch: Batch) -> Result<()> {
    match engine.commit(batch).await? {
        Committed::Done { .. } => Ok(()),
        conflict => Err(format!("{conflict:?}: somebody else settled it").into()),
    }
}

/// Does something so many times, by all writers together: how often a second, and the median in
/// microseconds.
async fn timed<F: Future<Output = Result<()>>>(
    count: u64,
    each: impl Fn(u64) -> F,
) -> Result<(f64, f64)> {
    let since = Instant::now();
    let each = &each;
    let writers = (0..WRITER_COUNT).map(|writer| async move {
        let mut times = Histogram::new();
        for number in (writer..count).step_by(WRITER_COUNT as usize) {
            let since = Instant::now();
            each(number).await?;
            times.record(since.elapsed());
        }
        Ok::<_, Box<dyn std::error::Error>>(times)
    });
    let mut all = Histogram::new();
    for times in try_join_all(writers).await? {
        all.add(&times);
    }
    Ok((count as f64 / since.elapsed().as_secs_f64(), all.micros_at(0.5)))
}
