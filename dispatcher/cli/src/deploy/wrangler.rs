//! What a `wrangler.jsonc`, `wrangler.json` or `wrangler.toml` says about a worker.
//!
//! All problems are reported at once, each with its place. A key that has no meaning here is a
//! warning; one that a later release owns, and one that nobody knows, is a problem.

use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value as Json, json};

use super::build::Build;
use super::document::{Document, Entry, Node, Value};
use super::keys::{self, Verdict};
use super::modules::{self, Rule};
use super::sources::Sources;
use super::tsconfig::TsConfig;

/// Where a worker is described, in the order in which the files are looked for.
pub(crate) const FILES: &[&str] = &["wrangler.jsonc", "wrangler.json", "wrangler.toml"];

/// A worker as its file describes it.
#[derive(Default)]
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
    /// The command that makes the main module.
    pub(crate) build: Option<Build>,
    /// Whether modules are uploaded one by one, whatever they import.
    pub(crate) no_bundle: bool,
    /// What scripts are compiled with.
    pub(crate) options: Options,
    /// What the person should know.
    pub(crate) warnings: Vec<String>,
}

/// What a file says about compiling scripts.
#[derive(Default)]
pub(crate) struct Options {
    /// Names that stand for expressions.
    pub(crate) define: Vec<(String, String)>,
    /// Packages that stand for others.
    pub(crate) alias: Vec<(String, String)>,
    /// Another `tsconfig.json`.
    pub(crate) tsconfig: Option<String>,
    /// The function that makes a JSX element.
    pub(crate) jsx_factory: Option<String>,
    /// What stands for a JSX fragment.
    pub(crate) jsx_fragment: Option<String>,
}

impl Options {
    /// Whether only a bundler can do what is asked.
    pub(crate) fn is_bundlers(&self) -> bool {
        !self.define.is_empty() || !self.alias.is_empty()
    }

    /// What `tsconfig.json` says, where these say nothing.
    pub(crate) fn over(&self, config: TsConfig) -> TsConfig {
        TsConfig {
            factory: self.jsx_factory.clone().or(config.factory),
            fragment: self.jsx_fragment.clone().or(config.fragment),
            ..config
        }
    }
}

/// Reads a worker's file, which lies in `dir`.
pub(crate) fn read(
    dir: &Path,
    document: &Document,
    sources: &mut Sources,
) -> Result<Project, Vec<String>> {
    let mut reader = Reader { document, sources, problems: Vec::new(), warnings: Vec::new() };
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

pub(super) struct Reader<'a> {
    document: &'a Document,
    sources: &'a mut Sources,
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
        let no_bundle = self.flag(root, "no_bundle").unwrap_or(false);
        let build = self.build(root);
        let options = self.options(root);
        let (base, main) = self.main(root, dir, build.is_some())?;
        let warnings = Vec::new();
        Some(Project {
            name,
            main,
            base,
            rules,
            others,
            metadata,
            build,
            no_bundle,
            options,
            warnings,
        })
    }

    fn check_keys(&mut self, root: &Node) {
        for Entry { key, at, node } in root.entries() {
            match keys::judge(key) {
                Verdict::Known => self.check_inner(key, node),
                Verdict::WithoutMeaning(why) => {
                    self.warnings.push(self.document.at(*at, format!("`{key}` is ignored: {why}")));
                }
                Verdict::NotYet if node.is_empty() => {}
                Verdict::NotYet => self.problem(*at, format!("{key} is not supported yet")),
                Verdict::Unknown(why) => self.problem(*at, why),
            }
        }
    }

    pub(super) fn check_inner(&mut self, table: &str, node: &Node) {
        for Entry { key, at, .. } in node.entries() {
            if let Some(why) = keys::judge_inner(table, key) {
                self.problem(*at, why);
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
        metadata.extend(self.triggers(root));
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
        bindings.extend(self.resources(root));
        let passed_on = root.get("unsafe").and_then(|entry| entry.node.get("bindings"));
        match passed_on.map(|entry| (entry.at, &entry.node.value)) {
            Some((_, Value::List(items))) => bindings.extend(items.iter().map(Node::to_json)),
            Some((at, _)) => self.problem(at, "`unsafe.bindings` must be an array"),
            None => {}
        }
        bindings.into()
    }

    fn unsafe_metadata(&mut self, root: &Node, metadata: &mut Map<String, Json>) {
        for Entry { key, node, .. } in self.table(root, "unsafe") {
            if key == "metadata" {
                for entry in node.entries() {
                    metadata.entry(entry.key.clone()).or_insert_with(|| entry.node.to_json());
                }
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

    fn build(&mut self, root: &Node) -> Option<Build> {
        let table = &root.get("build")?.node;
        self.table(root, "build");
        let command = self.text(table, "command")?;
        let watched = match table.get("watch_dir").map(|entry| &entry.node) {
            Some(Node { value: Value::List(items), .. }) => items.iter().collect(),
            Some(node) => vec![node],
            None => Vec::new(),
        };
        let mut dirs = Vec::new();
        for node in watched {
            match &node.value {
                Value::Text(dir) => dirs.push(dir.clone()),
                _ => {
                    self.problem(node.at, "`build.watch_dir` must be a string or an array of them")
                }
            }
        }
        if dirs.is_empty() {
            dirs.push("src".to_owned());
        }
        Some(Build { command, cwd: self.text(table, "cwd"), watched: dirs })
    }

    fn options(&mut self, root: &Node) -> Options {
        Options {
            define: self.texts(root, "define"),
            alias: self.texts(root, "alias"),
            tsconfig: self.text(root, "tsconfig"),
            jsx_factory: self.text(root, "jsx_factory"),
            jsx_fragment: self.text(root, "jsx_fragment"),
        }
    }

    /// A table of strings.
    fn texts(&mut self, root: &Node, key: &str) -> Vec<(String, String)> {
        let mut texts = Vec::new();
        for Entry { key: name, at, node } in self.table(root, key) {
            match &node.value {
                Value::Text(text) => texts.push((name.clone(), text.clone())),
                _ => self.problem(*at, format!("`{key}.{name}` must be a string")),
            }
        }
        texts
    }

    /// The base directory, and the main module's path from it.
    fn main(&mut self, root: &Node, dir: &Path, is_made: bool) -> Option<(PathBuf, String)> {
        let Some(main) = self.text(root, "main") else {
            if root.get("main").is_none() {
                self.problem(root.at, "there is no `main`: name the worker's main module");
            }
            return None;
        };
        let at = root.get("main").map_or(root.at, |entry| entry.at);
        let main = plain_path(&main);
        let base = match self.text(root, "base_dir") {
            Some(base) => plain_path(&base),
            None => main.parent().map(PathBuf::from).unwrap_or_default(),
        };
        let Some(name) = main.strip_prefix(&base).ok().and_then(slashed) else {
            self.problem(at, "`main` does not lie in `base_dir`");
            return None;
        };
        if !is_made {
            self.sources.file(&dir.join(&main));
        }
        if !is_made && !dir.join(&main).is_file() {
            self.problem(at, format!("there is no file `{}`", main.display()));
            return None;
        }
        Some((dir.join(base), name))
    }

    pub(super) fn text(&mut self, node: &Node, key: &str) -> Option<String> {
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

    pub(super) fn table<'n>(&mut self, node: &'n Node, key: &str) -> &'n [Entry] {
        let Some(entry) = node.get(key) else { return &[] };
        if !matches!(entry.node.value, Value::Table(_)) {
            self.problem(entry.at, format!("`{key}` must be an object"));
        }
        entry.node.entries()
    }

    pub(super) fn problem(&mut self, at: usize, message: impl std::fmt::Display) {
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
