//! What a tenant used, as its own requests add up.

use std::time::{Duration, Instant};

use super::{SOON, TENANT, handler};
use crate::host::{Program, moment, within};

/// The figure over all stored hours.
async fn figure(program: &Program, name: &str) -> u64 {
    let path = format!("/v1/tenants/{TENANT}/usage?from=0");
    let shown = program.admin("GET", &path).send().await.expect_status(200).json();
    let hours = shown["usage"].as_array().expect("a list");
    hours.iter().filter_map(|hour| hour[name].as_u64()).sum()
}

/// Waits until the stored figure is this one.
async fn becomes(program: &Program, name: &str, expected: u64) {
    within(SOON, "the figure", async {
        while figure(program, name).await != expected {
            moment().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_tenant_used_outlives_a_killed_server_and_is_counted_once() {
    let mut program = Program::start_with(&["--cordons", "2"]).await;
    let worker = handler("return new Response(request.body ?? 'hello');");
    program.deploy(TENANT, &worker).await;
    for _ in 0..20 {
        program.get(TENANT, "/").await.expect_status(200);
    }
    program.post(TENANT, "/", "12345").await.expect_status(200);
    becomes(&program, "requests", 21).await;
    program.kill().await;
    program.again().await;
    assert_eq!(figure(&program, "requests").await, 21);
    assert_eq!(figure(&program, "bytesIn").await, 5);
    assert_eq!(figure(&program, "bytesOut").await, 20 * 5 + 5);
    let before = Instant::now();
    for _ in 0..10 {
        program.get(TENANT, "/").await.expect_status(200);
    }
    program.kill().await;
    // Only what is younger than a second may be lost, and nothing is there twice.
    let late = before.elapsed() < Duration::from_secs(1);
    program.again().await;
    let kept = figure(&program, "requests").await;
    assert!((21..=31).contains(&kept) && (late || kept > 21), "{kept}");
    assert_eq!(program.terminate().await, Some(0));
    program.again().await;
    let path = format!("/v1/tenants/{TENANT}");
    program.admin("DELETE", &path).send().await.expect_status(204);
    program.deploy(TENANT, &worker).await;
    assert_eq!(figure(&program, "requests").await, 0, "a tenant of the same name starts afresh");
}
