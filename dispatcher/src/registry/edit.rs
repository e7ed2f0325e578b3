//! One change of one tenant: read, decide, commit.

use std::sync::Arc;

use bindery_storage::engine::{Batch, Check, Committed, Write};
use bindery_storage::tables::Tenant;
use bindery_wire::TenantId;

use super::{Error, Inner, Result};
use crate::audit::Cause;
use crate::lock::{Held, Table};

/// Lets one change of a tenant in at a time; a long one keeps nobody else waiting. That is for speed
/// alone: what two servers over one store would do to each other, the checks of the commits refuse.
#[derive(Default)]
pub(super) struct Locks(Arc<Table<Box<str>>>);

impl Locks {
    pub(super) async fn lock(&self, tenant: &str) -> Held<Box<str>> {
        self.0.enter(tenant.into(), 1).await
    }
}

/// What of a tenant a change puts out of date.
#[derive(Clone, Copy)]
pub(super) enum Stale<'a> {
    /// Nothing that runs.
    Nothing,
    /// This worker.
    Worker(&'a str),
    /// Everything.
    Tenant,
}

/// A tenant being changed. Nothing that is seen is written before [`Edit::commit`].
pub(super) struct Edit<'a> {
    inner: &'a Inner,
    /// The tenant's number.
    pub(super) id: TenantId,
    /// The row as it will be.
    pub(super) tenant: Tenant,
    before: Tenant,
    checks: Vec<Check>,
    writes: Vec<Write>,
    reroutes: bool,
    _lock: Held<Box<str>>,
}

impl<'a> Edit<'a> {
    /// Reads a tenant in order to change it.
    pub(super) async fn begin(inner: &'a Arc<Inner>, name: &str) -> Result<Self> {
        let lock = inner.edits.lock(name).await;
        let (id, before) = inner.tenant(name).await?.ok_or(Error::NotFound("tenant"))?;
        let tenant = Tenant { changes: before.changes + 1, ..before.clone() };
        let (checks, writes) = (Vec::new(), Vec::new());
        Ok(Self { inner, id, tenant, before, checks, writes, reroutes: false, _lock: lock })
    }

    /// Adds what must hold.
    pub(super) fn check(&mut self, check: Check) {
        self.checks.push(check);
    }

    /// Adds what is written.
    pub(super) fn write(&mut self, writes: impl IntoIterator<Item = Write>) {
        self.writes.extend(writes);
    }

    /// Says that hosts or routes change with it.
    pub(super) fn reroutes(&mut self) {
        self.reroutes = true;
    }

    /// Writes rows before the change and apart from it, while the tenant is as it was read.
    pub(super) async fn write_ahead(&self, writes: Vec<Write>) -> Result<()> {
        let checks = vec![self.inner.tenants.unchanged(self.id, &self.before)];
        done(self.inner.parts.engine.commit(Batch { checks, writes }).await?)
    }

    /// Writes all of it, and makes it known.
    pub(super) async fn commit(&mut self, stale: Stale<'_>) -> Result<()> {
        self.write([self.inner.tenants.put(self.id, &self.tenant)]);
        self.finish(stale).await
    }

    /// Removes the tenant with all of its rows.
    pub(super) async fn commit_deletion(&mut self) -> Result<()> {
        let rows = self.inner.tenants.delete(self.id, &self.before.name);
        self.write(rows);
        self.finish(Stale::Tenant).await
    }

    async fn finish(&mut self, stale: Stale<'_>) -> Result<()> {
        self.check(self.inner.tenants.unchanged(self.id, &self.before));
        let cause = Cause::current();
        // First, so that a deleted tenant's own entries go with it.
        let mut writes = cause.as_ref().map_or_else(Vec::new, |cause| cause.writes(self.id));
        writes.append(&mut self.writes);
        let batch = Batch { checks: std::mem::take(&mut self.checks), writes };
        let committed = self.inner.parts.engine.commit(batch).await;
        // After an error it is not known whether the batch was applied.
        self.inner.cache.expire(&self.before.name);
        let routed = if self.reroutes {
            self.inner.reroute(self.id, &self.before.name).await
        } else {
            Ok(())
        };
        done(committed?)?;
        if let Some(cause) = cause {
            cause.written();
        }
        routed?;
        let changed = &self.inner.parts.changed;
        match stale {
            Stale::Nothing => {}
            Stale::Worker(worker) => changed.changed(self.id, Some(worker)),
            Stale::Tenant => changed.changed(self.id, None),
        }
        Ok(())
    }
}

fn done(committed: Committed) -> Result<()> {
    match committed {
        Committed::Done { .. } => Ok(()),
        Committed::Conflict { .. } => {
            Err(Error::Conflict("the tenant was changed meanwhile".into()))
        }
    }
}

impl Inner {
    /// A tenant by name.
    pub(super) async fn tenant(&self, name: &str) -> Result<Option<(TenantId, Tenant)>> {
        let Some(id) = self.tenants.id(name).await? else {
            return Ok(None);
        };
        Ok(self.tenants.get(id).await?.map(|tenant| (id, tenant)))
    }

    /// The number of a tenant that must be there.
    pub(super) async fn tenant_id(&self, name: &str) -> Result<TenantId> {
        self.tenants.id(name).await?.ok_or(Error::NotFound("tenant"))
    }
}
