//! Crons of the versions that serve: set by deployments, moved on by whoever runs them.
//!
//! A deployment replaces the crons of the one before in its own commit. An expression that stays
//! keeps what is due of it and how it last went. Whatever changes a cron takes its tenant's turn
//! and checks that it is as it was read, so that of a deployment and a run that end together each
//! sees what the other did.

use std::collections::BTreeMap;

use bindery_logic::cron::{self, Next, Schedule};
use bindery_storage::engine::Batch;
use bindery_storage::tables::{Cron, Due, LastRun, named_cron};
use bindery_wire::recipe::{self, Recipe};
use bindery_wire::{Outcome, TenantId, VersionId};
use serde::Serialize;

use super::edit::Edit;
use super::{Error, Inner, Registry, Result};
use crate::problem::Fault;

/// A cron as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CronShown {
    /// The expression.
    pub cron: String,
    /// When it runs next, in milliseconds since 1970.
    pub next_ms: u64,
    /// How often the occurrence that is tried again has failed.
    pub failures: u32,
    /// How it last went; absent before it has run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<LastRun>,
}

/// A cron that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CronDue {
    /// The expression.
    pub expression: String,
    /// The occurrence, in milliseconds since 1970.
    pub at_ms: u64,
    /// How to run it.
    pub recipe: Recipe,
}

/// What became of a cron that was due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CronRun {
    /// It is done with, or has failed and is tried again a few times.
    Ran {
        /// How the run ended.
        outcome: Outcome,
        /// Whether it counts as failed.
        failed: bool,
        /// Why there was nothing to run.
        error: Option<String>,
    },
    /// It is left out, for nothing of the tenant runs.
    LeftOut,
}

impl Registry {
    /// The crons of the version of a worker that serves.
    pub async fn list_crons(&self, tenant: &str, worker: &str) -> Result<Vec<CronShown>> {
        let tenant = self.0.tenant_id(tenant).await?;
        self.0.worker(tenant, worker).await?;
        let crons = self.0.crons.list(tenant, worker).await?;
        let shown = |(cron, row): (String, Cron)| CronShown {
            cron,
            next_ms: row.due_ms,
            failures: row.failures,
            last: row.last,
        };
        Ok(crons.into_iter().map(shown).collect())
    }

    /// The cron that an entry is due of; absent if it is nobody's any more.
    pub async fn cron_due(&self, id: TenantId, due: &Due) -> Result<Option<CronDue>> {
        if self.0.tenants.get(id).await?.is_none() {
            return Ok(None);
        }
        let row = self.0.cron_of(id, due).await?;
        Ok(row.map(|(_, expression, cron)| CronDue {
            expression: expression.to_owned(),
            at_ms: cron.at_ms,
            recipe: cron.recipe,
        }))
    }

    /// Writes down what became of an entry, and makes due what follows, in one commit. An entry
    /// that is nobody's is removed. Changes nothing if somebody else was first.
    pub async fn settle_cron(&self, id: TenantId, due: &Due, run: CronRun) -> Result<()> {
        let inner = &self.0;
        let name = inner.tenants.get(id).await?.map(|tenant| tenant.name);
        let _turn = match &name {
            Some(name) => Some(inner.edits.lock(name).await),
            None => None,
        };
        let mut checks = vec![inner.due.there(id, due)];
        let mut writes = vec![inner.due.remove(id, due)];
        if let Some((worker, expression, before)) = inner.cron_of(id, due).await? {
            let now_ms = inner.parts.clock.now().0;
            let place = (worker, expression);
            checks.push(inner.crons.unchanged(id, place, Some(&before)));
            let (row, is_due) = after(expression, before, run, now_ms);
            writes.push(inner.crons.put(id, place, &row));
            if is_due {
                writes.extend(inner.due.add(id, &row.due(worker, expression), now_ms));
            }
        }
        inner.parts.engine.commit(Batch { checks, writes }).await?;
        Ok(())
    }
}

/// A cron after a run, and whether it is due again.
fn after(expression: &str, before: Cron, run: CronRun, now_ms: u64) -> (Cron, bool) {
    let failures = match &run {
        CronRun::Ran { failed: true, .. } => before.failures.saturating_add(1),
        CronRun::Ran { failed: false, .. } | CronRun::LeftOut => 0,
    };
    let last = match run {
        CronRun::Ran { outcome, error, .. } => {
            Some(LastRun { at_ms: before.at_ms, ended_ms: now_ms, outcome, error })
        }
        CronRun::LeftOut => before.last.clone(),
    };
    // Every expression was read when it was deployed; one of a newer program does not come.
    let schedule = Schedule::parse(expression);
    let next = schedule.map(|schedule| cron::after_run(&schedule, before.at_ms, failures, now_ms));
    let row = Cron { last, ..before };
    match next {
        Ok(Next::Retry { due_ms }) => (Cron { due_ms, failures, ..row }, true),
        Ok(Next::Occurrence { at_ms }) => (Cron { at_ms, due_ms: at_ms, failures: 0, ..row }, true),
        Ok(Next::Nothing) | Err(_) => (row, false),
    }
}

impl Inner {
    /// The worker, the expression and the row that an entry is due of.
    async fn cron_of<'a>(
        &self,
        id: TenantId,
        due: &'a Due,
    ) -> Result<Option<(&'a str, &'a str, Cron)>> {
        let Some((worker, expression)) = named_cron(due) else { return Ok(None) };
        let row = self.crons.get(id, worker, expression).await?;
        Ok(row.filter(|row| row.owns(due)).map(|row| (worker, expression, row)))
    }

    /// Adds the crons of a version that begins to serve to a change, instead of those that are
    /// there; without a version, removes those. How many go.
    pub(super) async fn cron_into(
        &self,
        edit: &mut Edit<'_>,
        worker: &str,
        serves: Option<(VersionId, &[String])>,
    ) -> Result<usize> {
        let before = self.crons.list(edit.id, worker).await?;
        let mut before: BTreeMap<String, Cron> = before.into_iter().collect();
        let mut faults = Vec::new();
        if let Some((version, crons)) = serves {
            for (at, text) in crons.iter().enumerate() {
                match Schedule::parse(text) {
                    Ok(schedule) => {
                        let row = before.remove(text);
                        self.cron_serves(edit, (worker, text), &schedule, (version, row));
                    }
                    Err(why) => faults.push(Fault::new(format!("crons[{at}]"), why.to_string())),
                }
            }
        }
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        let went = before.len();
        for (text, row) in before {
            edit.check(self.crons.unchanged(edit.id, (worker, &text), Some(&row)));
            edit.write([
                self.crons.delete(edit.id, worker, &text),
                self.due.remove(edit.id, &row.due(worker, &text)),
            ]);
        }
        Ok(went)
    }

    /// Adds one cron of a version that begins to serve, or what is new of one that was there.
    fn cron_serves(
        &self,
        edit: &mut Edit<'_>,
        (worker, text): (&str, &str),
        schedule: &Schedule,
        (version, before): (VersionId, Option<Cron>),
    ) {
        let recipe = Recipe {
            format: recipe::FORMAT,
            tenant: edit.id,
            worker: worker.to_owned(),
            entrypoint: None,
            version,
        };
        let now_ms = self.parts.clock.now().0;
        let row = match &before {
            Some(row) if row.recipe == recipe => return,
            Some(row) => Cron { recipe, ..row.clone() },
            None => {
                // Only in a time that no clock shows does an expression come no more.
                let Some(at_ms) = schedule.next_after(now_ms) else { return };
                let generation = edit.tenant.changes;
                Cron { recipe, generation, at_ms, due_ms: at_ms, failures: 0, last: None }
            }
        };
        edit.check(self.crons.unchanged(edit.id, (worker, text), before.as_ref()));
        edit.write([self.crons.put(edit.id, (worker, text), &row)]);
        if before.is_none() {
            edit.write(self.due.add(edit.id, &row.due(worker, text), now_ms));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bindery_storage::tables::DueTable;

    use super::*;
    use crate::registry::tests::{Fixture, upload};
    use crate::registry::{Deploy, Upload};

    const PLACE: (&str, &str) = ("acme", "main");
    const OK: CronRun = CronRun::Ran { outcome: Outcome::Ok, failed: false, error: None };
    const FAILED: CronRun = CronRun::Ran { outcome: Outcome::Exception, failed: true, error: None };

    /// An upload with these crons.
    fn timed(source: &str, crons: &[&str]) -> Upload {
        let mut upload = upload(source);
        upload.manifest.crons = crons.iter().map(|&cron| cron.into()).collect();
        upload
    }

    /// Everything that is due of the tenant, now or later.
    async fn due(f: &Fixture) -> Vec<Due> {
        let id = f.registry.tenant_id("acme").await.expect("a tenant");
        let table = DueTable::new(f.engine.clone());
        table.until(id, u64::MAX, 1_000).await.expect("read")
    }

    async fn shown(f: &Fixture) -> Vec<(String, u64)> {
        let shown = f.registry.list_crons(PLACE.0, PLACE.1).await.expect("listed");
        shown.into_iter().map(|cron| (cron.cron, cron.next_ms)).collect()
    }

    async fn settle(f: &Fixture, due: &Due, run: CronRun) {
        let id = f.registry.tenant_id("acme").await.expect("a tenant");
        f.registry.settle_cron(id, due, run).await.expect("settled");
    }

    #[tokio::test]
    async fn crons_are_those_of_the_version_that_serves() {
        let f = Fixture::new().await;
        let first = f.upload(PLACE, timed("1", &["* * * * *", "0 * * * *"])).await;
        let both = [("* * * * *".into(), 60_000), ("0 * * * *".into(), 3_600_000)];
        assert_eq!(shown(&f).await, both);
        assert_eq!(due(&f).await.len(), 2);
        let later = Upload { deploy: Deploy::Later, ..timed("2", &["0 * * * *", "5 0 * * *"]) };
        let second = f.upload(PLACE, later).await;
        assert_eq!(shown(&f).await, both, "it does not serve yet");
        f.registry.deploy("acme", "main", &second.hex()).await.expect("deployed");
        let other = [("0 * * * *".into(), 3_600_000), ("5 0 * * *".into(), 300_000)];
        assert_eq!(shown(&f).await, other);
        let entries = due(&f).await;
        assert_eq!(entries.len(), 2);
        let id = f.registry.tenant_id("acme").await.expect("a tenant");
        for entry in &entries {
            let cron = f.registry.cron_due(id, entry).await.expect("read").expect("known");
            assert_eq!(cron.recipe.version, second, "{}", cron.expression);
        }
        f.registry.deploy("acme", "main", &first.hex()).await.expect("rolled back");
        assert_eq!(shown(&f).await, both);
        f.registry
            .delete_worker("acme", "main", crate::registry::Delete::Unreferenced)
            .await
            .expect("deleted");
        assert_eq!(due(&f).await, []);
        assert!(f.registry.list_crons("acme", "main").await.is_err());
    }

    #[tokio::test]
    async fn an_expression_that_stays_keeps_what_is_due_and_how_it_went() {
        let f = Fixture::new().await;
        f.upload(PLACE, timed("1", &["* * * * *"])).await;
        f.clock.advance(Duration::from_secs(60));
        settle(&f, &due(&f).await[0], FAILED).await;
        let before = f.registry.list_crons("acme", "main").await.expect("listed");
        assert_eq!((before[0].failures, before[0].next_ms), (1, 63_010));
        f.upload(PLACE, timed("2", &["* * * * *"])).await;
        assert_eq!(f.registry.list_crons("acme", "main").await.expect("listed"), before);
        // Taken away and set anew, it begins anew, and the earlier entry is nobody's.
        let old = due(&f).await.remove(0);
        f.upload(PLACE, timed("3", &[])).await;
        assert_eq!(due(&f).await, []);
        f.upload(PLACE, timed("4", &["* * * * *"])).await;
        let id = f.registry.tenant_id("acme").await.expect("a tenant");
        assert_eq!(f.registry.cron_due(id, &old).await.expect("read"), None);
        settle(&f, &old, OK).await;
        assert_eq!(shown(&f).await, [("* * * * *".into(), 120_000)]);
        assert_eq!(due(&f).await.len(), 1);
    }

    #[tokio::test]
    async fn a_run_is_settled_once_and_what_follows_is_due() {
        let f = Fixture::new().await;
        f.upload(PLACE, timed("1", &["* * * * *"])).await;
        f.clock.advance(Duration::from_secs(60));
        let first = due(&f).await.remove(0);
        settle(&f, &first, FAILED).await;
        let retry = due(&f).await;
        assert_eq!((retry.len(), retry[0].time_ms), (1, 63_010));
        settle(&f, &first, OK).await;
        assert_eq!(due(&f).await, retry, "somebody was first");
        f.clock.advance(Duration::from_secs(600));
        settle(&f, &retry[0], OK).await;
        assert_eq!(shown(&f).await, [("* * * * *".into(), 720_000)], "what passed is left out");
        let last = f.registry.list_crons("acme", "main").await.expect("listed").remove(0).last;
        let (outcome, error) = (Outcome::Ok, None);
        assert_eq!(last, Some(LastRun { at_ms: 60_000, ended_ms: 661_010, outcome, error }));
        settle(&f, &due(&f).await[0], CronRun::LeftOut).await;
        let shown = f.registry.list_crons("acme", "main").await.expect("listed").remove(0);
        assert_eq!((shown.last, shown.next_ms), (last, 780_000));
    }

    #[tokio::test]
    async fn a_deployment_with_a_cron_that_means_nothing_changes_nothing() {
        let f = Fixture::new().await;
        f.upload(PLACE, timed("1", &["* * * * *"])).await;
        let wrong = timed("2", &["* * * * *", "61 * * * *", "0 0 30 2 *"]);
        let refused = f.registry.upload("acme", "main", wrong).await;
        let Err(Error::Invalid(faults)) = refused else { panic!("it is refused") };
        let paths: Vec<&str> = faults.iter().map(|fault| fault.path.as_str()).collect();
        assert_eq!(paths, ["crons[1]", "crons[2]"]);
        assert_eq!(shown(&f).await, [("* * * * *".into(), 60_000)]);
    }
}
