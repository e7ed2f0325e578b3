//! What every server has: a front door, an admin API, and a token for it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;
use tokio::process::Command;

use super::body::{Chunk, Incoming};
use super::client::{Answer, Request};
use super::worker::{BOUNDARY, Worker};
use super::{SOON, within};

/// The two ports of a server.
#[derive(Clone, Debug)]
pub(crate) struct Doors {
    /// Where workers are reached.
    pub(crate) listen: SocketAddr,
    /// Where the admin API is reached.
    pub(crate) admin: SocketAddr,
    /// The operator's token.
    pub(crate) token: String,
}

impl Doors {
    /// A request to a worker: `demo` is `main` of the tenant `demo`, `api.demo` its worker `api`.
    pub(crate) fn request(&self, to: &str, method: &str, path: &str) -> Request {
        Request::new(self.listen, method, &format!("{to}.localhost"), path)
    }

    /// A request with this `Host` header, whatever it is.
    pub(crate) fn request_as(&self, host: &str, method: &str, path: &str) -> Request {
        Request::new(self.listen, method, host, path)
    }

    /// Asks a worker.
    pub(crate) async fn get(&self, to: &str, path: &str) -> Answer {
        self.request(to, "GET", path).send().await
    }

    /// Sends a worker something.
    pub(crate) async fn post(&self, to: &str, path: &str, body: impl Into<Vec<u8>>) -> Answer {
        self.request(to, "POST", path).body(body).send().await
    }

    /// A request to the admin API, as the operator.
    pub(crate) fn admin(&self, method: &str, path: &str) -> Request {
        let request = Request::new(self.admin, method, "admin", path);
        request.header("authorization", &format!("Bearer {}", self.token))
    }

    /// Runs a command of the built program against this server: its exit code, and all that it
    /// printed.
    pub(crate) async fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bindery"));
        command.args(arguments).env_clear().kill_on_drop(true);
        command.env("BINDERY_API", format!("http://{}", self.admin));
        command.env("BINDERY_TOKEN", &self.token);
        let output = within(SOON, "the command", command.output()).await.expect("it runs");
        let printed = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(printed).expect("text"))
    }

    /// Deploys an example of this repository as it stands, for the tenant `demo`. What was printed.
    pub(crate) async fn deploy_example(&self, name: &str) -> String {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
        let example = examples.join(name);
        let example = example.to_str().expect("a path in UTF-8");
        let (code, printed) = self.run(&["deploy", example, "--tenant", "demo"]).await;
        assert_eq!(code, Some(0), "{name}: {printed}");
        printed
    }

    /// Has the admin API take a JSON value.
    pub(crate) async fn put(&self, path: &str, value: &Value) -> Answer {
        let request = self.admin("PUT", path).header("content-type", "application/json");
        request.body(value.to_string()).send().await
    }

    /// Uploads a worker and deploys it, whatever the answer.
    pub(crate) async fn upload(&self, tenant: &str, worker: &Worker) -> Answer {
        let path = format!("/v1/tenants/{tenant}/workers/{}", worker.name);
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        self.admin("PUT", &path).header("content-type", &kind).body(worker.form()).send().await
    }

    /// Uploads a worker and deploys it, which must succeed. Gives what the upload answered.
    pub(crate) async fn deploy(&self, tenant: &str, worker: &Worker) -> Value {
        let answer = self.upload(tenant, worker).await;
        assert!(matches!(answer.status, 200 | 201), "{answer}");
        answer.json()
    }

    /// Every series of `/metrics` with its value.
    pub(crate) async fn figures(&self) -> BTreeMap<String, f64> {
        let answer = self.admin("GET", "/metrics").send().await.expect_status(200);
        assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        let text = answer.text();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let pair = |line: &str| {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            (name.to_owned(), value.parse().expect("a number"))
        };
        lines.map(pair).collect()
    }

    /// The tenant's records as far as they are remembered.
    pub(crate) async fn logs(&self, tenant: &str) -> Vec<Value> {
        let answer = self.admin("GET", &format!("/v1/tenants/{tenant}/logs")).send().await;
        let mut body = answer.expect_status(200).json();
        body["records"].as_array_mut().map(std::mem::take).expect("a list")
    }

    /// Waits until the tail has a record that the test looks for. Gives all up to it.
    pub(crate) async fn logs_until(
        &self,
        tenant: &str,
        found: impl Fn(&Value) -> bool,
    ) -> Vec<Value> {
        let path = format!("/v1/tenants/{tenant}/logs?follow=1&after=0");
        let mut events = self.admin("GET", &path).open().await;
        assert_eq!(events.status, 200);
        let mut seen = Vec::new();
        let tail = tail(&mut events, &mut seen, found);
        if tokio::time::timeout(std::time::Duration::from_secs(SOON), tail).await.is_err() {
            panic!("no such record within {SOON} seconds; there are: {seen:#?}");
        }
        seen
    }

    /// Waits until the tail has a record of a kind: `log`, `exception` or `outcome`.
    pub(crate) async fn record(&self, tenant: &str, kind: &str) -> Value {
        let records = self.logs_until(tenant, |record| record["kind"] == kind).await;
        records.into_iter().next_back().expect("the one that was found")
    }
}

async fn tail(events: &mut Incoming, seen: &mut Vec<Value>, found: impl Fn(&Value) -> bool) {
    let mut text = Vec::new();
    loop {
        match events.chunk().await {
            Chunk::Bytes(bytes) => text.extend_from_slice(&bytes),
            end => panic!("the tail ended: {end:?}; there were: {seen:#?}"),
        }
        while let Some(at) = text.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = text.drain(..=at).collect();
            let Some(json) = line.strip_prefix(b"data:") else { continue };
            let record: Value = serde_json::from_slice(json).expect("a record");
            let done = found(&record);
            seen.push(record);
            if done {
                return;
            }
        }
    }
}
