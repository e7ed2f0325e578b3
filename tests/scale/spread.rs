//! Several isolates of one version, and one for a burst.

use std::time::Duration;

use serde_json::json;

use super::{Asking, ask_all, handler, lines, until};
use crate::host::{Host, moment};

const TENANT: &str = "demo";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_holds_an_isolate_does_not_hold_up_the_versions_others() {
    let host = Host::new().start().await;
    let body = "globalThis.id ??= crypto.randomUUID();
        if (new URL(request.url).pathname === '/spin') { console.log('spins'); for (;;); }
        return new Response(globalThis.id);";
    host.deploy(TENANT, &handler(body).limits(json!({ "cpu_ms": 3_000 }))).await;
    let first = host.get(TENANT, "/").await.expect_status(200).text();
    let spins = host.request(TENANT, "GET", "/spin").sent().await;
    until("the isolate to be held", async || lines(&host, TENANT).await[0].is_held()).await;
    let second = host.get(TENANT, "/").await.expect_status(200).text();
    assert_ne!(first, second);
    for _ in 0..20 {
        assert_eq!(host.get(TENANT, "/").await.expect_status(200).text(), second);
    }
    let both = lines(&host, TENANT).await;
    assert_eq!(both.len(), 2);
    assert!(both[0].is_held() && !both[1].is_held(), "the first still spins");
    spins.head().await.whole().await.expect_failure(503, "EXCEEDED_CPU");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_hold_all_isolates_get_no_more_than_there_may_be() {
    let two = std::num::NonZeroU32::new(2);
    let host =
        Host::new().config(|config| config.pool.version_isolate_count_max = two).start().await;
    let body = "if (request.method === 'POST') for (;;); return new Response('hi');";
    host.deploy(TENANT, &handler(body).limits(json!({ "cpu_ms": 2_000 }))).await;
    let mut spinning = Vec::new();
    for count in 1..=2 {
        spinning.push(host.request(TENANT, "POST", "/").body("x").sent().await);
        until("isolates to be held", async || {
            let lines = lines(&host, TENANT).await;
            lines.len() == count && lines.iter().all(|line| line.is_held())
        })
        .await;
    }
    // It waits behind one of them, and is served elsewhere when that has been ended.
    assert_eq!(host.get(TENANT, "/").await.expect_status(200).text(), "hi");
    assert_eq!(host.server().placement().cordons().start_count(), 3);
    for request in spinning {
        request.head().await.whole().await.expect_failure(503, "EXCEEDED_CPU");
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_stays_busy_gets_another_isolate_and_loses_it_when_it_is_idle() {
    // Whether a core is free is the machine's affair and not this test's.
    let host = Host::new().still_clock().config(|config| {
        (config.pool.busy_permille_min, config.pool.free_permille_min) = (1, 0);
    });
    let host = host.start().await;
    // Each event is short: none of them holds the isolate.
    let body = "let x = 0; for (let i = 0; i < 3e6; i++) x += i; return new Response(`${x}`);";
    host.deploy(TENANT, &handler(body)).await;
    let asking = Asking::start(&host, TENANT, 6);
    until("a second isolate", async || {
        host.clock().advance(Duration::from_millis(20));
        moment().await;
        lines(&host, TENANT).await.len() >= 2
    })
    .await;
    asking.stop().await;
    let first = lines(&host, TENANT).await[0].number();
    until("one to be left", async || {
        host.clock().advance(Duration::from_secs(1));
        moment().await;
        lines(&host, TENANT).await.len() == 1
    })
    .await;
    assert_eq!(lines(&host, TENANT).await[0].number(), first, "the first one stays");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_for_a_tenant_whose_isolate_has_gone_starts_one() {
    let host = Host::new().still_clock().config(|config| config.pool.idle_ms = 1_000).start().await;
    host.deploy(TENANT, &handler("return new Response('hi');")).await;
    for burst in 1..=3 {
        until("the isolate to go", async || {
            host.clock().advance(Duration::from_secs(1));
            moment().await;
            host.server().placement().isolate_count() == 0
        })
        .await;
        let before = host.server().placement().cordons().start_count();
        ask_all(&host, &vec![TENANT.to_owned(); 150]).await;
        let after = host.server().placement().cordons().start_count();
        assert_eq!(after - before, 1, "burst {burst}");
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_thread_of_a_call_that_takes_long_gives_way_and_no_other_does() {
    let host = Host::new().cordons(1).start().await;
    host.deploy("other", &handler("return new Response('hi');")).await;
    host.deploy(TENANT, &handler("for (;;);").limits(json!({ "cpu_ms": 2_000 }))).await;
    let cordon = host.cordon_pids()[0];
    // Blank isolates are made by threads that are low too.
    let isolates = || host.server().placement().cordons().measure().isolate_count;
    until("the pool to be full", async || isolates() == 4).await;
    let usual = low_count(cordon);
    let spins = host.request(TENANT, "GET", "/").sent().await;
    // By its policy where threads may come back, else by its nice value.
    until("the thread to give way", async || low_count(cordon) == usual + 1).await;
    host.get("other", "/").await.expect_status(200);
    spins.head().await.whole().await.expect_failure(503, "EXCEEDED_CPU");
    until("its end", async || low_count(cordon) == usual).await;
    host.shutdown().await;
}

/// How many isolates' threads of a process are lower than the process itself.
fn low_count(pid: u32) -> usize {
    const IDLE: i64 = 5;
    const NICEST: i64 = 19;
    let schedule = |path: String| {
        let text = std::fs::read_to_string(path).ok()?;
        let fields: Vec<i64> = text.rsplit_once(") ")?.1.split(' ').map(number).collect();
        // The nice value and the policy.
        Some((*fields.get(16)?, *fields.get(38)?))
    };
    let Some((own, _)) = schedule(format!("/proc/{pid}/stat")) else { return 0 };
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("tasks").flatten();
    let path = |entry: std::fs::DirEntry| entry.path().join("stat").display().to_string();
    let low = tasks.filter_map(|entry| schedule(path(entry)));
    low.filter(|(nice, policy)| *policy == IDLE || *nice >= (own + 10).min(NICEST)).count()
}

fn number(field: &str) -> i64 {
    field.trim().parse().unwrap_or(0)
}
