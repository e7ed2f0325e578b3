//! Starts over a directory that holds much.

use std::time::Instant;

use serde_json::json;

use super::{TENANT, says};
use crate::host::{Doors, Program};

const TENANT_COUNT: usize = 10_000;
const CLIENT_COUNT: usize = 32;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "figures, for who runs it with --nocapture")]
async fn a_server_of_ten_thousand_tenants_starts_anew_with_all_of_them() {
    let mut program = Program::start_with(&["--cordons", "2"]).await;
    program.deploy(TENANT, &says("ok")).await;
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..CLIENT_COUNT {
        let doors: Doors = (*program).clone();
        clients.spawn(async move {
            for number in (client..TENANT_COUNT).step_by(CLIENT_COUNT) {
                let answer = doors.put(&format!("/v1/tenants/t{number}"), &json!({})).await;
                assert!(matches!(answer.status, 200 | 201), "{answer}");
            }
        });
    }
    clients.join_all().await;
    program.kill().await;
    let started = Instant::now();
    program.again().await;
    println!("ready after {} ms with {TENANT_COUNT} tenants", started.elapsed().as_millis());
    assert_eq!(program.get(TENANT, "/").await.expect_status(200).text(), "ok");
    for number in [0, TENANT_COUNT / 2, TENANT_COUNT - 1] {
        let shown = program.admin("GET", &format!("/v1/tenants/t{number}")).send().await;
        shown.expect_status(200);
    }
    assert_eq!(program.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_may_open_as_many_files_as_the_system_lets_it() {
    let program = Program::start_under(64).await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", program.pid()));
    let limits = limits.expect("limits of a process");
    let open = limits.lines().find(|line| line.starts_with("Max open files")).expect("a limit");
    let mut numbers = open.split_whitespace().filter(|word| word.parse::<u64>().is_ok());
    let (soft, hard) = (numbers.next().expect("a soft one"), numbers.next().expect("a hard one"));
    assert_eq!(soft, hard, "{open}");
    assert_ne!(soft, "64", "{open}");
}
