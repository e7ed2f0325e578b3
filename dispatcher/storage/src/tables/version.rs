//! Versions of a worker, by id.

use std::collections::BTreeMap;
use std::sync::Arc;

use bindery_wire::{TenantId, VersionId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::row::{self, Error, Result, Row, Store};
use crate::engine::{Engine, KeyRange, Write};
use crate::key::{Key, Space};

/// A version: its manifest's bytes, or that they are a content under the version's own hash.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Version {
    /// When it was uploaded, in milliseconds since 1970.
    pub created_ms: u64,
    /// The bytes of the manifest; absent if they are a content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Box<RawValue>>,
    /// The handlers of each export, as its first start found them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub entrypoints: BTreeMap<String, Vec<String>>,
}

impl Row for Version {
    const TABLE: &'static str = "versions";
}

/// The table of versions.
#[derive(Clone)]
pub struct Versions(Store);

impl Versions {
    /// The table in this store.
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self(Store(engine))
    }

    /// A version by its id.
    pub async fn get(
        &self,
        tenant: TenantId,
        worker: &str,
        id: VersionId,
    ) -> Result<Option<Version>> {
        self.0.get(key(tenant, worker, id)).await
    }

    /// Versions of a worker, in the order of their ids.
    pub async fn list(
        &self,
        tenant: TenantId,
        worker: &str,
        count_max: usize,
    ) -> Result<Vec<(VersionId, Version)>> {
        self.read(prefix(tenant, worker), None, count_max).await
    }

    /// Versions of a worker whose ids begin with these bytes.
    pub async fn find(
        &self,
        tenant: TenantId,
        worker: &str,
        first: &[u8],
        count_max: usize,
    ) -> Result<Vec<(VersionId, Version)>> {
        let all = prefix(tenant, worker).finish();
        let range = KeyRange::prefix([&all, first].concat());
        let entries = self.0.0.scan(range, count_max).await?;
        entries.iter().map(|entry| read(entry, all.len())).collect()
    }

    /// Versions of every worker of a tenant behind the key given, each with its key.
    pub async fn of_tenant(
        &self,
        tenant: TenantId,
        after: Option<&[u8]>,
        count_max: usize,
    ) -> Result<Vec<(Vec<u8>, VersionId, Version)>> {
        let mut range = Key::new(Space::Version).tenant(tenant).range();
        if let Some(after) = after {
            range = range.after(after);
        }
        let entries = self.0.0.scan(range, count_max).await?;
        let with_key = |entry: &crate::engine::Entry| {
            let start = entry.key.len().saturating_sub(32);
            let (id, version) = read(entry, start)?;
            Ok((entry.key.to_vec(), id, version))
        };
        entries.iter().map(with_key).collect()
    }

    /// Sets the row.
    pub fn put(&self, tenant: TenantId, worker: &str, id: VersionId, version: &Version) -> Write {
        row::put(key(tenant, worker, id), version)
    }

    /// Removes one version.
    pub fn delete(&self, tenant: TenantId, worker: &str, id: VersionId) -> Write {
        Write::Delete { key: key(tenant, worker, id) }
    }

    /// Removes every version of a worker.
    pub fn delete_all(&self, tenant: TenantId, worker: &str) -> Write {
        Write::DeleteRange(prefix(tenant, worker).range())
    }

    async fn read(
        &self,
        prefix: Key,
        after: Option<&[u8]>,
        count_max: usize,
    ) -> Result<Vec<(VersionId, Version)>> {
        let prefix = prefix.finish();
        let skip = prefix.len();
        let entries = self.0.scan(prefix, after, count_max).await?;
        entries.iter().map(|entry| read(entry, skip)).collect()
    }
}

fn read(entry: &crate::engine::Entry, skip: usize) -> Result<(VersionId, Version)> {
    let id = entry.key.get(skip..).and_then(|last| last.try_into().ok());
    let id = id.ok_or(Error::Malformed(Version::TABLE))?;
    Ok((VersionId(id), Version::from_bytes(&entry.value)?))
}

fn prefix(tenant: TenantId, worker: &str) -> Key {
    Key::new(Space::Version).tenant(tenant).text(worker)
}

fn key(tenant: TenantId, worker: &str, id: VersionId) -> Vec<u8> {
    prefix(tenant, worker).hash(&id.0).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_kept_byte_for_byte_and_the_row_is_frozen() {
        let manifest = RawValue::from_string(r#"{"format":1, "b":[]}"#.into()).expect("json");
        let entrypoints = BTreeMap::new();
        let version = Version { created_ms: 5, manifest: Some(manifest), entrypoints };
        let golden = "\u{1}{\"created_ms\":5,\"manifest\":{\"format\":1, \"b\":[]}}";
        assert_eq!(String::from_utf8_lossy(&version.to_bytes()), golden);
        let again = Version::from_bytes(&version.to_bytes()).expect("reads");
        assert_eq!(again.manifest.expect("there").get(), r#"{"format":1, "b":[]}"#);
        let entrypoints = BTreeMap::new();
        let large = Version { created_ms: 5, manifest: None, entrypoints };
        assert_eq!(String::from_utf8_lossy(&large.to_bytes()), "\u{1}{\"created_ms\":5}");
        let entrypoints = BTreeMap::from([("default".into(), vec!["fetch".into()])]);
        let known = Version { entrypoints, ..large };
        let golden = "\u{1}{\"created_ms\":5,\"entrypoints\":{\"default\":[\"fetch\"]}}";
        assert_eq!(String::from_utf8_lossy(&known.to_bytes()), golden);
    }
}
