//! Cordons that have started many isolates are replaced while they serve.

use std::num::NonZeroU32;

use super::{Asking, ask_all, deploy_all, handler, tenants, until};
use crate::host::{Host, runs};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cordon_is_replaced_after_its_starts_and_no_request_fails() {
    let count = |count| NonZeroU32::new(count).expect("not zero");
    let host = Host::new().cordons(1).config(|config| {
        config.pool.cordon_start_count_max = count(12);
        config.pool.isolate_count_max = count(4);
    });
    let host = host.start().await;
    let tenants = tenants(8);
    deploy_all(&host, &tenants, &handler("return new Response('hi');")).await;
    host.deploy("busy", &handler("await scheduler.wait(1); return new Response('hi');")).await;
    let asking = Asking::start(&host, "busy", 2);
    let mut seen = host.cordon_pids();
    let first = seen[0];
    until("the first cordon to be replaced", async || {
        for tenant in &tenants {
            assert_eq!(ask_all(&host, std::slice::from_ref(tenant)).await, ["hi"]);
            assert_eq!(host.cordon_pids().len(), 1, "a place is never empty");
        }
        !runs(first) && host.cordon_pids() != [first]
    })
    .await;
    seen.extend(host.cordon_pids());
    asking.stop().await;
    assert_eq!(host.cordon_death_count(), 0, "nobody died of it");
    host.shutdown().await;
    assert!(!seen.into_iter().any(runs), "a cordon is left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_runs_in_a_cordon_that_is_replaced_is_finished() {
    let five = NonZeroU32::new(5).expect("not zero");
    let plan = Host::new().cordons(1).config(|config| config.pool.cordon_start_count_max = five);
    let host = plan.start().await;
    let body = "console.log('waits'); await scheduler.wait(1500); return new Response('finished');";
    host.deploy("slow", &handler(body)).await;
    let request = host.request("slow", "POST", "/").body("x").sent().await;
    host.logs_until("slow", |record| record["message"][0] == "waits").await;
    let first = host.cordon_pids()[0];
    deploy_all(&host, &tenants(5), &handler("return new Response('hi');")).await;
    until("another cordon", async || host.cordon_pids() != [first]).await;
    host.get("t0", "/").await.expect_status(200);
    assert!(runs(first), "one waits for its answer there");
    assert_eq!(request.head().await.whole().await.expect_status(200).text(), "finished");
    until("the first one to end", async || !runs(first)).await;
    assert_eq!(host.cordon_death_count(), 0);
    host.shutdown().await;
}
