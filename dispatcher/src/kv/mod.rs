//! Namespaces of keys and values: what a tenant's workers keep under names of their own.
//!
//! Guarantees: a write is durable when it returns, and every later read sees it. Whose a key is,
//! and in which namespace, is said by the caller's own binding; every limit is checked here. A
//! value is written and read in pieces: no more of one than a part of it is ever held, up to the
//! size that goes into one commit. A key that has expired is not seen from its second on, and is
//! swept later, some at a time. What was set anew or deleted stays readable for a minute, so that
//! a reader which has begun is not cut off, and is counted until it is removed.
//!
//! Invariant: a write holds only while its tenant is as it was read: nothing is kept for a tenant
//! that is deleted.
//!
//! Absent on purpose: copies of what was read, and with them any delay.

mod ask;
mod body;
mod cursor;
mod error;
mod list;
mod lock;
mod put;
mod sweep;
#[cfg(test)]
mod tests;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use bindery_logic::kv::{self, VALUE_BYTES_MAX};
use bindery_storage::blob::Blobs;
use bindery_storage::engine::{Engine, Write};
use bindery_storage::tables::{
    Account, Due, DueTable, Kind, KvPlace, KvRow, KvTable, Quotas, Stored, Tenants,
};
use bindery_storage::value::{VALUE_FILE_BYTES_MAX, Values};
use bindery_wire::TenantId;

use crate::clock::Clock;
use crate::registry::Vault;
use crate::tasks::Tasks;
pub use ask::answer;
pub use body::Content;
pub use error::{Error, Result};
pub use list::{Listed, Page};
pub use put::Options;

/// Values of one tenant that are received at once.
pub const RECEIVED_COUNT_MAX: usize = 32;
/// Bytes that a tenant keeps, where its quotas say nothing.
pub const STORED_BYTES_MAX: u64 = 10 << 30;
/// Things that a tenant keeps, where its quotas say nothing.
pub const STORED_ROWS_MAX: u64 = 100_000_000;

/// What a tenant may keep of everything together.
pub(crate) fn stored_max(quotas: &Quotas) -> Stored {
    Stored {
        bytes: quotas.stored_bytes.unwrap_or(STORED_BYTES_MAX),
        rows: quotas.stored_rows.unwrap_or(STORED_ROWS_MAX),
    }
}

/// What is counted for keys.
const ACCOUNT: &str = "kv";
/// How long a value stays readable that no key holds any more.
const REMAINS_FOR: Duration = Duration::from_secs(60);
/// How long a large value may take to come.
const UPLOAD_TIME_MAX: Duration = Duration::from_secs(60 * 60);
/// Times of what is to be swept are rounded up to this, so that few entries stand for many keys.
const SWEEP_STEP: Duration = Duration::from_secs(60);

const _: () = assert!(VALUE_BYTES_MAX <= VALUE_FILE_BYTES_MAX);

/// What it is made of.
pub struct Parts {
    /// Where keys are.
    pub engine: Arc<dyn Engine>,
    /// Where large values are.
    pub blobs: Blobs,
    /// The time.
    pub clock: Clock,
    /// Where what outlives its caller runs.
    pub tasks: Tasks,
    /// What makes cursors.
    pub vault: Vault,
}

/// The namespaces of all tenants. Clones are the same.
#[derive(Clone)]
pub struct Kv(Arc<Inner>);

struct Inner {
    parts: Parts,
    table: KvTable,
    values: Values,
    due: DueTable,
    account: Account,
    tenants: Tenants,
    locks: lock::Locks,
    receiving: lock::Shares,
}

/// A namespace of a tenant's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name.
    pub name: String,
}

impl Namespace {
    fn at<'a>(&'a self, name: &'a str) -> KvPlace<'a> {
        KvPlace { tenant: self.tenant, namespace: &self.name, name }
    }
}

/// A key that was found.
pub struct Found {
    /// The second since 1970 from which on it is not there.
    pub expires_s: Option<u64>,
    /// What was said of it: a JSON text.
    pub metadata: Option<String>,
    /// Its value.
    pub content: Content,
}

impl Kv {
    /// Opens the namespaces of a store.
    pub fn new(parts: Parts) -> Self {
        let engine = || parts.engine.clone();
        Self(Arc::new(Inner {
            table: KvTable::new(engine()),
            values: Values::new(parts.blobs.clone()),
            due: DueTable::new(engine()),
            account: Account::new(engine()),
            tenants: Tenants::new(engine()),
            locks: lock::Locks::default(),
            receiving: lock::Shares::default(),
            parts,
        }))
    }

    /// A key that is there.
    pub async fn get(&self, of: &Namespace, name: &str) -> Result<Option<Found>> {
        kv::check_name(name)?;
        let row = self.0.row(of, name).await?;
        Ok(row.map(|row| self.found(of, row)))
    }

    /// Keys in the order of their names, as long as they are not too much together.
    pub async fn get_many(&self, of: &Namespace, names: &[String]) -> Result<Vec<Option<Found>>> {
        kv::check_names(names)?;
        let (mut found, mut total) = (Vec::with_capacity(names.len()), 0_u64);
        for name in names {
            let row = self.0.row(of, name).await?;
            total = total.saturating_add(row.as_ref().map_or(0, |row| row.length));
            kv::check_total(total)?;
            found.push(row.map(|row| self.found(of, row)));
        }
        Ok(found)
    }

    /// What a tenant keeps, of all kinds.
    pub async fn stored(&self, tenant: TenantId) -> Result<Stored> {
        Ok(self.0.account.stored(tenant, None).await?)
    }

    fn found(&self, of: &Namespace, row: KvRow) -> Found {
        let KvRow { expires_s, metadata, length, value } = row;
        let content = Content::new(self.clone(), of.tenant, length, value);
        Found { expires_s, metadata, content }
    }
}

impl Inner {
    fn now_ms(&self) -> u64 {
        self.parts.clock.now().0
    }

    /// A key that has not expired.
    async fn row(&self, of: &Namespace, name: &str) -> Result<Option<KvRow>> {
        let row = self.table.get(of.at(name)).await?;
        Ok(row.filter(|row| !kv::is_over(row.expires_s, self.now_ms())))
    }

    /// Has something of a tenant's swept some time after this one.
    fn sweep_after(&self, tenant: TenantId, kind: Kind, at_ms: u64, now_ms: u64) -> [Write; 2] {
        self.due.add(tenant, &entry(kind, at_ms), now_ms)
    }
}

/// The entry that stands for all of one kind that is to be swept within the step of this time.
fn entry(kind: Kind, at_ms: u64) -> Due {
    let step_ms = SWEEP_STEP.as_millis() as u64;
    let time_ms = at_ms.div_ceil(step_ms).saturating_mul(step_ms);
    Due { time_ms, kind, id: Vec::new(), failures: 0, data: Vec::new() }
}
