//! Workers that other workers register: kept like those that are uploaded, and known by the name
//! of the one that registered them, a `/` and their own. No upload can have such a name.
//!
//! One version of each is kept. They go with the worker that registered them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bindery_storage::tables::{Stored, Version, Worker};
use bindery_wire::given::Given;
use bindery_wire::{ContentHash, Manifest, TenantId, VersionId};
use bytes::Bytes;

use super::edit::{Edit, Stale};
use super::{Error, Inner, REGISTERED_COUNT_MAX, Registry, Result};
use crate::code::Code;
use crate::kv::stored_max;
use crate::rpc::{Contents, Service, Value};

/// The kind under which their modules are accounted: tenants' code decides how many there are.
const REGISTERED: &str = "registered";
/// Registered workers that one change forgets.
const TOGETHER_COUNT: usize = 100;
/// Rows that start code beyond which a change forgets no further worker: it stays a small one.
const TOGETHER_TRIGGER_COUNT: usize = 100;

/// What is registered: it has started once.
#[derive(Clone, Debug)]
pub struct Registration {
    /// What it is.
    pub manifest: Manifest,
    /// The bytes that its manifest names.
    pub contents: Vec<Bytes>,
    /// The handlers of each export.
    pub entrypoints: BTreeMap<String, Vec<String>>,
}

impl Registry {
    /// Keeps a worker that `parent` registers under a name. Cancel-safe: it is kept whole or not
    /// at all.
    pub async fn register(
        &self,
        parent: &Code,
        name: &str,
        registration: Registration,
    ) -> Result<VersionId> {
        let inner = self.0.clone();
        let (id, tenant, parent) =
            (parent.tenant, parent.tenant_name.to_string(), parent.worker.to_string());
        let name = registered_name(&parent, name);
        self.whole(async move {
            let mut edit = Edit::begin(&inner, &tenant).await?;
            // The tenant, or the worker that asked, may be gone meanwhile.
            if edit.id != id {
                return Err(Error::NotFound("tenant"));
            }
            let root = parent.split('/').next().unwrap_or_default();
            inner.worker(id, root).await?;
            inner.keep_registered(&mut edit, &name, registration).await
        })
        .await
    }

    /// Forgets a registered worker. False if there is none of the name.
    pub async fn unregister(&self, parent: &Code, name: &str) -> Result<bool> {
        let (inner, id) = (self.0.clone(), parent.tenant);
        let tenant = parent.tenant_name.to_string();
        let name = registered_name(&parent.worker, name);
        self.whole(async move {
            let edit = Edit::begin(&inner, &tenant).await?;
            if edit.id != id {
                return Ok(false);
            }
            let mut edit = inner.unregister_all(edit, &name).await?;
            if inner.workers.get(id, &name).await?.is_none() {
                return Ok(false);
            }
            inner.unregister_into(&mut edit, &name).await?;
            edit.commit(Stale::Worker(&name)).await?;
            inner.remove_unnamed_contents(&edit).await?;
            Ok(true)
        })
        .await
    }
}

/// What a version takes of what a tenant may keep: its modules and what it was given.
fn weight(manifest: &Manifest) -> Stored {
    let modules: u64 = manifest.modules.values().map(|module| module.bytes).sum();
    Stored { bytes: modules.saturating_add(manifest.to_bytes().len() as u64), rows: 1 }
}

/// The name of a registered worker among all of the tenant's.
pub fn registered_name(parent: &str, name: &str) -> String {
    format!("{parent}/{name}")
}

impl Inner {
    async fn keep_registered(
        &self,
        edit: &mut Edit<'_>,
        name: &str,
        registration: Registration,
    ) -> Result<VersionId> {
        let Registration { manifest, contents, entrypoints } = registration;
        let version = manifest.id();
        let now_ms = self.parts.clock.now().0;
        let before = self.workers.get(edit.id, name).await?;
        let deployed = before.as_ref().and_then(|worker| worker.deployed);
        let went = self.accounted(edit.id, name, deployed).await?;
        if let Some(Worker { deployed: Some(deployed), .. }) = &before {
            if *deployed == version {
                return Ok(version);
            }
            edit.write([self.versions.delete(edit.id, name, *deployed)]);
        } else if before.is_none() {
            if edit.tenant.registered >= REGISTERED_COUNT_MAX {
                return Err(Error::Quota(crate::limit::REGISTERED.fixed()));
            }
            edit.tenant.registered += 1;
        }
        let generation = edit.tenant.changes;
        let mut worker = before.clone().unwrap_or(Worker {
            created_ms: now_ms,
            deployed: None,
            deployments: 0,
            generation,
        });
        let came = weight(&manifest);
        let more = Stored {
            bytes: came.bytes.saturating_sub(went.bytes),
            rows: came.rows.saturating_sub(went.rows),
        };
        let stored = self.account.stored(edit.id, None).await?;
        stored.admit(more, stored_max(&edit.tenant.quotas))?;
        edit.write(self.account.change(edit.id, REGISTERED, came, went));
        self.put_contents(edit, &contents).await?;
        self.cron_into(edit, name, Some((version, &manifest.crons))).await?;
        let consumers = (version, &manifest.queue_consumers[..]);
        self.consume_into(edit, (name, worker.deployed), consumers).await?;
        let manifest = self.manifest_row(edit, &manifest).await?;
        let row = Version { created_ms: now_ms, manifest, entrypoints };
        edit.write([self.versions.put(edit.id, name, version, &row)]);
        self.deploy_into(edit, name, &mut worker, version);
        edit.write([self.workers.put(edit.id, name, &worker)]);
        edit.commit(Stale::Worker(name)).await?;
        if before.is_some() {
            self.remove_unnamed_contents(edit).await?;
        }
        Ok(version)
    }

    /// What is accounted of a registered worker.
    async fn accounted(
        &self,
        id: TenantId,
        name: &str,
        deployed: Option<VersionId>,
    ) -> Result<Stored> {
        let Some(deployed) = deployed else { return Ok(Stored::default()) };
        let manifest = self.manifest(id, name, deployed).await?;
        Ok(manifest.as_ref().map(weight).unwrap_or_default())
    }

    /// Adds to a change that a registered worker goes; how many rows that start it go with it.
    async fn unregister_into(&self, edit: &mut Edit<'_>, name: &str) -> Result<usize> {
        let deployed = self.workers.get(edit.id, name).await?.and_then(|worker| worker.deployed);
        let went = self.accounted(edit.id, name, deployed).await?;
        edit.write(self.account.change(edit.id, REGISTERED, Stored::default(), went));
        edit.tenant.registered = edit.tenant.registered.saturating_sub(1);
        edit.write(self.workers.delete(edit.id, name));
        edit.write([self.versions.delete_all(edit.id, name)]);
        let mut triggers = self.cron_into(edit, name, None).await?;
        if let Some(version) = deployed {
            triggers += self.consume_into(edit, (name, Some(version)), (version, &[])).await?;
        }
        Ok(triggers)
    }

    /// Forgets what a worker registered, in as many changes as that takes: those before the one that
    /// is given back, in which nothing is left.
    pub(super) async fn unregister_all<'a>(
        self: &'a Arc<Self>,
        mut edit: Edit<'a>,
        name: &str,
    ) -> Result<Edit<'a>> {
        let (id, tenant) = (edit.id, edit.tenant.name.clone());
        while self.unregister_some_into(&mut edit, name).await? > 0 {
            edit.commit(Stale::Worker(name)).await?;
            drop(edit);
            edit = Edit::begin(self, &tenant).await?;
            if edit.id != id {
                return Err(Error::NotFound("tenant"));
            }
        }
        Ok(edit)
    }

    /// Adds to a change that some of what a worker registered goes; how much.
    async fn unregister_some_into(&self, edit: &mut Edit<'_>, name: &str) -> Result<usize> {
        let prefix = registered_name(name, "");
        let there = self.workers.list(edit.id, Some(&prefix), TOGETHER_COUNT).await?;
        let (mut count, mut triggers) = (0, 0);
        for (name, _) in there.iter().filter(|(name, _)| name.starts_with(&prefix)) {
            triggers += self.unregister_into(edit, name).await?;
            count += 1;
            if triggers >= TOGETHER_TRIGGER_COUNT {
                break;
            }
        }
        Ok(count)
    }

    /// What a registered worker was given, made again.
    pub(super) async fn made(&self, tenant: TenantId, given: Option<&Given>) -> Result<Made> {
        let Some(given) = given else { return Ok(Made::default()) };
        let mut contents = Contents::new();
        for hash in given.hashes() {
            contents.insert(hash, self.content(tenant, hash).await?);
        }
        let missing = || Error::NotFound("content");
        let service = |kept| Service::made(tenant, kept, &contents).ok_or_else(missing);
        let env = given.env.as_ref();
        let env = env.map(|kept| Value::made(tenant, kept, &contents).ok_or_else(missing));
        Ok(Made {
            env: env.transpose()?,
            outbound: given.outbound.as_ref().map(service).transpose()?,
            tails: given.tails.iter().map(service).collect::<Result<_>>()?,
        })
    }
}

/// What a registered worker is started with, beside what its manifest declares.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) env: Option<Value>,
    pub(super) outbound: Option<Service>,
    pub(super) tails: Vec<Service>,
}

/// The contents that a manifest names.
pub(super) fn hashes(manifest: &Manifest) -> Vec<ContentHash> {
    let mut hashes: Vec<_> = manifest.modules.values().map(|module| module.hash).collect();
    hashes.extend(manifest.given.iter().flat_map(Given::hashes));
    hashes
}
