//! Runs the case files: each in a worker of its own, each case in a request of its own.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::host::{Host, Worker};

macro_rules! folders {
    ($($folder:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $folder() {
            run(stringify!($folder)).await;
        }
    )*

        #[test]
        fn every_folder_of_cases_is_run() {
            let folders = files(&cases(), |path| path.is_dir());
            let names: Vec<_> = folders.iter().map(|path| name(path)).collect();
            assert_eq!(names, [$(stringify!($folder)),*]);
        }
    };
}

folders! { bootstrap cache cloudflare console crypto event fetch http kv loader queue rpc timers }

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases")
}

/// What is in a directory, in order.
fn files(folder: &Path, wanted: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| wanted(path));
    files.sort();
    files
}

fn name(path: &Path) -> String {
    path.file_stem().expect("a file").to_string_lossy().into_owned()
}

async fn run(folder: &str) {
    let host = Host::new().start().await;
    let (mut count, mut failures) = (0, String::new());
    for path in files(&cases().join(folder), |path| path.extension().is_some_and(|e| e == "js")) {
        let tenant = name(&path).replace('_', "-");
        let source = fs::read_to_string(&path).expect("a case file");
        let file = format!("{folder}/{}", name(&path));
        let origin = Worker::new(include_str!("runner/origin.js")).name("origin");
        host.deploy(&tenant, &origin).await;
        let callee = Worker::new(include_str!("runner/callee.js")).name("callee");
        host.deploy(&tenant, &callee).await;
        let answer = host.upload(&tenant, &bound(folder, worker(source))).await;
        if !matches!(answer.status, 200 | 201) {
            let _ = writeln!(failures, "{file}: the upload was refused: {answer}");
            continue;
        }
        for case in names(&host, &tenant).await {
            count += 1;
            let path = format!("/?case={}", percent(&case));
            let answer = host.get(&tenant, &path).await;
            if answer.status != 200 {
                let _ = writeln!(failures, "{file}: {case}: {answer}\n");
            }
        }
    }
    host.shutdown().await;
    assert!(count > 0, "no case in {folder}");
    assert!(failures.is_empty(), "of {count} cases of {folder} these failed:\n{failures}");
}

/// With the bindings that the cases of a folder are about.
fn bound(folder: &str, worker: Worker) -> Worker {
    let props = json!({ "role": "reader", "list": [1, null] });
    let kv = [
        json!({ "type": "kv_namespace", "name": "KV", "namespace_id": "cases" }),
        json!({ "type": "dynamic_kv", "name": "KVS" }),
    ];
    let service = |name: &str, entrypoint: &str| json!({ "type": "service", "name": name, "service": "callee", "entrypoint": entrypoint });
    let services = [
        service("CALLEE", "default"),
        service("METHODS", "Methods"),
        service("PLAIN", "plain"),
        service("BODIES", "Bodies"),
        json!({ "type": "service", "name": "NAMED", "service": "callee", "entrypoint": "Named",
            "props": props }),
    ];
    let queues = [
        json!({ "type": "queue", "name": "QUEUE", "queue_name": "cases" }),
        json!({ "type": "dynamic_queue", "name": "QUEUES" }),
    ];
    let loading = [
        json!({ "type": "worker_loader", "name": "LOADER" }),
        json!({ "type": "secret_text", "name": "SECRET", "text": "hidden" }),
    ];
    let bindings = match folder {
        "kv" => kv.into(),
        "rpc" => services.into(),
        "loader" => [&kv[..], &queues, &services, &loading].concat(),
        "queue" => queues.into(),
        _ => vec![],
    };
    bindings.into_iter().fold(worker, Worker::binding)
}

fn worker(source: String) -> Worker {
    Worker::new(include_str!("runner/index.js"))
        .js("t.js", include_str!("runner/t.js"))
        .js("case.js", source)
        .metadata("outbound", json!({ "service": "origin" }))
        .text("TEXT", "a text")
        .json("VALUE", r#"{"b":[1,null],"a":{"z":true,"y":"\u00e9"}}"#)
}

async fn names(host: &Host, tenant: &str) -> Vec<String> {
    let listed = host.get(tenant, "/").await.expect_status(200).json();
    let names = listed["names"].as_array().expect("names").iter();
    names.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut all, byte| {
        let _ = write!(all, "%{byte:02x}");
        all
    })
}
