//! A cron carries what it takes to run it: nobody calls, and nothing of what registered it is left.

use rustix::process::Signal;

use super::{FIRST_MS, MINUTELY, TENANT, advance, crons, ran, shown, start, worker};
use crate::host::{SOON, moment, signal, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cron_runs_when_all_that_registered_it_is_gone() {
    let mut host = start().await;
    host.deploy(TENANT, &worker("", &[MINUTELY])).await;
    let cordons = host.cordon_pids();
    host.restart().await;
    assert!(cordons.iter().all(|pid| !host.cordon_pids().contains(pid)));
    assert_eq!(ran(&host).await, [] as [u64; 0]);
    advance(&host, 60);
    shown(&host, |cron| cron["last"]["at_ms"] == FIRST_MS).await;
    assert_eq!(ran(&host).await, [FIRST_MS]);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_missed_while_no_server_ran_runs_once() {
    let mut host = start().await;
    host.deploy(TENANT, &worker("", &[MINUTELY])).await;
    host.restart_after(|clock| clock.advance(std::time::Duration::from_secs(600))).await;
    let cron = shown(&host, |cron| !cron["last"].is_null()).await;
    assert_eq!(
        (&cron["last"]["at_ms"], &cron["next_ms"]),
        (&FIRST_MS.into(), &(FIRST_MS + 600_000).into(),)
    );
    advance(&host, 60);
    shown(&host, |cron| cron["last"]["at_ms"] == FIRST_MS + 600_000).await;
    assert_eq!(ran(&host).await, [FIRST_MS, FIRST_MS + 600_000]);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_whose_process_is_killed_runs_again() {
    let host = start().await;
    let body = "if (!env.LET) await scheduler.wait(1e6);";
    host.deploy(TENANT, &worker(body, &[MINUTELY])).await;
    advance(&host, 60);
    host.logs_until(TENANT, |record| record["message"][0] == "ran").await;
    let id = host.server().registry().tenant_id(TENANT).await.expect("a tenant");
    let cordon = host.server().placement().cordon_of(id, "main").expect("it runs");
    // Another version is deployed while the old one runs: the cron and what is due of it stay.
    let next = worker("", &[MINUTELY]).text("LET", "yes");
    host.deploy(TENANT, &next).await;
    assert_eq!(crons(&host).await[0]["next_ms"], FIRST_MS);
    signal(cordon, Signal::KILL);
    let cron = shown(&host, |cron| cron["failures"] == 1).await;
    assert_eq!(cron["last"]["outcome"], "lost");
    advance(&host, 2);
    let cron = shown(&host, |cron| cron["failures"] == 0).await;
    assert_eq!(cron["last"]["outcome"], "ok");
    assert_eq!(ran(&host).await, [FIRST_MS, FIRST_MS]);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_ends_in_the_middle_of_a_run_does_not_lose_it() {
    let mut host =
        crate::host::Host::new().still_clock().config(|c| c.drain_ms = 100).start().await;
    host.deploy(TENANT, &worker("await scheduler.wait(2_000);", &[MINUTELY])).await;
    advance(&host, 60);
    host.logs_until(TENANT, |record| record["message"][0] == "ran").await;
    host.restart().await;
    let again = async {
        while ran(&host).await.is_empty() {
            // Whether the end was still written down as a failure or not, it is due soon.
            advance(&host, 1);
            moment().await;
        }
    };
    within(SOON, "another run", again).await;
    let cron = shown(&host, |cron| cron["last"]["outcome"] == "ok").await;
    assert_eq!(cron["last"]["at_ms"], FIRST_MS);
    assert_eq!(ran(&host).await[0], FIRST_MS);
    host.shutdown().await;
}
