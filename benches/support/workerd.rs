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
    let config = format!(
        r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "internet", network = (allow = ["public", "private", "local"])){kv}
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")]
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
