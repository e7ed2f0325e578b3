//! Tokens of a tenant, by their hash: who reads the store can not use them.

use std::sync::Arc;

use bindery_wire::TenantId;
use serde::{Deserialize, Serialize};

use super::row::{self, Error, Result, Row, Store};
use crate::engine::{Engine, Write};
use crate::key::{Key, Space};

/// What is known of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
}

impl Row for Token {
    const TABLE: &'static str = "tokens";
}

/// The table of tokens.
#[derive(Clone)]
pub struct Tokens(Store);

impl Tokens {
    /// The table in this store.
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self(Store(engine))
    }

    /// A token by its hash.
    pub async fn get(&self, tenant: TenantId, hash: &[u8; 32]) -> Result<Option<Token>> {
        self.0.get(key(tenant, hash)).await
    }

    /// The tokens of a tenant, by hash.
    pub async fn list(&self, tenant: TenantId, count_max: usize) -> Result<Vec<([u8; 32], Token)>> {
        let prefix = Key::new(Space::Token).tenant(tenant).finish();
        let skip = prefix.len();
        let entries = self.0.scan(prefix, None, count_max).await?;
        let read = |entry: &crate::engine::Entry| {
            let hash = entry.key.get(skip..).and_then(|last| last.try_into().ok());
            let hash = hash.ok_or(Error::Malformed(Token::TABLE))?;
            Ok((hash, Token::from_bytes(&entry.value)?))
        };
        entries.iter().map(read).collect()
    }

    /// Sets the row.
    pub fn put(&self, tenant: TenantId, hash: &[u8; 32], token: &Token) -> Write {
        row::put(key(tenant, hash), token)
    }

    /// Removes a token.
    pub fn delete(&self, tenant: TenantId, hash: &[u8; 32]) -> Write {
        Write::Delete { key: key(tenant, hash) }
    }
}

fn key(tenant: TenantId, hash: &[u8; 32]) -> Vec<u8> {
    Key::new(Space::Token).tenant(tenant).hash(hash).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_token_are_frozen() {
        assert_eq!(Token { created_ms: 5 }.to_bytes(), b"\x01{\"created_ms\":5}");
    }
}
