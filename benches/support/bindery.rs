//! The program that this repository builds, serving from a directory of its own.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::Result;
use super::client::Client;
use super::http::Body;
use super::process::{self, Running};
use super::worker::Worker;

/// What the contender is called.
pub(crate) const NAME: &str = "bindery";

const PROGRAM: &str = env!("CARGO_BIN_EXE_bindery");
/// Everything is as by default, but a thousand live isolates leave room for more.
pub(crate) const CONFIG: &str = "[pool]\nisolate-count-max = 2000\n";
const BOUNDARY: &str = "bench-5d1f0a7c";

/// Where servers, one after the other, keep their data and their log. It is removed when this is
/// dropped.
pub(crate) struct Data(TempDir);

/// A server that accepts requests. It is stopped when this is dropped.
pub(crate) struct Bindery {
    /// The dispatcher; the cordons are its children.
    pub(crate) running: Running,
    /// The front door.
    pub(crate) address: SocketAddr,
    admin: SocketAddr,
    token: String,
}

impl Data {
    /// An empty directory.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(tempfile::tempdir()?))
    }

    /// An empty directory beside the build, on the disk that flushes are measured on.
    pub(crate) fn beside() -> Result<Self> {
        Ok(Self(tempfile::tempdir_in(".")?))
    }

    /// Where the store of a server is.
    pub(crate) fn store(&self) -> PathBuf {
        self.0.path().join("data")
    }

    /// Bytes on the disk of all files but the logs.
    pub(crate) fn disk_bytes(&self) -> Result<u64> {
        Ok(process::disk_bytes(&self.store())?.saturating_sub(self.log_bytes()?))
    }

    /// Bytes on the disk of the two logs, which are bounded and used again.
    pub(crate) fn log_bytes(&self) -> Result<u64> {
        let blocks = |name| Ok::<_, std::io::Error>(self.store().join(name).metadata()?.blocks());
        Ok((blocks("log-0")? + blocks("log-1")?) * 512)
    }

    /// Starts a server on free ports of the loopback.
    pub(crate) fn serve(&self) -> Result<Bindery> {
        Bindery::start(self.0.path(), CONFIG, &[])
    }

    /// Starts one with a configuration of its own.
    pub(crate) fn serve_with(&self, config: &str) -> Result<Bindery> {
        Bindery::start(self.0.path(), config, &[])
    }

    /// Starts one whose workers may reach the loopback.
    pub(crate) fn serve_with_private_egress(&self) -> Result<Bindery> {
        Bindery::start(self.0.path(), CONFIG, &["--allow-private-egress"])
    }

    /// Starts one that has no blank isolates waiting.
    pub(crate) fn serve_without_blanks(&self) -> Result<Bindery> {
        Bindery::start(self.0.path(), CONFIG, &["--blanks", "0"])
    }
}

impl Bindery {
    fn start(folder: &Path, settings: &str, flags: &[&str]) -> Result<Self> {
        let data = folder.join("data");
        let (log, config) = (folder.join("log"), folder.join("config.toml"));
        fs::write(&config, settings)?;
        let mut command = Command::new(PROGRAM);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data"])
            .arg(&data)
            .arg("--config")
            .arg(config)
            .args(flags)
            // The server ends with the bench, however that ends.
            .arg("--until-stdin-closes")
            .env_remove("BINDERY_TOKEN")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(&log)?);
        let mut running = Running::start(&mut command)?;
        let mut stdout = BufReader::new(running.child.stdout.take().ok_or("no stdout")?);
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        let (Some(address), Some(admin)) = (place(&line, "listen="), place(&line, "admin=")) else {
            let mut text = String::new();
            fs::File::open(&log)?.take(4_096).read_to_string(&mut text)?;
            return Err(format!("bindery did not start: {line}{text}").into());
        };
        let token = fs::read_to_string(data.join("operator.token"))?.trim().to_owned();
        Ok(Self { running, address, admin, token })
    }

    /// A connection for uploads.
    pub(crate) fn uploader(&self) -> Result<Uploader> {
        let client = Client::connect(self.admin, Body::Keep)?;
        Ok(Uploader { client, token: self.token.clone() })
    }
}

/// How often, and how many times, a store is asked whether it is at rest.
const REST_LOOK_EVERY: Duration = Duration::from_millis(500);
const REST_TRY_COUNT: usize = 120;

/// Uploads one worker after the other.
pub(crate) struct Uploader {
    client: Client,
    token: String,
}

impl Uploader {
    /// Uploads the worker as `main` of a tenant, which is made if it is not there.
    pub(crate) fn upload(&mut self, tenant: &str, worker: &Worker) -> Result<()> {
        self.upload_as(tenant, "main", worker)
    }

    /// Waits until the store has folded what it holds, as it does when nothing is written.
    pub(crate) fn rest(&mut self) -> Result<()> {
        let head = format!(
            "GET /v1/store HTTP/1.1\r\nHost: admin\r\nAuthorization: Bearer {}\r\n",
            self.token
        );
        for _ in 0..REST_TRY_COUNT {
            let status = self.client.send(&head, b"")?;
            let stats = String::from_utf8_lossy(self.client.body());
            if status != 200 {
                return Err(format!("figures of the store: status {status}: {stats}").into());
            }
            if stats.contains("\"changesInMemory\":0,") && stats.contains("\"isFolding\":false") {
                return Ok(());
            }
            thread::sleep(REST_LOOK_EVERY);
        }
        Err("the store does not come to rest".into())
    }

    /// Uploads what the worker calls as `callee` of a tenant.
    pub(crate) fn upload_callee(&mut self, tenant: &str, worker: &Worker) -> Result<()> {
        let source = worker.callee.ok_or("the worker calls no other")?;
        self.upload_as(tenant, "callee", &Worker::plain(source))
    }

    /// Uploads the worker under a name.
    pub(crate) fn upload_as(&mut self, tenant: &str, name: &str, worker: &Worker) -> Result<()> {
        let head = format!(
            "PUT /v1/tenants/{tenant}/workers/{name} HTTP/1.1\r\nHost: admin\r\n\
             Authorization: Bearer {}\r\n\
             Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n",
            self.token
        );
        let status = self.client.send(&head, form(worker).as_bytes())?;
        if matches!(status, 200 | 201) {
            return Ok(());
        }
        let body = String::from_utf8_lossy(self.client.body());
        Err(format!("upload for {tenant}: status {status}: {body}").into())
    }
}

/// What `bindery --version` says.
pub(crate) fn version() -> Result<String> {
    process::output(Command::new(PROGRAM).arg("--version"))
}

/// The host name of a tenant's `main`.
pub(crate) fn host(tenant: &str) -> String {
    format!("{tenant}.localhost")
}

fn form(worker: &Worker) -> String {
    let namespace =
        |name: &&str| json!({"type": "kv_namespace", "name": name, "namespace_id": name});
    let namespaces = worker.namespaces.iter().map(namespace);
    let mut bindings: Vec<_> = worker.vars.iter().map(binding).chain(namespaces).collect();
    if worker.loads {
        bindings.push(json!({ "type": "worker_loader", "name": "LOADER" }));
    }
    if worker.callee.is_some() {
        bindings.push(json!({ "type": "service", "name": "CALLEE", "service": "callee" }));
    }
    let mut consumers = Vec::new();
    if worker.queues {
        bindings.push(json!({ "type": "queue", "name": "QUEUE", "queue_name": "queue" }));
        consumers.push(json!({ "queue": "queue", "max_batch_size": 100, "max_batch_timeout": 0 }));
    }
    let metadata = json!({
        "main_module": "index.js",
        "compatibility_date": "2026-08-01",
        "bindings": bindings,
        "queue_consumers": consumers,
    });
    format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\
         Content-Type: application/json\r\n\r\n{metadata}\r\n\
         --{BOUNDARY}\r\n\
         Content-Disposition: form-data; name=\"index.js\"; filename=\"index.js\"\r\n\
         Content-Type: application/javascript+module\r\n\r\n{}\r\n--{BOUNDARY}--\r\n",
        worker.source
    )
}

fn binding((name, value): &(&'static str, Value)) -> Value {
    match value {
        Value::String(text) => json!({ "type": "plain_text", "name": name, "text": text }),
        value => json!({ "type": "json", "name": name, "json": value }),
    }
}

/// The address after `key` in the line that says where the server accepts.
fn place(line: &str, key: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once(key)?;
    rest.split_whitespace().next()?.trim_start_matches("http://").parse().ok()
}
