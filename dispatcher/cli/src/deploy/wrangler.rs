//! What a `wrangler.jsonc`, `wrangler.json` or `wrangler.toml` says about a worker.
//!
//! All problems are reported at once, each with its place. A key that has no meaning here is a
//! warning; one that a later release owns, and one that nobody knows, is a problem.

use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value as Json, json};

use super::document::{Document, Entry, Node, Value};
use super::modules::{self, Rule};

/// Where a worker is described, in the order in which the files are looked for.
pub(crate) const FILES: &[&str] = &["wrangler.jsonc", "wrangler.json", "wrangler.toml"];

/// Keys that are read here.
const KNOWN: &[&str] = &[
    "$schema",
    "base_dir",
    "compatibility_date",
    "compatibility_flags",
    "find_additional_modules",
    "limits",
    "main",
    "name",
    "no_bundle",
    "preview_urls",
    "previews",
    "route",
    "routes",
    "rules",
    "unsafe",
    "vars",
];

/// Keys that change nothing here, and why.
const WITHOUT_MEANING: &[(&str, &str)] = &[
    ("account_id", "there are no accounts: --tenant says whose the worker is"),
    ("alias", "nothing is bundled"),
    ("build", "nothing is built: run the command before deploying"),
    ("define", "nothing is bundled"),
    ("dev", "it configures another program"),
    ("env", "environments are not read: the top level is deployed"),
    ("jsx_factory", "nothing is bundled"),
    ("jsx_fragment", "nothing is bundled"),
    ("keep_names", "nothing is bundled"),
    ("keep_vars", "the variables of the file are deployed"),
    ("legacy_env", "environments are not read"),
    ("logpush", "logs are followed with `bindery tail`"),
    ("minify", "nothing is bundled"),
    ("observability", "logs are followed with `bindery tail`"),
    ("placement", "there is one place"),
    ("preserve_file_names", "names are always kept"),
    ("send_metrics", "nothing is sent to anybody"),
    ("tsconfig", "nothing is bundled"),
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
    "kv_namespaces",
    "logfwdr",
    "media",
    "migrations",
    "mtls_certificates",
    "pipelines",
    "queues",
    "r2_buckets",
    "ratelimits",
    "secrets",
    "secrets_store_secrets",
    "send_email",
    "services",
    "site",
    "streaming_tail_consumers",
    "tail_consumers",
    "text_blobs",
    "triggers",
    "vectorize",
    "version_metadata",
    "vpc_services",
    "wasm_modules",
    "worker_loaders",
    "workflows",
];

/// A worker as its file describes it.
pub(crate) struct Project {
    /// The worker's name.
    pub(crate) name: Option<String>,
    /// The main module's name: its path from `base`.
    pub(crate) main: String,
    /// The directory that module names are relative to.
    pub(crate) base: PathBuf,
    /// Which files are modules, beside the usual ones.
    pub(crate) rules: Vec<Rule>,
    /// Whether every file that could be a module is one.
    pub(crate) others: bool,
    /// The `metadata` of the upload, without the main module.
    pub(crate) metadata: Map<String, Json>,
    /// What the person should know.
    pub(crate) warnings: Vec<String>,
}

/// Reads a worker's file, which lies in `dir`.
pub(crate) fn read(dir: &Path, document: &Document) -> Result<Project, Vec<String>> {
    let mut reader = Reader { document, problems: Vec::new(), warnings: Vec::new() };
    let project = reader.project(dir);
    match project {
        Some(project) if reader.problems.is_empty() => {
            Ok(Project { warnings: reader.warnings, ..project })
        }
        _ => {
            reader.problems.sort_by_key(|(at, _)| *at);
            Err(reader.problems.into_iter().map(|(_, problem)| problem).collect())
        }
    }
}

/// Why a main module can not be uploaded as it stands, if so.
pub(crate) fn needs_bundling(main: &str) -> Option<String> {
    let extension = Path::new(main).extension().and_then(|extension| extension.to_str());
    let bundled = matches!(extension, Some("ts" | "mts" | "cts" | "tsx" | "jsx"));
    bundled.then(|| {
        format!(
            "`{main}` must be bundled first, for example with \
             `npx wrangler deploy --dry-run --outdir dist`; then deploy the result with \
             `bindery deploy dist --main FILE`"
        )
    })
}

struct Reader<'a> {
    document: &'a Document,
    problems: Vec<(usize, String)>,
    warnings: Vec<String>,
}

impl Reader<'_> {
    fn project(&mut self, dir: &Path) -> Option<Project> {
        let root = &self.document.root;
        if !matches!(root.value, Value::Table(_)) {
            self.problem(root.at, "the file does not hold an object");
            return None;
        }
        self.check_keys(root);
        let metadata = self.metadata(root);
        let name = self.text(root, "name");
        let others = self.flag(root, "find_additional_modules").unwrap_or(true);
        let rules = self.rules(root);
        let (base, main) = self.main(root, dir)?;
        Some(Project { name, main, base, rules, others, metadata, warnings: Vec::new() })
    }

    fn check_keys(&mut self, root: &Node) {
        for Entry { key, at, node } in root.entries() {
            if KNOWN.contains(&key.as_str()) {
                continue;
            }
            if let Some((_, why)) = WITHOUT_MEANING.iter().find(|(name, _)| name == key) {
                self.warnings.push(self.document.at(*at, format!("`{key}` is ignored: {why}")));
            } else if !NOT_YET.contains(&key.as_str()) {
                self.problem(*at, format!("`{key}` is not a known key"));
            } else if !node.is_empty() {
                self.problem(*at, format!("{key} is not supported yet"));
            }
        }
    }

    fn metadata(&mut self, root: &Node) -> Map<String, Json> {
        let mut metadata = Map::new();
        match self.text(root, "compatibility_date") {
            Some(date) => metadata.insert("compatibility_date".into(), date.into()),
            None if root.get("compatibility_date").is_none() => {
                let newest = bindery_wire::compat::NEWEST;
                let why = format!("there is no `compatibility_date`: {newest} is used");
                self.warnings.push(self.document.at(root.at, why));
                metadata.insert("compatibility_date".into(), newest.into())
            }
            None => None,
        };
        if let Some(flags) = root.get("compatibility_flags") {
            metadata.insert("compatibility_flags".into(), flags.node.to_json());
        }
        for key in ["preview_urls", "previews"] {
            if let Some(previews) = self.flag(root, key) {
                metadata.insert("previews".into(), previews.into());
            }
        }
        if let Some(limits) = root.get("limits").filter(|limits| !limits.node.is_empty()) {
            metadata.insert("limits".into(), limits.node.to_json());
        }
        if let Some(routes) = self.routes(root) {
            metadata.insert("routes".into(), routes);
        }
        metadata.insert("bindings".into(), self.bindings(root));
        self.unsafe_metadata(root, &mut metadata);
        metadata
    }

    /// What the server reads as routes: patterns, or objects that hold one.
    fn routes(&mut self, root: &Node) -> Option<Json> {
        match (root.get("route"), root.get("routes")) {
            (Some(one), Some(_)) => {
                self.problem(one.at, "there are `route` and `routes`: give `routes` alone");
                None
            }
            (Some(one), None) => Some(Json::Array(vec![one.node.to_json()])),
            (None, Some(list)) if !list.node.is_empty() => Some(list.node.to_json()),
            _ => None,
        }
    }

    /// The variables, and the bindings that the file's own program passes on as they are.
    fn bindings(&mut self, root: &Node) -> Json {
        let mut bindings = Vec::new();
        for Entry { key, node, .. } in self.table(root, "vars") {
            bindings.push(match &node.value {
                Value::Text(text) => json!({"type": "plain_text", "name": key, "text": text}),
                _ => json!({"type": "json", "name": key, "json": node.to_json()}),
            });
        }
        let passed_on = root.get("unsafe").and_then(|entry| entry.node.get("bindings"));
        match passed_on.map(|entry| (entry.at, &entry.node.value)) {
            Some((_, Value::List(items))) => bindings.extend(items.iter().map(Node::to_json)),
            Some((at, _)) => self.problem(at, "`unsafe.bindings` must be an array"),
            None => {}
        }
        bindings.into()
    }

    fn unsafe_metadata(&mut self, root: &Node, metadata: &mut Map<String, Json>) {
        for Entry { key, at, node } in self.table(root, "unsafe") {
            match key.as_str() {
                "bindings" => {}
                "metadata" => {
                    for entry in node.entries() {
                        metadata.entry(entry.key.clone()).or_insert_with(|| entry.node.to_json());
                    }
                }
                _ => self.problem(*at, format!("`unsafe.{key}` is not a known key")),
            }
        }
    }

    fn rules(&mut self, root: &Node) -> Vec<Rule> {
        let Some(entry) = root.get("rules") else { return Vec::new() };
        let Value::List(items) = &entry.node.value else {
            self.problem(entry.at, "`rules` must be an array");
            return Vec::new();
        };
        items.iter().flat_map(|item| self.rule(item)).collect()
    }

    fn rule(&mut self, item: &Node) -> Vec<Rule> {
        let globs = item.get("globs").map(|entry| &entry.node.value);
        let (Some(kind), Some(Value::List(globs))) = (self.text(item, "type"), globs) else {
            self.problem(item.at, "a rule is {\"type\": \"Text\", \"globs\": [\"**/*.md\"]}");
            return Vec::new();
        };
        let content_type = match modules::type_of_rule(&kind) {
            Ok(content_type) => content_type,
            Err(why) => {
                self.problem(item.at, why);
                return Vec::new();
            }
        };
        let mut rules = Vec::new();
        for glob in globs {
            let Value::Text(text) = &glob.value else {
                self.problem(glob.at, "a glob must be a string");
                continue;
            };
            match glob::Pattern::new(text) {
                Ok(_) if text.contains('{') => {
                    self.problem(glob.at, format!("`{text}`: write one glob for each alternative"));
                }
                Ok(pattern) => rules.push(Rule { pattern, content_type }),
                Err(error) => self.problem(glob.at, format!("`{text}`: {error}")),
            }
        }
        rules
    }

    /// The base directory, and the main module's path from it.
    fn main(&mut self, root: &Node, dir: &Path) -> Option<(PathBuf, String)> {
        let Some(main) = self.text(root, "main") else {
            if root.get("main").is_none() {
                self.problem(root.at, "there is no `main`: name the worker's main module");
            }
            return None;
        };
        let at = root.get("main").map_or(root.at, |entry| entry.at);
        if let Some(why) = needs_bundling(&main) {
            self.problem(at, why);
            return None;
        }
        let main = plain_path(&main);
        let base = match self.text(root, "base_dir") {
            Some(base) => plain_path(&base),
            None => main.parent().map(PathBuf::from).unwrap_or_default(),
        };
        let Some(name) = main.strip_prefix(&base).ok().and_then(slashed) else {
            self.problem(at, "`main` does not lie in `base_dir`");
            return None;
        };
        if !dir.join(&main).is_file() {
            self.problem(at, format!("there is no file `{}`", main.display()));
            return None;
        }
        Some((dir.join(base), name))
    }

    fn text(&mut self, node: &Node, key: &str) -> Option<String> {
        let entry = node.get(key)?;
        if let Value::Text(text) = &entry.node.value {
            return Some(text.clone());
        }
        self.problem(entry.at, format!("`{key}` must be a string"));
        None
    }

    fn flag(&mut self, node: &Node, key: &str) -> Option<bool> {
        let entry = node.get(key)?;
        if let Value::Bool(flag) = entry.node.value {
            return Some(flag);
        }
        self.problem(entry.at, format!("`{key}` must be true or false"));
        None
    }

    fn table<'n>(&mut self, node: &'n Node, key: &str) -> &'n [Entry] {
        let Some(entry) = node.get(key) else { return &[] };
        if !matches!(entry.node.value, Value::Table(_)) {
            self.problem(entry.at, format!("`{key}` must be an object"));
        }
        entry.node.entries()
    }

    fn problem(&mut self, at: usize, message: impl std::fmt::Display) {
        self.problems.push((at, self.document.at(at, message)));
    }
}

/// A path without `.` parts, so that prefixes can be compared.
fn plain_path(path: &str) -> PathBuf {
    Path::new(path).components().filter(|part| *part != Component::CurDir).collect()
}

/// A relative path as a module's name, if it can be one.
pub(crate) fn slashed(path: &Path) -> Option<String> {
    let parts = path.components().map(|part| match part {
        Component::Normal(part) => part.to_str(),
        _ => None,
    });
    parts.collect::<Option<Vec<_>>>().map(|parts| parts.join("/"))
}
