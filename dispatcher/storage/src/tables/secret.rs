//! Secrets of a worker, encrypted: the store holds neither their values nor the key.

use std::sync::Arc;

use bindery_wire::TenantId;

use super::row::{self, Error, Result, Store};
use crate::engine::{Engine, Write};
use crate::key::{Key, Space};

const TABLE: &str = "secrets";

/// Bytes of the nonce.
const NONCE_BYTES: usize = 24;

/// An encrypted value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Used for this value alone.
    pub nonce: [u8; NONCE_BYTES],
    /// The encrypted bytes with their tag.
    pub ciphertext: Vec<u8>,
}

impl Sealed {
    /// The row: format, nonce, encrypted bytes.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        [&[row::FORMAT][..], &self.nonce, &self.ciphertext].concat()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let (nonce, ciphertext) = row::body(bytes, TABLE)?
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or(Error::Malformed(TABLE))?;
        Ok(Self { nonce: *nonce, ciphertext: ciphertext.to_vec() })
    }
}

/// The table of secrets.
#[derive(Clone)]
pub struct Secrets(Store);

impl Secrets {
    /// The table in this store.
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self(Store(engine))
    }

    /// The secrets of a worker, by name.
    pub async fn list(
        &self,
        tenant: TenantId,
        worker: &str,
        count_max: usize,
    ) -> Result<Vec<(String, Sealed)>> {
        let prefix = prefix(tenant, worker).finish();
        let skip = prefix.len();
        let entries = self.0.scan(prefix, None, count_max).await?;
        let read = |entry: &crate::engine::Entry| {
            Ok((row::last(&entry.key, skip, TABLE)?, Sealed::from_bytes(&entry.value)?))
        };
        entries.iter().map(read).collect()
    }

    /// Sets the row.
    pub fn put(&self, tenant: TenantId, worker: &str, name: &str, secret: &Sealed) -> Write {
        Write::Put { key: key(tenant, worker, name), value: secret.to_bytes() }
    }

    /// Removes a secret.
    pub fn delete(&self, tenant: TenantId, worker: &str, name: &str) -> Write {
        Write::Delete { key: key(tenant, worker, name) }
    }

    /// Removes every secret of a worker.
    pub fn delete_all(&self, tenant: TenantId, worker: &str) -> Write {
        Write::DeleteRange(prefix(tenant, worker).range())
    }
}

fn prefix(tenant: TenantId, worker: &str) -> Key {
    Key::new(Space::Secret).tenant(tenant).text(worker)
}

fn key(tenant: TenantId, worker: &str, name: &str) -> Vec<u8> {
    row::ending(prefix(tenant, worker), name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_secret_are_frozen() {
        let sealed = Sealed { nonce: [7; 24], ciphertext: vec![1, 2] };
        let bytes = sealed.to_bytes();
        assert_eq!(bytes, [&[1][..], &[7; 24], &[1, 2]].concat());
        assert_eq!(Sealed::from_bytes(&bytes).expect("reads"), sealed);
        assert!(matches!(Sealed::from_bytes(&bytes[..20]), Err(Error::Malformed(_))));
    }
}
