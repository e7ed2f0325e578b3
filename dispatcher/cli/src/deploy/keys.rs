//! The keys of a `wrangler` file, and what to say of one that is not among them.

/// Keys that are read here.
const KNOWN: &[&str] = &[
    "$schema",
    "alias",
    "base_dir",
    "build",
    "compatibility_date",
    "compatibility_flags",
    "define",
    "find_additional_modules",
    "jsx_factory",
    "jsx_fragment",
    "kv_namespaces",
    "limits",
    "main",
    "name",
    "no_bundle",
    "preview_urls",
    "previews",
    "queues",
    "route",
    "routes",
    "rules",
    "services",
    "triggers",
    "tsconfig",
    "unsafe",
    "vars",
    "worker_loaders",
];

/// Keys that change nothing here, and why.
const WITHOUT_MEANING: &[(&str, &str)] = &[
    ("account_id", "there are no accounts: --tenant says whose the worker is"),
    ("dev", "it configures another program"),
    ("env", "environments are not read: the top level is deployed"),
    ("keep_names", "nothing is renamed"),
    ("keep_vars", "the variables of the file are deployed"),
    ("legacy_env", "environments are not read"),
    ("logpush", "logs are followed with `bindery tail`"),
    ("minify", "nothing is gained by it here"),
    ("observability", "logs are followed with `bindery tail`"),
    ("placement", "there is one place"),
    ("preserve_file_names", "names are always kept"),
    ("send_metrics", "nothing is sent to anybody"),
    ("upload_source_maps", "source maps are uploaded if they are there"),
    ("usage_model", "there is one"),
    ("workers_dev", "the worker is reached under the server's domain"),
];

/// Keys that a later release owns.
const NOT_YET: &[&str] = &[
    "ai",
    "ai_search",
    "analytics_engine_datasets",
    "assets",
    "browser",
    "cloudchamber",
    "containers",
    "d1_databases",
    "data_blobs",
    "dispatch_namespaces",
    "durable_objects",
    "hyperdrive",
    "images",
    "logfwdr",
    "media",
    "migrations",
    "mtls_certificates",
    "pipelines",
    "r2_buckets",
    "ratelimits",
    "secrets",
    "secrets_store_secrets",
    "send_email",
    "site",
    "streaming_tail_consumers",
    "tail_consumers",
    "text_blobs",
    "vectorize",
    "version_metadata",
    "vpc_services",
    "wasm_modules",
    "workflows",
];

/// Keys of the tables that are read here, and of those in lists, by the table's name.
const INNER: &[(&str, &[&str])] = &[
    ("build", &["command", "cwd", "watch_dir"]),
    ("kv_namespaces", &["binding", "id", "preview_id"]),
    ("limits", &["cpu_ms", "memory_mb", "subrequests", "wall_ms"]),
    ("queues", &["consumers", "producers"]),
    (
        "queues.consumers",
        &[
            "dead_letter_queue",
            "max_batch_size",
            "max_batch_timeout",
            "max_concurrency",
            "max_retries",
            "queue",
            "retry_delay",
            "type",
        ],
    ),
    ("queues.producers", &["binding", "delivery_delay", "queue"]),
    ("services", &["binding", "entrypoint", "props", "service"]),
    ("triggers", &["crons"]),
    ("unsafe", &["bindings", "metadata"]),
    ("worker_loaders", &["binding"]),
];

/// What there is to say of a key.
pub(crate) enum Verdict {
    /// It is read.
    Known,
    /// It changes nothing, and why.
    WithoutMeaning(&'static str),
    /// A later release owns it.
    NotYet,
    /// Nobody knows it; with what was probably meant.
    Unknown(String),
}

/// Judges a key of the file's top level.
pub(crate) fn judge(key: &str) -> Verdict {
    if KNOWN.contains(&key) {
        return Verdict::Known;
    }
    if let Some((_, why)) = WITHOUT_MEANING.iter().find(|(name, _)| *name == key) {
        return Verdict::WithoutMeaning(why);
    }
    if NOT_YET.contains(&key) {
        return Verdict::NotYet;
    }
    let others = WITHOUT_MEANING.iter().map(|(name, _)| *name);
    let all = KNOWN.iter().copied().chain(others).chain(NOT_YET.iter().copied());
    Verdict::Unknown(unknown(key, key, all))
}

/// Why a key of a table is refused, if it is and the table is one of those that are read here.
pub(crate) fn judge_inner(table: &str, key: &str) -> Option<String> {
    let (_, known) = INNER.iter().find(|(name, _)| *name == table)?;
    let full = format!("{table}.{key}");
    (!known.contains(&key)).then(|| unknown(&full, key, known.iter().copied()))
}

/// Says that nobody knows a key, and which one is most like it.
fn unknown(full: &str, key: &str, known: impl Iterator<Item = &'static str>) -> String {
    let key = key.to_lowercase().replace('-', "_");
    let like = known.map(|name| (strsim::jaro_winkler(&key, name), name));
    let like = like.max_by(|(a, _), (b, _)| a.total_cmp(b));
    match like.filter(|(likeness, _)| *likeness >= LIKE) {
        Some((_, name)) => format!("`{full}` is not a known key: did you mean `{name}`?"),
        None => format!("`{full}` is not a known key"),
    }
}

/// How much alike two names are, at least, for one to be a slip of the other.
const LIKE: f64 = 0.85;
