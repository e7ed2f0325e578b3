//! The tree of files that rules look at, and what a rule answers.
//!
//! The repository is read once, without what `.gitignore` names; links are not followed.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::LazyLock;

/// Files whose text is looked at; of the others, only the path.
const TEXT: &[&str] = &["d.ts", "js", "json", "jsonc", "md", "mjs", "rs", "sh", "toml", "yaml"];

/// Directories that hold no file of the repository, whatever `.gitignore` says.
const NEVER: &[&str] = &[".git", "node_modules", "target"];

static REPOSITORY: LazyLock<Tree> = LazyLock::new(|| {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let mut tree = Tree { files: Vec::new() };
    let ignored = Ignored::parse(&fs::read_to_string(root.join(".gitignore")).unwrap_or_default());
    tree.read(root, "", &ignored).expect("the repository can be read");
    tree.files.sort_by(|a, b| a.path.cmp(&b.path));
    tree
});

/// One file.
pub(crate) struct File {
    /// From the repository's root, with `/`.
    pub(crate) path: String,
    /// Its text; empty if it holds something else.
    pub(crate) text: String,
}

impl File {
    /// The last part of the path.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Whether one of the directories it lies in has this name.
    pub(crate) fn is_under(&self, directory: &str) -> bool {
        self.path.split('/').rev().skip(1).any(|part| part == directory)
    }

    /// Whether its name ends in a dot and one of these.
    pub(crate) fn ends_in(&self, extensions: &[&str]) -> bool {
        let name = self.name();
        extensions.iter().any(|end| name.strip_suffix(end).is_some_and(|stem| stem.ends_with('.')))
    }

    /// Says what is wrong in one line of it.
    pub(crate) fn at(&self, line: usize, advice: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, advice: advice.into() }
    }
}

/// Some files.
pub(crate) struct Tree {
    /// In the order of their paths.
    pub(crate) files: Vec<File>,
}

impl Tree {
    /// The file at `path`.
    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// The files whose names end in a dot and one of `extensions`.
    pub(crate) fn ending_in(&self, extensions: &'static [&str]) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.ends_in(extensions))
    }

    fn sample(files: &[(&str, &str)]) -> Self {
        let file =
            |(path, text): &(&str, &str)| File { path: (*path).into(), text: (*text).into() };
        Self { files: files.iter().map(file).collect() }
    }

    fn read(&mut self, root: &Path, directory: &str, ignored: &Ignored) -> io::Result<()> {
        for entry in fs::read_dir(root.join(directory))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path =
                if directory.is_empty() { name.clone() } else { format!("{directory}/{name}") };
            let kind = entry.file_type()?;
            if ignored.has(&path, &name) {
                continue;
            }
            if kind.is_dir() {
                self.read(root, &path, ignored)?;
            } else if kind.is_file() {
                let mut file = File { path, text: String::new() };
                if file.ends_in(TEXT) || !name.contains('.') {
                    file.text = String::from_utf8_lossy(&fs::read(entry.path())?).into_owned();
                }
                self.files.push(file);
            }
        }
        Ok(())
    }
}

/// What git does not track: a name anywhere, or a path from the root if it begins with `/`.
struct Ignored(Vec<String>);

impl Ignored {
    fn parse(text: &str) -> Self {
        let lines = text.lines().map(|line| line.trim().trim_end_matches('/'));
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self(lines.map(str::to_owned).chain(NEVER.iter().map(|name| (*name).into())).collect())
    }

    fn has(&self, path: &str, name: &str) -> bool {
        self.0.iter().any(|line| line.strip_prefix('/').map_or(name == line, |from| path == from))
    }
}

/// One thing that a rule refuses.
#[derive(Debug)]
pub(crate) struct Finding {
    path: String,
    line: usize,
    advice: String,
}

impl Finding {
    /// Says that something which should be at `path` is not.
    pub(crate) fn missing(path: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { path: path.into(), line: 1, advice: advice.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.advice)
    }
}

/// A rule.
pub(crate) type Rule = fn(&Tree) -> Vec<Finding>;

/// Asserts that `rule` refuses exactly these places, written `path:line`, of a sample.
#[track_caller]
pub(crate) fn refuses(rule: Rule, sample: &[(&str, &str)], expected: &[&str]) {
    let found = rule(&Tree::sample(sample));
    let places: Vec<String> = found.iter().map(|it| format!("{}:{}", it.path, it.line)).collect();
    assert_eq!(places, expected, "the rule judges its sample wrongly: {found:?}");
}

/// Asserts that `rule` refuses nothing in the repository.
#[track_caller]
pub(crate) fn holds(rule: Rule) {
    let found: Vec<String> = rule(&REPOSITORY).iter().map(|it| format!("{it}\n")).collect();
    assert!(found.is_empty(), "\n\n{}", found.concat());
}

#[test]
fn the_walk_finds_the_repository_and_leaves_out_what_git_ignores() {
    assert!(REPOSITORY.file("Cargo.toml").is_some_and(|file| file.text.contains("[workspace]")));
    assert!(REPOSITORY.file("runtime/wire/tests/tidy/tree.rs").is_some());
    assert!(!REPOSITORY.files.iter().any(|file| file.is_under("target")));
    let ignored = Ignored::parse("# made\ntarget/\n/out\n");
    assert!(ignored.has("a/target", "target") && ignored.has("out", "out"));
    assert!(!ignored.has("a/out", "out"));
}
