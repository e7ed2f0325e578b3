//! The registry over the engine in memory and the one on disk.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bindery_storage::blob::Blobs;
use bindery_storage::embedded::{Embedded, Options};
use bindery_storage::engine::{Engine, KeyRange};
use bindery_storage::memory::Memory;
use bindery_storage::tables::{self, CONTENT_BYTES_MAX, Quotas};
use bindery_wire::limits::{self, Lower};
use bindery_wire::manifest::{Binding, Compat, FORMAT, Manifest, Module, ModuleKind, Outbound};
use bindery_wire::{ContentHash, TenantId, VersionId};
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt, ready};

use super::*;
use crate::clock::Millis;
use crate::code::Code;
use crate::problem;

/// Says that code starts unless its main module throws, and remembers what it was told.
#[derive(Default)]
pub(crate) struct Host {
    pub(crate) changed: Mutex<Vec<(TenantId, Option<String>)>>,
    pub(crate) tried: Mutex<Vec<Arc<Code>>>,
    pub(crate) suspended: Mutex<Vec<TenantId>>,
    pub(crate) deleted: Mutex<Vec<TenantId>>,
}

impl Starter for Host {
    fn try_start(
        &self,
        code: Arc<Code>,
    ) -> BoxFuture<'_, std::result::Result<Started, StartFailure>> {
        let main = code.modules.iter().find(|(name, _)| *name == code.manifest.main_module);
        let throws = main.is_some_and(|(_, source)| source.starts_with(b"throw"));
        self.tried.lock().expect("whole").push(code);
        let failure = || StartFailure {
            code: problem::Code::StartupFailed,
            message: "Error: thrown".into(),
            stack: "    at index.js:1:7".into(),
        };
        ready(if throws { Err(failure()) } else { Ok(Started { ms: 3, ..Started::default() }) })
            .boxed()
    }
}

impl Changed for Host {
    fn changed(&self, tenant: TenantId, worker: Option<&str>) {
        self.changed.lock().expect("whole").push((tenant, worker.map(str::to_owned)));
    }

    fn suspended(&self, tenant: TenantId) {
        self.suspended.lock().expect("whole").push(tenant);
    }

    fn deleted(&self, tenant: TenantId) {
        self.deleted.lock().expect("whole").push(tenant);
    }
}

/// A registry with what is around it.
pub(crate) struct Fixture {
    pub(crate) registry: Registry,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) host: Arc<Host>,
    pub(crate) clock: Clock,
    pub(crate) directory: tempfile::TempDir,
    pub(crate) tasks: Tasks,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::over(Arc::new(Memory::new()), tempfile::tempdir().expect("a directory")).await
    }

    pub(crate) async fn over(engine: Arc<dyn Engine>, directory: tempfile::TempDir) -> Self {
        let host = Arc::new(Host::default());
        let clock = Clock::test(Millis(1_000));
        let tasks = Tasks::new(tokio::runtime::Handle::current());
        let parts = parts(&engine, &host, &clock, (&tasks, directory.path()));
        let registry = Registry::open(parts).await.expect("opens");
        Self { registry, engine, host, clock, directory, tasks }
    }

    fn blobs(&self) -> Blobs {
        Blobs::open(self.directory.path().join("blobs")).expect("opens")
    }

    /// How many contents of a tenant are there, in rows and in files.
    async fn contents(&self, tenant: TenantId) -> usize {
        let rows = self.registry.0.contents.list(tenant, None, 10_000).await.expect("listed");
        rows.len() + self.blobs().list(tenant).expect("listed").len()
    }

    pub(super) async fn rows(&self) -> Vec<Vec<u8>> {
        let all = KeyRange::prefix(Vec::new());
        let rows = self.engine.scan(all, 10_000).await.expect("scanned");
        rows.iter().map(|row| [&row.key[..], &row.value[..]].concat()).collect()
    }

    pub(crate) async fn upload(&self, place: (&str, &str), upload: Upload) -> VersionId {
        self.registry.ensure_tenant(place.0).await.expect("there");
        let uploaded = self.registry.upload(place.0, place.1, upload).await.expect("uploaded");
        self.clock.advance(std::time::Duration::from_millis(10));
        uploaded.version
    }
}

fn parts(
    engine: &Arc<dyn Engine>,
    host: &Arc<Host>,
    clock: &Clock,
    (tasks, directory): (&Tasks, &std::path::Path),
) -> Parts {
    Parts {
        engine: engine.clone(),
        blobs: Blobs::open(directory.join("blobs")).expect("opens"),
        vault: Vault::new(&[9; 32]),
        clock: clock.clone(),
        tasks: tasks.clone(),
        limits: limits::DEFAULT,
        domain: "localhost".into(),
        code_bytes_max: 16 << 20,
        starter: host.clone(),
        changed: host.clone(),
    }
}

pub(crate) fn upload(source: &str) -> Upload {
    let bytes = Bytes::copy_from_slice(source.as_bytes());
    let hash = ContentHash::of(&bytes);
    let module = Module { kind: ModuleKind::Es, hash, bytes: bytes.len() as u64 };
    let manifest = Manifest {
        format: FORMAT,
        main_module: "index.js".into(),
        modules: [("index.js".to_owned(), module)].into(),
        bindings: Default::default(),
        compat: Compat { date: "2026-08-01".into(), flags: vec![] },
        limits: Lower::default(),
        outbound: Outbound::Public,
        previews: true,
        routes: vec![],
        queue_consumers: vec![],
        crons: vec![],
        given: None,
    };
    let modules = vec![("index.js".to_owned(), bytes)];
    Upload { manifest, modules, secrets: vec![], deploy: Deploy::Now }
}

fn with_secret(mut upload: Upload, name: &str, text: &str) -> Upload {
    upload.manifest.bindings.insert(name.into(), Binding::SecretText);
    upload.secrets.push((name.into(), text.into()));
    upload
}

fn source(code: &Code) -> &[u8] {
    &code.modules[0].1
}

#[tokio::test]
async fn an_upload_serves_at_once_and_then_from_memory() {
    let f = Fixture::new().await;
    let version = f.upload(("acme", "main"), upload("1")).await;
    assert!(f.registry.hot("acme", "main").is_none());
    let code = f.registry.code("acme", "main", None).await.expect("code");
    assert_eq!((code.version, source(&code)), (version, &b"1"[..]));
    assert_eq!(&*code.tenant_name, "acme");
    let hot = f.registry.hot("acme", "main").expect("in memory");
    assert!(Arc::ptr_eq(&hot, &code));
    let next = f.upload(("acme", "main"), upload("2")).await;
    assert!(f.registry.hot("acme", "main").is_none());
    assert_eq!(f.registry.code("acme", "main", None).await.expect("code").version, next);
    let changed = f.host.changed.lock().expect("whole").clone();
    assert_eq!(changed, vec![(code.tenant, Some("main".into())); 2]);
    for (tenant, worker) in [("acme", "other"), ("other", "main"), ("", ""), ("acmemain", "")] {
        assert!(matches!(f.registry.code(tenant, worker, None).await, Err(Error::NoWorker)));
    }
}

#[tokio::test]
async fn a_version_that_does_not_start_leaves_what_serves_and_no_trace() {
    let f = Fixture::new().await;
    let version = f.upload(("acme", "main"), with_secret(upload("1"), "KEY", "old")).await;
    let tenant = f.registry.tenant_id("acme").await.expect("there");
    let rows = f.rows().await;
    let refused = with_secret(upload("throw 1"), "KEY", "new");
    let refused = f.registry.upload("acme", "main", refused).await;
    assert!(matches!(refused, Err(Error::Start(_))));
    assert_eq!(f.rows().await, rows);
    assert_eq!(f.contents(tenant).await, 1);
    let code = f.registry.code("acme", "main", None).await.expect("code");
    assert_eq!(code.version, version);
    assert_eq!(code.secrets, [("KEY".to_owned(), "old".to_owned())]);
}

#[tokio::test]
async fn a_deployment_can_be_rolled_back_and_versions_are_previewed() {
    let f = Fixture::new().await;
    let place = ("acme", "main");
    let first = f.upload(place, upload("1")).await;
    let later = Upload { deploy: Deploy::Later, ..upload("2") };
    let second = f.upload(place, later).await;
    let serves = async || f.registry.code("acme", "main", None).await.expect("code").version;
    assert_eq!(serves().await, first);
    let digits = &second.hex()[..8];
    let preview = f.registry.code("acme", "main", Some(digits)).await.expect("a preview");
    assert_eq!(preview.version, second);
    f.registry.deploy("acme", "main", &second.to_string()).await.expect("deployed");
    assert_eq!(serves().await, second);
    f.registry.deploy("acme", "main", &first.hex()[..9]).await.expect("rolled back");
    assert_eq!(serves().await, first);
    let shown = f.registry.get_worker("acme", "main").await.expect("shown");
    let history: Vec<VersionId> =
        shown.deployments.expect("listed").iter().map(|d| d.version).collect();
    assert_eq!(history, [first, second, first]);
    let absent = ["", "0000000", "zzzzzzzz", &"0".repeat(64), &second.hex()[..7]];
    for version in absent {
        let code = f.registry.code("acme", "main", Some(version)).await;
        assert!(matches!(code, Err(Error::NoWorker)), "{version}");
        let deployed = f.registry.deploy("acme", "main", version).await;
        assert!(matches!(deployed, Err(Error::NotFound("version"))), "{version}");
    }
    let mut hidden = upload("3");
    hidden.manifest.previews = false;
    hidden.deploy = Deploy::Later;
    let hidden = f.upload(place, hidden).await;
    let code = f.registry.code("acme", "main", Some(&hidden.hex()[..8])).await;
    assert!(matches!(code, Err(Error::NoWorker)));
}

#[tokio::test]
async fn every_secret_of_a_worker_is_visible_and_a_change_raises_the_generation() {
    let f = Fixture::new().await;
    let place = ("acme", "main");
    let mut first = with_secret(upload("1"), "KEY", "one");
    first.manifest.bindings.insert("OTHER".into(), Binding::PlainText { text: "t".into() });
    f.upload(place, first.clone()).await;
    let code = async || f.registry.code("acme", "main", None).await.expect("code");
    let before = code().await;
    f.registry.put_secret(place, "LATER", "two".into()).await.expect("set");
    f.registry.put_secret(place, "OTHER", "hidden".into()).await.expect("set");
    let after = code().await;
    let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    assert_eq!(after.secrets, [pair("KEY", "one"), pair("LATER", "two")]);
    assert!(after.generation > before.generation);
    // The same secrets once more are no change; a new value is one.
    f.upload(place, first.clone()).await;
    assert_eq!(code().await.generation, after.generation);
    f.upload(place, with_secret(upload("1"), "KEY", "three")).await;
    assert!(code().await.generation > after.generation);
    let names = f.registry.list_secrets("acme", "main").await.expect("listed");
    assert_eq!(names, ["KEY", "LATER", "OTHER"]);
    let generation = code().await.generation;
    f.registry.delete_secret(place, "KEY").await.expect("deleted");
    assert!(code().await.generation > generation);
    assert!(matches!(f.registry.delete_secret(place, "KEY").await, Err(Error::NotFound("secret"))));
    // A version that names a secret needs it.
    let naming = Upload { secrets: vec![], ..first };
    let refused = f.registry.upload("acme", "main", naming).await;
    assert!(matches!(refused, Err(Error::Invalid(_))));
}

/// Tenants' code once kept as much as it liked by registering workers.
#[tokio::test]
async fn what_is_registered_counts_against_what_the_tenant_may_keep() {
    let f = Fixture::new().await;
    f.upload(("acme", "main"), upload("1")).await;
    let quotas = Quotas { stored_bytes: Some(5_000), ..Quotas::default() };
    f.registry.put_tenant("acme", Settings { quotas, ..Settings::default() }).await.expect("set");
    let parent = f.registry.code("acme", "main", None).await.expect("code");
    let register = async |name: &str, source: &str| {
        let Upload { manifest, modules, .. } = upload(source);
        let contents = modules.into_iter().map(|(_, bytes)| bytes).collect();
        let registration = Registration { manifest, contents, entrypoints: Default::default() };
        f.registry.register(&parent, name, registration).await
    };
    let long = |fill: &str| fill.repeat(3_000);
    register("one", &long("1")).await.expect("there is room");
    assert!(matches!(register("two", &long("2")).await, Err(Error::OverQuota(_))));
    register("one", &long("3")).await.expect("in the place of what it was");
    assert!(f.registry.unregister(&parent, "one").await.expect("forgotten"));
    register("two", &long("2")).await.expect("there is room again");
    f.registry.delete_worker("acme", "main", Delete::Unreferenced).await.expect("deleted");
    let account = tables::Account::new(f.engine.clone());
    let left = account.stored(parent.tenant, None).await.expect("read");
    assert_eq!(left, tables::Stored::default());
}

#[tokio::test]
async fn a_worker_that_others_refer_to_is_deleted_only_by_force() {
    use bindery_wire::manifest::{Binding, Outbound};

    let f = Fixture::new().await;
    f.upload(("acme", "api"), upload("1")).await;
    let mut site = upload("2");
    let (service, entrypoint, props) = ("api".to_owned(), None, None);
    let binding = Binding::Service { service: service.clone(), entrypoint, props };
    site.manifest.bindings.insert("API".into(), binding);
    f.upload(("acme", "site"), site).await;
    let mut shop = upload("3");
    shop.manifest.outbound = Outbound::Service { service, entrypoint: None };
    f.upload(("acme", "shop"), shop).await;
    let refused = f.registry.delete_worker("acme", "api", Delete::Unreferenced).await;
    let Err(Error::Conflict(why)) = refused else { panic!("{refused:?}") };
    assert!(why.starts_with("the worker `shop`, the worker `site` refer to the worker `api`"));
    f.upload(("acme", "site"), upload("4")).await;
    f.registry.delete_worker("acme", "site", Delete::Unreferenced).await.expect("nobody does");
    f.registry.delete_worker("acme", "api", Delete::Anyway).await.expect("deleted");
    f.registry.delete_worker("acme", "shop", Delete::Unreferenced).await.expect("deleted");
}

#[tokio::test]
async fn a_worker_made_anew_never_has_a_generation_again() {
    let f = Fixture::new().await;
    let place = ("acme", "main");
    f.upload(place, with_secret(upload("1"), "KEY", "one")).await;
    f.registry.put_secret(place, "KEY", "two".into()).await.expect("set");
    let before = f.registry.code("acme", "main", None).await.expect("code").generation;
    f.registry.delete_worker("acme", "main", Delete::Unreferenced).await.expect("deleted");
    f.upload(place, with_secret(upload("1"), "KEY", "three")).await;
    assert!(f.registry.code("acme", "main", None).await.expect("code").generation > before);
}

#[tokio::test]
async fn a_deleted_tenant_leaves_nothing_and_its_name_starts_afresh() {
    let f = Fixture::new().await;
    let rows = f.rows().await.len();
    f.upload(("acme", "main"), with_secret(upload("1"), "KEY", "x")).await;
    f.upload(("acmes", "main"), upload("1")).await;
    let token = f.registry.create_token("acme").await.expect("made").token.expect("shown");
    f.registry.put_domain("acme", "acme.example").await.expect("granted");
    f.registry.code("acme", "main", None).await.expect("code");
    let old = f.registry.tenant_id("acme").await.expect("there");
    f.registry.delete_tenant("acme").await.expect("deleted");
    assert!(f.registry.hot("acme", "main").is_none());
    assert!(matches!(f.registry.code("acme", "main", None).await, Err(Error::NoWorker)));
    assert_eq!(f.registry.token_owner(&token).await.expect("asked"), None);
    assert_eq!(f.contents(old).await, 0);
    assert_eq!(*f.host.deleted.lock().expect("whole"), [old]);
    f.registry.code("acmes", "main", None).await.expect("the neighbour is untouched");
    f.registry.put_domain("acmes", "acme.example").await.expect("free again");
    f.registry.ensure_tenant("acme").await.expect("made");
    assert_ne!(f.registry.tenant_id("acme").await.expect("there"), old);
    assert!(f.registry.list_workers("acme", None, 10).await.expect("listed").is_empty());
    f.registry.delete_tenant("acme").await.expect("deleted");
    f.registry.delete_tenant("acmes").await.expect("deleted");
    // What stays is the counter of numbers alone.
    assert_eq!(f.rows().await.len(), rows + 1);
}

#[tokio::test]
async fn a_deletion_that_was_cut_short_is_finished_at_the_next_start() {
    let f = Fixture::new().await;
    f.upload(("acme", "main"), upload("1")).await;
    let tenant = f.registry.tenant_id("acme").await.expect("there");
    let gone = f.registry.0.meta.put_gone(tenant);
    let batch = bindery_storage::engine::Batch { checks: vec![], writes: vec![gone] };
    f.engine.commit(batch).await.expect("noted");
    // A file that came for a tenant that was gone.
    let blobs = f.registry.0.parts.blobs.clone();
    blobs.put(TenantId(999), b"late").expect("kept");
    let f = Fixture::over(f.engine.clone(), f.directory).await;
    f.tasks.join().await;
    assert_eq!(f.contents(tenant).await, 0);
    assert!(!blobs.tenants().expect("listed").contains(&TenantId(999)));
    assert!(f.registry.0.meta.gone(1).await.expect("read").is_empty());
}

#[tokio::test]
async fn contents_go_with_the_last_version_that_names_them() {
    let f = Fixture::new().await;
    f.upload(("acme", "a"), upload("shared")).await;
    f.upload(("acme", "b"), upload("shared")).await;
    f.upload(("acme", "b"), upload("own")).await;
    let tenant = f.registry.tenant_id("acme").await.expect("there");
    assert_eq!(f.contents(tenant).await, 2);
    f.registry.delete_worker("acme", "b", Delete::Unreferenced).await.expect("deleted");
    assert_eq!(f.contents(tenant).await, 1);
    f.registry.code("acme", "a", None).await.expect("still there");
    f.registry.delete_worker("acme", "a", Delete::Unreferenced).await.expect("deleted");
    assert_eq!(f.contents(tenant).await, 0);
}

#[tokio::test]
async fn versions_and_deployments_are_bounded_and_what_serves_is_kept() {
    let f = Fixture::new().await;
    let place = ("acme", "main");
    let first = f.upload(place, upload("first")).await;
    for number in 0..VERSION_COUNT_MAX + 3 {
        let later = Upload { deploy: Deploy::Later, ..upload(&format!("{number}")) };
        f.upload(place, later).await;
    }
    let versions = f.registry.list_versions("acme", "main").await.expect("listed");
    assert_eq!(versions.len(), VERSION_COUNT_MAX);
    assert!(versions.iter().any(|version| version.version == first && version.deployed));
    let tenant = f.registry.tenant_id("acme").await.expect("there");
    assert_eq!(f.contents(tenant).await, VERSION_COUNT_MAX);
    for _ in 0..DEPLOYMENT_COUNT_MAX {
        for version in [&versions[0], &versions[1]] {
            f.registry.deploy("acme", "main", &version.version.hex()).await.expect("deployed");
        }
    }
    let shown = f.registry.get_worker("acme", "main").await.expect("shown");
    let deployments = shown.deployments.expect("listed");
    assert_eq!(deployments.len() as u64, DEPLOYMENT_COUNT_MAX);
    assert_eq!(deployments[0].number, 1 + 2 * DEPLOYMENT_COUNT_MAX);
}

#[tokio::test]
async fn a_large_manifest_is_kept_apart_from_its_version() {
    let f = Fixture::new().await;
    let mut large = upload("1");
    let text = "x".repeat(200_000);
    large.manifest.bindings.insert("BIG".into(), Binding::PlainText { text });
    let version = f.upload(("acme", "main"), large.clone()).await;
    let code = f.registry.code("acme", "main", None).await.expect("code");
    assert_eq!((code.version, &code.manifest), (version, &large.manifest));
    f.registry.delete_worker("acme", "main", Delete::Unreferenced).await.expect("deleted");
    assert_eq!(f.contents(code.tenant).await, 0);
}

#[tokio::test]
async fn settings_of_a_tenant_take_hold_at_once() {
    let f = Fixture::new().await;
    f.upload(("acme", "main"), upload("1")).await;
    let before = f.registry.code("acme", "main", None).await.expect("code");
    let limits = Lower { cpu_ms: Some(7), ..Lower::default() };
    let quotas = Quotas { workers: Some(1), ..Quotas::default() };
    let settings = Settings { limits, quotas, ..Settings::default() };
    f.registry.put_tenant("acme", settings.clone()).await.expect("set");
    let after = f.registry.code("acme", "main", None).await.expect("code");
    assert_eq!(after.limits.cpu_ms_max, 7);
    assert!(after.generation > before.generation);
    let over = f.registry.upload("acme", "other", upload("1")).await;
    let told = crate::limit::WORKERS.told(1_u32);
    assert!(matches!(over, Err(Error::Quota(quota)) if quota == told));
    f.registry.upload("acme", "main", upload("2")).await.expect("not a new one");
    f.registry.put_tenant("acme", Settings { suspended: true, ..settings }).await.expect("set");
    assert_eq!(*f.host.suspended.lock().expect("whole"), [after.tenant]);
    assert!(f.registry.hot("acme", "main").is_none());
    assert!(matches!(f.registry.code("acme", "main", None).await, Err(Error::Suspended)));
    let refused = f.registry.upload("acme", "main", upload("3")).await;
    assert!(matches!(refused, Err(Error::Suspended)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_deployed_is_never_older_than_the_answer() {
    let f = Fixture::new().await;
    f.upload(("acme", "main"), upload("0")).await;
    let registry = f.registry.clone();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let failed = Arc::new(AtomicBool::new(false));
    let fails = failed.clone();
    f.tasks.spawn("reader", async move {
        while !stopped.load(Ordering::Relaxed) {
            let read = registry.code("acme", "main", None).await;
            fails.fetch_or(read.is_err(), Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    for number in 1..200 {
        let uploaded = f.registry.upload("acme", "main", upload(&format!("{number}"))).await;
        let version = uploaded.expect("uploaded").version;
        let code = f.registry.code("acme", "main", None).await.expect("code");
        assert_eq!(code.version, version);
        if let Some(hot) = f.registry.hot("acme", "main") {
            assert_eq!(hot.version, version);
        }
    }
    stop.store(true, Ordering::Relaxed);
    f.tasks.join().await;
    assert!(!failed.load(Ordering::Relaxed));
}

#[tokio::test]
async fn what_is_on_disk_survives_a_restart_and_holds_no_secret() {
    let directory = tempfile::tempdir().expect("a directory");
    let open = || Embedded::open(directory.path().join("rows")).expect("opens");
    let outer = tempfile::tempdir().expect("a directory");
    const SECRET: &str = "a-secret-that-nobody-may-find";
    let (token, version, directory_of_blobs) = {
        let f = Fixture::over(Arc::new(open()), outer).await;
        let version = f.upload(("acme", "main"), with_secret(upload("1"), "KEY", SECRET)).await;
        f.registry.put_secret(("acme", "main"), "MORE", SECRET.into()).await.expect("set");
        let token = f.registry.create_token("acme").await.expect("made").token.expect("shown");
        f.tasks.join().await;
        (token, version, f.directory)
    };
    let mut pending = vec![directory.path().to_owned(), directory_of_blobs.path().to_owned()];
    let mut seen = 0;
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending
                .extend(std::fs::read_dir(&path).expect("listed").map(|e| e.expect("one").path()));
            continue;
        }
        let bytes = std::fs::read(&path).expect("read");
        seen += bytes.len();
        for hidden in [SECRET.as_bytes(), token.as_bytes()] {
            assert!(!bytes.windows(hidden.len()).any(|window| window == hidden), "{path:?}");
        }
    }
    assert!(seen > 0);
    let f = Fixture::over(Arc::new(open()), directory_of_blobs).await;
    let code = f.registry.code("acme", "main", None).await.expect("code");
    assert_eq!(code.version, version);
    assert_eq!(code.secrets.len(), 2);
    assert_eq!(f.registry.token_owner(&token).await.expect("asked"), Some(code.tenant));
}

#[tokio::test]
async fn another_key_is_refused_when_the_store_is_opened() {
    let f = Fixture::new().await;
    let mut again = parts(&f.engine, &f.host, &f.clock, (&f.tasks, f.directory.path()));
    again.vault = Vault::new(&[8; 32]);
    assert!(matches!(Registry::open(again).await, Err(Error::WrongKey)));
}

/// An upload with one more module for each of these lengths.
fn with_modules(mut upload: Upload, lengths: &[usize]) -> Upload {
    for (number, length) in lengths.iter().enumerate() {
        let bytes = Bytes::from(vec![number as u8; *length]);
        let (kind, hash) = (ModuleKind::Data, ContentHash::of(&bytes));
        let module = Module { kind, hash, bytes: bytes.len() as u64 };
        upload.manifest.modules.insert(format!("{number}.bin"), module);
        upload.modules.push((format!("{number}.bin"), bytes));
    }
    upload
}

#[tokio::test]
async fn modules_that_fill_many_batches_come_back_and_only_the_largest_are_files() {
    let f = Fixture::new().await;
    f.upload(("small", "main"), upload("1")).await;
    assert_eq!(f.blobs().tenants().expect("listed"), []);
    let mut lengths = vec![CONTENT_BYTES_MAX, CONTENT_BYTES_MAX + 1, 600_000, 600_000, 0];
    lengths.extend([700; 2_000]);
    let large = with_modules(upload("1"), &lengths);
    f.upload(("large", "main"), large.clone()).await;
    let code = f.registry.code("large", "main", None).await.expect("code");
    let given: std::collections::BTreeMap<_, _> = large.modules.into_iter().collect();
    assert!(code.modules == Vec::from_iter(given.clone()));
    let files = f.blobs().list(code.tenant).expect("listed");
    assert_eq!(files, [ContentHash::of(&given["1.bin"])]);
    assert_eq!(f.blobs().tenants().expect("listed"), [code.tenant]);
    f.registry.delete_worker("large", "main", Delete::Unreferenced).await.expect("deleted");
    assert_eq!(f.contents(code.tenant).await, 0);
}

#[tokio::test]
async fn a_damaged_content_is_not_served_and_the_next_upload_of_it_mends_it() {
    let f = Fixture::new().await;
    f.upload(("acme", "main"), upload("source")).await;
    let tenant = f.registry.tenant_id("acme").await.expect("there");
    let hash = ContentHash::of(b"source");
    let writes = f.registry.0.contents.put(tenant, &hash, b"other!");
    let batch = bindery_storage::engine::Batch { checks: vec![], writes };
    f.engine.commit(batch).await.expect("damaged");
    let refused = f.registry.code("acme", "main", None).await;
    let Err(Error::Table(tables::Error::Damaged(named))) = refused else { panic!("served") };
    assert_eq!(named, hash);
    f.upload(("acme", "main"), upload("source")).await;
    let code = f.registry.code("acme", "main", None).await.expect("code");
    assert_eq!(source(&code), b"source");
}

/// Bytes on the disk under a directory, not those that the files say they have. Logs aside: they
/// have their size, however many tenants there are.
fn disk_bytes(directory: &std::path::Path) -> u64 {
    use std::os::unix::fs::MetadataExt;

    let of = |path: &std::path::Path| std::fs::metadata(path).expect("there").blocks() * 512;
    let entries = std::fs::read_dir(directory).expect("listed").map(|e| e.expect("one").path());
    let counted = entries.filter(|path| !["log-0", "log-1"].iter().any(|log| path.ends_with(log)));
    let inner = counted.map(|path| if path.is_dir() { disk_bytes(&path) } else { of(&path) });
    of(directory) + inner.sum::<u64>()
}

#[tokio::test]
async fn an_idle_tenant_costs_less_than_four_kib_of_disk() {
    const TENANTS: u64 = 1_000;
    let directory = tempfile::tempdir().expect("a directory");
    let options =
        Options { fold_at_rest: std::time::Duration::from_millis(200), ..Options::default() };
    let store = Embedded::open_with(directory.path().join("store"), options).expect("opens");
    let store = Arc::new(store);
    let f = Fixture::over(store.clone(), directory).await;
    let before = disk_bytes(f.directory.path());
    // Together, so that they are committed in groups; each source is its own.
    let deployed = (0..TENANTS).map(|number| {
        let upload = with_secret(upload(&format!("{number:0500}")), "KEY", "x");
        let f = &f;
        async move { f.upload((&format!("a-customer-{number}"), "main"), upload).await }
    });
    futures_util::future::join_all(deployed).await;
    // Counted where it stays: out of the logs, which have their size whatever is in them.
    let at_rest = async {
        while store.is_folding() || store.stats().expect("read").changes_in_memory > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), at_rest).await.expect("it is folded");
    let each = (disk_bytes(f.directory.path()) - before) / TENANTS;
    assert!(each < 4_096, "{each} bytes of each tenant");
}
