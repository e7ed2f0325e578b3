//! Tenants: made, shown, set and deleted.

use std::sync::Arc;

use bindery_storage::engine::{Batch, Committed};
use bindery_storage::tables::{Quotas, Tenant};
use bindery_wire::TenantId;
use bindery_wire::limits::Lower;
use serde::Serialize;

use super::edit::{Edit, Stale};
use super::{Error, Inner, PAGE_COUNT_MAX, Registry, Result};

/// Tenants that are cleaned up after in one go.
const GONE_COUNT_MAX: usize = 1_000;

/// What the operator sets of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// Tenants of one tier share processes; those of different tiers do not.
    pub tier: String,
    /// How much it may have.
    pub quotas: Quotas,
    /// Limits lower than the server's.
    pub limits: Lower,
    /// Whether nothing of it runs.
    pub suspended: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tier: "standard".into(),
            quotas: Quotas::default(),
            limits: Lower::default(),
            suspended: false,
        }
    }
}

/// A tenant as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TenantShown {
    /// The name.
    pub name: String,
    /// The number, which no other tenant ever has.
    pub id: String,
    /// What the operator set.
    #[serde(flatten)]
    pub settings: Settings,
    /// How many workers it has.
    pub workers: u32,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
}

fn shown(id: TenantId, tenant: Tenant) -> TenantShown {
    let Tenant { name, tier, quotas, limits, suspended, created_ms, workers, .. } = tenant;
    let settings = Settings { tier, quotas, limits, suspended };
    TenantShown { name, id: id.to_string(), settings, workers, created_ms }
}

impl Registry {
    /// Makes a tenant, or sets what is set of it.
    pub async fn put_tenant(&self, name: &str, settings: Settings) -> Result<TenantShown> {
        let (inner, name) = (self.0.clone(), name.to_owned());
        self.whole(async move {
            inner.ensure_tenant(&name).await?;
            let mut edit = Edit::begin(&inner, &name).await?;
            let Settings { tier, quotas, limits, suspended } = settings;
            let tenant = &mut edit.tenant;
            if tenant.limits != limits || tenant.tier != tier {
                tenant.limits_changed = tenant.changes;
            }
            *tenant = Tenant { tier, quotas, limits, suspended, ..tenant.clone() };
            edit.commit(Stale::Tenant).await?;
            if suspended {
                inner.parts.changed.suspended(edit.id);
            }
            Ok(shown(edit.id, edit.tenant))
        })
        .await
    }

    /// Makes a tenant with nothing set, unless it is there.
    pub async fn ensure_tenant(&self, name: &str) -> Result<TenantId> {
        let (inner, name) = (self.0.clone(), name.to_owned());
        self.whole(async move { inner.ensure_tenant(&name).await }).await
    }

    /// A tenant.
    pub async fn get_tenant(&self, name: &str) -> Result<TenantShown> {
        let (id, tenant) = self.0.tenant(name).await?.ok_or(Error::NotFound("tenant"))?;
        Ok(shown(id, tenant))
    }

    /// The number of a tenant.
    pub async fn tenant_id(&self, name: &str) -> Result<TenantId> {
        self.0.tenant_id(name).await
    }

    /// Tenants whose names begin with `prefix` and follow `after`, in the order of their names.
    pub async fn list_tenants(
        &self,
        prefix: &str,
        after: Option<&str>,
        count_max: usize,
    ) -> Result<Vec<TenantShown>> {
        let mut tenants = Vec::new();
        let names = self.0.tenants.names(prefix, after, count_max.min(PAGE_COUNT_MAX)).await?;
        for (_, id) in names {
            // One that is deleted meanwhile is left out.
            if let Some(tenant) = self.0.tenants.get(id).await? {
                tenants.push(shown(id, tenant));
            }
        }
        Ok(tenants)
    }

    /// Deletes a tenant with all that is its own. Its name is free afterwards.
    pub async fn delete_tenant(&self, name: &str) -> Result<()> {
        let (inner, name) = (self.0.clone(), name.to_owned());
        self.whole(async move {
            let mut edit = Edit::begin(&inner, &name).await?;
            for (host, _) in inner.domains.list(edit.id, PAGE_COUNT_MAX).await? {
                edit.write(inner.domains.delete(edit.id, &host));
                edit.reroutes();
            }
            edit.write([inner.meta.put_gone(edit.id)]);
            edit.commit_deletion().await?;
            inner.forget(edit.id).await
        })
        .await
    }

    /// Removes what a killed server left of tenants that it had deleted.
    pub(super) fn sweep(&self) {
        let inner = self.0.clone();
        self.0.parts.tasks.spawn("deleted tenants", async move {
            if let Err(error) = inner.sweep().await {
                tracing::error!(%error, "deleted tenants have left contents");
            }
        });
    }
}

impl Inner {
    async fn ensure_tenant(&self, name: &str) -> Result<TenantId> {
        if let Some(id) = self.tenants.id(name).await? {
            return Ok(id);
        }
        let _lock = self.edits.lock(name).await;
        if let Some(id) = self.tenants.id(name).await? {
            return Ok(id);
        }
        let id = self.tenants.next_id().await?;
        let Settings { tier, quotas, limits, suspended } = Settings::default();
        let tenant = Tenant {
            name: name.into(),
            tier,
            quotas,
            limits,
            suspended,
            created_ms: self.parts.clock.now().0,
            workers: 0,
            registered: 0,
            changes: 1,
            limits_changed: 1,
        };
        let writes = vec![self.tenants.name(id, name), self.tenants.put(id, &tenant)];
        let batch = Batch { checks: vec![self.tenants.free(name)], writes };
        let committed = self.parts.engine.commit(batch).await;
        self.cache.expire(name);
        match committed? {
            Committed::Done { .. } => Ok(id),
            Committed::Conflict { .. } => {
                Err(Error::Conflict(format!("tenant `{name}` was made meanwhile")))
            }
        }
    }

    async fn sweep(&self) -> Result<()> {
        for id in self.meta.gone(GONE_COUNT_MAX).await? {
            self.forget(id).await?;
        }
        // A file that was being written when its tenant was deleted, and the server killed then.
        let blobs = self.parts.blobs.clone();
        let listed = tokio::task::spawn_blocking(move || blobs.tenants()).await;
        for id in listed.map_err(|_| Error::Stopped)?? {
            if self.tenants.get(id).await?.is_none() {
                let blobs = self.parts.blobs.clone();
                let removed = tokio::task::spawn_blocking(move || blobs.delete_tenant(id)).await;
                removed.map_err(|_| Error::Stopped)??;
            }
        }
        Ok(())
    }

    /// Removes the contents of a deleted tenant, then the note that it has some.
    async fn forget(&self, id: TenantId) -> Result<()> {
        let changed = Arc::clone(&self.parts.changed);
        let told = tokio::task::spawn_blocking(move || changed.deleted(id));
        told.await.map_err(|_| Error::Stopped)?;
        self.remove_contents(id).await?;
        // What was counted between the deletion and this goes too.
        let writes = vec![self.meta.delete_gone(id), self.usage.delete(id)];
        self.parts.engine.commit(Batch { checks: vec![], writes }).await?;
        Ok(())
    }
}
