//! The power fails at every sync of a workload, folds and changes of the log included, and again
//! while the store is opened afterwards; the disk fills up at every write; every sync fails once.
//! Each time the store opens again, holds all that was acknowledged, and nothing in part.

mod machine;

use bindery_storage::embedded::{Embedded, Options};
use bindery_storage::engine::{Batch, Committed, Engine, Entry, Error, KeyRange, Write};
use bindery_storage::memory::Memory;
use futures_util::future::join_all;

use self::machine::{Fault, Kept, Machine, Random};

/// Rounds of one workload. The batches of a round are committed at once.
const ROUND_COUNT: usize = 14;
/// Batches of one round. Each writes rows of its own, so their order does not matter.
const LANE_COUNT: u64 = 3;
/// No workload has as many syncs or writes, so a loop over them ends.
const FAULT_COUNT_MAX: usize = 5_000;

/// What went wrong, with all that is needed to see it again.
type Failure = String;

/// So little that some rounds fold by themselves, and some logs fill up first.
fn options() -> Options {
    Options { log_bytes_max: 48 << 10, overlay_bytes_max: 6_000, ..Options::default() }
}

fn key(lane: u64, row: u64) -> Vec<u8> {
    [&[9][..], &lane.to_be_bytes(), &[row as u8]].concat()
}

fn any_write(lane: u64, random: &mut Random) -> Write {
    let row = random.below(8);
    match random.below(9) {
        0 => Write::Delete { key: key(lane, row) },
        1 => {
            let end = Some(key(lane, row + random.below(5)));
            Write::DeleteRange(KeyRange { start: key(lane, row), end })
        }
        2 | 3 => Write::Add { key: key(lane, 100 + row), amount: random.below(1_000) },
        _ => {
            // One value in a few reaches over blocks of the log, and pages of the rows.
            let length = if random.below(4) == 0 { random.below(9_000) } else { random.below(60) };
            let value = (0..length).map(|_| random.below(256) as u8).collect();
            Write::Put { key: key(lane, row), value }
        }
    }
}

fn any_rounds(seed: u64) -> Vec<Vec<Batch>> {
    let random = &mut Random(seed);
    let mut batch = |lane| {
        let writes = (0..=random.below(4)).map(|_| any_write(lane, random)).collect();
        Batch { checks: vec![], writes }
    };
    (0..ROUND_COUNT).map(|_| (0..LANE_COUNT).map(&mut batch).collect()).collect()
}

/// What a store was told, and what it said.
#[derive(Clone, Debug, Default)]
struct Told {
    acknowledged: Vec<Batch>,
    /// Those of the last round that were answered with an error: each is there whole or not at all.
    unknown: Vec<Batch>,
}

async fn all(store: &dyn Engine) -> Result<Vec<Entry>, Failure> {
    store.scan(KeyRange::prefix([]), 60).await.map_err(|error| format!("reads: {error}"))
}

/// Commits rounds until one fails.
async fn commit(store: &Embedded, rounds: &[Vec<Batch>], told: &mut Told) -> Result<(), Error> {
    for round in rounds {
        let outcomes = join_all(round.iter().map(|batch| store.commit(batch.clone()))).await;
        let mut failed = None;
        for (batch, outcome) in round.iter().zip(outcomes) {
            match outcome {
                Ok(Committed::Done { .. }) => told.acknowledged.push(batch.clone()),
                Ok(conflict) => panic!("{conflict:?} without a check"),
                Err(error) => {
                    told.unknown.push(batch.clone());
                    failed = Some(error);
                }
            }
        }
        failed.map_or(Ok(()), Err)?;
    }
    Ok(())
}

/// What a store in memory holds after these batches.
async fn rows_after<'a>(batches: impl IntoIterator<Item = &'a Batch>) -> Vec<Entry> {
    let memory = Memory::new();
    for batch in batches {
        memory.commit(batch.clone()).await.expect("committed");
    }
    all(&memory).await.expect("memory does not fail")
}

/// Compares what a store holds with what it was told. What was unknown is known afterwards.
async fn compare(rows: Vec<Entry>, told: &mut Told) -> Result<(), Failure> {
    for subset in 0..1_u32 << told.unknown.len() {
        let is_in = |(place, batch)| (subset >> place & 1 == 1).then_some(batch);
        let applied: Vec<Batch> =
            told.unknown.iter().enumerate().filter_map(is_in).cloned().collect();
        if rows_after(told.acknowledged.iter().chain(&applied)).await == rows {
            told.acknowledged.extend(applied);
            told.unknown.clear();
            return Ok(());
        }
    }
    Err(format!("it holds neither what was acknowledged nor that with whole batches: {rows:?}"))
}

/// Opens a store after a failure, compares it, and sees that it goes on and opens once more.
async fn look(machine: &Machine, told: &Told, more: &[Vec<Batch>]) -> Result<Told, Failure> {
    let mut told = told.clone();
    let open = || Embedded::open_on(machine.disks(), options()).map_err(|e| format!("opens: {e}"));
    let store = open()?;
    compare(all(&store).await?, &mut told).await?;
    commit(&store, more, &mut told).await.map_err(|error| format!("goes on: {error}"))?;
    drop(store);
    compare(all(&open()?).await?, &mut told).await?;
    Ok(told)
}

/// Works until the fault.
async fn work(machine: &Machine, rounds: &[Vec<Batch>]) -> Told {
    let mut told = Told::default();
    if let Ok(store) = Embedded::open_on(machine.disks(), options()) {
        let _ = commit(&store, rounds, &mut told).await;
    }
    told
}

/// Lets the power fail at every sync of one workload; and at every sync of opening after that.
async fn lose_power_everywhere(seed: u64, lies: [bool; 3]) -> Result<usize, Failure> {
    let rounds = any_rounds(seed);
    let more = &any_rounds(seed + 1)[..3];
    for at in 1..FAULT_COUNT_MAX {
        let machine = Machine::new(Some(Fault::Power(at)), lies);
        let told = work(&machine, &rounds).await;
        if !machine.has_failed() {
            return Ok(at - 1);
        }
        for kept in [Kept::Nothing, Kept::Everything, Kept::Some(50), Kept::Some(90)] {
            let told_where = |error| format!("seed {seed}, sync {at}, {kept:?} kept: {error}");
            let image = machine.restarted(kept, seed ^ at as u64, None);
            look(&image, &told, more).await.map_err(told_where)?;
            if matches!(kept, Kept::Some(50)) {
                lose_it_again(&machine, &told, at).await.map_err(told_where)?;
            }
        }
    }
    Err("the workload does not end".into())
}

/// Lets it fail while the store is opened. What was read before that stays.
async fn lose_it_again(machine: &Machine, told: &Told, seed: usize) -> Result<(), Failure> {
    for at in 1..FAULT_COUNT_MAX {
        let seed = (seed * 1_000 + at) as u64;
        let second = machine.restarted(Kept::Some(50), seed, Some(Fault::Power(at)));
        let mut told = told.clone();
        if let Ok(store) = Embedded::open_on(second.disks(), options())
            && let Ok(rows) = all(&store).await
        {
            compare(rows, &mut told).await?;
        }
        let third = second.restarted(Kept::Some(50), seed, None);
        look(&third, &told, &[]).await.map_err(|error| format!("then sync {at}: {error}"))?;
        if !second.has_failed() {
            return Ok(());
        }
    }
    Err("opening does not end".into())
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(future)
}

#[test]
fn nothing_acknowledged_is_lost_wherever_the_power_fails() {
    for seed in [1, 2] {
        let syncs = run(lose_power_everywhere(seed, [false; 3])).unwrap_or_else(|e| panic!("{e}"));
        // Each round is a group, and folds come between: else this proves little.
        assert!(syncs > 3 * ROUND_COUNT, "{syncs} syncs");
    }
}

/// The suite has to notice a store that does not wait for its disk: the rows, the logs, or all.
#[test]
fn a_store_whose_syncs_do_nothing_is_found_out() {
    for lies in [[true; 3], [true, false, false], [false, true, true]] {
        let found = std::panic::catch_unwind(|| run(lose_power_everywhere(1, lies)));
        assert!(!matches!(found, Ok(Ok(_))), "{lies:?} was not noticed");
    }
}

/// After a failure nothing is written, what was there is read, and opening again mends it.
async fn fail_everywhere(fault: impl Fn(usize) -> Fault) -> Result<(), Failure> {
    let rounds = any_rounds(7);
    for at in 1..FAULT_COUNT_MAX {
        let machine = Machine::new(Some(fault(at)), [false; 3]);
        let mut told = Told::default();
        if let Ok(store) = Embedded::open_on(machine.disks(), options()) {
            let ended = commit(&store, &rounds, &mut told).await;
            if let Err(Error::Unavailable(reason)) = &ended {
                let acknowledged = rows_after(&told.acknowledged).await;
                assert_eq!(all(&store).await, Ok(acknowledged), "reads go on, {at}");
                assert!(reason.contains("until it is reopened"), "{reason}");
                machine.repair();
                let refused = store.commit(rounds[0][0].clone()).await;
                assert!(matches!(refused, Err(Error::Unavailable(_))), "{at}");
            } else {
                assert!(ended.is_ok(), "{ended:?}");
            }
        }
        let failed = machine.has_failed();
        machine.repair();
        let looked = look(&machine, &told, &rounds[..3]).await;
        told = looked.map_err(|error| format!("{at}: {error}"))?;
        let image = machine.restarted(Kept::Some(50), at as u64, None);
        look(&image, &told, &[]).await.map_err(|error| format!("{at}, then power: {error}"))?;
        if !failed && !told.acknowledged.is_empty() {
            return Ok(());
        }
    }
    Err("the workload does not end".into())
}

#[test]
fn a_full_disk_loses_nothing_wherever_it_fills_up() {
    run(fail_everywhere(Fault::Full)).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_sync_that_fails_ends_all_writing_until_the_store_is_reopened() {
    run(fail_everywhere(Fault::Sync)).unwrap_or_else(|error| panic!("{error}"));
}
