//! What is kept: over restarts and kills, and for as long as it was asked for.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::{TENANT, store, until};
use crate::host::{Host, Program, SOON, within};

const LARGE: usize = 3 << 20;

fn large(mark: u8) -> Vec<u8> {
    (0..LARGE).map(|at| mark ^ (at % 251) as u8).collect()
}

/// Files of large values in a data directory.
fn files(data: &Path) -> usize {
    let tenants = fs::read_dir(data.join("blobs")).expect("blobs");
    let values = tenants.filter_map(|tenant| {
        Some(fs::read_dir(tenant.expect("an entry").path().join("values")).ok()?.count())
    });
    values.sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_keeps_every_value() {
    let mut host = Host::new().start().await;
    host.deploy(TENANT, &store()).await;
    for (path, value) in [("/a", b"small".to_vec()), ("/b", vec![7; 300_000]), ("/c", large(1))] {
        host.request(TENANT, "PUT", path).body(value).send().await.expect_status(204);
    }
    let first = host.get(TENANT, "/?limit=1").await.json();
    host.restart().await;
    assert_eq!(host.get(TENANT, "/a").await.text(), "small");
    assert!(host.get(TENANT, "/b").await.body == vec![7; 300_000]);
    assert!(host.get(TENANT, "/c").await.body == large(1));
    let cursor = first["cursor"].as_str().expect("a cursor");
    let rest = host.get(TENANT, &format!("/?cursor={cursor}")).await.expect_status(200).json();
    assert_eq!(rest["keys"].as_array().map(Vec::len), Some(2), "a cursor outlives a restart");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_gone_at_its_second_and_then_swept() {
    let host = Host::new().still_clock().start().await;
    host.deploy(TENANT, &store()).await;
    for path in ["/soon?ttl=60", "/late?ttl=86400"] {
        host.request(TENANT, "PUT", path).body(large(2)).send().await.expect_status(204);
    }
    assert_eq!(files(&host.data()), 2);
    host.clock().advance(Duration::from_millis(59_999));
    host.get(TENANT, "/soon").await.expect_status(200);
    host.clock().advance(Duration::from_millis(1));
    host.get(TENANT, "/soon").await.expect_status(404);
    host.get(TENANT, "/late").await.expect_status(200);
    until("the sweep", async || {
        host.clock().advance(Duration::from_secs(61));
        files(&host.data()) == 1
    })
    .await;
    assert!(host.get(TENANT, "/late").await.body == large(2));
    host.shutdown().await;
}

/// Kills the server while values come. What was answered is there, whole; a value that was not is
/// there whole or not at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_keeps_what_was_acknowledged_and_no_half_of_the_rest() {
    let mut program = Program::start_with(&["--cordons", "2"]).await;
    program.deploy(TENANT, &store()).await;
    for round in 0..3_u8 {
        let mut acknowledged = Vec::new();
        for at in 0..4_u8 {
            let mark = round * 16 + at;
            for (kind, value) in [("small", vec![mark; 9]), ("large", large(mark))] {
                let path = format!("/{kind}-{at}");
                let put = program.request(TENANT, "PUT", &path).body(value.clone()).send().await;
                put.expect_status(204);
                acknowledged.push((path, value));
            }
        }
        // One that is on its way, of which the server has a part.
        let mut sending = program.request(TENANT, "PUT", "/half").start().await;
        for _ in 0..40 {
            sending.chunk(vec![9; 60_000]).await;
        }
        let before = 4 + usize::from(round > 0) * 4;
        within(SOON, "a file", async {
            while files(&program.data()) <= before {
                crate::host::moment().await;
            }
        })
        .await;
        program.kill().await;
        program.again().await;
        drop(sending);
        for (path, value) in acknowledged {
            let got = program.get(TENANT, &path).await.expect_status(200);
            assert!(got.body == value, "{path} in round {round}");
        }
        program.get(TENANT, "/half").await.expect_status(404);
    }
    assert_eq!(program.terminate().await, Some(0));
}
