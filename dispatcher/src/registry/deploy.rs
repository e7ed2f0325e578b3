//! Workers and their versions: shown, deployed, rolled back and deleted.

use std::collections::BTreeMap;

use bindery_storage::tables::{Deployment, Worker};
use bindery_wire::{Manifest, TenantId, VersionId};
use serde::Serialize;

use super::edit::{Edit, Stale};
use super::load::env_faults;
use super::{
    DEPLOYMENT_COUNT_MAX, Error, Inner, PAGE_COUNT_MAX, Registry, Result, VERSION_COUNT_MAX,
};

/// A worker as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WorkerShown {
    /// The name.
    pub name: String,
    /// The version that serves new work.
    pub version: Option<VersionId>,
    /// When the worker was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// Which versions served, the newest first; only where one worker is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployments: Option<Vec<DeploymentShown>>,
    /// Its routes; only where one worker is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routes: Option<Vec<String>>,
}

/// A deployment as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeploymentShown {
    /// Counts the worker's deployments from 1.
    pub number: u64,
    /// The version.
    pub version: VersionId,
    /// When it began to serve, in milliseconds since 1970.
    pub at_ms: u64,
}

/// A version as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VersionShown {
    /// The id.
    pub version: VersionId,
    /// Whether it serves new work.
    pub deployed: bool,
    /// When it was uploaded, in milliseconds since 1970.
    pub created_ms: u64,
    /// The module whose exports are the entrypoints.
    pub main_module: String,
    /// How many modules it has.
    pub modules: usize,
    /// How many bytes they have together.
    pub bytes: u64,
    /// Whether it is reached by name when it is not deployed.
    pub previews: bool,
    /// The handlers of each export.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub entrypoints: BTreeMap<String, Vec<String>>,
}

fn shown(name: String, worker: &Worker) -> WorkerShown {
    let Worker { created_ms, deployed, .. } = *worker;
    WorkerShown { name, version: deployed, created_ms, deployments: None, routes: None }
}

/// When a worker is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delete {
    /// Only if no other worker refers to it.
    Unreferenced,
    /// In any case.
    Anyway,
}

impl Registry {
    /// Workers of a tenant whose names follow `after`, in the order of their names.
    pub async fn list_workers(
        &self,
        tenant: &str,
        after: Option<&str>,
        count_max: usize,
    ) -> Result<Vec<WorkerShown>> {
        let tenant = self.0.tenant_id(tenant).await?;
        let workers = self.0.workers.list(tenant, after, count_max.min(PAGE_COUNT_MAX)).await?;
        Ok(workers.into_iter().map(|(name, worker)| shown(name, &worker)).collect())
    }

    /// A worker with its deployments.
    pub async fn get_worker(&self, tenant: &str, name: &str) -> Result<WorkerShown> {
        let tenant = self.0.tenant_id(tenant).await?;
        let worker = self.0.worker(tenant, name).await?;
        let deployments = self.0.workers.deployments(tenant, name, PAGE_COUNT_MAX).await?;
        let newest_first = deployments.into_iter().rev();
        let deployments = newest_first
            .map(|(number, Deployment { version, at_ms })| DeploymentShown {
                number,
                version,
                at_ms,
            })
            .collect();
        let routes = Some(self.0.routes.get(tenant, name).await?.patterns);
        let deployments = Some(deployments);
        Ok(WorkerShown { deployments, routes, ..shown(name.into(), &worker) })
    }

    /// The manifest that serves new work of a worker, if there is one.
    pub async fn deployed(&self, tenant: &str, name: &str) -> Result<Option<Manifest>> {
        let Some((tenant, _)) = self.0.tenant(tenant).await? else {
            return Ok(None);
        };
        let worker = self.0.workers.get(tenant, name).await?;
        match worker.and_then(|worker| worker.deployed) {
            Some(version) => self.0.manifest(tenant, name, version).await,
            None => Ok(None),
        }
    }

    /// The versions of a worker, the newest first.
    pub async fn list_versions(&self, tenant: &str, name: &str) -> Result<Vec<VersionShown>> {
        let tenant = self.0.tenant_id(tenant).await?;
        let worker = self.0.worker(tenant, name).await?;
        let mut versions = Vec::new();
        for (id, row) in self.0.versions.list(tenant, name, VERSION_COUNT_MAX).await? {
            let manifest = self.0.read_manifest(tenant, id, &row).await?;
            versions.push(VersionShown {
                version: id,
                deployed: worker.deployed == Some(id),
                created_ms: row.created_ms,
                modules: manifest.modules.len(),
                bytes: manifest.modules.values().map(|module| module.bytes).sum(),
                main_module: manifest.main_module,
                previews: manifest.previews,
                entrypoints: row.entrypoints,
            });
        }
        versions.sort_by_key(|version| std::cmp::Reverse(version.created_ms));
        Ok(versions)
    }

    /// Lets a version serve new work: a newer one, or an older one again.
    pub async fn deploy(&self, tenant: &str, name: &str, version: &str) -> Result<WorkerShown> {
        let inner = self.0.clone();
        let (tenant, name) = (tenant.to_owned(), name.to_owned());
        let digits = version.strip_prefix("ver_").unwrap_or(version).to_owned();
        self.whole(async move {
            let mut edit = Edit::begin(&inner, &tenant).await?;
            let mut worker = inner.worker(edit.id, &name).await?;
            let found = inner.find_version(edit.id, &name, &digits).await?;
            let version = found.ok_or(Error::NotFound("version"))?;
            let manifest = inner.manifest(edit.id, &name, version).await?;
            let manifest = manifest.ok_or(Error::NotFound("version"))?;
            let faults = env_faults(&manifest, &inner.worker_secrets(edit.id, &name).await?);
            if !faults.is_empty() {
                return Err(Error::Invalid(faults));
            }
            let before = worker.deployed;
            inner.deploy_into(&mut edit, &name, &mut worker, version);
            inner.route_into(&mut edit, &name, &manifest.routes).await?;
            inner.cron_into(&mut edit, &name, Some((version, &manifest.crons))).await?;
            let consumers = (version, &manifest.queue_consumers[..]);
            inner.consume_into(&mut edit, (&name, before), consumers).await?;
            edit.write([inner.workers.put(edit.id, &name, &worker)]);
            edit.commit(Stale::Worker(&name)).await?;
            Ok(shown(name, &worker))
        })
        .await
    }

    /// Deletes a worker with its versions and secrets, and what it registered.
    pub async fn delete_worker(&self, tenant: &str, name: &str, how: Delete) -> Result<()> {
        let (inner, tenant, name) = (self.0.clone(), tenant.to_owned(), name.to_owned());
        self.whole(async move {
            let edit = Edit::begin(&inner, &tenant).await?;
            inner.worker(edit.id, &name).await?;
            if how == Delete::Unreferenced {
                inner.expect_unreferenced(edit.id, &name).await?;
            }
            let mut edit = inner.unregister_all(edit, &name).await?;
            let worker = inner.worker(edit.id, &name).await?;
            if let Some(version) = worker.deployed {
                inner.consume_into(&mut edit, (&name, Some(version)), (version, &[])).await?;
            }
            edit.tenant.workers = edit.tenant.workers.saturating_sub(1);
            edit.write(inner.workers.delete(edit.id, &name));
            edit.write([
                inner.versions.delete_all(edit.id, &name),
                inner.secrets.delete_all(edit.id, &name),
            ]);
            inner.route_into(&mut edit, &name, &[]).await?;
            inner.cron_into(&mut edit, &name, None).await?;
            edit.commit(Stale::Worker(&name)).await?;
            inner.remove_unnamed_contents(&edit).await
        })
        .await
    }
}

impl Inner {
    /// A worker that must be there.
    pub(super) async fn worker(&self, tenant: TenantId, name: &str) -> Result<Worker> {
        self.workers.get(tenant, name).await?.ok_or(Error::NotFound("worker"))
    }

    /// Adds the deployment of a version to a change, unless it is deployed.
    pub(super) fn deploy_into(
        &self,
        edit: &mut Edit<'_>,
        name: &str,
        worker: &mut Worker,
        version: VersionId,
    ) {
        if worker.deployed == Some(version) {
            return;
        }
        worker.deployed = Some(version);
        worker.deployments += 1;
        let keep_from = (worker.deployments + 1).saturating_sub(DEPLOYMENT_COUNT_MAX);
        let deployment = Deployment { version, at_ms: self.parts.clock.now().0 };
        let numbered = (worker.deployments, &deployment);
        edit.write(self.workers.deploy((edit.id, name), numbered, keep_from));
    }
}
