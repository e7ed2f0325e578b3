//! Tokens of tenants: shown once, known by their hash afterwards.

use bindery_storage::tables::Token;
use bindery_wire::TenantId;
use serde::Serialize;

use super::edit::{Edit, Stale};
use super::operator::{digest, hex, random};
use super::{Error, Registry, Result, TOKEN_COUNT_MAX};

/// What every tenant's token begins with.
const PREFIX: &str = "bnd_";
/// Bytes of the hash that are a token's id.
const ID_BYTES: usize = 8;

/// A token as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TokenShown {
    /// Names the token without giving it away.
    pub id: String,
    /// The token itself: only where it was just made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
}

fn id(hash: &[u8; 32]) -> String {
    hex(hash.get(..ID_BYTES).unwrap_or_default())
}

impl Registry {
    /// Makes a token that reaches what is the tenant's own.
    pub async fn create_token(&self, tenant: &str) -> Result<TokenShown> {
        let (inner, tenant) = (self.0.clone(), tenant.to_owned());
        self.whole(async move {
            let mut edit = Edit::begin(&inner, &tenant).await?;
            let count = inner.tokens.list(edit.id, TOKEN_COUNT_MAX).await?.len();
            if count >= TOKEN_COUNT_MAX {
                return Err(Error::Quota(crate::limit::TOKENS.fixed()));
            }
            let token = format!("{PREFIX}{:x}_{}", edit.id.0, hex(&random()));
            let hash = digest(&token);
            let created_ms = inner.parts.clock.now().0;
            edit.write([inner.tokens.put(edit.id, &hash, &Token { created_ms })]);
            edit.commit(Stale::Nothing).await?;
            Ok(TokenShown { id: id(&hash), token: Some(token), created_ms })
        })
        .await
    }

    /// The tokens of a tenant.
    pub async fn list_tokens(&self, tenant: &str) -> Result<Vec<TokenShown>> {
        let tenant = self.0.tenant_id(tenant).await?;
        let tokens = self.0.tokens.list(tenant, TOKEN_COUNT_MAX).await?.into_iter();
        Ok(tokens
            .map(|(hash, Token { created_ms })| TokenShown {
                id: id(&hash),
                token: None,
                created_ms,
            })
            .collect())
    }

    /// Makes a token worthless.
    pub async fn delete_token(&self, tenant: &str, token: &str) -> Result<()> {
        let (inner, tenant, token) = (self.0.clone(), tenant.to_owned(), token.to_owned());
        self.whole(async move {
            let mut edit = Edit::begin(&inner, &tenant).await?;
            let tokens = inner.tokens.list(edit.id, TOKEN_COUNT_MAX).await?;
            let found = tokens.iter().find(|(hash, _)| id(hash) == token);
            let (hash, _) = found.ok_or(Error::NotFound("token"))?;
            edit.write([inner.tokens.delete(edit.id, hash)]);
            edit.commit(Stale::Nothing).await
        })
        .await
    }

    /// The id of a token.
    pub fn token_id(token: &str) -> String {
        id(&digest(token))
    }

    /// Whose token this is.
    pub async fn token_owner(&self, token: &str) -> Result<Option<TenantId>> {
        let number = token.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_'));
        let tenant = number.and_then(|(hex, _)| u64::from_str_radix(hex, 16).ok()).map(TenantId);
        let Some(tenant) = tenant else {
            return Ok(None);
        };
        let found = self.0.tokens.get(tenant, &digest(token)).await?;
        Ok(found.map(|_| tenant))
    }
}
