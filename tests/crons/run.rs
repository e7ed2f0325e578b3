//! What is run when, and what becomes of it.

use serde_json::json;

use super::{FIRST_MS, MINUTELY, TENANT, advance, crons, ran, shown, start, worker};
use crate::host::Worker;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cron_runs_at_its_time_and_again_at_the_next() {
    let host = start().await;
    host.deploy(TENANT, &worker("", &[MINUTELY, "0 0 29 2 *"])).await;
    let first = crons(&host).await;
    assert_eq!(first[0], json!({ "cron": MINUTELY, "next_ms": FIRST_MS, "failures": 0 }));
    assert_eq!(first[1]["next_ms"], 1_835_395_200_000_u64);
    advance(&host, 59);
    assert_eq!(ran(&host).await, [] as [u64; 0]);
    for number in 0..3 {
        advance(&host, if number == 0 { 1 } else { 60 });
        let at_ms = FIRST_MS + number * 60_000;
        let cron = shown(&host, |cron| cron["last"]["at_ms"] == at_ms).await;
        assert_eq!(
            (&cron["last"]["outcome"], &cron["next_ms"]),
            (&json!("ok"), &json!(at_ms + 60_000))
        );
    }
    assert_eq!(ran(&host).await, [FIRST_MS, FIRST_MS + 60_000, FIRST_MS + 120_000]);
    let records = host.logs(TENANT).await;
    let outcome = records.iter().find(|record| record["kind"] == "outcome").expect("an outcome");
    assert_eq!((&outcome["event"], &outcome["cron"]), (&json!("scheduled"), &json!(MINUTELY)));
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_fails_is_tried_again_six_times_and_then_given_up() {
    let host = start().await;
    host.deploy(TENANT, &worker("throw new Error('on purpose');", &[MINUTELY])).await;
    advance(&host, 60);
    let mut due_ms = FIRST_MS;
    for failures in 1..=6_u64 {
        let cron = shown(&host, |cron| cron["failures"] == failures).await;
        let wait_s = 1 << failures;
        due_ms += wait_s * 1_000;
        assert_eq!(
            (&cron["next_ms"], &cron["last"]["outcome"]),
            (&json!(due_ms), &json!("exception"))
        );
        advance(&host, wait_s);
    }
    let cron = shown(&host, |cron| cron["failures"] == 0).await;
    // The occurrences that passed meanwhile are left out.
    assert_eq!((due_ms, &cron["next_ms"]), (FIRST_MS + 126_000, &json!(FIRST_MS + 180_000)));
    assert_eq!(ran(&host).await, [FIRST_MS; 7]);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_wants_no_retry_or_is_not_there_gets_none() {
    let host = start().await;
    let body = "controller.noRetry(); throw new Error('on purpose');";
    host.deploy(TENANT, &worker(body, &[MINUTELY])).await;
    advance(&host, 60);
    let cron = shown(&host, |cron| cron["last"]["at_ms"] == FIRST_MS).await;
    assert_eq!((&cron["failures"], &cron["next_ms"]), (&json!(0), &json!(FIRST_MS + 60_000)));
    let other = Worker::new("export default { fetch() {} };").metadata("crons", json!([MINUTELY]));
    let warned = host.deploy(TENANT, &other).await["startup"]["warnings"].clone();
    assert!(warned.to_string().contains("no scheduled() handler"), "{warned}");
    advance(&host, 60);
    let cron = shown(&host, |cron| cron["last"]["at_ms"] == FIRST_MS + 60_000).await;
    let error = cron["last"]["error"].as_str().expect("why").to_owned();
    assert_eq!(error, "the worker's export `default` has no scheduled() handler");
    assert_eq!(cron["failures"], 0);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_replaces_the_crons_of_the_one_before() {
    let host = start().await;
    let first = host.deploy(TENANT, &worker("", &[MINUTELY])).await["version"].clone();
    host.deploy(TENANT, &worker("", &[])).await;
    assert_eq!(crons(&host).await, json!([]));
    advance(&host, 60);
    let path = format!("/v1/tenants/{TENANT}/workers/main/deployments");
    let body = json!({ "version": first }).to_string();
    host.admin("POST", &path).body(body).send().await.expect_status(200);
    advance(&host, 60);
    shown(&host, |cron| cron["last"]["at_ms"] == FIRST_MS + 60_000).await;
    assert_eq!(ran(&host).await, [FIRST_MS + 60_000], "nothing ran while there was no cron");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crons_that_mean_nothing_are_refused_with_their_place() {
    let host = start().await;
    let wrong = ["0 0 * * 0", "* * * *", "0 0 30 2 *", MINUTELY];
    let refused = host.upload(TENANT, &worker("", &wrong)).await.expect_status(422).json();
    let problems = refused["error"]["problems"].as_array().expect("problems").iter();
    let said: Vec<String> =
        problems.map(|p| format!("{}: {}", p["path"], p["message"]).replace('"', "")).collect();
    assert_eq!(said.len(), 3, "{said:#?}");
    assert!(
        said[0].starts_with("metadata.crons[0]: the day of the week is `0`: expected"),
        "{said:#?}"
    );
    assert!(said[1].starts_with("metadata.crons[1]: a cron has five fields"), "{said:#?}");
    assert!(said[2].starts_with("metadata.crons[2]: it never comes"), "{said:#?}");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_tenants_crons_are_left_out() {
    let host = start().await;
    host.deploy(TENANT, &worker("", &[MINUTELY])).await;
    let tenant = format!("/v1/tenants/{TENANT}");
    host.put(&tenant, &json!({ "suspended": true })).await.expect_status(200);
    advance(&host, 60);
    let cron = shown(&host, |cron| cron["next_ms"] == FIRST_MS + 60_000).await;
    assert!(cron["last"].is_null(), "{cron}");
    host.put(&tenant, &json!({})).await.expect_status(200);
    advance(&host, 60);
    shown(&host, |cron| cron["last"]["at_ms"] == FIRST_MS + 60_000).await;
    assert_eq!(ran(&host).await, [FIRST_MS + 60_000]);
    host.shutdown().await;
}
