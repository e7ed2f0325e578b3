//! One ceiling of memory over all cordons.

use std::num::NonZeroU64;

use super::{Dice, ask_all, deploy_all, handler, tenants, until};
use crate::host::{Doors, Host};

const MIB: u64 = 1 << 20;

/// Bytes that the cordons of a server without isolates hold.
async fn base_bytes() -> u64 {
    let host = Host::new().start().await;
    let measured = || host.server().placement().cordons().measure();
    until("the pools to be full", async || measured().isolate_count == 4).await;
    let bytes = measured().bytes;
    host.shutdown().await;
    bytes
}

/// A server whose cordons may hold so much more than they do without isolates.
async fn host_with(bytes: u64) -> (Host, u64) {
    let ceiling = base_bytes().await + bytes;
    let plan = Host::new().config(|config| config.pool.memory_bytes_max = NonZeroU64::new(ceiling));
    (plan.start().await, ceiling)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_tenants_than_fit_are_served_in_any_order_under_the_ceiling() {
    let (host, ceiling) = host_with(80 * MIB).await;
    let tenants = tenants(60);
    deploy_all(&host, &tenants, &handler("return new Response('hi');")).await;
    let mut dice = Dice(0x5eed);
    let (mut most_bytes, mut most_isolates) = (0, 0);
    let starts = host.server().placement().cordons().start_count();
    for _ in 0..100 {
        let some: Vec<String> = (0..8).map(|_| tenants[dice.below(60)].clone()).collect();
        ask_all(&host, &some).await;
        most_bytes = most_bytes.max(host.server().placement().cordons().measure().bytes);
        most_isolates = most_isolates.max(host.server().placement().isolate_count());
    }
    let starts = host.server().placement().cordons().start_count() - starts;
    assert!(most_isolates < 60, "nobody was let go");
    assert!(starts > 100, "{starts} starts: nobody had to be started anew");
    assert!(most_bytes <= ceiling, "{} of {} MiB", most_bytes / MIB, ceiling / MIB);
    assert_eq!(host.cordon_death_count(), 0);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_waits_for_room_and_a_busy_isolate_is_not_ended_for_it() {
    let one = NonZeroU64::new(1);
    let host = Host::new().config(|config| config.pool.memory_bytes_max = one).start().await;
    let body = "console.log('waits'); await scheduler.wait(1e6); return new Response();";
    let waits = "console.log('waits'); await scheduler.wait(700); return new Response('late');";
    deploy_all(&host, &["idle".into()], &handler("return new Response('hi');")).await;
    deploy_all(&host, &["short".into()], &handler(waits)).await;
    deploy_all(&host, &["long".into()], &handler(body)).await;
    // One isolate is all there may be. Whoever is idle goes for the next one ...
    host.get("idle", "/").await.expect_status(200);
    let short = host.request("short", "GET", "/").sent().await;
    host.logs_until("short", |record| record["message"][0] == "waits").await;
    // ... and who is busy ends first.
    let doors: Doors = (*host).clone();
    let (served, short) = tokio::join!(doors.get("idle", "/"), short.head());
    assert_eq!(short.whole().await.expect_status(200).text(), "late");
    assert_eq!(served.expect_status(200).text(), "hi");
    // One that does not end is not ended: after a while the next one is told to come back.
    let long = host.request("long", "GET", "/").sent().await;
    host.logs_until("long", |record| record["message"][0] == "waits").await;
    let answer = host.get("idle", "/").await.expect_failure(503, "OVERLOADED");
    assert!(answer.header("retry-after").is_some(), "{answer}");
    assert_eq!(host.server().placement().isolate_count(), 1);
    drop(long);
    host.shutdown().await;
}
