//! What is left of isolates that have gone: nothing that adds up.

use std::fs;
use std::time::Duration;

use super::{ask_all, deploy_all, handler, tenants, until};
use crate::host::{Host, moment};

const TENANT_COUNT: usize = 20;
/// Starts until the memory of a cordon has got its shape.
const WARM_ROUNDS: usize = 10;
const ROUNDS: usize = 25;
/// What the cordons may hold more after all rounds: what the allocator did not give back, which
/// does not grow with the count. The bench `churn` measures what does.
const BYTES_MAX: u64 = 8 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn isolates_that_come_and_go_leave_no_thread_and_no_descriptor_and_little_memory() {
    let host = Host::new().still_clock().config(|config| config.pool.idle_ms = 1_000).start().await;
    let tenants = tenants(TENANT_COUNT);
    deploy_all(&host, &tenants, &handler("return new Response('hi');")).await;
    for _ in 0..WARM_ROUNDS {
        come_and_go(&host, &tenants).await;
    }
    let before = Left::of(&host).await;
    for _ in 0..ROUNDS {
        come_and_go(&host, &tenants).await;
    }
    until("threads and descriptors to be gone", async || {
        let now = Left::of(&host).await;
        now.threads <= before.threads && now.descriptors <= before.descriptors
    })
    .await;
    let grown = Left::of(&host).await.bytes.saturating_sub(before.bytes);
    assert!(grown <= BYTES_MAX, "{grown} bytes more after {} isolates", ROUNDS * TENANT_COUNT);
    assert_eq!(host.cordon_death_count(), 0);
    host.shutdown().await;
}

/// Has every tenant's isolate start and end.
async fn come_and_go(host: &Host, tenants: &[String]) {
    ask_all(host, tenants).await;
    until("all to go", async || {
        host.clock().advance(Duration::from_secs(1));
        moment().await;
        host.server().placement().isolate_count() == 0
    })
    .await;
}

/// What a server has while nothing lives in it.
#[derive(Debug)]
struct Left {
    threads: usize,
    descriptors: usize,
    bytes: u64,
}

impl Left {
    async fn of(host: &Host) -> Self {
        let cordons = host.server().placement().cordons();
        // The pools shrink to their minimum, two in each, and are full again.
        until("the pools to be still", async || {
            host.clock().advance(Duration::from_secs(1));
            moment().await;
            cordons.status().iter().all(|cordon| cordon.waiting == 2)
        })
        .await;
        cordons.trim();
        let count = |folder: &str| {
            let of = |pid| fs::read_dir(format!("/proc/{pid}/{folder}")).map_or(0, Iterator::count);
            host.cordon_pids().into_iter().map(of).sum::<usize>()
        };
        Self { threads: count("task"), descriptors: count("fd"), bytes: cordons.measure().bytes }
    }
}
