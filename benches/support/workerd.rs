//! Stock workerd, as npm delivers it: one worker of its configuration, or a loader of many.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::Result;
use super::process::{self, Running};
use super::worker::Worker;

/// What the contender is called.
pub(crate) const NAME: &str = "workerd";

/// How workerd comes to its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It is the one that the configuration names.
    Static,
    /// A worker of the configuration loads it under the name in the request's host.
    Loader,
}

/// A workerd that accepts requests. It is stopped when this is dropped.
pub(crate) struct Workerd {
    /// The process.
    pub(crate) running: Running,
    /// Where it accepts.
    pub(crate) address: SocketAddr,
    _files: TempDir,
}

impl Workerd {
    /// Starts one on a free port of the loopback.
    pub(crate) fn start(worker: &Worker, mode: Mode) -> Result<Self> {
        // On the disk that flushes are measured on.
        let files = tempfile::tempdir_in(".")?;
        write_files(files.path(), worker, mode)?;
        let mut command = Command::new(program()?);
        command
            .args(["serve", "--experimental", "--control-fd=1", "config.capnp"])
            .current_dir(files.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(files.path().join("log"))?);
        let mut running = Running::start(&mut command)?;
        let stdout = running.child.stdout.take().ok_or("no stdout")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let port = serde_json::from_str::<Value>(&line)
            .ok()
            .and_then(|event| event["port"].as_u64())
            .and_then(|port| u16::try_from(port).ok());
        let Some(port) = port else {
            let log = fs::read_to_string(files.path().join("log"))?;
            return Err(format!("workerd did not start: {log}").into());
        };
        Ok(Self { running, address: SocketAddr::from(([127, 0, 0, 1], port)), _files: files })
    }
}

/// What `workerd --version` says.
pub(crate) fn version() -> Result<String> {
    process::output(Command::new(program()?).arg("--version"))
}

/// The program: what `BINDERY_WORKERD` names, or what `benches/setup.sh` installed.
fn program() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("BINDERY_WORKERD") {
        return Ok(path.into());
    }
    let benches = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../benches");
    let packages = benches.join("node_modules/@cloudflare");
    let installed = fs::read_dir(packages).into_iter().flatten().flatten();
    let mut programs = installed.map(|package| package.path().join("bin/workerd"));
    programs.find(|path| path.is_file()).ok_or_else(|| {
        "stock workerd is missing: run benches/setup.sh once (it needs npm), or name the program \
         in BINDERY_WORKERD, or say --only bindery"
            .into()
    })
}

fn write_files(folder: &Path, worker: &Worker, mode: Mode) -> Result<()> {
    let vars: serde_json::Map<String, Value> =
        worker.vars.iter().map(|(name, value)| ((*name).into(), value.clone())).collect();
    fs::write(folder.join("index.js"), &worker.source)?;
    fs::write(folder.join("vars.json"), serde_json::to_vec(&vars)?)?;
    fs::write(folder.join("loader.js"), include_str!("../workers/loader.js"))?;
    let namespaces = worker.namespaces.iter().map(|name| namespace(name));
    let (modules, bindings) = match mode {
        Mode::Static => (
            r#"(name = "index.js", esModule = embed "index.js")"#.into(),
            worker
                .vars
                .iter()
                .map(binding)
                .chain(namespaces)
                .chain(worker.loads.then(|| "(name = \"LOADER\", workerLoader = ())".into()))
                .chain(worker.callee.map(|_| "(name = \"CALLEE\", service = \"callee\")".into()))
                .chain(worker.queues.then(|| "(name = \"QUEUE\", queue = \"queue\")".into()))
                .collect::<Vec<_>>()
                .join(", "),
        ),
        Mode::Loader => (
            [
                r#"(name = "loader.js", esModule = embed "loader.js")"#,
                r#"(name = "source", text = embed "index.js")"#,
                r#"(name = "vars", json = embed "vars.json")"#,
            ]
            .join(", "),
            r#"(name = "LOADER", workerLoader = (id = "bench"))"#.into(),
        ),
    };
    let kv = if worker.namespaces.is_empty() { "" } else { KV };
    fs::create_dir(folder.join("kv"))?;
    fs::write(folder.join("callee.js"), worker.callee.unwrap_or_default())?;
    let callee = if worker.callee.is_some() { CALLEE } else { "" };
    let (queue, extension) = if worker.queues { (QUEUE, BROKER) } else { ("", "") };
    if worker.queues {
        copy_broker(folder)?;
    }
    let config = format!(
        r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "internet", network = (allow = ["public", "private", "local"])){kv}{queue}{callee}
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")]{extension}
);
const worker :Workerd.Worker = (
  modules = [{modules}],
  bindings = [{bindings}],
  compatibilityDate = "2026-08-01"
);
"#
    );
    fs::write(folder.join("config.capnp"), config)?;
    Ok(())
}

/// The service of namespaces that comes with it, and the disk that it keeps them on.
const KV: &str = r#",
    (name = "kv", worker = (
      modules = [(name = "kv.js", bundled = "/workerd/kv.js")],
      compatibilityDate = "2026-08-01",
      durableObjectNamespaces = [(className = "KVNamespace", uniqueKey = "kv", enableSql = true)],
      durableObjectStorage = (localDisk = "disk"),
      bindings = [
        (name = "SHARD", durableObjectNamespace = "KVNamespace"),
        (name = "BLOBS", service = "disk")
      ]
    )),
    (name = "disk", disk = (path = "kv", writable = true))"#;

/// Another worker, which the first is bound to.
const CALLEE: &str = r#",
    (name = "callee", worker = (
      modules = [(name = "callee.js", esModule = embed "callee.js")],
      compatibilityDate = "2026-08-01"
    ))"#;

/// The queue of its development tools, in memory, as they configure it for one worker.
const QUEUE: &str = r#",
    (name = "queue", worker = (
      modules = [(name = "object-entry.worker.js", esModule = embed "object-entry.worker.js")],
      compatibilityDate = "2023-07-24",
      compatibilityFlags = ["nodejs_compat", "experimental"],
      bindings = [
        (name = "MINIFLARE_NAMESPACE", text = "queue"),
        (name = "MINIFLARE_OBJECT", durableObjectNamespace = (
          className = "QueueBrokerObject", serviceName = "broker"
        ))
      ]
    )),
    (name = "broker", worker = (
      modules = [(name = "broker.worker.js", esModule = embed "broker.worker.js")],
      compatibilityDate = "2023-07-24",
      compatibilityFlags = ["nodejs_compat", "experimental", "service_binding_extra_handlers"],
      durableObjectNamespaces = [(
        className = "QueueBrokerObject", uniqueKey = "broker", preventEviction = true
      )],
      durableObjectStorage = (inMemory = void),
      bindings = [
        (name = "MINIFLARE_OBJECT", durableObjectNamespace = "QueueBrokerObject"),
        (name = "MINIFLARE_QUEUE_PRODUCERS", json = "{}"),
        (name = "MINIFLARE_QUEUE_CONSUMERS", json = "{\"queue\":{\"queueName\":\"queue\",\"workerName\":\"main\",\"maxBatchSize\":100,\"maxBatchTimeout\":0}}"),
        (name = "MINIFLARE_WORKER_main", service = "main")
      ]
    ))"#;

/// What the broker imports.
const BROKER: &str = r#",
  extensions = [(modules = [
    (name = "miniflare:shared", esModule = embed "index.worker.js"),
    (name = "miniflare:zod", esModule = embed "zod.worker.js")
  ])]"#;

/// Puts the broker's modules, as `benches/setup.sh` fetched them, beside the configuration.
fn copy_broker(folder: &Path) -> Result<()> {
    let broker = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../benches/node_modules/broker");
    for file in [
        "queues/broker.worker.js",
        "shared/object-entry.worker.js",
        "shared/index.worker.js",
        "shared/zod.worker.js",
    ] {
        let path = broker.join(file);
        let name = path.file_name().ok_or("a file without a name")?;
        fs::copy(&path, folder.join(name)).map_err(|error| {
            format!("{}: {error}: run benches/setup.sh once (it needs npm)", path.display())
        })?;
    }
    Ok(())
}

/// A namespace as the configuration writes it.
fn namespace(name: &str) -> String {
    let props = format!("{{\"namespace\":\"{name}\"}}");
    format!("(name = {name:?}, kvNamespace = (name = \"kv\", props = (json = {props:?})))")
}

/// A binding as the configuration writes it; its strings read like those of JSON.
fn binding((name, value): &(&'static str, Value)) -> String {
    match value {
        Value::String(text) => format!("(name = {name:?}, text = {text:?})"),
        value => format!("(name = {name:?}, json = {:?})", value.to_string()),
    }
}
