//! The cordons of a running server, as the kernel describes them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::host::{Host, Worker};

/// A server with a worker that has run in each kind of cordon.
async fn server() -> Host {
    let host = Host::new().start().await;
    for tenant in ["a", "b", "c", "d", "e"] {
        let worker = Worker::new("export default { fetch() { return new Response('hi'); } };");
        host.deploy(tenant, &worker).await;
        host.get(tenant, "/").await.expect_status(200);
    }
    host
}

fn status(file: &Path, field: &str) -> String {
    let text = fs::read_to_string(file).expect("a status");
    let line = text.lines().find_map(|line| line.strip_prefix(field)).expect("a field");
    line.trim_start_matches(':').trim().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_thread_of_a_live_cordon_is_filtered_and_without_privileges() {
    let host = server().await;
    let pids = host.cordon_pids();
    assert_eq!(pids.len(), 2);
    for pid in pids {
        let mut count = 0;
        for task in fs::read_dir(format!("/proc/{pid}/task")).expect("threads") {
            let file = task.expect("a thread").path().join("status");
            assert_eq!(status(&file, "Seccomp"), "2");
            assert_eq!(status(&file, "NoNewPrivs"), "1");
            for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
                assert_eq!(status(&file, set), "0000000000000000", "{set}");
            }
            count += 1;
        }
        assert!(count > 1, "only {count} threads");
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_cordon_has_no_file_open_and_sees_none() {
    let host = server().await;
    for pid in host.cordon_pids() {
        let process = PathBuf::from(format!("/proc/{pid}"));
        // Who is not root may not look: then the cordons' own word has to do, elsewhere.
        let Ok(links) = fs::read_dir(process.join("fd")) else { continue };
        for link in links.flatten() {
            let Ok(to) = fs::read_link(link.path()) else { continue };
            let to = to.to_string_lossy().into_owned();
            let kinds = ["socket:", "pipe:", "anon_inode:"];
            assert!(kinds.iter().any(|kind| to.starts_with(kind)), "{to} is open");
        }
        if let Ok(mut entries) = fs::read_dir(process.join("root")) {
            assert!(entries.next().is_none(), "its root is not empty");
        }
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        assert!(environment.is_empty(), "{}", String::from_utf8_lossy(&environment));
        let ours = fs::read_link("/proc/self/ns/net").expect("a namespace");
        let theirs = fs::read_link(process.join("ns/net"));
        assert!(theirs.is_err() || theirs.is_ok_and(|net| net != ours), "it shares our network");
    }
    host.shutdown().await;
}
