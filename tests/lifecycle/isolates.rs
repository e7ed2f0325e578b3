//! Isolates: started once, kept while they are used, and let go.

use std::fs;
use std::time::Duration;

use serde_json::json;

use super::{TENANT, handler, says, until};
use crate::host::{Answer, Doors, Host};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_first_requests_at_once_start_one_isolate() {
    let host = Host::new().start().await;
    let body = "globalThis.id ??= crypto.randomUUID(); return new Response(globalThis.id);";
    host.deploy(TENANT, &handler(body)).await;
    // The isolate of the upload's own start goes first.
    let mut host = host;
    host.restart().await;
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let doors: Doors = (*host).clone();
        asked.spawn(async move { doors.get(TENANT, "/").await.expect_status(200).text() });
    }
    let mut ids = asked.join_all().await;
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 1, "{} isolates were started", ids.len());
    assert_eq!(host.server().placement().isolate_count(), 1);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_isolate_goes_with_its_thread() {
    let host =
        Host::new().still_clock().config(|config| config.pool.idle_ms = 60_000).start().await;
    let threads = || {
        let tasks = |pid| fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
        host.cordon_pids().into_iter().map(tasks).sum::<usize>()
    };
    let blanks = || {
        let status = host.server().placement().cordons().status();
        status.iter().map(|cordon| cordon.waiting).sum::<u32>()
    };
    until("the pools to be full", async || blanks() == 4).await;
    let base = threads();
    for number in 0..8 {
        let tenant = format!("t{number}");
        host.deploy(&tenant, &says("hi")).await;
        host.get(&tenant, "/").await.expect_status(200);
    }
    until("the pools to be full", async || blanks() == 4).await;
    // An isolate is idle from when its event's end was heard.
    for number in 0..8 {
        host.record(&format!("t{number}"), "outcome").await;
    }
    assert_eq!(host.server().placement().isolate_count(), 8);
    assert!(threads() >= base + 8, "{} threads, {base} before", threads());
    // Not a moment too early ...
    host.clock().advance(Duration::from_secs(30));
    host.get("t0", "/").await.expect_status(200);
    until("its end", async || host.logs("t0").await.len() == 2).await;
    host.clock().advance(Duration::from_secs(40));
    until("seven to go", async || host.server().placement().isolate_count() == 1).await;
    assert_eq!(host.get("t0", "/").await.expect_status(200).text(), "hi");
    until("its end", async || host.logs("t0").await.len() == 3).await;
    host.clock().advance(Duration::from_secs(70));
    until("the last to go", async || host.server().placement().isolate_count() == 0).await;
    until("their threads to end", async || threads() <= base && blanks() == 4).await;
    assert_eq!(host.get("t3", "/").await.expect_status(200).text(), "hi");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redeployment_fails_no_request_and_replaces_the_version() {
    let host = Host::new().start().await;
    host.deploy(TENANT, &says("v0")).await;
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut asking = tokio::task::JoinSet::new();
    for client in 0..4 {
        let (doors, stop): (Doors, _) = ((*host).clone(), stop.clone());
        asking.spawn(async move {
            let (mut count, mut last) = (0, 0);
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                // No method is repeated by the server unless nothing of it has run.
                let method = if client % 2 == 0 { "POST" } else { "GET" };
                let answer = doors.request(TENANT, method, "/").send().await.expect_status(200);
                let version: u32 = answer.text()[1..].parse().expect("a number");
                assert!(version >= last, "{version} after {last}");
                (count, last) = (count + 1, version);
            }
            count
        });
    }
    for version in 1..=10 {
        host.deploy(TENANT, &says(&format!("v{version}"))).await;
        let seen = host.get(TENANT, "/").await.expect_status(200).text();
        assert_eq!(seen, format!("v{version}"), "an acknowledged version serves");
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let counts: Vec<u32> = asking.join_all().await;
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_of_the_former_version_is_finished_by_it() {
    let host = Host::new().start().await;
    let body = "console.log('waits'); await scheduler.wait(300); return new Response('former');";
    host.deploy(TENANT, &handler(body)).await;
    let request = host.request(TENANT, "POST", "/").body("x").sent().await;
    host.logs_until(TENANT, |record| record["message"][0] == "waits").await;
    host.deploy(TENANT, &says("latter")).await;
    assert_eq!(host.get(TENANT, "/").await.text(), "latter");
    assert_eq!(request.head().await.whole().await.expect_status(200).text(), "former");
    until("the former to go", async || host.server().placement().isolate_count() == 1).await;
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_events_than_may_wait_are_told_to_come_back() {
    let host = Host::new().start().await;
    // A hundred run at once and a hundred wait; nobody is let go before `/go`.
    let body = "if (new URL(request.url).pathname === '/go') {
      for (const go of globalThis.gos) go(); return new Response(); }
        const keep = setInterval(() => {}, 1000);
        await new Promise((resolve) => (globalThis.gos ??= []).push(resolve));
        clearInterval(keep);
        return new Response('served');";
    host.deploy(TENANT, &handler(body)).await;
    let mut sent = Vec::new();
    let mut refused = 0;
    for _ in 0..205 {
        sent.push(host.request(TENANT, "GET", "/").sent().await);
    }
    let mut heads = tokio::task::JoinSet::new();
    for sending in sent {
        heads.spawn(async move { sending.head().await.whole().await });
    }
    while refused < 5 {
        let answer: Answer = heads.join_next().await.expect("one is refused").expect("an answer");
        let answer = answer.expect_failure(503, "OVERLOADED");
        assert!(answer.header("retry-after").is_some(), "{answer}");
        assert_eq!(answer.outcome(), None);
        refused += 1;
    }
    heads.abort_all();
    while heads.join_next().await.is_some() {}
    // Those clients have gone: the isolate has room again.
    until("room", async || {
        let doors: Doors = (*host).clone();
        doors.get(TENANT, "/go").await.status == 200
    })
    .await;
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_the_count_of_isolates_the_longest_idle_one_goes() {
    let one = std::num::NonZeroU32::new(3).expect("not zero");
    let host = Host::new().config(|config| config.pool.isolate_count_max = one).start().await;
    for number in 0..9 {
        let tenant = format!("t{number}");
        host.deploy(&tenant, &says("hi")).await;
        host.get(&tenant, "/").await.expect_status(200);
    }
    until("three to be left", async || host.server().placement().isolate_count() <= 3).await;
    for number in 0..9 {
        host.get(&format!("t{number}"), "/").await.expect_status(200);
    }
    // All busy: there is no room, and the client is told so.
    let busy = handler("console.log('waits'); await scheduler.wait(1e6);");
    let mut held = Vec::new();
    for number in 0..3 {
        let tenant = format!("busy{number}");
        host.deploy(&tenant, &busy).await;
        held.push(host.request(&tenant, "GET", "/").sent().await);
        host.logs_until(&tenant, |record| record["message"][0] == "waits").await;
    }
    let answer = host.get("t0", "/").await.expect_failure(503, "OVERLOADED");
    assert!(answer.header("retry-after").is_some());
    let answer = host.upload("late", &says("hi").limits(json!({}))).await;
    answer.expect_failure(503, "OVERLOADED");
    drop(held);
    host.shutdown().await;
}
