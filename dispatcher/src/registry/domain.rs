//! Host names that the operator grants to tenants.

use bindery_storage::tables::Domain;

use super::edit::{Edit, Stale};
use super::{DOMAIN_COUNT_MAX, Error, Registry, Result};
use crate::limit;

impl Registry {
    /// Grants a host name to a tenant. Says when it was granted, in milliseconds since 1970.
    pub async fn put_domain(&self, tenant: &str, host: &str) -> Result<u64> {
        check_host(host, &self.0.parts.domain)?;
        let (inner, tenant, host) = (self.0.clone(), tenant.to_owned(), host.to_owned());
        self.whole(async move {
            let mut edit = Edit::begin(&inner, &tenant).await?;
            if let Some(domain) = inner.domains.get(edit.id, &host).await? {
                return Ok(domain.created_ms);
            }
            if inner.domains.owner(&host).await?.is_some() {
                return Err(Error::Conflict("the host name is granted to another tenant".into()));
            }
            if inner.domains.list(edit.id, DOMAIN_COUNT_MAX).await?.len() >= DOMAIN_COUNT_MAX {
                return Err(Error::Quota(limit::DOMAINS.fixed()));
            }
            let created_ms = inner.parts.clock.now().0;
            edit.check(inner.domains.free(&host));
            edit.write(inner.domains.put(edit.id, &host, &Domain { created_ms }));
            edit.reroutes();
            edit.commit(Stale::Nothing).await?;
            Ok(created_ms)
        })
        .await
    }

    /// When a host name was granted to a tenant.
    pub async fn get_domain(&self, tenant: &str, host: &str) -> Result<u64> {
        let tenant = self.0.tenant_id(tenant).await?;
        let domain = self.0.domains.get(tenant, host).await?.ok_or(Error::NotFound("domain"))?;
        Ok(domain.created_ms)
    }

    /// The host names of a tenant.
    pub async fn list_domains(&self, tenant: &str) -> Result<Vec<(String, u64)>> {
        let tenant = self.0.tenant_id(tenant).await?;
        let domains = self.0.domains.list(tenant, DOMAIN_COUNT_MAX).await?.into_iter();
        Ok(domains.map(|(host, domain)| (host, domain.created_ms)).collect())
    }

    /// Takes a host name back.
    pub async fn delete_domain(&self, tenant: &str, host: &str) -> Result<()> {
        let (inner, tenant, host) = (self.0.clone(), tenant.to_owned(), host.to_owned());
        self.whole(async move {
            let mut edit = Edit::begin(&inner, &tenant).await?;
            inner.domains.get(edit.id, &host).await?.ok_or(Error::NotFound("domain"))?;
            edit.write(inner.domains.delete(edit.id, &host));
            edit.reroutes();
            edit.commit(Stale::Nothing).await
        })
        .await
    }
}

/// Checks a host name: at least two labels in lower case, none of them under `domain`.
fn check_host(host: &str, domain: &str) -> Result<()> {
    let label = |label: &str| {
        let edge = |b: Option<&u8>| b.is_some_and(|b| *b != b'-');
        let bytes = label.as_bytes();
        let known = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
        bytes.len() <= 63 && bytes.iter().all(known) && edge(bytes.first()) && edge(bytes.last())
    };
    // A last label of digits would make it an address.
    let top = host.rsplit('.').next().unwrap_or_default();
    let named = host.contains('.') && !top.bytes().all(|b| b.is_ascii_digit());
    if host.len() > 253 || !named || !host.split('.').all(label) {
        let message = "not a host name: use lower-case labels of a-z, 0-9 and `-`, with a dot";
        return Err(Error::invalid("host", message));
    }
    if host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')) {
        return Err(Error::invalid("host", format!("names under {domain} are the server's own")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_outside_the_servers_domain() {
        for good in ["example.com", "a-b.example.com", "xn--bcher-kva.example", "notworkers.dev"] {
            assert!(check_host(good, "workers.dev").is_ok(), "{good}");
        }
        for bad in [
            "",
            "com",
            "Example.com",
            "a..b",
            ".a.b",
            "a.b.",
            "-a.b",
            "a_b.c",
            "1.2.3.4",
            "*.a.b",
            "workers.dev",
            "x.workers.dev",
            "a.b/c",
            "a.b:80",
        ] {
            assert!(check_host(bad, "workers.dev").is_err(), "{bad}");
        }
    }
}
