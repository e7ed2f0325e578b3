//! Which worker a request to a custom host is for: kept in memory by host, for the front door
//! asks with every request.
//!
//! A host stands here while it is granted, with the routes of its tenant that take it, the most
//! specific first. Whatever changes a tenant's hosts or routes reads both anew before it is
//! answered. Invariant: a route never takes a host that is not granted to its tenant.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use bindery_logic::pattern::{Pattern, Scheme};
use bindery_storage::tables::Routes;
use bindery_wire::TenantId;

use super::edit::Edit;
use super::{
    DOMAIN_COUNT_MAX, Error, Inner, Registry, Result, TENANT_ROUTE_COUNT_MAX, WORKER_COUNT_MAX,
};

/// Rows that are read in one go when the server starts.
const CHUNK_COUNT: usize = 10_000;

/// What a custom host means for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Custom {
    /// A route takes it.
    Worker {
        /// The tenant's name.
        tenant: Arc<str>,
        /// The worker's name.
        worker: Arc<str>,
    },
    /// The host is granted, and no route takes the request.
    NoRoute,
    /// The host is granted to nobody.
    NotGranted,
}

/// The hosts that are granted, with their routes.
#[derive(Debug, Default)]
pub(super) struct Index(RwLock<Hosts>);

#[derive(Debug, Default)]
struct Hosts {
    by_name: HashMap<Box<str>, Host>,
    by_tenant: HashMap<TenantId, Vec<Box<str>>>,
}

#[derive(Debug)]
struct Host {
    id: TenantId,
    tenant: Arc<str>,
    /// The most specific first.
    routes: Vec<Arc<Route>>,
}

#[derive(Debug)]
struct Route {
    pattern: Pattern,
    worker: Arc<str>,
}

impl Index {
    fn find(&self, host: &str, scheme: Scheme, target: &str) -> Custom {
        let hosts = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some(host) = hosts.by_name.get(host) else { return Custom::NotGranted };
        let route = host.routes.iter().find(|route| route.pattern.takes(scheme, target));
        route.map_or(Custom::NoRoute, |route| Custom::Worker {
            tenant: host.tenant.clone(),
            worker: route.worker.clone(),
        })
    }

    /// Sets what there is of a tenant.
    fn set(&self, id: TenantId, name: &str, hosts: Vec<String>, routes: &[Arc<Route>]) {
        let tenant: Arc<str> = name.into();
        let made: Vec<(Box<str>, Host)> = hosts
            .into_iter()
            .map(|host| {
                let takes = |route: &&Arc<Route>| route.pattern.takes_host(&host);
                let mut routes: Vec<_> = routes.iter().filter(takes).cloned().collect();
                routes.sort_by_key(|route| route.pattern.rank());
                (host.into(), Host { id, tenant: tenant.clone(), routes })
            })
            .collect();
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for gone in all.by_tenant.remove(&id).unwrap_or_default() {
            // One that was granted to another tenant meanwhile is that one's.
            if all.by_name.get(&gone).is_some_and(|host| host.id == id) {
                all.by_name.remove(&gone);
            }
        }
        if !made.is_empty() {
            all.by_tenant.insert(id, made.iter().map(|(host, _)| host.clone()).collect());
            all.by_name.extend(made);
        }
    }
}

impl Registry {
    /// What a custom host means for a request whose path and query are `target`. In memory: no
    /// store is asked.
    pub fn custom(&self, host: &str, scheme: Scheme, target: &str) -> Custom {
        self.0.index.find(host, scheme, target)
    }
}

impl Inner {
    /// Adds the routes of a version that begins to serve to a change. Refused if another worker
    /// of the tenant has one of them.
    pub(super) async fn route_into(
        &self,
        edit: &mut Edit<'_>,
        worker: &str,
        patterns: &[String],
    ) -> Result<()> {
        let routes = Routes { patterns: patterns.to_vec() };
        if self.routes.get(edit.id, worker).await? == routes {
            return Ok(());
        }
        if !patterns.is_empty() {
            let mut others = self.routes.list(edit.id, WORKER_COUNT_MAX as usize).await?;
            others.retain(|(other, _)| other != worker);
            check(&others, patterns)?;
        }
        edit.write([self.routes.put(edit.id, worker, &routes)]);
        edit.reroutes();
        Ok(())
    }

    /// Reads a tenant's hosts and routes anew. What can not be read is not routed.
    pub(super) async fn reroute(&self, id: TenantId, name: &str) -> Result<()> {
        let read = async {
            let hosts = self.domains.list(id, DOMAIN_COUNT_MAX).await?;
            let routes = self.routes.list(id, WORKER_COUNT_MAX as usize).await?;
            Ok((hosts.into_iter().map(|(host, _)| host).collect(), routes))
        };
        let (hosts, routes, failed) = match read.await {
            Ok((hosts, routes)) => (hosts, routes, Ok(())),
            Err(error) => (Vec::new(), Vec::new(), Err(error)),
        };
        self.index.set(id, name, hosts, &parsed(routes));
        failed
    }

    /// Reads the hosts and routes of every tenant.
    pub(super) async fn route_all(&self) -> Result<()> {
        let mut hosts: BTreeMap<TenantId, Vec<String>> = BTreeMap::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let rows = self.domains.all(after.as_deref(), CHUNK_COUNT).await?;
            let Some((last, ..)) = rows.last() else { break };
            after = Some(last.clone());
            for (_, tenant, host) in rows {
                hosts.entry(tenant).or_default().push(host);
            }
        }
        let mut routes: BTreeMap<TenantId, Vec<(String, Routes)>> = BTreeMap::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let rows = self.routes.all(after.as_deref(), CHUNK_COUNT).await?;
            let Some((last, ..)) = rows.last() else { break };
            after = Some(last.clone());
            for (_, tenant, worker, row) in rows {
                routes.entry(tenant).or_default().push((worker, row));
            }
        }
        for (id, hosts) in hosts {
            if let Some(tenant) = self.tenants.get(id).await? {
                let routes = parsed(routes.remove(&id).unwrap_or_default());
                self.index.set(id, &tenant.name, hosts, &routes);
            }
        }
        Ok(())
    }
}

/// Refuses routes that another worker has, and more than a tenant may have.
fn check(others: &[(String, Routes)], patterns: &[String]) -> Result<()> {
    for (other, row) in others {
        if let Some(taken) = row.patterns.iter().find(|pattern| patterns.contains(pattern)) {
            return Err(Error::Conflict(format!(
                "the route `{taken}` is that of worker `{other}`: deploy a version of `{other}` \
                 without it first"
            )));
        }
    }
    let count = others.iter().map(|(_, row)| row.patterns.len()).sum::<usize>() + patterns.len();
    if count > TENANT_ROUTE_COUNT_MAX {
        return Err(Error::Quota(crate::limit::TENANT_ROUTES.fixed()));
    }
    Ok(())
}

/// The routes of a tenant's workers. What this program does not read as a pattern, because a
/// newer one wrote it, takes nothing.
fn parsed(rows: Vec<(String, Routes)>) -> Vec<Arc<Route>> {
    let mut routes = Vec::new();
    for (worker, row) in rows {
        let worker: Arc<str> = worker.into();
        let patterns = row.patterns.iter().filter_map(|text| Pattern::parse(text).ok());
        routes.extend(patterns.map(|pattern| Arc::new(Route { pattern, worker: worker.clone() })));
    }
    routes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::tests::{Fixture, upload};
    use crate::registry::{Deploy, Upload};

    /// An upload with these routes.
    fn routed(source: &str, patterns: &[&str]) -> Upload {
        let mut upload = upload(source);
        upload.manifest.routes = patterns.iter().map(|&pattern| pattern.into()).collect();
        upload
    }

    /// What a request in the clear is for: `worker.tenant`, or that there is none.
    fn asked(registry: &Registry, host: &str, target: &str) -> String {
        match registry.custom(host, Scheme::Http, target) {
            Custom::Worker { tenant, worker } => format!("{worker}.{tenant}"),
            other => format!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn routes_are_those_of_the_version_that_serves() {
        let f = Fixture::new().await;
        let at = |target| asked(&f.registry, "a.example", target);
        let first = f.upload(("acme", "site"), routed("1", &["a.example/*"])).await;
        assert_eq!(at("/"), "NotGranted");
        f.registry.put_domain("acme", "a.example").await.expect("granted");
        assert_eq!(at("/"), "site.acme");
        let later = Upload { deploy: Deploy::Later, ..routed("2", &["a.example/x/*"]) };
        let second = f.upload(("acme", "site"), later).await;
        assert_eq!(at("/"), "site.acme", "it does not serve yet");
        f.registry.deploy("acme", "site", &second.hex()).await.expect("deployed");
        assert_eq!((at("/"), at("/x/y")), ("NoRoute".into(), "site.acme".into()));
        f.registry.deploy("acme", "site", &first.hex()).await.expect("rolled back");
        assert_eq!(at("/"), "site.acme");
        let shown = f.registry.get_worker("acme", "site").await.expect("shown");
        assert_eq!(shown.routes.expect("its routes"), ["a.example/*"]);
        f.upload(("acme", "site"), upload("3")).await;
        assert_eq!(at("/"), "NoRoute");
        f.registry.deploy("acme", "site", &first.hex()).await.expect("rolled back");
        f.registry
            .delete_worker("acme", "site", crate::registry::Delete::Unreferenced)
            .await
            .expect("deleted");
        assert_eq!(at("/"), "NoRoute");
        f.registry.delete_domain("acme", "a.example").await.expect("taken back");
        assert_eq!(at("/"), "NotGranted");
    }

    #[tokio::test]
    async fn two_workers_do_not_share_a_route_and_the_one_that_has_it_is_named() {
        let f = Fixture::new().await;
        f.upload(("acme", "site"), routed("1", &["a.example/*", "b.example/*"])).await;
        f.registry.put_domain("acme", "b.example").await.expect("granted");
        let rows = f.rows().await.len();
        let taken = f.registry.upload("acme", "api", routed("2", &["b.example/*"])).await;
        let Err(Error::Conflict(message)) = taken else { panic!("taken twice") };
        assert!(message.contains("`b.example/*`") && message.contains("`site`"), "{message}");
        assert_eq!(asked(&f.registry, "b.example", "/"), "site.acme");
        assert_eq!(f.rows().await.len(), rows + 1, "nothing is kept but the content");
        // A version that waits takes nothing from anybody until it is deployed.
        let later = Upload { deploy: Deploy::Later, ..routed("2", &["b.example/*"]) };
        let waiting = f.upload(("acme", "api"), later).await;
        let refused = f.registry.deploy("acme", "api", &waiting.hex()).await;
        assert!(matches!(refused, Err(Error::Conflict(_))));
        f.upload(("acme", "site"), routed("3", &["a.example/*"])).await;
        f.registry.deploy("acme", "api", &waiting.hex()).await.expect("it is free now");
        assert_eq!(asked(&f.registry, "b.example", "/"), "api.acme");
        // Another tenant's routes are nobody's business.
        f.upload(("other", "site"), routed("4", &["a.example/*", "b.example/*"])).await;
        assert_eq!(asked(&f.registry, "b.example", "/"), "api.acme");
    }

    #[tokio::test]
    async fn a_tenant_has_so_many_routes_and_no_more() {
        let f = Fixture::new().await;
        let each = 100;
        for worker in 0..TENANT_ROUTE_COUNT_MAX / each {
            let patterns: Vec<String> = (0..each).map(|n| format!("a.b/{worker}/{n}")).collect();
            let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
            f.upload(("acme", &format!("w{worker}")), routed("1", &patterns)).await;
        }
        let over = f.registry.upload("acme", "more", routed("1", &["a.b/more"])).await;
        let told = crate::limit::TENANT_ROUTES.fixed();
        assert!(matches!(over, Err(Error::Quota(quota)) if quota == told));
        f.upload(("acme", "w0"), routed("2", &["a.b/less"])).await;
        f.upload(("acme", "more"), routed("1", &["a.b/more"])).await;
    }

    #[tokio::test]
    async fn a_deleted_tenants_hosts_mean_nothing_and_can_be_granted_anew() {
        let f = Fixture::new().await;
        f.upload(("acme", "site"), routed("1", &["*.example/*"])).await;
        f.registry.put_domain("acme", "a.example").await.expect("granted");
        f.registry.delete_tenant("acme").await.expect("deleted");
        assert_eq!(asked(&f.registry, "a.example", "/"), "NotGranted");
        f.upload(("next", "main"), routed("1", &["*.example/*"])).await;
        f.registry.put_domain("next", "a.example").await.expect("granted");
        assert_eq!(asked(&f.registry, "a.example", "/"), "main.next");
    }

    #[tokio::test]
    async fn a_server_that_starts_knows_the_routes_of_all_tenants() {
        const TENANTS: usize = 500;
        let f = Fixture::new().await;
        let granted = (0..TENANTS).map(|number| {
            let (f, tenant) = (&f, format!("t{number}"));
            async move {
                f.upload((&tenant, "main"), routed("1", &["*/*"])).await;
                let host = format!("{tenant}.example");
                f.registry.put_domain(&tenant, &host).await.expect("granted");
            }
        });
        futures_util::future::join_all(granted).await;
        f.registry.put_domain("t0", "more.example").await.expect("granted");
        let again = Fixture::over(f.engine.clone(), f.directory).await;
        for number in 0..TENANTS {
            let at = asked(&again.registry, &format!("t{number}.example"), "/x?y");
            assert_eq!(at, format!("main.t{number}"));
        }
        assert_eq!(asked(&again.registry, "more.example", "/"), "main.t0");
        assert_eq!(asked(&again.registry, "none.example", "/"), "NotGranted");
    }

    #[test]
    fn a_tenants_hosts_are_replaced_as_a_whole_and_only_its_own() {
        let index = Index::default();
        let row = |patterns: &[&str]| Routes {
            patterns: patterns.iter().map(|&pattern| pattern.into()).collect(),
        };
        let routes = parsed(vec![
            ("site".into(), row(&["a.b/*", "c.d/*"])),
            ("api".into(), row(&["*/api/*", "no pattern?"])),
        ]);
        let hosts = |names: &[&str]| names.iter().map(|&name| name.into()).collect();
        index.set(TenantId(1), "one", hosts(&["a.b", "e.f"]), &routes);
        index.set(TenantId(2), "two", hosts(&["g.h"]), &parsed(vec![]));
        let find = |host, target| match index.find(host, Scheme::Http, target) {
            Custom::Worker { tenant, worker } => format!("{worker}.{tenant}"),
            other => format!("{other:?}"),
        };
        assert_eq!(find("a.b", "/"), "site.one");
        assert_eq!(find("a.b", "/api/x"), "site.one", "a whole host goes before any host");
        assert_eq!(find("e.f", "/api/x"), "api.one");
        assert_eq!(find("e.f", "/"), "NoRoute");
        assert_eq!(find("c.d", "/"), "NotGranted", "a route grants nothing");
        assert_eq!(find("g.h", "/api/x"), "NoRoute", "a route stays with its tenant");
        index.set(TenantId(1), "one", hosts(&["c.d"]), &routes);
        assert_eq!(find("c.d", "/"), "site.one");
        assert_eq!(find("a.b", "/"), "NotGranted");
        assert_eq!(find("g.h", "/"), "NoRoute");
        // Two changes that cross: the host is the second tenant's before the first has let go.
        index.set(TenantId(2), "two", hosts(&["c.d"]), &routes);
        index.set(TenantId(1), "one", vec![], &[]);
        assert_eq!(find("c.d", "/"), "site.two");
        index.set(TenantId(2), "two", vec![], &[]);
        assert_eq!(find("c.d", "/"), "NotGranted");
    }
}
