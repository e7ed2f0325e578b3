//! Which of a tenant's workers refer to another one by name: those that would find it missing.

use bindery_storage::tables::Worker;
use bindery_wire::manifest::{Binding, Outbound};
use bindery_wire::{Manifest, TenantId};

use super::{Error, Inner, Result};

/// Rows that are read in one go.
const TOGETHER_COUNT: usize = 100;
/// Referring workers that are named; more are only said to be there.
const NAMED_COUNT_MAX: usize = 10;

impl Inner {
    /// Refuses to go on while versions that serve refer to a worker, by a service binding or as
    /// `outbound`: those of other workers, but for what it registered itself, which goes with it.
    pub(super) async fn expect_unreferenced(&self, id: TenantId, name: &str) -> Result<()> {
        let mut found = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = self.workers.list(id, after.as_deref(), TOGETHER_COUNT).await?;
            for (other, worker) in &page {
                let is_its = crate::loader::is_of(other, name);
                if !is_its && self.refers(id, (other, worker), name).await? {
                    found.push(format!("the worker `{other}`"));
                }
            }
            let Some((last, _)) = page.into_iter().nth(TOGETHER_COUNT - 1) else { break };
            after = Some(last);
        }
        if found.is_empty() {
            return Ok(());
        }
        let more = if found.len() > NAMED_COUNT_MAX { " and others" } else { "" };
        found.truncate(NAMED_COUNT_MAX);
        Err(Error::Conflict(format!(
            "{}{more} refer to the worker `{name}`: change them first, or delete it with force=true",
            found.join(", ")
        )))
    }

    async fn refers(
        &self,
        id: TenantId,
        (other, worker): (&str, &Worker),
        name: &str,
    ) -> Result<bool> {
        let Some(deployed) = worker.deployed else { return Ok(false) };
        let manifest = self.manifest(id, other, deployed).await?;
        Ok(manifest.is_some_and(|manifest| names(&manifest, name)))
    }
}

/// Whether a version calls the worker of this name.
fn names(manifest: &Manifest, name: &str) -> bool {
    let outbound =
        matches!(&manifest.outbound, Outbound::Service { service, .. } if service == name);
    let is_service =
        |binding: &Binding| matches!(binding, Binding::Service { service, .. } if service == name);
    outbound || manifest.bindings.values().any(is_service)
}
