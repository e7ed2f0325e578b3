//! Secrets of workers: set, listed by name, deleted. Their values are never shown.

use bindery_wire::limits::BINDING_COUNT_MAX;

use super::edit::{Edit, Stale};
use super::load::env_faults;
use super::upload::merge;
use super::vault::Place;
use super::{Error, Registry, Result, SECRET_BYTES_MAX};

impl Registry {
    /// Sets a secret of a worker. The next event sees it.
    pub async fn put_secret(
        &self,
        (tenant, worker): (&str, &str),
        name: &str,
        text: String,
    ) -> Result<()> {
        if text.len() > SECRET_BYTES_MAX {
            let message = format!("{} bytes; {}", text.len(), crate::limit::SECRET.fixed());
            return Err(Error::invalid("text", message));
        }
        let inner = self.0.clone();
        let (tenant, worker, name) = (tenant.to_owned(), worker.to_owned(), name.to_owned());
        self.whole(async move {
            let mut edit = Edit::begin(&inner, &tenant).await?;
            let mut row = inner.worker(edit.id, &worker).await?;
            let place = Place { tenant: edit.id, worker: &worker, name: &name };
            let sealed = inner.parts.vault.seal(place, &text)?;
            let before = inner.worker_secrets(edit.id, &worker).await?;
            let secrets = merge(before, &[(name.clone(), text)]);
            if secrets.len() > BINDING_COUNT_MAX {
                return Err(Error::Quota(bindery_wire::limit::BINDINGS.fixed()));
            }
            if let Some(version) = row.deployed
                && let Some(manifest) = inner.manifest(edit.id, &worker, version).await?
            {
                let mut faults = env_faults(&manifest, &secrets);
                faults.retain(|fault| fault.path == "bindings");
                if !faults.is_empty() {
                    return Err(Error::Invalid(faults));
                }
            }
            row.generation = edit.tenant.changes;
            edit.write([
                inner.secrets.put(edit.id, &worker, &name, &sealed),
                inner.workers.put(edit.id, &worker, &row),
            ]);
            edit.commit(Stale::Worker(&worker)).await
        })
        .await
    }

    /// The names of a worker's secrets.
    pub async fn list_secrets(&self, tenant: &str, worker: &str) -> Result<Vec<String>> {
        let tenant = self.0.tenant_id(tenant).await?;
        self.0.worker(tenant, worker).await?;
        let secrets = self.0.secrets.list(tenant, worker, BINDING_COUNT_MAX).await?;
        Ok(secrets.into_iter().map(|(name, _)| name).collect())
    }

    /// Deletes a secret of a worker.
    pub async fn delete_secret(&self, (tenant, worker): (&str, &str), name: &str) -> Result<()> {
        let inner = self.0.clone();
        let (tenant, worker, name) = (tenant.to_owned(), worker.to_owned(), name.to_owned());
        self.whole(async move {
            let mut edit = Edit::begin(&inner, &tenant).await?;
            let mut row = inner.worker(edit.id, &worker).await?;
            let secrets = inner.secrets.list(edit.id, &worker, BINDING_COUNT_MAX).await?;
            if !secrets.iter().any(|(known, _)| *known == name) {
                return Err(Error::NotFound("secret"));
            }
            row.generation = edit.tenant.changes;
            edit.write([
                inner.secrets.delete(edit.id, &worker, &name),
                inner.workers.put(edit.id, &worker, &row),
            ]);
            edit.commit(Stale::Worker(&worker)).await
        })
        .await
    }
}
