//! From format 1 to 2: a program of format 1 kept the crons that a version asks for and ran none.
//! Each that a version which serves asks for becomes a row, and is due at once: whoever runs crons
//! then works out when it comes, as nothing here can. Rows that are there stay as they are, so a
//! step that was killed is done again.

use bindery_wire::recipe::{self, Recipe};
use bindery_wire::{ContentHash, Manifest, TenantId, VersionId};

use super::Kept;
use crate::engine::{Batch, Write};
use crate::key::{Key, Space};
use crate::tables::row::{self, Error, Result, Row};
use crate::tables::{Contents, Cron, CronTable, DueTable, Versions, Worker};

/// Workers that are read in one go.
const PAGE_COUNT: usize = 256;

pub(super) async fn begin(kept: &Kept<'_>) -> Result<Vec<Write>> {
    let mut range = Key::new(Space::Worker).range();
    loop {
        let page = kept.engine.scan(range.clone(), PAGE_COUNT).await?;
        let Some(last) = page.last() else { return Ok(Vec::new()) };
        range = range.after(&last.key);
        for entry in &page {
            let (tenant, name) = row::owned(&entry.key, Worker::TABLE)?;
            if let Some(version) = Worker::from_bytes(&entry.value)?.deployed {
                begin_of(kept, (tenant, &name), version).await?;
            }
        }
    }
}

/// Adds the crons of one worker.
async fn begin_of(kept: &Kept<'_>, place: (TenantId, &str), version: VersionId) -> Result<()> {
    let (tenant, worker) = place;
    let Some(manifest) = manifest(kept, place, version).await? else { return Ok(()) };
    let (crons, due) = (CronTable::new(kept.engine.clone()), DueTable::new(kept.engine.clone()));
    let mut writes = Vec::new();
    for expression in &manifest.crons {
        if crons.get(tenant, worker, expression).await?.is_some() {
            continue;
        }
        let worker_name = worker.to_owned();
        let format = recipe::FORMAT;
        let recipe = Recipe { format, tenant, worker: worker_name, entrypoint: None, version };
        let cron = Cron { recipe, generation: 0, at_ms: 0, due_ms: 0, failures: 0, last: None };
        writes.push(crons.put(tenant, (worker, expression), &cron));
        writes.extend(due.add(tenant, &cron.due(worker, expression), 0));
    }
    if !writes.is_empty() {
        kept.engine.commit(Batch { checks: vec![], writes }).await?;
    }
    Ok(())
}

async fn manifest(
    kept: &Kept<'_>,
    (tenant, worker): (TenantId, &str),
    version: VersionId,
) -> Result<Option<Manifest>> {
    let row = Versions::new(kept.engine.clone()).get(tenant, worker, version).await?;
    let Some(row) = row else { return Ok(None) };
    let hash = ContentHash(version.0);
    let bytes = match &row.manifest {
        Some(json) => json.get().as_bytes().to_vec().into(),
        None => match Contents::new(kept.engine.clone()).get(tenant, &hash).await? {
            Some(bytes) => bytes,
            None => kept.blobs.get(tenant, &hash)?,
        },
    };
    Manifest::from_bytes(&bytes).map(Some).map_err(|_| Error::Malformed("manifests"))
}
