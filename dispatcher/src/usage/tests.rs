//! Figures that are counted, written and read.

use bindery_storage::memory::Memory;
use bindery_wire::Outcome;
use bindery_wire::log::Spent;

use super::*;
use crate::clock::Millis;

const T: TenantId = TenantId(1);
const OK: Spent = Spent { outcome: Outcome::Ok, cpu_us: 10, wall_us: 20 };

async fn figure(usage: &Usage, hour: u64, figure: &str) -> u64 {
    let hours = usage.read(T, hour..hour + 1, 1).await.expect("reads");
    hours.first().and_then(|(_, figures)| figures.get(figure)).copied().unwrap_or(0)
}

fn new(hour: u64) -> (Usage, Clock) {
    let clock = Clock::test(Millis(hour * HOUR_MS));
    (Usage::new(Arc::new(Memory::new()), clock.clone()), clock)
}

#[tokio::test]
async fn events_add_up_in_the_hour_in_which_they_are_written() {
    let (usage, clock) = new(5);
    let meter = usage.meter(T);
    meter.event(&OK);
    meter.event(&Spent { outcome: Outcome::Hung, ..OK });
    meter.bytes_out(7);
    usage.write().await;
    clock.advance(Duration::from_secs(3_600));
    meter.event(&OK);
    usage.write().await;
    usage.write().await;
    for (name, first, second) in [
        ("requests", 2, 1),
        ("cpu_us", 20, 10),
        ("wall_us", 40, 20),
        ("bytes_out", 7, 0),
        ("outcome.ok", 1, 1),
        ("outcome.hung", 1, 0),
    ] {
        assert_eq!(figure(&usage, 5, name).await, first, "{name}");
        assert_eq!(figure(&usage, 6, name).await, second, "{name}");
    }
}

#[tokio::test]
async fn nothing_is_lost_or_counted_twice_while_threads_count_and_it_is_written() {
    let (usage, _) = new(5);
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let meter = usage.meter(T);
            std::thread::spawn(move || (0..50_000).for_each(|_| meter.event(&OK)))
        })
        .collect();
    while !threads.iter().all(std::thread::JoinHandle::is_finished) {
        usage.write().await;
    }
    for thread in threads {
        thread.join().expect("no panic");
    }
    usage.write().await;
    assert_eq!(figure(&usage, 5, "requests").await, 100_000);
}

#[tokio::test]
async fn hours_that_are_too_old_go_with_the_first_writing_of_an_hour() {
    let (usage, clock) = new(5);
    usage.meter(T).event(&OK);
    usage.write().await;
    let meter = usage.meter(T);
    clock.advance(Duration::from_secs(3_600 * (HOUR_COUNT_MAX + 1)));
    meter.event(&OK);
    usage.write().await;
    let hours = usage.read(T, 0..u64::MAX, 10).await.expect("reads");
    assert_eq!(hours.iter().map(|(hour, _)| *hour).collect::<Vec<_>>(), [5 + HOUR_COUNT_MAX + 1]);
}

#[tokio::test]
async fn what_a_deleted_tenant_still_counts_is_not_written() {
    let (usage, _) = new(5);
    let meter = usage.meter(T);
    meter.event(&OK);
    usage.forget(T);
    meter.event(&OK);
    usage.write().await;
    assert_eq!(usage.read(T, 0..u64::MAX, 10).await.expect("reads"), []);
}

#[tokio::test]
async fn the_end_writes_what_is_left() {
    let (usage, _clock) = new(5);
    let ending = watch::Sender::new(false);
    usage.meter(T).event(&OK);
    ending.send_replace(true);
    usage.clone().run(ending.subscribe()).await;
    assert_eq!(figure(&usage, 5, "requests").await, 1);
}
