//! What `tsconfig.json` says that changes the JavaScript: how JSX is written, which imports stay.
//!
//! Types are nobody's business here, so every other option is the editor's and the checker's.

use std::fs;
use std::path::{Path, PathBuf};

use super::document::{Document, Entry, Node, Value};
use super::sources::Sources;
use crate::error::Error;

/// Files that may extend one another.
const DEPTH_MAX: usize = 8;

/// Options of the compiler that matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TsConfig {
    /// The file, for tools that read it themselves.
    pub(crate) file: Option<PathBuf>,
    /// Whether JSX imports its own functions.
    pub(crate) automatic: bool,
    /// Where it imports them from.
    pub(crate) import_source: Option<String>,
    /// The function that makes an element, where JSX imports nothing.
    pub(crate) factory: Option<String>,
    /// What stands for a fragment there.
    pub(crate) fragment: Option<String>,
    /// Whether only `import type` is dropped.
    pub(crate) verbatim: bool,
}

impl TsConfig {
    /// Reads the project's file, if there is one; a file that was asked for must be there.
    pub(crate) fn read(
        dir: &Path,
        asked: Option<&str>,
        sources: &mut Sources,
    ) -> Result<Self, Error> {
        let file = dir.join(asked.unwrap_or("tsconfig.json"));
        sources.file(&file);
        let mut config = Self::default();
        if asked.is_some() || file.is_file() {
            config.extend(&file, sources, 0)?;
            config.file = Some(file);
        }
        Ok(config)
    }

    /// Takes what a file says, over what the files say that it extends.
    fn extend(&mut self, file: &Path, sources: &mut Sources, depth: usize) -> Result<(), Error> {
        if depth > DEPTH_MAX {
            let why = format!("{} extends more than {DEPTH_MAX} files", file.display());
            return Err(Error::Failed(why));
        }
        sources.file(file);
        let text = fs::read_to_string(file).map_err(|error| {
            Error::os(format_args!("{} can not be read", file.display()), error)
        })?;
        let document = Document::parse(file, text).map_err(Error::Failed)?;
        let extended = document.root.get("extends").map(|entry| &entry.node);
        for node in extended.into_iter().flat_map(each) {
            let Value::Text(name) = &node.value else { continue };
            let Some(base) = base(file, name) else {
                let why = document.at(node.at, format_args!("there is no `{name}` to extend"));
                return Err(Error::Failed(why));
            };
            self.extend(&base, sources, depth + 1)?;
        }
        if let Some(options) = document.root.get("compilerOptions") {
            self.take(&options.node);
        }
        Ok(())
    }

    fn take(&mut self, options: &Node) {
        let text = |key: &str| match options.get(key).map(|entry| &entry.node.value) {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        };
        if let Some(jsx) = text("jsx") {
            self.automatic = jsx.starts_with("react-jsx");
        }
        self.import_source = text("jsxImportSource").or(self.import_source.take());
        self.factory = text("jsxFactory").or(self.factory.take());
        self.fragment = text("jsxFragmentFactory").or(self.fragment.take());
        if let Some(Entry { node: Node { value: Value::Bool(verbatim), .. }, .. }) =
            options.get("verbatimModuleSyntax")
        {
            self.verbatim = *verbatim;
        }
    }
}

/// A node, or the items of a list.
fn each(node: &Node) -> &[Node] {
    if let Value::List(items) = &node.value { items } else { std::slice::from_ref(node) }
}

/// The file that `extends` names: beside the file, or in a package.
fn base(file: &Path, name: &str) -> Option<PathBuf> {
    let dir = file.parent()?;
    let places: Vec<PathBuf> = if name.starts_with('.') || name.starts_with('/') {
        vec![dir.join(name)]
    } else {
        dir.ancestors().map(|dir| dir.join("node_modules").join(name)).collect()
    };
    places.into_iter().find_map(|place| {
        let with_extension = PathBuf::from(format!("{}.json", place.display()));
        [place.clone(), with_extension, place.join("tsconfig.json")]
            .into_iter()
            .find(|path| path.is_file())
    })
}
