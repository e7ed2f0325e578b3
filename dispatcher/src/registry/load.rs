//! From names to code that can be started.

use std::sync::Arc;

use bindery_storage::tables::{Tenant, Version, Worker};
use bindery_wire::limit;
use bindery_wire::limits::{BINDING_COUNT_MAX, ENV_BYTES_MAX};
use bindery_wire::manifest::{Binding, ModuleKind};
use bindery_wire::{ContentHash, Manifest, TenantId, VersionId};
use bytes::Bytes;

use super::cache::Query;
use super::register::Made;
use super::vault::Place;
use super::{Error, Inner, Registry, Result};
use crate::code::Code;
use crate::line::Tails;
use crate::problem::Fault;
use crate::rpc::depth_of;

/// Digits of a version that name it at least.
const DIGITS_MIN: usize = 8;
/// How often code is read again that changed while it was read.
const READ_COUNT_MAX: usize = 5;

/// A worker's secrets in plain text, by name.
pub(super) type Secrets = Vec<(String, String)>;

impl Registry {
    /// What serves new work of a worker, if it is in memory: no store is asked, nothing is
    /// allocated.
    pub fn hot(&self, tenant: &str, worker: &str) -> Option<Arc<Code>> {
        self.0.cache.get(Query { tenant, worker, version: "" })
    }

    /// What serves new work of a worker, or with `version`, at least the first 8 digits of an id,
    /// that version, if it is deployed or lets itself be previewed. Cancel-safe.
    pub async fn code(
        &self,
        tenant: &str,
        worker: &str,
        version: Option<&str>,
    ) -> Result<Arc<Code>> {
        let query = Query { tenant, worker, version: version.unwrap_or_default() };
        if version == Some("") {
            return Err(Error::NoWorker);
        }
        if let Some(code) = self.0.cache.get(query) {
            return Ok(code);
        }
        let _load = self.0.cache.load(query).await;
        if let Some(code) = self.0.cache.get(query) {
            return Ok(code);
        }
        // Apart: in place, it would be most of what the future of every request moves about.
        Box::pin(self.0.load_and_keep(query)).await
    }
}

impl Registry {
    /// What serves new work of a worker of the tenant with this number. Cancel-safe.
    pub async fn serving(&self, tenant: TenantId, worker: &str) -> Result<Arc<Code>> {
        let row = self.0.tenants.get(tenant).await?.ok_or(Error::NoWorker)?;
        let code = self.code(&row.name, worker, None).await?;
        // A tenant that was made anew under the same name is another one.
        if code.tenant == tenant { Ok(code) } else { Err(Error::NoWorker) }
    }

    /// What a version of a worker is, if it is kept. Cancel-safe.
    pub async fn version(
        &self,
        tenant: TenantId,
        worker: &str,
        id: VersionId,
    ) -> Result<Option<Manifest>> {
        self.0.manifest(tenant, worker, id).await
    }

    /// The bytes of a module of a version that is kept. Cancel-safe.
    pub async fn module(&self, tenant: TenantId, hash: ContentHash) -> Result<Bytes> {
        self.0.content(tenant, hash).await
    }
}

impl Inner {
    async fn load_and_keep(&self, query: Query<'_>) -> Result<Arc<Code>> {
        let mut reads = 1;
        loop {
            let epoch = self.cache.epoch(query.tenant);
            let loaded = self.load(query).await.map(Arc::new);
            // What was read across a change may be of two minds, or an error for that reason.
            if self.cache.epoch(query.tenant) != epoch && reads < READ_COUNT_MAX {
                reads += 1;
                continue;
            }
            let code = loaded?;
            self.cache.put(query, epoch, Arc::clone(&code));
            return Ok(code);
        }
    }

    async fn load(&self, query: Query<'_>) -> Result<Code> {
        let (id, tenant) = self.tenant(query.tenant).await?.ok_or(Error::NoWorker)?;
        if tenant.suspended {
            return Err(Error::Suspended);
        }
        let worker = self.workers.get(id, query.worker).await?.ok_or(Error::NoWorker)?;
        let version = match query.version {
            "" => worker.deployed.ok_or(Error::NoWorker)?,
            digits => self.find_version(id, query.worker, digits).await?.ok_or(Error::NoWorker)?,
        };
        let manifest = self.manifest(id, query.worker, version).await?.ok_or(Error::NoWorker)?;
        if worker.deployed != Some(version) && !manifest.previews {
            return Err(Error::NoWorker);
        }
        let modules = self.modules(id, &manifest).await?;
        let secrets = self.worker_secrets(id, query.worker).await?;
        let made = self.made(id, manifest.given.as_ref()).await?;
        let of = Of { id, tenant: &tenant, worker: query.worker, version };
        Ok(self.assemble(
            of,
            generation(&tenant, Some(&worker)),
            manifest,
            (modules, secrets, made),
        ))
    }

    /// Puts together what an isolate needs.
    pub(super) fn assemble(
        &self,
        of: Of<'_>,
        generation: u64,
        manifest: Manifest,
        (modules, secrets, made): (Vec<(String, Bytes)>, Secrets, Made),
    ) -> Code {
        let services = made.outbound.iter().chain(&made.tails);
        let depth = depth_of(made.env.as_ref(), services);
        let limits =
            self.parts.limits.clone().lowered_by(&of.tenant.limits).lowered_by(&manifest.limits);
        Code {
            tenant: of.id,
            tenant_name: of.tenant.name.as_str().into(),
            worker: of.worker.into(),
            version: of.version,
            secrets: visible(&manifest, secrets),
            env: made.env.map(Arc::new),
            outbound: made.outbound.map(Arc::new),
            tails: Tails::new(made.tails.into_iter().map(Arc::new).collect()).map(Arc::new),
            depth,
            room: None,
            instance: 0,
            manifest,
            modules,
            limits,
            generation,
        }
    }

    /// The manifest of a version, if it is there.
    pub(super) async fn manifest(
        &self,
        tenant: TenantId,
        worker: &str,
        id: VersionId,
    ) -> Result<Option<Manifest>> {
        match self.versions.get(tenant, worker, id).await? {
            Some(version) => self.read_manifest(tenant, id, &version).await.map(Some),
            None => Ok(None),
        }
    }

    pub(super) async fn read_manifest(
        &self,
        tenant: TenantId,
        id: VersionId,
        version: &Version,
    ) -> Result<Manifest> {
        if let Some(manifest) = &version.manifest {
            return Ok(Manifest::from_bytes(manifest.get().as_bytes())?);
        }
        Ok(Manifest::from_bytes(&self.content(tenant, ContentHash(id.0)).await?)?)
    }

    /// The one version whose digits begin with these.
    pub(super) async fn find_version(
        &self,
        tenant: TenantId,
        worker: &str,
        digits: &str,
    ) -> Result<Option<VersionId>> {
        let lower = |b: u8| b.is_ascii_digit() || matches!(b, b'a'..=b'f');
        if !(DIGITS_MIN..=64).contains(&digits.len()) || !digits.bytes().all(lower) {
            return Ok(None);
        }
        let pairs = digits.as_bytes().chunks_exact(2);
        let first: Vec<u8> = pairs
            .filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect();
        // Two are enough to see that the digits name more than one.
        let found = self.versions.find(tenant, worker, &first, 17).await?;
        let mut found = found.iter().filter(|(id, _)| id.hex().starts_with(digits));
        match (found.next(), found.next()) {
            (Some((id, _)), None) => Ok(Some(*id)),
            _ => Ok(None),
        }
    }

    async fn modules(&self, tenant: TenantId, manifest: &Manifest) -> Result<Vec<(String, Bytes)>> {
        let mut modules = Vec::with_capacity(manifest.modules.len());
        for (name, module) in &manifest.modules {
            if module.kind != ModuleKind::SourceMap {
                modules.push((name.clone(), self.content(tenant, module.hash).await?));
            }
        }
        Ok(modules)
    }

    /// The secrets of a worker, decrypted.
    pub(super) async fn worker_secrets(&self, tenant: TenantId, worker: &str) -> Result<Secrets> {
        let sealed = self.secrets.list(tenant, worker, BINDING_COUNT_MAX).await?;
        let open = |(name, sealed): (String, _)| {
            let place = Place { tenant, worker, name: &name };
            let value = self.parts.vault.open_secret(place, &sealed)?;
            Ok((name, value))
        };
        sealed.into_iter().map(open).collect()
    }
}

/// What code is assembled for.
pub(super) struct Of<'a> {
    pub(super) id: TenantId,
    pub(super) tenant: &'a Tenant,
    pub(super) worker: &'a str,
    pub(super) version: VersionId,
}

/// The number that changes with the secrets and the limits. Each change takes the next number of
/// the tenant, so the later of the two has changed if either has.
pub(super) fn generation(tenant: &Tenant, worker: Option<&Worker>) -> u64 {
    worker.map_or(0, |worker| worker.generation).max(tenant.limits_changed)
}

/// The secrets that `env` shows: all of the worker's, but where the version binds the name
/// to something else.
fn visible(manifest: &Manifest, secrets: Secrets) -> Secrets {
    let bound = |name: &str| {
        manifest.bindings.get(name).is_some_and(|binding| *binding != Binding::SecretText)
    };
    secrets.into_iter().filter(|(name, _)| !bound(name)).collect()
}

/// What keeps a version from running with these secrets.
pub(super) fn env_faults(manifest: &Manifest, secrets: &Secrets) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (name, binding) in &manifest.bindings {
        if *binding == Binding::SecretText && !secrets.iter().any(|(known, _)| known == name) {
            let message = format!("the worker has no secret `{name}`, and no text is given");
            faults.push(Fault::new(format!("bindings.{name}"), message));
        }
    }
    // The names of secrets are counted with their values.
    let others = || manifest.bindings.iter().filter(|(_, of)| **of != Binding::SecretText);
    let bindings = others().map(|(name, binding)| name.len() + binding.value_bytes());
    let shown = visible(manifest, secrets.clone());
    let secret_bytes = shown.iter().map(|(name, text)| name.len() + text.len());
    let bytes = bindings.chain(secret_bytes).sum::<usize>() as u64;
    if bytes > ENV_BYTES_MAX {
        let message = format!(
            "Worker env size ({bytes} bytes) exceeds the maximum allowed size of \
             {ENV_BYTES_MAX} bytes. ({})",
            limit::ENV.fixed()
        );
        faults.push(Fault::new("bindings", message));
    }
    let count = others().count() + shown.len();
    if count > BINDING_COUNT_MAX {
        let message =
            format!("{count} names with the worker's secrets; {}", limit::BINDINGS.fixed());
        faults.push(Fault::new("bindings", message));
    }
    faults
}
