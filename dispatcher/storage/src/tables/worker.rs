//! Workers of a tenant, and which versions served.

use std::sync::Arc;

use bindery_wire::{TenantId, VersionId};
use serde::{Deserialize, Serialize};

use super::row::{self, Error, Result, Row, Store};
use crate::engine::{Check, Engine, KeyRange, Write};
use crate::key::{Key, Space};

/// A worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worker {
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// The version that serves new work.
    pub deployed: Option<VersionId>,
    /// How many deployments there were.
    pub deployments: u64,
    /// The tenant's `changes` when the worker was made or its secrets were last changed.
    pub generation: u64,
}

/// A version began to serve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// The version.
    pub version: VersionId,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
}

impl Row for Worker {
    const TABLE: &'static str = "workers";
}

impl Row for Deployment {
    const TABLE: &'static str = "deployments";
}

/// The tables of workers and deployments.
#[derive(Clone)]
pub struct Workers(Store);

impl Workers {
    /// The tables in this store.
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self(Store(engine))
    }

    /// A worker by name.
    pub async fn get(&self, tenant: TenantId, name: &str) -> Result<Option<Worker>> {
        self.0.get(key(tenant, name)).await
    }

    /// Workers whose names follow `after`, in byte order.
    pub async fn list(
        &self,
        tenant: TenantId,
        after: Option<&str>,
        count_max: usize,
    ) -> Result<Vec<(String, Worker)>> {
        self.0.list(Key::new(Space::Worker).tenant(tenant).finish(), after, count_max).await
    }

    /// Deployments of a worker, the oldest first, with their numbers.
    pub async fn deployments(
        &self,
        tenant: TenantId,
        name: &str,
        count_max: usize,
    ) -> Result<Vec<(u64, Deployment)>> {
        let prefix = deployments(tenant, name).finish();
        let skip = prefix.len();
        let entries = self.0.scan(prefix, None, count_max).await?;
        let read = |entry: &crate::engine::Entry| {
            let number = entry.key.get(skip..).and_then(|last| last.try_into().ok());
            let number = number.ok_or(Error::Malformed(Deployment::TABLE))?;
            Ok((u64::from_be_bytes(number), Deployment::from_bytes(&entry.value)?))
        };
        entries.iter().map(read).collect()
    }

    /// Holds while the worker is as it was read.
    pub fn unchanged(&self, tenant: TenantId, name: &str, worker: Option<&Worker>) -> Check {
        row::unchanged(key(tenant, name), worker)
    }

    /// Sets the row.
    pub fn put(&self, tenant: TenantId, name: &str, worker: &Worker) -> Write {
        row::put(key(tenant, name), worker)
    }

    /// Adds a deployment with its number, and forgets those before `keep_from`.
    pub fn deploy(
        &self,
        (tenant, name): (TenantId, &str),
        (number, deployment): (u64, &Deployment),
        keep_from: u64,
    ) -> [Write; 2] {
        let at = |number| deployments(tenant, name).number(number).finish();
        let old = KeyRange { start: at(0), end: Some(at(keep_from)) };
        [Write::DeleteRange(old), row::put(at(number), deployment)]
    }

    /// Removes the worker and its deployments.
    pub fn delete(&self, tenant: TenantId, name: &str) -> [Write; 2] {
        let row = Write::Delete { key: key(tenant, name) };
        [row, Write::DeleteRange(deployments(tenant, name).range())]
    }
}

fn key(tenant: TenantId, name: &str) -> Vec<u8> {
    row::ending(Key::new(Space::Worker).tenant(tenant), name)
}

fn deployments(tenant: TenantId, name: &str) -> Key {
    Key::new(Space::Deployment).tenant(tenant).text(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_workers_and_deployments_are_frozen() {
        let version = VersionId([0xab; 32]);
        let worker =
            Worker { created_ms: 5, deployed: Some(version), deployments: 2, generation: 3 };
        let hex = "ab".repeat(32);
        assert_eq!(
            String::from_utf8_lossy(&worker.to_bytes()),
            format!(
                "\u{1}{{\"created_ms\":5,\"deployed\":\"ver_{hex}\",\
                 \"deployments\":2,\"generation\":3}}"
            )
        );
        assert_eq!(Worker::from_bytes(&worker.to_bytes()).expect("reads"), worker);
        let deployment = Deployment { version, at_ms: 9 };
        assert_eq!(
            String::from_utf8_lossy(&deployment.to_bytes()),
            format!("\u{1}{{\"version\":\"ver_{hex}\",\"at_ms\":9}}")
        );
        assert_eq!(Deployment::from_bytes(&deployment.to_bytes()).expect("reads"), deployment);
    }
}
