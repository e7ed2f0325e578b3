//! The modules that a worker's main module reaches, each as the engine takes it.
//!
//! Relative imports are resolved as bundlers do: without an extension, through `index`, and from
//! `./a.js` to `a.ts`. Whatever can not stand as a module of its own (an import of a package, a file
//! outside the base directory, CommonJS without a rule, decorators) is a reason to bundle.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

use bindery_wire::limits::MODULE_COUNT_MAX;

use super::modules::{self, ES_MODULE, Module, Rule, SOURCE_MAP};
use super::script::{self, Script, Target};
use super::sources::{Sources, plain};
use super::tsconfig::TsConfig;
use super::wrangler::slashed;

/// Bytes of one script: what is larger is not looked into.
const SCRIPT_BYTES_MAX: u64 = 32 << 20;
/// Problems of a whole worker that are told.
const PROBLEM_COUNT_MAX: usize = 20;
/// What an import without an extension may mean, in this order.
const EXTENSIONS: &[&str] = &["ts", "tsx", "mts", "js", "mjs", "jsx", "json"];
/// Extensions of scripts.
const SCRIPTS: &[&str] = &["js", "mjs", "jsx", "ts", "mts", "tsx"];
/// Extensions of files whose modules only a bundler can make.
const BUNDLED: &[&str] = &["cjs", "cts"];

/// Where a worker's modules are.
pub(crate) struct Place<'a> {
    /// The directory that module names are relative to.
    pub(crate) base: &'a Path,
    /// Which files are modules, beside the usual ones.
    pub(crate) rules: &'a [Rule],
    /// What `tsconfig.json` says.
    pub(crate) config: &'a TsConfig,
}

/// The modules that were reached, and whether they can be all.
#[derive(Default)]
pub(crate) struct Reached {
    /// The modules, the main one first.
    pub(crate) modules: Vec<Module>,
    /// Whether only a bundler makes the worker.
    pub(crate) bundle: bool,
}

/// Whether a file is a script by its name.
pub(crate) fn is_script(name: &str) -> bool {
    extension(name).is_some_and(|extension| SCRIPTS.contains(&extension)) && !is_declaration(name)
}

/// Whether a file needs a bundler by its name.
pub(crate) fn is_bundled(name: &str) -> bool {
    extension(name).is_some_and(|extension| BUNDLED.contains(&extension))
}

fn is_declaration(name: &str) -> bool {
    [".d.ts", ".d.mts"].iter().any(|end| name.ends_with(end))
}

fn extension(name: &str) -> Option<&str> {
    let file = name.rsplit('/').next().unwrap_or(name);
    file.rsplit_once('.').map(|(_, extension)| extension)
}

/// Follows the imports from the main module. Problems are those of all its modules.
pub(crate) fn follow(
    place: &Place<'_>,
    main: &str,
    sources: &mut Sources,
) -> Result<Reached, Vec<String>> {
    let mut walk = Walk {
        place,
        sources,
        waiting: VecDeque::from([main.to_owned()]),
        seen: BTreeSet::from([main.to_owned()]),
        reached: Reached::default(),
        problems: Vec::new(),
    };
    while let Some(name) = walk.waiting.pop_front() {
        if walk.reached.modules.len() >= MODULE_COUNT_MAX {
            walk.problems.push(format!("the modules are more than {MODULE_COUNT_MAX}"));
            break;
        }
        walk.take(&name);
        if walk.problems.len() >= PROBLEM_COUNT_MAX {
            break;
        }
    }
    if walk.problems.is_empty() { Ok(walk.reached) } else { Err(walk.problems) }
}

struct Walk<'a> {
    place: &'a Place<'a>,
    sources: &'a mut Sources,
    waiting: VecDeque<String>,
    seen: BTreeSet<String>,
    reached: Reached,
    problems: Vec<String>,
}

impl Walk<'_> {
    fn take(&mut self, name: &str) {
        let path = self.place.base.join(name);
        self.sources.file(&path);
        let shown = plain(&path).display().to_string();
        let size = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) => return self.problems.push(format!("{shown} can not be read: {error}")),
        };
        let kind = modules::type_of(name, self.place.rules);
        let is_other = kind.is_some_and(|kind| kind != ES_MODULE);
        if !is_script(name) || is_other || size > SCRIPT_BYTES_MAX {
            return self.push(name, kind.unwrap_or(ES_MODULE), bytes);
        }
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(_) => return self.problems.push(format!("{shown} is not in UTF-8")),
        };
        self.script(name, &shown, text);
    }

    fn script(&mut self, name: &str, shown: &str, text: String) {
        let (dir, file) = name.rsplit_once('/').unwrap_or(("", name));
        let script = Script { file: shown, source: file, text: &text };
        let mut found = Found::default();
        let place = self.place;
        let compiled = script::compile(&script, place.config, &mut |specifier, is_static| {
            found.resolve(place, dir, specifier, is_static)
        });
        for dir in &found.dirs {
            self.sources.dir(dir);
        }
        let compiled = match compiled {
            Ok(compiled) => compiled,
            Err(problems) => return self.problems.extend(problems),
        };
        self.reached.bundle |= found.bundle || compiled.decorated;
        for name in found.modules {
            if self.seen.insert(name.clone()) {
                self.waiting.push_back(name);
            }
        }
        match compiled.written {
            None => self.push(name, ES_MODULE, text.into_bytes()),
            Some(written) => {
                let map = format!("{name}.map");
                let code =
                    format!("{}\n//# sourceMappingURL={file}.map\n", written.code.trim_end());
                self.push(name, ES_MODULE, code.into_bytes());
                self.push(&map, SOURCE_MAP, written.map.into_bytes());
            }
        }
    }

    fn push(&mut self, name: &str, content_type: &'static str, bytes: Vec<u8>) {
        self.reached.modules.push(Module { name: name.to_owned(), content_type, bytes });
    }
}

/// What the imports of one script lead to.
#[derive(Default)]
struct Found {
    modules: Vec<String>,
    dirs: BTreeSet<PathBuf>,
    bundle: bool,
}

impl Found {
    fn resolve(&mut self, place: &Place<'_>, dir: &str, specifier: &str, fixed: bool) -> Target {
        let relative = specifier.starts_with("./") || specifier.starts_with("../");
        if !relative && !matches!(specifier, "." | "..") {
            // What has a scheme is the server's to know; what has none is a package.
            let scheme = specifier.split_once(':').is_some_and(|(scheme, _)| !scheme.contains('/'));
            if !scheme && !specifier.starts_with('/') && !place.base.join(specifier).is_file() {
                self.bundle = true;
            }
            return Target::Keep;
        }
        let wanted = plain(&Path::new(dir).join(specifier));
        let from = place.base.join(&wanted);
        self.dirs.extend(from.parent().map(Path::to_owned));
        match candidates(&from).into_iter().find(|path| path.is_file()) {
            Some(path) => self.found(place, dir, specifier, &path),
            None if fixed => Target::Missing(format!("there is no file for `{specifier}`")),
            None => Target::Keep,
        }
    }

    fn found(&mut self, place: &Place<'_>, dir: &str, specifier: &str, path: &Path) -> Target {
        let path = plain(path);
        let Some(name) = path.strip_prefix(plain(place.base)).ok().and_then(slashed) else {
            self.bundle = true;
            return Target::Keep;
        };
        // A rule that says what it is makes it a module as it stands.
        if is_bundled(&name) && modules::type_of(&name, place.rules).is_none() {
            self.bundle = true;
            return Target::Keep;
        }
        let known = is_script(&name) || modules::type_of(&name, place.rules).is_some();
        if known {
            self.modules.push(name.clone());
        }
        let specifier = plain(&Path::new(dir).join(specifier));
        if slashed(&specifier).as_deref() == Some(&name) {
            return Target::Keep;
        }
        Target::Rename(relative(dir, &name))
    }
}

/// The files that an import may mean.
fn candidates(path: &Path) -> Vec<PathBuf> {
    let mut found = vec![path.to_owned()];
    let typed: &[&str] = match path.extension().and_then(|extension| extension.to_str()) {
        Some("js") => &["ts", "tsx"],
        Some("mjs") => &["mts"],
        Some("jsx") => &["tsx"],
        Some("cjs") => &["cts"],
        _ => &[],
    };
    found.extend(typed.iter().map(|extension| path.with_extension(extension)));
    for stem in [path.to_owned(), path.join("index")] {
        let with = |extension: &&str| PathBuf::from(format!("{}.{extension}", stem.display()));
        found.extend(EXTENSIONS.iter().map(with));
    }
    found
}

/// A module's name as it is imported from a directory of names.
fn relative(dir: &str, name: &str) -> String {
    let from: Vec<&str> = dir.split('/').filter(|part| !part.is_empty()).collect();
    let to: Vec<&str> = name.split('/').collect();
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = "../".repeat(from.len() - common);
    let rest = to.get(common..).unwrap_or_default().join("/");
    if up.is_empty() { format!("./{rest}") } else { format!("{up}{rest}") }
}
