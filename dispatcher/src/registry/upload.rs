//! Uploads: tried first, then kept and deployed in one commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use bindery_storage::tables::{Version, Worker};
use bindery_wire::manifest::ModuleKind;
use bindery_wire::{Manifest, TenantId, VersionId};
use bytes::Bytes;
use serde_json::value::RawValue;

use super::edit::{Edit, Stale};
use super::load::{Of, Secrets, env_faults, generation};
use super::register::Made;
use super::vault::Place;
use super::{
    Error, Inner, Registry, Result, StartFailure, Started, VERSION_COUNT_MAX, WORKER_COUNT_MAX,
};
use crate::source_map;

/// A manifest up to this size stands in the version's row; a larger one is a content.
const MANIFEST_INLINE_BYTES_MAX: usize = 16 << 10;

/// A version as it was sent, checked in itself.
#[derive(Clone, Debug)]
pub struct Upload {
    /// What it is.
    pub manifest: Manifest,
    /// The bytes of every module of the manifest, in its order.
    pub modules: Vec<(String, Bytes)>,
    /// Secrets of the worker that are set with it.
    pub secrets: Secrets,
    /// Whether it serves from now on.
    pub deploy: Deploy,
}

/// Whether an uploaded version serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deploy {
    /// It does.
    Now,
    /// It can be deployed later.
    Later,
}

/// What became of an upload.
#[derive(Clone, Debug)]
pub struct Uploaded {
    /// The version's id.
    pub version: VersionId,
    /// How its start went.
    pub started: Started,
}

impl Registry {
    /// Tries an upload, and keeps it if it starts. The tenant must be there.
    ///
    /// Cancel-safe: an upload is kept whole or not at all.
    pub async fn upload(&self, tenant: &str, worker: &str, upload: Upload) -> Result<Uploaded> {
        let version = upload.manifest.id();
        let (id, started) = match self.0.try_start(tenant, worker, &upload).await {
            Err(Error::Start(failure)) => return Err(Error::Start(mapped(failure, &upload).await)),
            tried => tried?,
        };
        let inner = self.0.clone();
        let (tenant, worker) = (tenant.to_owned(), worker.to_owned());
        self.whole(async move {
            let mut edit = Edit::begin(&inner, &tenant).await?;
            if edit.id != id {
                return Err(Error::Conflict("the tenant was deleted meanwhile".into()));
            }
            let entrypoints = started.entrypoints.clone();
            inner.keep(&mut edit, &worker, (version, entrypoints), upload).await?;
            Ok(Uploaded { version, started })
        })
        .await
    }
}

impl Inner {
    async fn try_start(
        &self,
        tenant: &str,
        worker: &str,
        upload: &Upload,
    ) -> Result<(TenantId, Started)> {
        let (id, tenant) = self.tenant(tenant).await?.ok_or(Error::NotFound("tenant"))?;
        if tenant.suspended {
            return Err(Error::Suspended);
        }
        let row = self.workers.get(id, worker).await?;
        if row.is_none() {
            check_worker_quota(&tenant)?;
        }
        let before = self.worker_secrets(id, worker).await?;
        let secrets = merge(before.clone(), &upload.secrets);
        let faults = env_faults(&upload.manifest, &secrets);
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        let modules = running(upload);
        let of = Of { id, tenant: &tenant, worker, version: upload.manifest.id() };
        // What `keep` writes, so that the isolate of this start serves the first request.
        let generation = match &row {
            Some(row) if secrets == before => generation(&tenant, Some(row)),
            _ => tenant.changes + 1,
        };
        let code = self.assemble(
            of,
            generation,
            upload.manifest.clone(),
            (modules, secrets, Made::default()),
        );
        let started = self.parts.starter.try_start(Arc::new(code)).await;
        let mut started = started.map_err(Error::Start)?;
        started.warnings.extend(warning(&upload.manifest, &started.entrypoints));
        Ok((id, started))
    }

    /// Writes the modules, then the version, its secrets and its deployment in one batch.
    async fn keep(
        &self,
        edit: &mut Edit<'_>,
        name: &str,
        (version, entrypoints): (VersionId, BTreeMap<String, Vec<String>>),
        upload: Upload,
    ) -> Result<()> {
        let before = self.worker_secrets(edit.id, name).await?;
        let secrets = merge(before.clone(), &upload.secrets);
        let faults = env_faults(&upload.manifest, &secrets);
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        let mut worker = self.worker_for_upload(edit, name).await?;
        if secrets != before {
            worker.generation = edit.tenant.changes;
            for (secret, text) in &upload.secrets {
                let place = Place { tenant: edit.id, worker: name, name: secret };
                let sealed = self.parts.vault.seal(place, text)?;
                edit.write([self.secrets.put(edit.id, name, secret, &sealed)]);
            }
        }
        let version_of = (version, entrypoints);
        let dropped = self.keep_version(edit, (name, &worker), version_of, &upload).await?;
        if upload.deploy == Deploy::Now {
            let before = worker.deployed;
            self.deploy_into(edit, name, &mut worker, version);
            self.route_into(edit, name, &upload.manifest.routes).await?;
            self.cron_into(edit, name, Some((version, &upload.manifest.crons))).await?;
            let consumers = (version, &upload.manifest.queue_consumers[..]);
            self.consume_into(edit, (name, before), consumers).await?;
        }
        edit.write([self.workers.put(edit.id, name, &worker)]);
        edit.commit(Stale::Worker(name)).await?;
        if dropped { self.remove_unnamed_contents(edit).await } else { Ok(()) }
    }

    async fn worker_for_upload(&self, edit: &mut Edit<'_>, name: &str) -> Result<Worker> {
        if let Some(worker) = self.workers.get(edit.id, name).await? {
            return Ok(worker);
        }
        check_worker_quota(&edit.tenant)?;
        edit.tenant.workers += 1;
        let created_ms = self.parts.clock.now().0;
        let generation = edit.tenant.changes;
        Ok(Worker { created_ms, deployed: None, deployments: 0, generation })
    }

    /// Writes the contents and adds the row; drops the oldest versions over the limit, and says
    /// whether there were any.
    async fn keep_version(
        &self,
        edit: &mut Edit<'_>,
        (name, worker): (&str, &Worker),
        (version, entrypoints): (VersionId, BTreeMap<String, Vec<String>>),
        upload: &Upload,
    ) -> Result<bool> {
        let modules: Vec<_> = upload.modules.iter().map(|(_, bytes)| bytes.clone()).collect();
        self.put_contents(edit, &modules).await?;
        let mut versions = self.versions.list(edit.id, name, usize::MAX).await?;
        if versions.iter().any(|(id, _)| *id == version) {
            return Ok(false);
        }
        let manifest = self.manifest_row(edit, &upload.manifest).await?;
        let row = Version { created_ms: self.parts.clock.now().0, manifest, entrypoints };
        edit.write([self.versions.put(edit.id, name, version, &row)]);
        let excess = (versions.len() + 1).saturating_sub(VERSION_COUNT_MAX);
        versions.retain(|(id, _)| worker.deployed != Some(*id));
        versions.sort_by_key(|(_, version)| version.created_ms);
        for (id, _) in versions.iter().take(excess) {
            edit.write([self.versions.delete(edit.id, name, *id)]);
        }
        Ok(excess > 0)
    }

    /// A manifest as a version's row has it: one that is too large is a content.
    pub(super) async fn manifest_row(
        &self,
        edit: &Edit<'_>,
        manifest: &Manifest,
    ) -> Result<Option<Box<RawValue>>> {
        let bytes = manifest.to_bytes();
        if bytes.len() <= MANIFEST_INLINE_BYTES_MAX {
            return Ok(String::from_utf8(bytes).ok().and_then(|j| RawValue::from_string(j).ok()));
        }
        self.put_contents(edit, &[bytes.into()]).await?;
        Ok(None)
    }
}

/// What a version asks for that can not work.
fn warning(manifest: &Manifest, entrypoints: &BTreeMap<String, Vec<String>>) -> Option<String> {
    let handlers = entrypoints.get("default")?;
    let lacks = !manifest.crons.is_empty() && !handlers.iter().any(|name| name == "scheduled");
    lacks.then(|| "the default export has no scheduled() handler for the crons".to_owned())
}

/// The same failure, its positions those of what the modules were made from.
async fn mapped(failure: StartFailure, upload: &Upload) -> StartFailure {
    let (manifest, modules) = (upload.manifest.clone(), upload.modules.clone());
    let stack = failure.stack.clone();
    let mapped =
        tokio::task::spawn_blocking(move || source_map::stack_of(&manifest, &modules, &stack));
    match mapped.await {
        Ok(stack) => StartFailure { stack, ..failure },
        Err(_) => failure,
    }
}

/// The modules that an isolate is given.
fn running(upload: &Upload) -> Vec<(String, Bytes)> {
    let kind = |name: &str| upload.manifest.modules.get(name).map(|module| module.kind);
    let modules = upload.modules.iter();
    modules.filter(|(name, _)| kind(name) != Some(ModuleKind::SourceMap)).cloned().collect()
}

/// The secrets there are, with those that are given; by name.
pub(super) fn merge(mut secrets: Secrets, given: &[(String, String)]) -> Secrets {
    for (name, text) in given {
        match secrets.binary_search_by(|(known, _)| known.cmp(name)) {
            Ok(at) => secrets[at].1.clone_from(text),
            Err(at) => secrets.insert(at, (name.clone(), text.clone())),
        }
    }
    secrets
}

fn check_worker_quota(tenant: &bindery_storage::tables::Tenant) -> Result<()> {
    let max = tenant.quotas.workers.unwrap_or(WORKER_COUNT_MAX).min(WORKER_COUNT_MAX);
    if tenant.workers < max { Ok(()) } else { Err(Error::Quota(crate::limit::WORKERS.told(max))) }
}
