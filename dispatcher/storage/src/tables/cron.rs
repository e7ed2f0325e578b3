//! Crons: those of the versions that serve, each with what is due of it and how it last went.

use std::sync::Arc;

use bindery_wire::recipe::Recipe;
use bindery_wire::{Outcome, TenantId};
use serde::{Deserialize, Serialize};

use super::due::{Due, Kind};
use super::row::{self, Result, Row, Store};
use crate::engine::{Check, Engine, SCAN_COUNT_MAX, Write};
use crate::key::{Key, Space};

/// A cron of the version of a worker that serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cron {
    /// How to run it.
    pub recipe: Recipe,
    /// Sets this registration apart from earlier ones of the same expression. What is due of
    /// those is nobody's.
    pub generation: u64,
    /// The occurrence that is due, or is tried again: milliseconds since 1970. 0 if it has yet to
    /// be worked out.
    pub at_ms: u64,
    /// When it is due.
    pub due_ms: u64,
    /// How often it was run and failed.
    #[serde(default)]
    pub failures: u32,
    /// The last run that ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastRun>,
}

/// How an occurrence of a cron last went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRun {
    /// The occurrence, in milliseconds since 1970.
    pub at_ms: u64,
    /// When the run ended.
    pub ended_ms: u64,
    /// How.
    pub outcome: Outcome,
    /// Why there was nothing to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Row for Cron {
    const TABLE: &'static str = "crons";
}

impl Cron {
    /// The entry that is due of it.
    pub fn due(&self, worker: &str, expression: &str) -> Due {
        let mut id = Vec::with_capacity(size_of::<u16>() + worker.len() + expression.len());
        // A worker's name is never longer than its length can say.
        id.extend_from_slice(&(worker.len() as u16).to_be_bytes());
        id.extend_from_slice(worker.as_bytes());
        id.extend_from_slice(expression.as_bytes());
        Due {
            time_ms: self.due_ms,
            kind: Kind::Cron,
            id,
            failures: 0,
            data: self.generation.to_be_bytes().into(),
        }
    }

    /// Whether an entry is due of this registration.
    pub fn owns(&self, due: &Due) -> bool {
        due.kind == Kind::Cron && due.data == self.generation.to_be_bytes()
    }
}

/// The worker and the expression that an entry of a cron names.
pub fn named(due: &Due) -> Option<(&str, &str)> {
    let (length, rest) = due.id.split_first_chunk()?;
    let (worker, expression) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    Some((str::from_utf8(worker).ok()?, str::from_utf8(expression).ok()?))
}

/// The table of crons.
#[derive(Clone)]
pub struct CronTable(Store);

impl CronTable {
    /// The table in this store.
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self(Store(engine))
    }

    /// A cron of a worker.
    pub async fn get(&self, tenant: TenantId, worker: &str, cron: &str) -> Result<Option<Cron>> {
        self.0.get(key(tenant, worker, cron)).await
    }

    /// The crons of a worker by their expressions.
    pub async fn list(&self, tenant: TenantId, worker: &str) -> Result<Vec<(String, Cron)>> {
        let prefix = Key::new(Space::Cron).tenant(tenant).text(worker).finish();
        self.0.list(prefix, None, SCAN_COUNT_MAX).await
    }

    /// Sets a cron.
    pub fn put(&self, tenant: TenantId, (worker, expression): (&str, &str), cron: &Cron) -> Write {
        row::put(key(tenant, worker, expression), cron)
    }

    /// Removes a cron.
    pub fn delete(&self, tenant: TenantId, worker: &str, expression: &str) -> Write {
        Write::Delete { key: key(tenant, worker, expression) }
    }

    /// Holds while the cron is as it was read.
    pub fn unchanged(
        &self,
        tenant: TenantId,
        (worker, expression): (&str, &str),
        cron: Option<&Cron>,
    ) -> Check {
        row::unchanged(key(tenant, worker, expression), cron)
    }
}

fn key(tenant: TenantId, worker: &str, expression: &str) -> Vec<u8> {
    row::ending(Key::new(Space::Cron).tenant(tenant).text(worker), expression)
}

#[cfg(test)]
mod tests {
    use bindery_wire::{VersionId, recipe};

    use super::*;
    use crate::engine::Batch;
    use crate::memory::Memory;

    fn cron(last: Option<LastRun>) -> Cron {
        let recipe = Recipe {
            format: recipe::FORMAT,
            tenant: TenantId(1),
            worker: "reports".into(),
            entrypoint: None,
            version: VersionId([0xab; 32]),
        };
        Cron { recipe, generation: 3, at_ms: 60_000, due_ms: 62_000, failures: 1, last }
    }

    #[test]
    fn the_bytes_of_a_cron_are_frozen() {
        let last = LastRun {
            at_ms: 1,
            ended_ms: 2,
            outcome: Outcome::ExceededCpu,
            error: Some("x".into()),
        };
        let cron = cron(Some(last));
        let golden = format!(
            "\u{1}{{\"recipe\":{{\"format\":1,\"tenant\":1,\"worker\":\"reports\",\
             \"version\":\"ver_{}\"}},\"generation\":3,\"at_ms\":60000,\"due_ms\":62000,\
             \"failures\":1,\"last\":{{\"at_ms\":1,\"ended_ms\":2,\"outcome\":\"exceededCpu\",\
             \"error\":\"x\"}}}}",
            "ab".repeat(32)
        );
        assert_eq!(String::from_utf8_lossy(&cron.to_bytes()), golden);
        assert_eq!(Cron::from_bytes(golden.as_bytes()).expect("reads"), cron);
    }

    #[test]
    fn what_is_due_names_its_cron_and_no_other_registration_of_it() {
        let cron = cron(None);
        let due = cron.due("w", "* * * * *");
        assert_eq!((due.time_ms, due.id.as_slice()), (62_000, &b"\0\x01w* * * * *"[..]));
        assert_eq!(named(&due), Some(("w", "* * * * *")));
        assert!(cron.owns(&due));
        assert!(!Cron { generation: 4, ..cron.clone() }.owns(&due));
        for id in [&b""[..], b"\0", b"\0\x02w", b"\0\x01\xff"] {
            assert_eq!(named(&Due { id: id.into(), ..due.clone() }), None);
        }
    }

    #[tokio::test]
    async fn a_workers_crons_are_its_own() {
        let engine = Arc::new(Memory::default());
        let (table, cron) = (CronTable::new(engine.clone()), cron(None));
        let places = [(1, "a", "1"), (1, "a", "2"), (1, "ab", "3"), (2, "a", "4")];
        let put = |(tenant, worker, text)| table.put(TenantId(tenant), (worker, text), &cron);
        let writes = places.map(put).into();
        engine.commit(Batch { checks: vec![], writes }).await.expect("written");
        let listed = table.list(TenantId(1), "a").await.expect("listed");
        let texts: Vec<&str> = listed.iter().map(|(text, _)| text.as_str()).collect();
        assert_eq!(texts, ["1", "2"]);
        assert_eq!(table.get(TenantId(2), "a", "4").await.expect("read"), Some(cron));
        assert_eq!(table.get(TenantId(2), "a", "1").await.expect("read"), None);
    }
}
