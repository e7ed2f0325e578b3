//! The orderly end of a server.

use std::fs;

use rustix::process::Signal;

use super::{TENANT, handler, until};
use crate::host::{Program, runs};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_asked_to_end_answers_what_runs_and_leaves_nothing() {
    let mut program = Program::start_with(&["--cordons", "2"]).await;
    let body = "console.log('waits'); await scheduler.wait(500); return new Response('finished');";
    program.deploy(TENANT, &handler(body)).await;
    let request = program.request(TENANT, "GET", "/").sent().await;
    program.logs_until(TENANT, |record| record["message"][0] == "waits").await;
    let (listen, cordons) = (program.listen, program.cordon_pids());
    program.signal(Signal::TERM);
    assert_eq!(request.head().await.whole().await.expect_status(200).text(), "finished");
    assert_eq!(program.ended().await, Some(0));
    assert!(!cordons.iter().any(|pid| runs(*pid)), "a cordon is left");
    assert!(tokio::net::TcpStream::connect(listen).await.is_err(), "the port is still open");
    let beside: Vec<_> = fs::read_dir(program.dir()).expect("a directory").flatten().collect();
    assert!(beside.iter().all(|entry| entry.file_name() == "data"), "{beside:?}");
    let log = program.stderr();
    assert!(!log.contains("panicked") && !log.contains("ERROR"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_ending_takes_no_new_connection() {
    let mut program = Program::start_with(&["--cordons", "1"]).await;
    let body = "console.log('waits'); await scheduler.wait(1500); return new Response('finished');";
    program.deploy(TENANT, &handler(body)).await;
    let request = program.request(TENANT, "GET", "/").sent().await;
    program.logs_until(TENANT, |record| record["message"][0] == "waits").await;
    let listen = program.listen;
    program.signal(Signal::TERM);
    until("the port to close", async || tokio::net::TcpStream::connect(listen).await.is_err())
        .await;
    assert_eq!(request.head().await.whole().await.expect_status(200).text(), "finished");
    assert_eq!(program.ended().await, Some(0));
}
